//! A trial that this process works on.

use std::path::PathBuf;

use convscope_train::run_dir::read_complete_metrics;

use super::process::Process;
use crate::TuneError;
use crate::trial::Trial;

/// A trial with the process that trains it.
pub(super) struct Job {
    pub(super) trial: usize,
    pub(super) number: usize,
    pub(super) epochs: u64,
    pub(super) run: PathBuf,
    pub(super) process: Process,
    /// The outcome of the trial is decided, whatever its process does.
    pub(super) is_settled: bool,
    /// How many epochs were done before this attempt.
    pub(super) done_before: u64,
    reported: u64,
}

impl Job {
    pub(super) fn new(trial: &Trial, epochs: u64, run: PathBuf, process: Process) -> Job {
        Job {
            trial: trial.id,
            number: trial.number,
            epochs,
            run,
            process,
            is_settled: false,
            done_before: trial.epoch(),
            reported: 0,
        }
    }

    /// Epochs that have not been returned before, with their validation accuracies.
    pub(super) fn new_epochs(&mut self) -> Result<Vec<(u64, f64)>, TuneError> {
        let metrics = read_complete_metrics(&self.run.join("metrics.csv"))?;
        let new: Vec<(u64, f64)> = metrics
            .iter()
            .filter(|line| line.epoch > self.reported)
            .map(|line| (line.epoch, line.val_accuracy))
            .collect();
        self.reported = new.last().map_or(self.reported, |line| line.0);
        Ok(new)
    }
}
