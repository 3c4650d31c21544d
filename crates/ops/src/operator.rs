//! Any operator with its arguments, as files and presets name it.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::torch::arguments_of;
use crate::{Layer, registry};

/// Arguments by their names, those that have their default left out.
pub type Arguments = Map<String, Value>;

/// An operator with its arguments; in a model file `op = "conv2d"` and the arguments beside it.
///
/// Every [`Layer`] that can be written to a file is one, by `into`; a file can name those that are
/// [registered](crate::register).
///
/// ```
/// use convscope_ops::{Linear, Operator};
/// let operator: Operator = Linear::new(7).into();
/// assert_eq!(operator.name(), "linear");
/// assert_eq!(operator.arguments()["out_features"], 7);
/// let read: Operator = serde_json::from_str(r#"{"op": "linear", "out_features": 7}"#)?;
/// assert_eq!(read, operator);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct Operator {
    name: &'static str,
    arguments: Arc<Arguments>,
    layer: Arc<dyn Layer>,
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

    pub(crate) fn from_parts(
        name: &'static str,
        arguments: Arc<Arguments>,
        layer: Arc<dyn Layer>,
    ) -> Operator {
        Operator { name, arguments, layer }
    }

    /// PyTorch's name: `conv2d`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its arguments, those that have their default left out.
    pub fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    /// The operator as a layer of a network.
    pub fn layer(&self) -> &dyn Layer {
        &*self.layer
    }
}

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
        source: serde_json::Error,
    },
}

impl<L: Layer + Serialize> From<L> for Operator {
    fn from(layer: L) -> Operator {
        Operator { name: L::name(), arguments: Arc::new(arguments_of(&layer)), layer: Arc::new(layer) }
    }
}

/// Reads the arguments of one kind of operator.
pub(crate) fn parse<L: Layer + Serialize + DeserializeOwned>(
    arguments: Arguments,
) -> Result<Operator, serde_json::Error> {
    let layer: L = serde_json::from_value(Value::Object(arguments))?;
    Ok(layer.into())
}

impl PartialEq for Operator {
    fn eq(&self, other: &Operator) -> bool {
        self.name == other.name && self.arguments == other.arguments
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layer.fmt(f)
    }
}

impl Serialize for Operator {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(1 + self.arguments.len()))?;
        map.serialize_entry("op", self.name)?;
        for (name, value) in &*self.arguments {
            map.serialize_entry(name, value)?;
        }
        map.end()
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
