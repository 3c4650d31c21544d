//! The values that are tried for a setting.

use std::fmt;

use convscope_train::config::setting_value;
use serde_json::{Value as Json, json};

/// A value of a parameter, in readable form.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Switch(bool),
    /// A name.
    Text(String),
}

impl Value {
    /// The value of a text.
    pub(crate) fn parse(text: &str) -> Value {
        match setting_value(text) {
            toml::Value::Integer(value) => Value::Int(value),
            toml::Value::Float(value) => Value::Float(value),
            toml::Value::Boolean(value) => Value::Switch(value),
            _ => Value::Text(text.to_owned()),
        }
    }

    /// The value of a number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether both are the same value, like 1 and 1.0.
    pub(crate) fn is_same(&self, other: &Value) -> bool {
        match (self.number(), other.number()) {
            (Some(one), Some(two)) => one == two,
            _ => self == other,
        }
    }

    pub(crate) fn from_json(value: &Json) -> Value {
        match value {
            Json::Bool(value) => Self::Switch(*value),
            Json::String(text) => Self::Text(text.clone()),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            // Choices that only other programs use.
            other => Self::Text(other.to_string()),
        }
    }

    /// The value of a setting.
    pub(crate) fn to_toml(&self) -> toml::Value {
        match self {
            Self::Int(value) => (*value).into(),
            Self::Float(value) => (*value).into(),
            Self::Switch(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
        }
    }

    /// The value in a JSON document.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Int(value) => json!(value),
            Self::Float(value) => json!(value),
            Self::Switch(value) => json!(value),
            Self::Text(value) => json!(value),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) if *value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e6) => {
                write!(f, "{value:e}")
            }
            Self::Float(value) => write!(f, "{value}"),
            Self::Switch(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}
