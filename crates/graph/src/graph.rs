//! A checked network: named nodes with shapes.

use crate::limits::{Extent, check_nodes};
use crate::{GraphError, Initializer, ModelDescription, NodeDescription};
use convscope_ops::{Activation, Mode, Operator, ParameterSpec, Role, Shape};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// The name by which nodes refer to the image.
pub(crate) const INPUT: &str = "input";

/// A value that flows through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueId {
    /// The image.
    Input,
    /// The output of the node at this index.
    Node(usize),
}

/// A network with matching shapes: its nodes in an order in which each follows its inputs.
#[derive(Clone, Debug)]
pub struct Graph {
    description: ModelDescription,
    nodes: Vec<Node>,
    /// The nodes that use each value, starting with the images.
    consumers: Vec<Vec<usize>>,
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
    /// Multiply-adds for one image.
    pub multiply_adds: u64,
}

impl Node {
    /// Number of values trained by gradients.
    pub fn trained_parameters(&self) -> usize {
        self.count(Role::is_trained)
    }

    /// Number of running means and variances, which are updated without gradients.
    pub fn running_statistics(&self) -> usize {
        self.count(|role| matches!(role, Role::RunningMean | Role::RunningVar))
    }

    fn count(&self, counts: impl Fn(Role) -> bool) -> usize {
        let specs = self.parameters.iter().filter(|spec| counts(spec.role));
        specs.map(|spec| spec.shape.iter().product::<usize>()).sum()
    }
}

impl Graph {
    /// Checks a description.
    ///
    /// # Errors
    /// An unknown or duplicate name, a node whose output is not used, arguments or shapes that do not fit (the message
    /// has the node's name and the numbers), a last node whose output is not a vector, a network beyond the
    /// [`limits`](crate::limits).
    pub fn new(description: ModelDescription) -> Result<Graph, GraphError> {
        let [channels, height, width] = description.input;
        let input = Shape::image(channels, [height, width]);
        if input.is_empty() {
            return Err(GraphError::structure(INPUT, format!("has the empty shape {input}")));
        }
        let mut extent = Extent::default();
        extent.add_images(INPUT, input)?;
        check_nodes(&description.name, description.nodes.len())?;
        let names = names(&description)?;
        let mut nodes: Vec<Node> = Vec::new();
        let mut known: HashMap<&str, ValueId> = HashMap::from([(INPUT, ValueId::Input)]);
        let mut previous = ValueId::Input;
        for (index, (node, name)) in description.nodes.iter().zip(&names).enumerate() {
            let inputs = match &node.inputs {
                None => vec![previous],
                Some(wanted) => wanted
                    .iter()
                    .map(|wanted| find(&known, &names, name, wanted))
                    .collect::<Result<_, _>>()?,
            };
            let shape_of = |value: &ValueId| match *value {
                ValueId::Input => input,
                ValueId::Node(index) => nodes[index].shape,
            };
            let input_shapes: Vec<Shape> = inputs.iter().map(shape_of).collect();
            let layer = node.operator.layer();
            let shape = layer
                .output_shape(&input_shapes)
                .map_err(|problem| GraphError::Node { node: name.clone(), problem })?;
            let parameters = layer.parameters(&input_shapes);
            extent.add_node(name, inputs.len(), shape, &parameters)?;
            if let Some(activation) = node.activation
                && layer.bind(&input_shapes, Mode::Inference).backward_reads().output
            {
                let problem = format!(
                    "is itself a function and takes no activation; make {} a separate node",
                    activation.name()
                );
                return Err(GraphError::structure(name, problem));
            }
            nodes.push(Node {
                name: name.clone(),
                operator: node.operator.clone(),
                activation: node.activation,
                inputs,
                shape,
                parameters,
                multiply_adds: layer.multiply_adds(&input_shapes),
                input_shapes,
            });
            previous = ValueId::Node(index);
            known.insert(name, previous);
        }
        let mut consumers = vec![Vec::new(); nodes.len() + 1];
        for (index, node) in nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&input| consumers[place(input)].push(index));
        }
        let graph = Graph { nodes, description, consumers };
        graph.check_outputs()?;
        Ok(graph)
    }

    /// The description that it was built from.
    pub fn description(&self) -> &ModelDescription {
        &self.description
    }

    /// Name of the model.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// How weights are initialised.
    pub fn initializer(&self) -> Initializer {
        self.description.initializer
    }

    /// The nodes in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Shape of a value for one image.
    pub fn shape(&self, value: ValueId) -> Shape {
        match value {
            ValueId::Input => {
                let [channels, height, width] = self.description.input;
                Shape::image(channels, [height, width])
            }
            ValueId::Node(index) => self.nodes[index].shape,
        }
    }

    /// Number of classes: the length of the last node's output.
    pub fn classes(&self) -> usize {
        self.output().shape.len()
    }

    /// The last node.
    pub fn output(&self) -> &Node {
        self.nodes.last().expect("a graph has a node")
    }

    /// The nodes that use a value as input, each once for every use.
    pub fn consumers(&self, value: ValueId) -> impl Iterator<Item = (usize, &Node)> {
        self.consumers[place(value)].iter().map(|&index| (index, &self.nodes[index]))
    }

    /// The nodes, in order, that lie on every path from the image to the last node: in graph theory, those that
    /// dominate the output. The last node is one of them.
    pub fn dominators(&self) -> impl Iterator<Item = usize> {
        // Paths follow the order of the nodes, so one that avoids a node skips over it.
        let last_reader = |value| self.consumers(value).map(|(reader, _)| reader).max().unwrap_or(0);
        let mut furthest = last_reader(ValueId::Input);
        (0..self.nodes.len()).filter(move |&node| {
            let is_stepped_over = furthest > node;
            furthest = furthest.max(last_reader(ValueId::Node(node)));
            !is_stepped_over
        })
    }

    /// Checks that the network can be trained on batches of this many images.
    ///
    /// # Errors
    /// A batch normalisation would have one value per channel.
    pub fn check_batch(&self, images: usize) -> Result<(), GraphError> {
        self.nodes.iter().try_for_each(|node| {
            let checked = node.operator.layer().check_batch(&node.input_shapes, images);
            checked.map_err(|problem| GraphError::Batch { node: node.name.clone(), problem })
        })
    }

    /// Number of trained values.
    pub fn trained_parameters(&self) -> usize {
        self.nodes.iter().map(Node::trained_parameters).sum()
    }

    fn check_outputs(&self) -> Result<(), GraphError> {
        let Some(last) = self.nodes.last() else {
            return Err(GraphError::structure(&self.description.name, "has no nodes"));
        };
        for (index, node) in self.nodes.iter().enumerate().take(self.nodes.len() - 1) {
            if self.consumers(ValueId::Node(index)).next().is_none() {
                return Err(GraphError::structure(
                    &node.name,
                    "its output is not used; remove it or name it as an input of another node",
                ));
            }
        }
        if !matches!(last.shape, Shape::Vector { .. }) {
            let problem = format!(
                "is the last node and outputs {}, but one value for each class is needed; end with 'flatten' and 'linear'",
                last.shape
            );
            return Err(GraphError::structure(&last.name, problem));
        }
        Ok(())
    }
}

