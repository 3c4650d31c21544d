//! What can go wrong with a search.

use std::io;
use std::path::{Path, PathBuf};

use crate::differences::Differences;

/// An error of this crate; its message is one sentence that names the file or the parameter and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuneError {
    /// A malformed parameter of the search.
    #[error("{text}: {problem}")]
    Parameter {
        /// The given text: `lr=1..0`.
        text: String,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// A search without parameters.
    #[error("there is nothing to search: the space has no parameter")]
    NothingToSearch,
    /// A search without trials.
    #[error("there are no trials to run; ask for at least one")]
    NoTrials,
    /// An operation on a file or folder failed.
    #[error("{}: cannot {action}: {cause}; check that the folder exists, is writable and has space left", path.display())]
    Io {
        /// What was attempted (`write the journal`).
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// An invalid line of the journal.
    #[error("{}: line {line} is not an entry of an Optuna journal: {reason}; restore the file from a copy or name another", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The journal has a study with this name that trains something else.
    #[error("{}: the study '{study}' was started with {differences}", path.display())]
    OtherStudy {
        /// The journal.
        path: PathBuf,
        /// The name of the study.
        study: String,
        /// The differences from the current search.
        differences: Differences,
    },
    /// The journal has a study with this name whose trials are in another folder.
    #[error(
        "{}: the study '{study}' was started in {}; {} lacks the files of its trials",
        path.display(), recorded.as_deref().map_or("another folder".to_owned(), |folder| folder.display().to_string()), asked.display()
    )]
    OtherFolder {
        /// The journal.
        path: PathBuf,
        /// The name of the study.
        study: String,
        /// The folder that it was started in, if recorded.
        recorded: Option<PathBuf>,
        /// The current folder, which lacks the files of its trials.
        asked: PathBuf,
    },
    /// The journal has a study with this name from another program.
    #[error("{}: the study '{study}' was not started by convscope", path.display())]
    ForeignStudy {
        /// The journal.
        path: PathBuf,
        /// The name of the study.
        study: String,
    },
    /// The folder has a trial with this number but different settings.
    #[error("{}: this trial belongs to another search", path.display())]
    Taken {
        /// The file of that trial.
        path: PathBuf,
    },
    /// The training program does not start.
    #[error("{}: cannot be started to train a trial: {cause}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// A training that is not a trial failed.
    #[error("{}: the training failed: {reason}", run.display())]
    Training {
        /// The run directory.
        run: PathBuf,
        /// The message of the process.
        reason: String,
    },
    /// A configuration or a run directory that cannot be used.
    #[error(transparent)]
    Train(#[from] convscope_train::TrainError),
}

impl TuneError {
    /// For `map_err`: adds the file and the attempted action to the operating system's error.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { action, path, cause }
    }

    pub(crate) fn parameter(text: &str, problem: impl Into<String>) -> Self {
        Self::Parameter { text: text.to_owned(), problem: problem.into() }
    }
}
