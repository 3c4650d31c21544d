//! The state that results from the entries of a journal, by Optuna's rules.

use serde_json::{Map, Value};

use super::record::{
    CREATE_STUDY, CREATE_TRIAL, DELETE_STUDY, DISCARD_TRIALS, INTERMEDIATE, PARAMETER, STATE,
    STUDY_ATTRIBUTE, STUDY_SYSTEM_ATTRIBUTE, TRIAL_ATTRIBUTE, TRIAL_SYSTEM_ATTRIBUTE,
};
use crate::Value as Setting;
use crate::distribution::Distribution;
use crate::trial::{Trial, TrialState};

/// The attribute of a trial with the number of the failed trial that it repeats.
pub(crate) const REPEATS: &str = "repeats";

/// The studies and trials of a journal.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// By their ids.
    studies: Vec<Study>,
    /// By their ids.
    trials: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    study: usize,
    trial: Trial,
    /// Another trial repeats and replaces this one.
    is_repeated: bool,
}

#[derive(Debug)]
struct Study {
    /// `None` once it is deleted.
    name: Option<String>,
    attributes: Map<String, Value>,
    trials: usize,
}

impl Replay {
    /// The id of the study with this name.
    pub(crate) fn study(&self, name: &str) -> Option<usize> {
        self.studies.iter().position(|study| study.name.as_deref() == Some(name))
    }

    /// An attribute of a study.
    pub(crate) fn study_attribute(&self, study: usize, key: &str) -> Option<&Value> {
        self.studies.get(study)?.attributes.get(key)
    }

    /// The trials of a study in the order of their numbers, without those that others repeat.
    pub(crate) fn trials(&self, study: usize) -> Vec<&Trial> {
        let is_meant = |entry: &&Entry| entry.study == study && !entry.is_repeated;
        let mut trials: Vec<&Trial> = self.trials.iter().filter(is_meant).map(|entry| &entry.trial).collect();
        trials.sort_by_key(|trial| trial.number);
        trials
    }

    /// The number that the next trial of a study gets.
    pub(crate) fn next_number(&self, study: usize) -> usize {
        self.studies.get(study).map_or(0, |study| study.trials)
    }

    /// The id that the next study gets.
    pub(crate) fn next_study(&self) -> usize {
        self.studies.len()
    }

    /// The id that the next trial gets.
    pub(crate) fn next_trial(&self) -> usize {
        self.trials.len()
    }

    pub(crate) fn trial(&self, id: usize) -> Option<&Trial> {
        self.trials.get(id).map(|entry| &entry.trial)
    }

    /// Applies an entry. One that refers to a deleted study or changes a finished trial has no effect, as in Optuna.
    pub(super) fn apply(&mut self, entry: &Value) -> Result<(), String> {
        let code = number(entry, "op_code")?;
        match code {
            CREATE_STUDY => self.create_study(text(entry, "study_name")?),
            DELETE_STUDY => {
                if let Some(study) = self.known_study(entry)? {
                    self.studies[study].name = None;
                }
            }
            STUDY_ATTRIBUTE => {
                if let Some(study) = self.known_study(entry)? {
                    self.studies[study].attributes.extend(object(entry, "user_attr")?.clone());
                }
            }
            CREATE_TRIAL => {
                if let Some(study) = self.known_study(entry)? {
                    self.create_trial(study, entry)?;
                }
            }
            PARAMETER | STATE | INTERMEDIATE | TRIAL_ATTRIBUTE => {
                let id = number(entry, "trial_id")? as usize;
                if let Some(Entry { trial, .. }) = self.trials.get_mut(id)
                    && !trial.state.is_finished()
                {
                    change(trial, code, entry)?;
                }
            }
            STUDY_SYSTEM_ATTRIBUTE | TRIAL_SYSTEM_ATTRIBUTE | DISCARD_TRIALS => {}
            other => return Err(format!("there is no operation {other}")),
        }
        Ok(())
    }

    fn known_study(&self, entry: &Value) -> Result<Option<usize>, String> {
        let id = number(entry, "study_id")? as usize;
        Ok(self.studies.get(id).is_some_and(|study| study.name.is_some()).then_some(id))
    }

