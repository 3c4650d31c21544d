//! A node of a graph, and the values that flow between nodes.

use convscope_ops::{Activation, Mode, Operator, ParameterSpec, Role, Shape};
use serde::Serialize;

use crate::{GraphError, NodeDescription};

/// A value that flows through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueId {
    /// The input at this index; the first is the image.
    Input(usize),
    /// The output of the node at this index.
    Node(usize),
}

/// One use of an operator, with everything derived from its inputs.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name, unique in the graph.
    pub name: String,
    /// The operator.
    pub operator: Operator,
    /// The function applied to its output.
    pub activation: Option<Activation>,
    /// The values that are its inputs.
    pub inputs: Vec<ValueId>,
    /// Their shapes.
    pub input_shapes: Vec<Shape>,
    /// The shape of its output.
    pub shape: Shape,
    /// The arrays that it needs.
    pub parameters: Vec<ParameterSpec>,
    /// The node whose arrays it uses, where it has none of its own.
    pub weights_of: Option<usize>,
    /// Multiply-adds for one image.
    pub multiply_adds: u64,
}

impl Node {
    pub(crate) fn new(
        described: &NodeDescription,
        name: &str,
        inputs: Vec<ValueId>,
        input_shapes: Vec<Shape>,
    ) -> Result<Node, GraphError> {
        let layer = described.operator.layer();
        let shape = layer
            .output_shape(&input_shapes)
            .map_err(|problem| GraphError::Node { node: name.to_owned(), problem })?;
        let parameters = layer.parameters(&input_shapes);
        Ok(Node {
            name: name.to_owned(),
            operator: described.operator.clone(),
            activation: described.activation,
            inputs,
            shape,
            parameters,
            weights_of: None,
            multiply_adds: layer.multiply_adds(&input_shapes),
            input_shapes,
        })
    }

    /// The arrays that belong to this node: none where it shares those of another.
    pub fn own_parameters(&self) -> &[ParameterSpec] {
        if self.weights_of.is_some() { &[] } else { &self.parameters }
    }

    /// Number of values trained by gradients; shared ones count for the node that they belong to.
    pub fn trained_parameters(&self) -> usize {
        self.count(Role::is_trained)
    }

    /// Number of running means and variances, which are updated without gradients.
    pub fn running_statistics(&self) -> usize {
        self.count(|role| matches!(role, Role::RunningMean | Role::RunningVar))
    }

    /// Whether gradients train an array that it uses.
    pub fn is_trained(&self) -> bool {
        self.parameters.iter().any(|spec| spec.role.is_trained())
    }

    fn count(&self, counts: impl Fn(Role) -> bool) -> usize {
        let specs = self.own_parameters().iter().filter(|spec| counts(spec.role));
        specs.map(|spec| spec.shape.iter().product::<usize>()).sum()
    }

    /// Checks what needs the operator's bound form, once the size of everything is known.
    pub(crate) fn check_activation(&self) -> Result<(), GraphError> {
        let bound = || self.operator.layer().bind(&self.input_shapes, Mode::Inference.into());
        match self.activation {
            Some(activation) if bound().backward_reads().output => {
                let problem = format!(
                    "is itself a function and takes no activation; make {} a separate node",
                    activation.name()
                );
                Err(GraphError::structure(&self.name, problem))
            }
            _ => Ok(()),
        }
    }
}
