//! What comes into a network.

use serde::{Deserialize, Serialize};

/// The name of an only input.
pub(crate) const INPUT: &str = "input";

/// An input by its name, with its shape for one image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInput {
    /// The name by which nodes refer to it.
    pub name: String,
    /// Its axes after the batch axis: channels, rows and columns of an image.
    pub shape: Vec<usize>,
}

impl ModelInput {
    /// The only input of a network, `input`.
    pub fn only(shape: impl Into<Vec<usize>>) -> Vec<ModelInput> {
        vec![ModelInput { name: INPUT.to_owned(), shape: shape.into() }]
    }
}

/// An only input by its shape, `input = [3, 32, 32]`; others as tables with `name` and `shape`.
pub(crate) mod in_file {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{INPUT, ModelInput};

    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "input must be channels, rows and columns such as [3, 32, 32], or a list of inputs with name and shape"
    )]
    enum InFile {
        Shape(Vec<usize>),
        Inputs(Vec<ModelInput>),
    }

    pub(crate) fn serialize<S: Serializer>(inputs: &[ModelInput], to: S) -> Result<S::Ok, S::Error> {
        match inputs {
            [only] if only.name == INPUT => only.shape.serialize(to),
            inputs => inputs.serialize(to),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ModelInput>, D::Error> {
        match InFile::deserialize(from) {
            Ok(InFile::Shape(shape)) => Ok(ModelInput::only(shape)),
            Ok(InFile::Inputs(inputs)) => Ok(inputs),
            Err(_) => Err(serde::de::Error::custom(
                "'input' is a shape, such as [3, 32, 32], or a list of tables with 'name' and 'shape'",
            )),
        }
    }
}
