//! What TensorBoard is told after each epoch.

use convscope_graph::{Node, Parameters};
use convscope_ops::Role;

use super::glance::Glance;

use crate::error::TrainError;
use crate::layer_meter::LayerMetrics;
use crate::metrics::EpochMetrics;
use crate::run_dir::{Distribution, EventsWriter};

/// Scalars of the run and of each layer, and a histogram of each weight.
pub(super) fn epoch(
    events: &mut EventsWriter,
    metrics: &EpochMetrics,
    layers: &[LayerMetrics],
    parameters: &Parameters,
) {
    let of_layers = layers.iter().flat_map(|line| {
        let tag = |what: &str| format!("{what}/{}", line.layer);
        [(tag("gradient_norm"), line.gradient_norm), (tag("update_ratio"), line.update_ratio)]
    });
    let scalars: Vec<(String, f64)> = run_scalars(metrics)
        .map(|(tag, value)| (tag.to_string(), value))
        .into_iter()
        .chain(of_layers)
        .collect();
    let scalars: Vec<(&str, f64)> = scalars.iter().map(|(tag, value)| (tag.as_str(), *value)).collect();
    events.scalars(metrics.epoch, &scalars);
    let is_weight = |role: Role| matches!(role, Role::Weight { .. } | Role::Scale);
    for tensor in parameters.tensors().iter().filter(|tensor| is_weight(tensor.role)) {
        events.histogram(metrics.epoch, &tensor.key, &Distribution::of(tensor.slice()));
    }
}

/// A histogram of each node's activations, and the first image's feature maps after one epoch in so many that there are
/// about ten, which is what TensorBoard keeps.
pub(super) fn glance(
    events: &mut EventsWriter,
    epoch: u64,
    epochs: u64,
    nodes: &[Node],
    glance: &Glance,
) -> Result<(), TrainError> {
    let shows_pictures = epoch == 1 || epoch == epochs || epoch.is_multiple_of(epochs.div_ceil(PICTURES));
    for ((node, distribution), picture) in nodes.iter().zip(&glance.distributions).zip(&glance.pictures) {
        events.histogram(epoch, &format!("activations/{}", node.name), distribution);
        if let Some(grid) = picture.as_ref().filter(|_| shows_pictures) {
            events.grey_image(epoch, &format!("feature_maps/{}", node.name), grid.size, &grid.pixels)?;
        }
    }
    Ok(())
}

/// Pictures of a node over a run.
const PICTURES: u64 = 10;

fn run_scalars(metrics: &EpochMetrics) -> [(&'static str, f64); 7] {
    [
        ("loss/train", metrics.train_loss),
        ("loss/val", metrics.val_loss),
        ("accuracy/train", metrics.train_accuracy),
        ("accuracy/val", metrics.val_accuracy),
        ("learning_rate", metrics.learning_rate),
        ("images_per_second", metrics.images_per_second),
        ("data_wait_seconds", metrics.data_wait_seconds),
    ]
}
