//! What may be tried for a setting: choices or a range.

use serde_json::{Value as Json, json};

use crate::Value;

/// The values that a parameter may take.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// One of these.
    Choices(Vec<Value>),
    /// A number from `low` to `high`, evenly or evenly in the logarithm.
    Float {
        /// The smallest value.
        low: f64,
        /// The largest value.
        high: f64,
        /// How values are spread.
        scale: Scale,
    },
    /// A whole number from `low` to `high`, both included.
    Int {
        /// The smallest value.
        low: i64,
        /// The largest value.
        high: i64,
        /// How values are spread.
        scale: Scale,
    },
}

/// How the values of a range are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// Evenly in the logarithm.
    Logarithm,
}

impl Distribution {
    /// The value for this internal value.
    pub fn value(&self, place: f64) -> Value {
        match self {
            Self::Choices(values) => values[(place as usize).min(values.len() - 1)].clone(),
            Self::Float { .. } => Value::Float(place),
            Self::Int { .. } => Value::Int(place.round() as i64),
        }
    }

    /// The internal value of this value; `None` for one that is not a choice, is outside the range, or is not whole if
    /// only whole numbers are allowed.
    pub fn place(&self, value: &Value) -> Option<f64> {
        if let Self::Choices(values) = self {
            let exact = values.iter().position(|choice| choice == value);
            let index = exact.or_else(|| values.iter().position(|choice| choice.is_same(value)));
            return index.map(|index| index as f64);
        }
        let (low, high) = self.bounds();
        let number = value.number().filter(|number| (low..=high).contains(number))?;
        (matches!(self, Self::Float { .. }) || number.fract() == 0.0).then_some(number)
    }

    /// The smallest and the largest internal value.
    pub fn bounds(&self) -> (f64, f64) {
        match self {
            Self::Choices(values) => (0.0, values.len().saturating_sub(1) as f64),
            Self::Float { low, high, .. } => (*low, *high),
            Self::Int { low, high, .. } => (*low as f64, *high as f64),
        }
    }

    /// Its text in an Optuna journal.
    pub(crate) fn to_json(&self) -> String {
        let described = match self {
            Self::Choices(values) => {
                let choices: Vec<Json> = values.iter().map(Value::to_json).collect();
                json!({"name": "CategoricalDistribution", "attributes": {"choices": choices}})
            }
            Self::Float { low, high, scale } => json!({"name": "FloatDistribution", "attributes":
                {"step": null, "low": low, "high": high, "log": *scale == Scale::Logarithm}}),
            Self::Int { low, high, scale } => json!({"name": "IntDistribution", "attributes":
                {"log": *scale == Scale::Logarithm, "step": 1, "low": low, "high": high}}),
        };
        described.to_string()
    }

    /// Reads such a text; `None` for anything else.
    pub(crate) fn from_json(text: &str) -> Option<Distribution> {
        let described: Json = serde_json::from_str(text).ok()?;
        let attributes = &described["attributes"];
        let scale = if attributes["log"].as_bool() == Some(true) { Scale::Logarithm } else { Scale::Linear };
        let (low, high) = (&attributes["low"], &attributes["high"]);
        match described["name"].as_str()? {
            "CategoricalDistribution" => {
                let choices: Vec<Value> =
                    attributes["choices"].as_array()?.iter().map(Value::from_json).collect();
                (!choices.is_empty()).then_some(Self::Choices(choices))
            }
            "IntDistribution" => Some(Self::Int { low: low.as_i64()?, high: high.as_i64()?, scale }),
            "FloatDistribution" => Some(Self::Float { low: low.as_f64()?, high: high.as_f64()?, scale }),
            _ => None,
        }
    }
}
