//! What PyTorch calls an operator.

use serde_json::Value;

use crate::Arguments;
use crate::operator_arguments::arguments_of;

/// An operator as PyTorch's source has it. In expressions `{0}`, `{1}`, ... stand for its inputs and `{inputs}` for all of them,
/// separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Torch {
    /// A submodule with arrays of its own.
    Module {
        /// The call that makes it: `nn.Conv2d(3, 16, kernel_size=3)`.
        constructor: String,
        /// What it is called with.
        input: String,
        /// What follows the call: `.movedim(-1, 1)`.
        after: &'static str,
    },
    /// An expression of functions without arrays: `F.relu({0})`.
    Expression(String),
    /// An array of the network, the same for each image.
    Parameter {
        /// Its axes after the batch axis.
        shape: Vec<usize>,
        /// Whether gradients change it.
        trained: bool,
    },
}

impl Torch {
    /// A submodule of this class, with sizes first and then the other arguments by name.
    pub(crate) fn module(class: &str, sizes: &[usize], arguments: &Arguments, without: &[&str]) -> Torch {
        let sizes = sizes.iter().map(ToString::to_string);
        let all: Vec<String> = sizes.chain(keywords(arguments, without)).collect();
        Torch::Module {
            constructor: format!("{class}({})", all.join(", ")),
            input: "{0}".to_owned(),
            after: "",
        }
    }

    /// A function of one input with the arguments by name.
    pub(crate) fn function(name: &str, layer: &impl serde::Serialize) -> Torch {
        let arguments = arguments_of(layer);
        let all: Vec<String> = ["{0}".to_owned()].into_iter().chain(keywords(&arguments, &[])).collect();
        Torch::Expression(format!("{name}({})", all.join(", ")))
    }
}

/// `kernel_size=(3, 2)`, each.
fn keywords(arguments: &Arguments, without: &[&str]) -> Vec<String> {
    let kept = arguments.iter().filter(|(name, _)| !without.contains(&name.as_str()));
    kept.map(|(name, value)| format!("{name}={}", python(value))).collect()
}

/// A value as Python writes it.
pub(crate) fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(values) => format!("({})", values.iter().map(python).collect::<Vec<_>>().join(", ")),
        // A side of an adaptive pooling that stays as it is.
        Value::String(text) if text == "none" => "None".to_owned(),
        other => other.to_string(),
    }
}
