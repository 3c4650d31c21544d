//! A trial: one training run of a study.

use std::collections::BTreeMap;

use serde_json::Map;

use crate::Value;
use crate::space::{Point, Space};

/// The state of a trial, with Optuna's meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialState {
    /// A process is working on it.
    Running,
    /// It ended and has a value.
    Complete,
    /// It was ended early, because others were better at the same epoch.
    Pruned,
    /// It has no value: it diverged, its settings cannot be combined, or the machine failed it too often.
    Failed,
    /// It was started, and nobody is working on it; the machine may have failed it.
    Waiting,
}

/// One training run of a study, as recorded in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its index in the journal, over all studies.
    pub id: usize,
    /// Its number in the study, from 0. One that repeats a failed trial has that one's number.
    pub number: usize,
    /// Its state.
    pub state: TrialState,
    /// Its values, by the names of the parameters.
    pub parameters: BTreeMap<String, Value>,
    /// Its final validation accuracy; for a pruned trial, that of its last epoch.
    pub value: Option<f64>,
    /// The validation accuracy after each epoch, from 1.
    pub curve: BTreeMap<u64, f64>,
    /// Other attributes, under the names of [`Trial`]'s methods and those used by other programs.
    pub attributes: Map<String, serde_json::Value>,
}

impl TrialState {
    /// Optuna's number for it.
    pub(crate) fn code(self) -> u64 {
        match self {
            Self::Running => 0,
            Self::Complete => 1,
            Self::Pruned => 2,
            Self::Failed => 3,
            Self::Waiting => 4,
        }
    }

    pub(crate) fn from_code(code: u64) -> Option<Self> {
        [Self::Running, Self::Complete, Self::Pruned, Self::Failed, Self::Waiting]
            .into_iter()
            .find(|state| state.code() == code)
    }

    /// Optuna's name: `RUNNING`, `COMPLETE`, `PRUNED`, `FAIL` or `WAITING`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Complete => "COMPLETE",
            Self::Pruned => "PRUNED",
            Self::Failed => "FAIL",
            Self::Waiting => "WAITING",
        }
    }

    /// Whether the state is final.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Complete | Self::Pruned | Self::Failed)
    }
}

impl Trial {
    pub(crate) fn new(id: usize, number: usize, state: TrialState) -> Trial {
        Trial {
            id,
            number,
            state,
            parameters: BTreeMap::new(),
            value: None,
            curve: BTreeMap::new(),
            attributes: Map::new(),
        }
    }

    /// Its point in the space; `None` for a trial that lacks one of its parameters or has a value outside it.
    pub fn point(&self, space: &Space) -> Option<Point> {
        let place = |parameter: &crate::Parameter| {
            parameter.distribution.place(self.parameters.get(&parameter.name)?)
        };
        space.parameters().iter().map(place).collect()
    }

    /// Why it failed or, if it is waiting, why its last attempt did.
    pub fn reason(&self) -> Option<&str> {
        let has_failed = matches!(self.state, TrialState::Failed | TrialState::Waiting);
        self.attributes.get(REASON)?.as_str().filter(|_| has_failed)
    }

    /// How often it failed because of the machine: a file could not be read, memory was short, its process was killed.
    pub fn setbacks(&self) -> u64 {
        self.attributes.get(SETBACKS).and_then(serde_json::Value::as_u64).unwrap_or(0)
    }

    /// Whether it failed because of the machine, so that it may succeed later.
    pub fn failed_by_machine(&self) -> bool {
        let cause = self.attributes.get(CAUSE).and_then(serde_json::Value::as_str);
        self.state == TrialState::Failed && cause == Some(Cause::Machine.name())
    }

    /// Its run directory within the study's folder.
    pub fn run(&self) -> Option<&str> {
        self.attributes.get(RUN)?.as_str()
    }

    /// The last epoch whose accuracy is known, 0 before the first.
    pub fn epoch(&self) -> u64 {
        self.curve.keys().next_back().copied().unwrap_or(0)
    }

    /// How many epochs it was supposed to have.
    pub fn epochs(&self) -> Option<u64> {
        self.attributes.get("epochs")?.as_u64()
    }

