//! Operators as files and presets name them.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{ArgumentError, Arguments, Operator, registry};

/// Why a name with arguments is not an operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// There is no operator of this name.
    #[error("unknown operator `{name}`, expected one of {known}")]
    Unknown {
        /// The name.
        name: String,
        /// All names that are known.
        known: String,
    },
    /// An argument is unknown, missing or of another type.
    #[error("{name}: {source}")]
    Arguments {
        /// The operator.
        name: String,
        /// What is wrong.
        source: ArgumentError,
    },
}

impl Operator {
    /// The operator of this name with these arguments.
    ///
    /// # Errors
    /// A name that is neither built in nor registered; an argument that is unknown, missing or of another type.
    pub fn parse(name: &str, arguments: Arguments) -> Result<Operator, ParseError> {
        let known = registry::registered(name).ok_or_else(|| ParseError::Unknown {
            name: name.to_owned(),
            known: registry::names().iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", "),
        })?;
        known.parse(arguments).map_err(|source| ParseError::Arguments { name: name.to_owned(), source })
    }
}

impl<'de> Deserialize<'de> for Operator {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Operator, D::Error> {
        let mut arguments = Arguments::deserialize(from)?;
        match arguments.remove("op") {
            Some(Value::String(name)) => Operator::parse(&name, arguments).map_err(D::Error::custom),
            Some(other) => Err(D::Error::custom(format!("'op' is {other}, not the name of an operator"))),
            None => Err(D::Error::custom("'op' is missing: the name of the operator")),
        }
    }
}
