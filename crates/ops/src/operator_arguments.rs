//! The arguments of an operator by their names.

use std::fmt;

use convscope_files::plain_words;
use serde::de::DeserializeOwned;
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

/// An argument that is unknown, missing or of another type.
#[derive(Debug)]
pub struct ArgumentError {
    /// The argument, where the error is within one.
    argument: String,
    source: serde_json::Error,
}

impl ArgumentError {
    /// Whether a value has another type than the argument.
    pub fn is_of_type(&self) -> bool {
        self.source.to_string().starts_with("invalid type: ")
    }
}

/// `p is "x", must be a number`.
impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = plain_words(&self.source.to_string());
        let is_about_value = ["is ", "must "].iter().any(|start| plain.starts_with(start));
        if is_about_value && self.argument != "." {
            write!(f, "{} {plain}", self.argument)
        } else {
            f.write_str(&plain)
        }
    }
}

impl std::error::Error for ArgumentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Arguments as a struct that has a field for each.
///
/// # Errors
/// One that is unknown, missing or of another type.
pub fn read_arguments<T: DeserializeOwned>(arguments: Arguments) -> Result<T, ArgumentError> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let argument = error.path().to_string();
        ArgumentError { argument, source: error.into_inner() }
    })
}
