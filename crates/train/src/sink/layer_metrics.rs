//! `layer_metrics.csv`.

use std::path::PathBuf;

use super::{EpochEnd, RunState, Sink, SinkResult};
use crate::run_dir::LayerMetricsCsv;

/// Writes the lines of [`layer_metrics.csv`](LayerMetricsCsv) for each epoch.
pub struct LayerMetricsSink {
    path: PathBuf,
    file: Option<LayerMetricsCsv>,
}

impl LayerMetricsSink {
    /// A sink for the file at `path`, which is created when training starts.
    pub fn new(path: PathBuf) -> LayerMetricsSink {
        LayerMetricsSink { path, file: None }
    }
}

impl Sink for LayerMetricsSink {
    fn begin(&mut self, state: &RunState<'_>) -> SinkResult {
        self.file = Some(LayerMetricsCsv::resume(&self.path, state.epochs_done())?);
        Ok(())
    }

    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        let Some(file) = &mut self.file else { return Ok(()) };
        Ok(file.append(end.layers)?)
    }
}
