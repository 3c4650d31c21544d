//! An event file for TensorBoard.

use std::path::PathBuf;

use convscope_graph::Parameters;
use convscope_ops::Role;

use super::{EpochEnd, RunState, Sink, SinkResult};
use crate::layer_meter::LayerMetrics;
use crate::metrics::EpochMetrics;
use crate::run_dir::{Distribution, EventsWriter};

/// Writes an event file for TensorBoard: scalars of the run and of each layer, a histogram of each weight, and what sinks before it
/// have [added](EpochEnd::summaries).
pub struct TensorBoardSink {
    folder: PathBuf,
    events: Option<EventsWriter>,
}

/// What a sink adds to TensorBoard for an epoch.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorBoardSummary {
    /// How some values are distributed.
    Histogram {
        /// Its name, with slashes for groups.
        tag: String,
        /// The values.
        values: Box<Distribution>,
    },
    /// A picture.
    Image {
        /// Its name, with slashes for groups.
        tag: String,
        /// Height and width in pixels.
        size: [u32; 2],
        /// The bytes of a PNG file.
        png: Vec<u8>,
    },
}

impl TensorBoardSink {
    /// Into a new file in `folder`, which is made when training begins.
    pub fn new(folder: PathBuf) -> TensorBoardSink {
        TensorBoardSink { folder, events: None }
    }
}

impl Sink for TensorBoardSink {
    fn begin(&mut self, state: &RunState<'_>) -> SinkResult {
        self.events = Some(EventsWriter::create(&self.folder, state.epochs_done() + 1)?);
        Ok(())
    }

    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        let Some(events) = &mut self.events else { return Ok(()) };
        write_epoch(events, end.metrics, end.layers, end.state.learner().parameters());
        let epoch = end.metrics.epoch;
        for summary in &end.summaries {
            match summary {
                TensorBoardSummary::Histogram { tag, values } => events.histogram(epoch, tag, values),
                TensorBoardSummary::Image { tag, size, png } => events.image(epoch, tag, *size, png),
            }
        }
        Ok(events.sync()?)
    }
}

fn write_epoch(
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