    fn create_study(&mut self, name: &str) {
        if self.study(name).is_none() {
            let name = Some(name.to_owned());
            self.studies.push(Study { name, attributes: Map::new(), trials: 0 });
        }
    }

    fn create_trial(&mut self, study: usize, entry: &Value) -> Result<(), String> {
        let state = match entry.get("state") {
            None => TrialState::Running,
            Some(_) => state(entry)?,
        };
        let mut trial = Trial::new(self.trials.len(), self.studies[study].trials, state);
        for (name, place) in entry.get("params").and_then(Value::as_object).into_iter().flatten() {
            let distribution = entry.get("distributions").and_then(|all| all.get(name));
            trial.parameters.insert(name.clone(), setting(distribution, place)?);
        }
        for (step, value) in entry.get("intermediate_values").and_then(Value::as_object).into_iter().flatten()
        {
            let step = step.parse().map_err(|_| "a step is not a number")?;
            trial.curve.insert(step, value.as_f64().unwrap_or(f64::NAN));
        }
        if let Some(attributes) = entry.get("user_attrs").and_then(Value::as_object) {
            trial.attributes = attributes.clone();
        }
        let value =
            entry.get("value").filter(|value| !value.is_null()).or_else(|| entry.get("values")?.get(0));
        trial.value = value.and_then(Value::as_f64);
        self.studies[study].trials += 1;
        if let Some(repeated) = trial.attributes.get(REPEATS).and_then(Value::as_u64)
            && let Some(before) = self.trials.iter_mut().find(|before| {
                before.study == study && !before.is_repeated && before.trial.number as u64 == repeated
            })
        {
            before.is_repeated = true;
            trial.number = before.trial.number;
        }
        self.trials.push(Entry { study, trial, is_repeated: false });
        Ok(())
    }
}

fn change(trial: &mut Trial, code: u64, entry: &Value) -> Result<(), String> {
    match code {
        PARAMETER => {
            let value = setting(entry.get("distribution"), &entry["param_value_internal"])?;
            trial.parameters.insert(text(entry, "param_name")?.to_owned(), value);
        }
        STATE => {
            let state = state(entry)?;
            // A running trial belongs to nobody else.
            if !(state == TrialState::Running && trial.state == TrialState::Running) {
                trial.state = state;
                trial.value = entry.get("values").and_then(|values| values.get(0)?.as_f64()).or(trial.value);
            }
        }
        INTERMEDIATE => {
            let value = entry["intermediate_value"].as_f64().unwrap_or(f64::NAN);
            trial.curve.insert(number(entry, "step")?, value);
        }
        _ => trial.attributes.extend(object(entry, "user_attr")?.clone()),
    }
    Ok(())
}

/// The value for an internal value. Its distribution is a text; for an unknown kind of distribution, the internal value
/// is the value.
fn setting(distribution: Option<&Value>, place: &Value) -> Result<Setting, String> {
    let place = place.as_f64().ok_or("a parameter is not a number")?;
    let distribution = distribution.and_then(Value::as_str).and_then(Distribution::from_json);
    Ok(distribution.map_or(Setting::Float(place), |distribution| distribution.value(place)))
}

fn state(entry: &Value) -> Result<TrialState, String> {
    let code = number(entry, "state")?;
    TrialState::from_code(code).ok_or_else(|| format!("there is no state {code}"))
}

fn number(entry: &Value, key: &str) -> Result<u64, String> {
    entry.get(key).and_then(Value::as_u64).ok_or_else(|| format!("{key} is not a whole number"))
}

fn text<'a>(entry: &'a Value, key: &str) -> Result<&'a str, String> {
    entry.get(key).and_then(Value::as_str).ok_or_else(|| format!("{key} is not a string"))
}

fn object<'a>(entry: &'a Value, key: &str) -> Result<&'a Map<String, Value>, String> {
    entry.get(key).and_then(Value::as_object).ok_or_else(|| format!("{key} is not an object"))
}
