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

/// A network whose shapes fit: nodes in an order in which each follows its inputs.
#[derive(Clone, Debug)]
pub struct Graph {
    description: ModelDescription,
    nodes: Vec<Node>,
    /// The nodes that take each value, the images first.
    consumers: Vec<Vec<usize>>,
}

/// One use of an operator, with what follows from its inputs.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name, unique in the graph.
    pub name: String,
    /// The operator.
    pub operator: Operator,
    /// The function applied to its output.
    pub activation: Option<Activation>,
    /// Where its inputs come from.
    pub inputs: Vec<ValueId>,
    /// Their shapes.
    pub input_shapes: Vec<Shape>,
    /// The shape of its output.
    pub shape: Shape,
    /// The arrays it needs.
    pub parameters: Vec<ParameterSpec>,
    /// Multiply-adds of one image.
    pub multiply_adds: u64,
}

impl Node {
    /// Number of values that gradients train.
    pub fn trained_parameters(&self) -> usize {
        self.count(Role::is_trained)
    }

    /// Number of running means and variances, which follow the batches without gradients.
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
    /// Names that are unknown or taken, a node whose output nothing uses, arguments or shapes that do not fit (with
    /// the node's name and the numbers), a last node that outputs no vector, a network beyond the [`limits`](crate::limits).
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
                    "is a function itself and takes no activation; make {} a node of its own",
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

    /// The description it was made from.
    pub fn description(&self) -> &ModelDescription {
        &self.description
    }

    /// What the model is called.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// How weights start.
    pub fn initializer(&self) -> Initializer {
        self.description.initializer
    }

    /// The nodes in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Shape of one image of a value.
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

    /// The nodes that take a value as input, each as often as it takes it.
    pub fn consumers(&self, value: ValueId) -> impl Iterator<Item = (usize, &Node)> {
        self.consumers[place(value)].iter().map(|&index| (index, &self.nodes[index]))
    }

    /// The nodes, in order, through which every path from the image to the last node goes: in graph theory, those that
    /// dominate the output. The last node is one of them.
    pub fn dominators(&self) -> impl Iterator<Item = usize> {
        // Paths climb in the order of the nodes, so one that avoids a node steps over it.
        let last_reader = |value| self.consumers(value).map(|(reader, _)| reader).max().unwrap_or(0);
        let mut furthest = last_reader(ValueId::Input);
        (0..self.nodes.len()).filter(move |&node| {
            let is_stepped_over = furthest > node;
            furthest = furthest.max(last_reader(ValueId::Node(node)));
            !is_stepped_over
        })
    }

    /// Checks that the network can be trained on batches of so many images.
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
                    "nothing uses its output; remove it or name it as an input",
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

/// Where the consumers of a value are listed.
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
            format!("takes its input from '{wanted}', which does not stand before it")
        } else {
            format!("takes its input from '{wanted}', and there is no node of that name")
        };
        GraphError::structure(node, problem)
    })
}

/// Given names, and Keras' names with a number for the others.
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
    // How often each of Keras' names was tried: all numbers below are taken.
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
