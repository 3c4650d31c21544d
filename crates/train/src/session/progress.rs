//! The progress of a run.

use serde::{Deserialize, Serialize};

use crate::layer_meter::LayerMeter;
use crate::metrics::RunningMean;
use crate::run_dir::DataIdentity;
use crate::stop::EarlyStopping;

/// The progress of a run; together with the arrays in a checkpoint, everything that resuming needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunProgress {
    pub(crate) epochs_done: u64,
    /// Finished batches of the current epoch.
    pub(crate) batches_done: usize,
    /// Optimizer steps of the run.
    pub(crate) step: u64,
    /// Of the current epoch.
    pub(crate) loss: RunningMean,
    pub(crate) correct: u64,
    pub(crate) epoch_seconds: f64,
    pub(crate) data_wait_seconds: f64,
    /// Filled in when a checkpoint is made.
    #[serde(default)]
    pub(crate) layers: LayerMeter,
    /// Of the last complete epoch.
    pub(crate) train_loss: Option<f64>,
    pub(crate) train_accuracy: Option<f64>,
    /// Of all complete epochs.
    pub(crate) images: u64,
    pub(crate) train_seconds: f64,
    /// Of the run, with its evaluations.
    pub(crate) seconds: f64,
    pub(crate) stopping: EarlyStopping,
    pub(crate) has_stopped: bool,
    /// Whether a body that was frozen is trained.
    #[serde(default)]
    pub(crate) is_unfrozen: bool,
    /// The images; `None` in checkpoints of versions that did not record them.
    #[serde(default)]
    pub(crate) data: Option<DataIdentity>,
}

impl RunProgress {
    pub(super) fn new(stopping: EarlyStopping) -> RunProgress {
        RunProgress {
            epochs_done: 0,
            batches_done: 0,
            step: 0,
            loss: RunningMean::default(),
            correct: 0,
            epoch_seconds: 0.0,
            data_wait_seconds: 0.0,
            layers: LayerMeter::default(),
            train_loss: None,
            train_accuracy: None,
            images: 0,
            train_seconds: 0.0,
            seconds: 0.0,
            stopping,
            has_stopped: false,
            is_unfrozen: false,
            data: None,
        }
    }

    /// Of the current epoch so far.
    pub(super) fn train_accuracy(&self) -> f64 {
        self.correct as f64 / self.loss.images().max(1) as f64
    }

    /// Ends the current epoch and starts another.
    pub(super) fn begin_epoch(&mut self) {
        (self.batches_done, self.correct, self.loss) = (0, 0, RunningMean::default());
        (self.epoch_seconds, self.data_wait_seconds) = (0.0, 0.0);
    }
}