/// Index of a value in the list of consumers.
fn place(value: ValueId) -> usize {
    match value {
        ValueId::Input => 0,
        ValueId::Node(index) => index + 1,
    }
}

fn find(
    known: &HashMap<&str, ValueId>,
    names: &[String],
    node: &str,
    wanted: &str,
) -> Result<ValueId, GraphError> {
    known.get(wanted).copied().ok_or_else(|| {
        let problem = if names.iter().any(|name| name == wanted) {
            format!("takes its input from '{wanted}', which comes after it")
        } else {
            format!("takes its input from '{wanted}', but there is no node with that name")
        };
        GraphError::structure(node, problem)
    })
}

/// The given names, and for other nodes Keras' names with a number.
pub(crate) fn names(description: &ModelDescription) -> Result<Vec<String>, GraphError> {
    let mut taken: HashSet<&str> = HashSet::from([INPUT]);
    for node in &description.nodes {
        let Some(name) = &node.name else { continue };
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(GraphError::structure(
                name,
                "a node's name consists of letters, digits and underscores",
            ));
        }
        if !taken.insert(name) {
            return Err(GraphError::structure(name, "two nodes have this name"));
        }
    }
    // For each of Keras' names, the next number to try: all below are taken.
    let mut tried: HashMap<&str, usize> = HashMap::new();
    let named = |node: &NodeDescription| {
        if let Some(name) = &node.name {
            return name.clone();
        }
        let base = node.operator.layer().keras_name();
        let number = tried.entry(base).or_default();
        loop {
            let name = if *number == 0 { base.to_string() } else { format!("{base}_{number}") };
            *number += 1;
            if !taken.contains(name.as_str()) {
                return name;
            }
        }
    };
    Ok(description.nodes.iter().map(named).collect())
}
