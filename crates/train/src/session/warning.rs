//! What does not stop a run, and a person should know.

use std::path::PathBuf;

use crate::config::{ARITHMETIC, TrainConfig};
use crate::run_dir::{DataRecord, RunDir};
use crate::teachers::Teachers;

/// What does not stop a run, and a person should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A run that does not record its images goes on.
    #[error(
        "{}: this run does not record its images, so nobody can tell whether they are still the same", path.display()
    )]
    NoRecord {
        /// The run directory.
        path: PathBuf,
    },
    /// A run goes on with an arithmetic that gives other bits than the one it was begun with.
    #[error(
        "{}: this run was begun with arithmetic {begun} and goes on with {present}, so its weights will not be bit for bit those of a run without an interruption",
        path.display()
    )]
    OtherArithmetic {
        /// The run directory.
        path: PathBuf,
        /// The arithmetic of the run.
        begun: u32,
        /// The arithmetic of this version.
        present: u32,
    },
    /// A teacher may have been trained on images that validate or test here.
    #[error(
        "{}: this teacher does not record its images; if it was trained on some that validate or test here, the accuracies will be too high", path.display()
    )]
    UnknownTeacher {
        /// The teacher's run directory or weights file.
        path: PathBuf,
    },
}

impl Warning {
    /// Those about the teachers of a run.
    pub(super) fn of_teachers(teachers: Option<&Teachers>) -> Vec<Warning> {
        let unknown = teachers.map(Teachers::with_unknown_images).unwrap_or_default();
        unknown.iter().map(|path| Warning::UnknownTeacher { path: path.clone() }).collect()
    }

    /// Those about a run that is taken up again.
    pub(super) fn of_run(
        run: &RunDir,
        config: &TrainConfig,
        data: Option<&DataRecord>,
    ) -> impl Iterator<Item = Warning> {
        let path = run.path().to_owned();
        let record = data.is_none().then(|| Warning::NoRecord { path: path.clone() });
        let begun = config.arithmetic;
        // A run without a record is older than the numbers of arithmetics, so one warning says it all.
        let is_other = data.is_some() && begun != ARITHMETIC;
        let arithmetic = is_other.then_some(Warning::OtherArithmetic { path, begun, present: ARITHMETIC });
        record.into_iter().chain(arithmetic)
    }
}
