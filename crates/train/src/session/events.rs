//! What a run says of itself while it goes on and when it ends.

use crate::evaluate::Evaluation;
use crate::run_dir::Summary;

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchEvent {
    /// The epoch, from 1.
    pub epoch: u64,
    /// All epochs of the run.
    pub epochs: u64,
    /// The batch within the epoch, from 1.
    pub batch: usize,
    /// All batches of an epoch.
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

/// What came of a call of [`Session::run`](crate::Session::run).
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// What stands in `summary.json`; of an interrupted run without the figures of the validation and test images.
    pub summary: Summary,
    /// What the final parameters do on the validation images; none where there are none, or the run was interrupted.
    pub val: Option<Evaluation>,
    /// What the final parameters do on the test images; none where there are none, or the run was interrupted.
    pub test: Option<Evaluation>,
}
