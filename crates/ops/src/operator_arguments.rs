//! The arguments of an operator by their names.

use serde_json::{Map, Value};

/// A layer's arguments, those that have their default left out.
pub(crate) fn arguments_of(layer: &impl serde::Serialize) -> Arguments {
    match serde_json::to_value(layer) {
        Ok(Value::Object(arguments)) => arguments,
        // A layer without fields, written as a unit struct.
        _ => Arguments::new(),
    }
}

/// Arguments by their names, those that have their default left out.
pub type Arguments = Map<String, Value>;
