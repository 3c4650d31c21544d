//! A trial that this process works on.

use std::path::PathBuf;

use super::training::{Ended, Training};
use crate::trial::Trial;

/// A trial with its training.
pub(super) struct Job {
    pub(super) trial: usize,
    pub(super) number: usize,
    pub(super) number_of_training: u64,
    pub(super) epochs: u64,
    pub(super) run: PathBuf,
    pub(super) training: Box<dyn Training>,
    /// Epochs that have not been reported yet, with their validation accuracies.
    pub(super) new_epochs: Vec<(u64, f64)>,
    pub(super) ended: Option<Ended>,
    /// The outcome of the trial is decided, whatever its training does.
    pub(super) is_settled: bool,
    /// How many epochs were done before this attempt.
    pub(super) done_before: u64,
}

impl Job {
    pub(super) fn new(
        trial: &Trial,
        number_of_training: u64,
        epochs: u64,
        run: PathBuf,
        training: Box<dyn Training>,
    ) -> Job {
        Job {
            trial: trial.id,
            number: trial.number,
            number_of_training,
            epochs,
            run,
            training,
            new_epochs: Vec::new(),
            ended: None,
            is_settled: false,
            done_before: trial.epoch(),
        }
    }
}
