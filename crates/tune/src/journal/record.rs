//! The entries that this program writes, with Optuna's operation codes and keys.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::trial::TrialState;

/// An entry of the journal.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    CreateStudy {
        name: String,
    },
    StudyAttribute {
        study: usize,
        key: String,
        value: Value,
    },
    /// The name of the value in Optuna's dashboard.
    MetricName {
        study: usize,
        name: String,
    },
    /// A trial that its creator runs, or one that waits.
    CreateTrial {
        study: usize,
        state: TrialState,
        /// For each parameter, its distribution as text and its internal value.
        parameters: BTreeMap<String, (String, f64)>,
        attributes: Map<String, Value>,
    },
    State {
        trial: usize,
        state: TrialState,
        value: Option<f64>,
    },
    Intermediate {
        trial: usize,
        step: u64,
        value: f64,
    },
    TrialAttribute {
        trial: usize,
        key: String,
        value: Value,
    },
}

pub(super) const CREATE_STUDY: u64 = 0;
pub(super) const DELETE_STUDY: u64 = 1;
pub(super) const STUDY_ATTRIBUTE: u64 = 2;
pub(super) const STUDY_SYSTEM_ATTRIBUTE: u64 = 3;
pub(super) const CREATE_TRIAL: u64 = 4;
pub(super) const PARAMETER: u64 = 5;
pub(super) const STATE: u64 = 6;
pub(super) const INTERMEDIATE: u64 = 7;
pub(super) const TRIAL_ATTRIBUTE: u64 = 8;
pub(super) const TRIAL_SYSTEM_ATTRIBUTE: u64 = 9;
pub(super) const DISCARD_TRIALS: u64 = 10;

/// Larger values are better.
const MAXIMIZE: u64 = 2;

impl Record {
    /// The entry as a line, with its writer.
    pub(super) fn to_line(&self, writer: &str) -> String {
        let mut fields = self.fields();
        fields["worker_id"] = json!(writer);
        format!("{fields}\n")
    }

    fn fields(&self) -> Value {
        match self {
            Self::CreateStudy { name } => {
                json!({"op_code": CREATE_STUDY, "study_name": name, "directions": [MAXIMIZE]})
            }
            Self::StudyAttribute { study, key, value } => {
                json!({"op_code": STUDY_ATTRIBUTE, "study_id": study, "user_attr": {key: value}})
            }
            Self::MetricName { study, name } => json!({"op_code": STUDY_SYSTEM_ATTRIBUTE, "study_id": study,
                "system_attr": {"study:metric_names": [name]}}),
            Self::CreateTrial { study, state, parameters, attributes } => {
                let of = |pick: &dyn Fn(&(String, f64)) -> Value| -> Map<String, Value> {
                    parameters.iter().map(|(name, parameter)| (name.clone(), pick(parameter))).collect()
                };
                json!({
                    "op_code": CREATE_TRIAL,
                    "study_id": study,
                    "datetime_start": (*state == TrialState::Running).then(now),
                    "state": state.code(),
                    "value": null,
                    "values": null,
                    "distributions": of(&|(distribution, _)| json!(distribution)),
                    "params": of(&|(distribution, place)| place_json(distribution, *place)),
                    "user_attrs": attributes,
                    "system_attrs": {},
                    "intermediate_values": {},
                })
            }
            Self::State { trial, state, value } => {
                let mut fields = json!({"op_code": STATE, "trial_id": trial, "state": state.code(),
                    "values": value.map(|value| [value])});
                match state {
                    TrialState::Running => fields["datetime_start"] = json!(now()),
                    TrialState::Waiting => {}
                    _ => fields["datetime_complete"] = json!(now()),
                }
                fields
            }
            Self::Intermediate { trial, step, value } => {
                json!({"op_code": INTERMEDIATE, "trial_id": trial, "step": step, "intermediate_value": value})
            }
            Self::TrialAttribute { trial, key, value } => {
                json!({"op_code": TRIAL_ATTRIBUTE, "trial_id": trial, "user_attr": {key: value}})
            }
        }
    }
}

/// Optuna stores the indices of choices as whole numbers and all other internal values as floating-point numbers.
fn place_json(distribution: &str, place: f64) -> Value {
    if distribution.contains("\"CategoricalDistribution\"") { json!(place as u64) } else { json!(place) }
}

/// The time in the form that every Python since 3.7 reads.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}
