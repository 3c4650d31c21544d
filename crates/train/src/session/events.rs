//! Events during a run and its outcome.

use crate::evaluate::Evaluation;
use crate::run_dir::Summary;

/// The progress of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchEvent {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Number of epochs of the run.
    pub epochs: u64,
    /// The batch within the epoch, from 1.
    pub batch: usize,
    /// Number of batches per epoch.
    pub batches: usize,
    /// Images of the epoch so far.
    pub images: usize,
    /// Mean loss of the epoch so far.
    pub loss: f64,
    /// Accuracy of the epoch so far, a fraction.
    pub accuracy: f64,
    /// The learning rate of the batch.
    pub learning_rate: f64,
}

/// How a call of [`Session::run`](crate::Session::run) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are done.
    Completed,
    /// The validation loss stopped falling.
    StoppedEarly,
    /// The caller asked for it; the run can be resumed.
    Interrupted,
}

/// The outcome of a call of [`Session::run`](crate::Session::run).
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The contents of `summary.json`; for an interrupted run, without the figures of the validation and test images.
    pub summary: Summary,
    /// The evaluation of the final parameters on the validation images; `None` if there are none or the run was
    /// interrupted.
    pub val: Option<Evaluation>,
    /// The evaluation of the final parameters on the test images; `None` if there are none or the run was interrupted.
    pub test: Option<Evaluation>,
}
