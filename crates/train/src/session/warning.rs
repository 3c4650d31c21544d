//! Problems that do not stop a run but that the user should know about.

use std::path::PathBuf;

use crate::config::{ARITHMETIC, TrainConfig};
use crate::run_dir::{DataRecord, RunDir};
use crate::start::Start;
use crate::teachers::Teachers;

/// Problems that do not stop a run but that the user should know about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A run that does not record its images is resumed.
    #[error(
        "{}: this run does not record its images, so it is unknown whether they are still the same", path.display()
    )]
    NoRecord {
        /// The run directory.
        path: PathBuf,
    },
    /// A run is resumed with an arithmetic that gives different bits from the one it was started with.
    #[error(
        "{}: this run was started with arithmetic {begun} and continues with {present}, so its weights will not be bit-identical to those of an uninterrupted run",
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
    /// The file that training starts from has arrays that the network has no place for.
    #[error("{}: the network has no place for {}", path.display(), listed(keys))]
    SurplusWeights {
        /// The file.
        path: PathBuf,
        /// Keys in the file.
        keys: Vec<String>,
    },
    /// Some arrays start with random values, because the file that training starts from has none for them.
    #[error(
        "{}: it has nothing for {}, which {} with random values", path.display(), listed(keys),
        if keys.len() == 1 { "starts" } else { "start" }
    )]
    RandomWeights {
        /// The file.
        path: PathBuf,
        /// Keys of the network.
        keys: Vec<String>,
    },
    /// The classifier starts with random values, because the file that training starts from has one for other classes, or none.
    #[error("{}: the classifier starts anew: {}", path.display(), listed(keys))]
    NewClassifier {
        /// The file.
        path: PathBuf,
        /// Its keys in the network.
        keys: Vec<String>,
    },
    /// A teacher may have been trained on this run's validation or test images.
    #[error(
        "{}: this teacher does not record its images; if it was trained on validation or test images of this run, the accuracies will be too high", path.display()
    )]
    UnknownTeacher {
        /// The teacher's run directory or weights file.
        path: PathBuf,
    },
}

/// `3 arrays: a, b, c`.
fn listed(keys: &[String]) -> String {
    const SHOWN: usize = 6;
    let arrays = if keys.len() == 1 { "array" } else { "arrays" };
    let more = if keys.len() > SHOWN { ", ..." } else { "" };
    format!("{} {arrays}: {}{more}", keys.len(), keys[..keys.len().min(SHOWN)].join(", "))
}

impl Warning {
    /// Warnings about the weights that a run starts from.
    pub(super) fn of_start(config: &TrainConfig, start: &Start) -> impl Iterator<Item = Warning> {
        let path = PathBuf::from(config.weights.clone().unwrap_or_else(|| config.model.clone()));
        let [surplus, kept] =
            [&start.surplus, &start.kept].map(|keys| (!keys.is_empty()).then(|| keys.clone()));
        let surplus = surplus.map(|keys| Warning::SurplusWeights { path: path.clone(), keys });
        let random = |keys| match start.is_new_head {
            true => Warning::NewClassifier { path, keys },
            false => Warning::RandomWeights { path, keys },
        };
        surplus.into_iter().chain(kept.map(random))
    }

    /// Warnings about the teachers of a run.
    pub(super) fn of_teachers(teachers: Option<&Teachers>) -> Vec<Warning> {
        let unknown = teachers.map(Teachers::with_unknown_images).unwrap_or_default();
        unknown.iter().map(|path| Warning::UnknownTeacher { path: path.clone() }).collect()
    }

    /// Warnings about a resumed run.
    pub(super) fn of_run(
        run: &RunDir,
        config: &TrainConfig,
        data: Option<&DataRecord>,
    ) -> impl Iterator<Item = Warning> {
        let path = run.path().to_owned();
        let record = data.is_none().then(|| Warning::NoRecord { path: path.clone() });
        let begun = config.arithmetic;
        // A run without a record predates the numbering of arithmetics, so one warning is enough.
        let is_other = data.is_some() && begun != ARITHMETIC;
        let arithmetic = is_other.then_some(Warning::OtherArithmetic { path, begun, present: ARITHMETIC });
        record.into_iter().chain(arithmetic)
    }
}
