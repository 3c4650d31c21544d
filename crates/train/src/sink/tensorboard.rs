//! An event file for TensorBoard.

use std::path::PathBuf;

use convscope_files::create_folders;
use convscope_ops::{Parameter, Role};

use super::{EpochEnd, RunState, Sink, SinkResult, TensorBoardSummary};
use crate::error::TrainError;
use crate::layer_meter::LayerMetrics;
use crate::metrics::EpochMetrics;
use crate::run_dir::{Distribution, EventsWriter};
use crate::session::BatchEvent;

/// Writes event files for TensorBoard. One has a step for each epoch: scalars of the run and of each layer, charts that
/// show training and validation together, a histogram of each weight, and what earlier sinks have
/// [added](EpochEnd::summaries). The other, in the folder [`BATCHES`], has a step for each batch: its loss, accuracy
/// and learning rate.
pub struct TensorBoardSink {
    folder: PathBuf,
    events: Option<EventsWriter>,
    batches: Option<EventsWriter>,
    /// Number of images of the epoch so far, the sum of their losses, and how many are right.
    so_far: [f64; 3],
}

/// The folder in a run directory with the event files of batches, which TensorBoard shows as a separate run.
pub const BATCHES: &str = "batches";

impl TensorBoardSink {
    /// A sink for a new file in `folder`, which is created when training starts.
    pub fn new(folder: PathBuf) -> TensorBoardSink {
        TensorBoardSink { folder, events: None, batches: None, so_far: [0.0; 3] }
    }
}

impl Sink for TensorBoardSink {
    fn begin(&mut self, state: &RunState<'_>) -> SinkResult {
        let mut events = EventsWriter::create(&self.folder, state.epochs_done() + 1)?;
        events.charts("training and validation", &CHARTS);
        self.events = Some(events);
        Ok(())
    }

    fn batch(&mut self, event: &BatchEvent, _state: &RunState<'_>) -> SinkResult {
        let step = (event.epoch - 1) * event.batches as u64 + event.batch as u64;
        let images = event.images as f64;
        let now = [images, event.loss * images, event.accuracy * images];
        let before = std::mem::replace(&mut self.so_far, now);
        // The event has the means of the epoch so far. After resuming in the middle of an epoch, the first batch cannot
        // be separated.
        let before = if event.batch == 1 { [0.0; 3] } else { before };
        let is_known = event.batch == 1 || before[0] > 0.0;
        let batches = match &mut self.batches {
            Some(batches) => batches,
            None => {
                let folder = self.folder.join(BATCHES);
                create_folders(&folder).map_err(TrainError::io("create the folder", &folder))?;
                self.batches.insert(EventsWriter::create(&folder, step)?)
            }
        };
        let mut scalars = vec![("batch/learning_rate", event.learning_rate)];
        if is_known {
            let count = now[0] - before[0];
            scalars.push(("batch/loss", (now[1] - before[1]) / count));
            scalars.push(("batch/accuracy", (now[2] - before[2]) / count));
        }
        batches.scalars(step, &scalars);
        Ok(())
    }

    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        let Some(events) = &mut self.events else { return Ok(()) };
        write_epoch(events, end.metrics, end.layers, end.state.learner().trained_arrays());
        let epoch = end.metrics.epoch;
        for summary in &end.summaries {
            match summary {
                TensorBoardSummary::Histogram { tag, values } => events.histogram(epoch, tag, values),
                TensorBoardSummary::Image { tag, size, png } => events.image(epoch, tag, *size, png),
            }
        }
        events.sync()?;
        if let Some(batches) = &mut self.batches {
            batches.sync()?;
        }
        Ok(())
    }
}

/// The contents of each chart: tags as regular expressions.
const CHARTS: [(&str, &[&str]); 2] =
    [("loss", &["^loss/train$", "^loss/val$"]), ("accuracy", &["^accuracy/train$", "^accuracy/val$"])];

fn write_epoch<'a>(
    events: &mut EventsWriter,
    metrics: &EpochMetrics,
    layers: &[LayerMetrics],
    arrays: impl Iterator<Item = &'a Parameter>,
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
    for tensor in arrays.filter(|tensor| is_weight(tensor.role)) {
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
