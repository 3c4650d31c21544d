//! What can go wrong with a search.

use std::io;
use std::path::{Path, PathBuf};

use crate::identity::Differences;

/// An error of this crate; its text is one sentence that names the file or the parameter and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuneError {
    /// A parameter of the search that is not well-formed.
    #[error("{text}: {problem}")]
    Parameter {
        /// What was given: `lr=1..0`.
        text: String,
        /// What is wrong and what is right.
        problem: String,
    },
    /// A search without parameters or without trials.
    #[error("{0}")]
    Plan(&'static str),
    /// An operation on a file or folder failed.
    #[error("{}: cannot {action}: {cause}; check that the folder exists, is writable and has space left", path.display())]
    Io {
        /// What was attempted (`write the journal`).
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        cause: io::Error,
    },
    /// A line of the journal that no study could have written.
    #[error("{}: line {line} is not an entry of an Optuna journal: {reason}; restore the file from a copy or name another", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The journal has a study of this name that trains something else.
    #[error("{}: the study '{study}' was begun with {differences}", path.display())]
    OtherStudy {
        /// The journal.
        path: PathBuf,
        /// The name of the study.
        study: String,
        /// In what it differs from the present search.
        differences: Differences,
    },
    /// The journal has a study of this name whose trials lie in another folder.
    #[error(
        "{}: the study '{study}' was begun in {}; {} lacks the files of its trials",
        path.display(), recorded.as_deref().map_or("another folder".to_owned(), |folder| folder.display().to_string()), asked.display()
    )]
    OtherFolder {
        /// The journal.
        path: PathBuf,
        /// The name of the study.
        study: String,
        /// The folder that it was begun in, where that is recorded.
        recorded: Option<PathBuf>,
        /// The present folder, which lacks the files of its trials.
        asked: PathBuf,
    },
    /// The journal has a study of this name that another program began.
    #[error("{}: the study '{study}' was not begun by convscope", path.display())]
    ForeignStudy {
        /// The journal.
        path: PathBuf,
        /// The name of the study.
        study: String,
    },
    /// The folder has a trial of this number with other settings.
    #[error("{}: this trial belongs to another search", path.display())]
    Taken {
        /// What that trial was asked.
        path: PathBuf,
    },
    /// The program that trains does not start.
    #[error("{}: cannot be started to train a trial: {cause}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The operating system's answer.
        cause: io::Error,
    },
    /// A training that is not a trial failed.
    #[error("{}: the training failed: {reason}", run.display())]
    Training {
        /// The run directory.
        run: PathBuf,
        /// What the process said.
        reason: String,
    },
    /// A configuration or a run directory that cannot be used.
    #[error(transparent)]
    Train(#[from] convscope_train::TrainError),
}

impl TuneError {
    /// For `map_err`: puts the file and the attempted action beside the operating system's answer.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { action, path, cause }
    }

    pub(crate) fn parameter(text: &str, problem: impl Into<String>) -> Self {
        Self::Parameter { text: text.to_owned(), problem: problem.into() }
    }
}
