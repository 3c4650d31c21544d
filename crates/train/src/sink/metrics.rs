//! `metrics.csv`.

use std::path::PathBuf;

use super::{EpochEnd, RunState, Sink, SinkResult};
use crate::run_dir::MetricsCsv;

/// Writes a line of [`metrics.csv`](MetricsCsv) for each epoch.
pub struct MetricsSink {
    path: PathBuf,
    file: Option<MetricsCsv>,
}

impl MetricsSink {
    /// A sink for the file at `path`, which is created when training starts.
    pub fn new(path: PathBuf) -> MetricsSink {
        MetricsSink { path, file: None }
    }
}

impl Sink for MetricsSink {
    fn begin(&mut self, state: &RunState<'_>) -> SinkResult {
        self.file = Some(MetricsCsv::resume(&self.path, state.epochs_done())?);
        Ok(())
    }

    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        let Some(file) = &mut self.file else { return Ok(()) };
        Ok(file.append(end.metrics)?)
    }
}
