//! A trial: one training run of a study.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::space::{Point, Space};

/// How far a trial is, with Optuna's meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialState {
    /// A process works on it.
    Running,
    /// It ended and has a value.
    Complete,
    /// It was ended early, because others were better at the same epoch.
    Pruned,
    /// It has no value: it diverged, crashed, or its settings do not go together.
    Failed,
    /// It was begun, and nobody works on it.
    Waiting,
}

/// One training run of a study, as the journal knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its place in the journal, over all studies.
    pub id: usize,
    /// Its number in the study, from 0.
    pub number: usize,
    /// How far it is.
    pub state: TrialState,
    /// Its places in the space, by the names of the parameters.
    pub parameters: BTreeMap<String, f64>,
    /// The validation accuracy that it ended with; of a pruned trial that of its last epoch.
    pub value: Option<f64>,
    /// The validation accuracy after each epoch, from 1.
    pub curve: BTreeMap<u64, f64>,
    /// What else is known, under the names of [`Trial`]'s methods and those that other programs gave.
    pub attributes: Map<String, Value>,
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

    /// Whether nothing can happen to the trial any more.
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

    /// Its point in the space; none for a trial that some other program put into the study without these parameters.
    pub fn point(&self, space: &Space) -> Option<Point> {
        space.parameters().iter().map(|parameter| self.parameters.get(&parameter.name).copied()).collect()
    }

    /// Why it failed.
    pub fn reason(&self) -> Option<&str> {
        self.attributes.get("reason")?.as_str()
    }

    /// The last epoch whose accuracy is known, 0 before the first.
    pub fn epoch(&self) -> u64 {
        self.curve.keys().next_back().copied().unwrap_or(0)
    }

    /// How many epochs it was to have.
    pub fn epochs(&self) -> Option<u64> {
        self.attributes.get("epochs")?.as_u64()
    }

    /// A number among its attributes, such as `val_loss`, `train_accuracy`, `seconds`.
    pub fn attribute(&self, key: &str) -> Option<f64> {
        self.attributes.get(key)?.as_f64()
    }
}

/// The finished trials, the best first: those that completed by their value, then pruned ones by how long they
/// lasted and by their value, then failed ones; of equals the earlier.
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
        by_state.then(b_key.2.total_cmp(&a_key.2)).then(a.number.cmp(&b.number))
    });
    ranked
}

/// The completed trial with the largest value, the earliest of equals.
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
}