    /// A number among its attributes, such as `val_loss`, `train_accuracy`, `seconds`.
    pub fn attribute(&self, key: &str) -> Option<f64> {
        self.attributes.get(key)?.as_f64()
    }
}

/// The attribute that names a trial's run directory within the study's folder.
pub(crate) const RUN: &str = "run";
/// The attribute that counts how often the machine failed a trial.
pub(crate) const SETBACKS: &str = "setbacks";
/// The attribute that names the [`Cause`] of a failure.
pub(crate) const CAUSE: &str = "cause";
/// The attribute with the reason of a failure in words.
pub(crate) const REASON: &str = "reason";

/// Why a trial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its settings or the data; it would fail again.
    Training,
    /// Files, memory, a signal; it may succeed later.
    Machine,
}

impl Cause {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Machine => "machine",
        }
    }
}

/// The finished trials, the best first: completed ones by value and, if equal, by lower validation loss, then pruned
/// ones by how long they lasted and by value, then failed ones; otherwise equal trials in the order of their numbers.
pub fn ranked<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Vec<&'a Trial> {
    let mut ranked: Vec<&Trial> = trials.into_iter().filter(|trial| trial.state.is_finished()).collect();
    let key = |trial: &Trial| {
        let value = trial.value.unwrap_or(f64::NEG_INFINITY);
        match trial.state {
            TrialState::Complete => (0, 0, value),
            TrialState::Pruned => (1, trial.epoch(), value),
            _ => (2, 0, f64::NEG_INFINITY),
        }
    };
    ranked.sort_by(|a, b| {
        let (a_key, b_key) = (key(a), key(b));
        let by_state = a_key.0.cmp(&b_key.0).then(b_key.1.cmp(&a_key.1));
        let by_value = by_state.then(b_key.2.total_cmp(&a_key.2));
        by_value.then(loss(a).total_cmp(&loss(b))).then(a.number.cmp(&b.number))
    });
    ranked
}

/// The validation loss of a trial; an unknown one ranks last.
fn loss(trial: &Trial) -> f64 {
    trial.attribute("val_loss").unwrap_or(f64::INFINITY)
}

/// The completed trial that ranks first.
pub fn best<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Option<&'a Trial> {
    ranked(trials).into_iter().next().filter(|trial| trial.state == TrialState::Complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranking_puts_completed_before_pruned_before_failed() {
        let trial = |number, state, value, epoch: u64| Trial {
            value,
            curve: (1..=epoch).map(|epoch| (epoch, 0.5)).collect(),
            ..Trial::new(10 + number, number, state)
        };
        let trials = [
            trial(0, TrialState::Failed, None, 9),
            trial(1, TrialState::Complete, Some(0.2), 9),
            trial(2, TrialState::Pruned, Some(0.9), 1),
            trial(3, TrialState::Complete, Some(0.7), 9),
            trial(4, TrialState::Running, None, 2),
            trial(5, TrialState::Pruned, Some(0.1), 3),
            trial(6, TrialState::Complete, Some(0.7), 9),
        ];
        let numbers: Vec<usize> = ranked(&trials).iter().map(|trial| trial.number).collect();
        assert_eq!(numbers, [3, 6, 1, 5, 2, 0]);
        assert_eq!(best(&trials).unwrap().number, 3);
        assert_eq!(best(&trials[..1]), None);
    }
    #[test]
    fn equal_accuracies_rank_by_the_loss_and_then_by_the_number() {
        let trial = |number, loss: Option<f64>| {
            let mut trial = Trial { value: Some(0.5), ..Trial::new(number, number, TrialState::Complete) };
            trial.attributes.extend(loss.map(|loss| ("val_loss".to_owned(), loss.into())));
            trial
        };
        let trials = [
            trial(0, None),
            trial(1, Some(0.9)),
            trial(2, Some(0.25)),
            trial(3, Some(1.5)),
            trial(4, Some(0.25)),
        ];
        let numbers: Vec<usize> = ranked(&trials).iter().map(|trial| trial.number).collect();
        assert_eq!(numbers, [2, 4, 1, 3, 0]);
        assert_eq!(best(&trials).unwrap().number, 2);
    }
}
