//! A network in numbers.

use crate::Graph;
use serde::Serialize;

/// Every layer of a network.
#[derive(Clone, Debug, Serialize)]
pub struct ModelSummary {
    /// Name of the model.
    pub name: String,
    /// The layers in order.
    pub layers: Vec<LayerSummary>,
    /// Trained values.
    pub trained_parameters: usize,
    /// Running means and variances, which are updated without gradients.
    pub running_statistics: usize,
    /// Multiply-adds for one image.
    pub multiply_adds: u64,
}

/// One layer in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct LayerSummary {
    /// The node's name.
    pub name: String,
    /// Keras' name of its kind, with its activation.
    pub kind: String,
    /// Shape of one image's output, as PyTorch lists it.
    pub output_shape: Vec<usize>,
    /// Trained values.
    pub parameters: usize,
    /// Multiply-adds for one image.
    pub multiply_adds: u64,
    /// Bytes of one image's output.
    pub activation_bytes: usize,
    /// Names of the nodes that are its inputs.
    pub inputs: Vec<String>,
}

impl ModelSummary {
    /// The summary of a graph.
    pub fn new(graph: &Graph) -> ModelSummary {
        let name_of = |value: &crate::ValueId| graph.value_name(*value).to_owned();
        let layers: Vec<LayerSummary> = graph
            .nodes()
            .iter()
            .map(|node| LayerSummary {
                name: node.name.clone(),
                kind: kind(node),
                output_shape: node.shape.axes().to_vec(),
                parameters: node.trained_parameters(),
                multiply_adds: node.multiply_adds,
                activation_bytes: node.shape.len() * size_of::<f32>(),
                inputs: node.inputs.iter().map(name_of).collect(),
            })
            .collect();
        let trained_parameters = graph.trained_parameters();
        ModelSummary {
            name: graph.name().to_string(),
            multiply_adds: layers.iter().map(|layer| layer.multiply_adds).sum(),
            trained_parameters,
            running_statistics: graph.nodes().iter().map(crate::Node::running_statistics).sum(),
            layers,
        }
    }
}

fn kind(node: &crate::Node) -> String {
    let name = node.operator.layer().keras_name();
    match node.activation {
        None => name.to_string(),
        Some(activation) => format!("{name}, {}", activation.name()),
    }
}
