//! A model as plain data.

use crate::{Initializer, ModelInput};
use convscope_ops::{Activation, Operator};
use serde::{Deserialize, Serialize};

/// A network as a list of nodes, each listed after its inputs.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelDescription {
    /// Name of the model.
    pub name: String,
    /// What comes in; for most networks the image alone, `input = [3, 32, 32]` in a file. The first is the one that networks
    /// are trained on.
    #[serde(rename = "input", with = "crate::input::in_file")]
    pub inputs: Vec<ModelInput>,
    /// How weights are initialised; default `glorot_uniform`.
    #[serde(default)]
    pub initializer: Initializer,
    /// Names of the nodes whose values are the outputs; default the last one. The first is the one that classifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<String>>,
    /// The nodes in order; the last one outputs one value for each class.
    #[serde(rename = "node")]
    pub nodes: Vec<NodeDescription>,
}

/// One use of an operator.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct NodeDescription {
    /// Its name; by default Keras' name, with a number if it is taken: `conv2d`, `conv2d_1`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The operator with its arguments.
    #[serde(flatten)]
    pub operator: Operator,
    /// A function that this node applies to the operator's output; default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Names of the nodes that are its inputs, or `input` for the image; default the node before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
    /// Name of a node before it whose weights it shares; default none: it has weights of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_of: Option<String>,
    /// How its weights are initialised; default as the network's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initializer: Option<Initializer>,
}

impl NodeDescription {
    /// A node with the default name that takes the node before as its input.
    pub fn new(operator: Operator) -> NodeDescription {
        NodeDescription {
            name: None,
            operator,
            activation: None,
            inputs: None,
            weights_of: None,
            initializer: None,
        }
    }

    /// The same with an activation.
    pub fn with_activation(self, activation: Activation) -> NodeDescription {
        NodeDescription { activation: Some(activation), ..self }
    }

    /// The same with a name.
    pub fn named(self, name: impl Into<String>) -> NodeDescription {
        NodeDescription { name: Some(name.into()), ..self }
    }

    /// The same with the weights of another node.
    pub fn with_weights_of(self, node: impl Into<String>) -> NodeDescription {
        NodeDescription { weights_of: Some(node.into()), ..self }
    }

    /// The same with another initialiser than the network's.
    pub fn with_initializer(self, initializer: Initializer) -> NodeDescription {
        NodeDescription { initializer: Some(initializer), ..self }
    }

    /// The same with inputs by name.
    pub fn with_inputs(self, inputs: &[&str]) -> NodeDescription {
        NodeDescription { inputs: Some(inputs.iter().map(|name| name.to_string()).collect()), ..self }
    }
}

impl ModelDescription {
    /// Channels, rows and columns of the image, where the first input is one.
    pub fn image(&self) -> Option<[usize; 3]> {
        self.inputs.first().and_then(|input| input.shape.as_slice().try_into().ok())
    }

    /// The same with all weights initialised in this way, also those of nodes with an initialiser of their own.
    #[must_use]
    pub fn with_initializer(mut self, initializer: Initializer) -> ModelDescription {
        self.initializer = initializer;
        self.nodes.iter_mut().for_each(|node| node.initializer = None);
        self
    }

    /// The description as a TOML file that [`ModelFile`](crate::ModelFile) reads.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("TOML can express every description")
    }
}

/// How pictures are prepared for weights that are published for a network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrained {
    /// Rows and columns of the images.
    pub size: usize,
    /// As in [`InputDescription`](crate::InputDescription).
    pub resize: String,
    /// Subtracted from each channel, whose values are from 0 to 1.
    pub mean: Vec<f64>,
    /// Divides the difference.
    pub std: Vec<f64>,
}
