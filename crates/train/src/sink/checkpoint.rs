//! The checkpoint, the weights and the summary of a run directory.

use std::path::Path;
use std::time::{Duration, Instant};

use convscope_graph::WeightsFile;

use super::{EpochEnd, Interruption, RunEnd, RunState, Sink, SinkResult};
use crate::error::TrainError;
use crate::run_dir::{RunDir, write_atomic};
use crate::session::BatchEvent;

/// Keeps a run directory resumable: writes a checkpoint after each epoch, at least every minute, and when training is
/// interrupted; while a body is frozen, whose epochs are short, only after epochs that end two seconds or more after the last one; the weights of the last and the best epoch; and, at the end, `summary.json`.
pub struct CheckpointSink {
    run: RunDir,
    saved: Instant,
    /// The file with the weights of the best epoch, if it has not been written yet.
    best: Option<Vec<u8>>,
}

/// The longest time that a run continues without a checkpoint.
const INTERVAL: Duration = Duration::from_secs(60);

/// The shortest time between two checkpoints while a body is frozen.
const PAUSE: Duration = Duration::from_secs(2);

impl CheckpointSink {
    /// A sink for this run directory, whose folders exist.
    pub fn new(run: RunDir) -> CheckpointSink {
        CheckpointSink { run, saved: Instant::now(), best: None }
    }

    fn save(&mut self, state: &RunState<'_>) -> Result<(), TrainError> {
        // A checkpoint counts on the weights of its best epoch.
        if let Some(bytes) = self.best.take() {
            write_atomic(&self.run.best_weights_path(), |file| file.write_all(&bytes))?;
        }
        state.checkpoint()?.save(&self.run.checkpoint_path(), &state.fingerprint())?;
        self.saved = Instant::now();
        Ok(())
    }
}

impl Sink for CheckpointSink {
    fn begin(&mut self, _state: &RunState<'_>) -> SinkResult {
        self.saved = Instant::now();
        Ok(())
    }

    fn batch(&mut self, _event: &BatchEvent, state: &RunState<'_>) -> SinkResult {
        if self.saved.elapsed() >= INTERVAL {
            self.save(state)?;
        }
        Ok(())
    }

    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        let is_frozen = end.state.learner().frozen().is_some();
        let waits = is_frozen && self.saved.elapsed() < PAUSE && !end.state.is_over();
        if waits && !end.is_best {
            return Ok(());
        }
        let bytes = end.state.weights(end.published).to_bytes();
        if end.is_best {
            self.best = Some(bytes.clone());
        }
        if waits {
            return Ok(());
        }
        write_atomic(&self.run.last_weights_path(), |file| file.write_all(&bytes))?;
        drop(bytes);
        Ok(self.save(&end.state)?)
    }

    fn interrupted(&mut self, at: &mut Interruption<'_>) -> SinkResult {
        self.save(&at.state)?;
        let published = at.published()?;
        Ok(write_weights(&self.run.last_weights_path(), &at.state.weights(&published))?)
    }

    fn end(&mut self, end: &RunEnd<'_>) -> SinkResult {
        Ok(end.summary.write(&self.run.summary_path())?)
    }
}

fn write_weights(path: &Path, weights: &WeightsFile) -> Result<(), TrainError> {
    let bytes = weights.to_bytes();
    write_atomic(path, |file| file.write_all(&bytes))
}
