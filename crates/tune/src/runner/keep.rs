//! Which files of finished trials stay on disk.

use convscope_files::{FileLock, LockError};
use convscope_train::TrainError;
use convscope_train::run_dir::LockedRun;

use super::Runner;
use crate::TuneError;
use crate::study::Study;
use crate::trial::{Trial, best};

/// Which of their weights, checkpoint, event files and report finished trials keep. Configuration, model and figures
/// always stay, as does everything of a trial that failed because of the machine, which may be continued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Everything.
    #[default]
    All,
    /// The best trial so far keeps everything, the others nothing.
    Best,
    /// As `Best`; the caller [strips](Runner::strip) the best trial too once it is no longer needed.
    None,
}

impl Runner {
    /// Removes weights, checkpoint, event files and report of a finished trial. One whose process may still be saving
    /// is left unchanged.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn strip(&self, trial: &Trial) -> Result<(), TuneError> {
        let run = self.run_dir(trial.number);
        // A trial that could not be configured has no run directory, and one that has been stripped has no weights.
        if !run.join("config.toml").is_file() || !run.join("weights").exists() {
            return Ok(());
        }
        let path = self.trial_file(trial.number).with_extension("lock");
        let _lock = match FileLock::try_acquire(&path) {
            Ok(lock) => lock,
            Err(LockError::Held { .. }) => return Ok(()),
            Err(LockError::Io(cause)) => return Err(TuneError::io("lock the file", &path)(cause)),
        };
        match LockedRun::open(&run) {
            Ok(run) => Ok(run.strip()?),
            Err(TrainError::RunBusy { .. }) => Ok(()),
            Err(problem) => Err(problem.into()),
        }
    }

    /// Strips every finished trial that should not keep its files.
    pub(super) fn strip_finished(&self, study: &Study) -> Result<(), TuneError> {
        if self.keep == Keep::All {
            return Ok(());
        }
        let trials = study.trials();
        let best = best(&trials).map(|trial| trial.number);
        let is_over = |trial: &&Trial| {
            trial.state.is_finished() && !trial.failed_by_machine() && Some(trial.number) != best
        };
        trials.iter().filter(is_over).try_for_each(|trial| self.strip(trial))
    }
}
