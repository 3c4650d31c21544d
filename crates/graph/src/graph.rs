//! A checked network: named nodes with shapes.

mod rewired;

use std::collections::HashMap;

use convscope_ops::{Activation, ParameterSpec, Shape};

use crate::keys::check_keys;
use crate::limits::{Extent, MOST_ENDS, check_nodes};
use crate::names::names;
use crate::{GraphError, Initializer, ModelDescription, Node, ValueId};

/// A network with matching shapes: its nodes in an order in which each follows its inputs.
#[derive(Clone, Debug)]
pub struct Graph {
    description: ModelDescription,
    inputs: Vec<(String, Shape)>,
    nodes: Vec<Node>,
    /// Indices of the nodes whose values are the outputs, the one that classifies first.
    outputs: Vec<usize>,
    /// The nodes that use each value, starting with the inputs.
    consumers: Vec<Vec<usize>>,
    /// For each node, whether the first output depends on it.
    is_needed: Vec<bool>,
}

impl Graph {
    /// Checks a description.
    ///
    /// # Errors
    /// An unknown or duplicate name, arguments or shapes that do not fit (the message has the node's name and the numbers), two
    /// arrays with the same key, a network beyond the [`limits`](crate::limits).
    pub fn new(description: ModelDescription) -> Result<Graph, GraphError> {
        check_nodes(&description.name, description.nodes.len())?;
        let names = names(&description)?;
        let mut extent = Extent::default();
        let inputs = inputs(&description, &mut extent)?;
        let mut known: HashMap<&str, ValueId> = HashMap::new();
        known.extend(
            inputs.iter().enumerate().map(|(index, (name, _))| (name.as_str(), ValueId::Input(index))),
        );
        let mut nodes: Vec<Node> = Vec::with_capacity(names.len());
        let mut previous = ValueId::Input(0);
        for (index, (described, name)) in description.nodes.iter().zip(&names).enumerate() {
            let taken: Vec<ValueId> = match &described.inputs {
                Some(wanted) => wanted
                    .iter()
                    .map(|wanted| find(&known, &names, name, wanted))
                    .collect::<Result<_, _>>()?,
                None if described.operator.layer().takes_inputs() => vec![previous],
                None => Vec::new(),
            };
            let shapes = taken.iter().map(|value| match *value {
                ValueId::Input(index) => inputs[index].1,
                ValueId::Node(index) => nodes[index].shape,
            });
            let mut node = Node::new(described, name, taken.clone(), shapes.collect())?;
            if let Some(owner) = &described.weights_of {
                node.weights_of = Some(find_owner(&known, &names, &nodes, &node, owner)?);
            }
            extent.add_node(name, node.inputs.len(), node.shape, node.own_parameters())?;
            node.check_activation()?;
            nodes.push(node);
            previous = ValueId::Node(index);
            known.insert(name, previous);
        }
        check_keys(&nodes)?;
        let outputs = find_outputs(&description, &names)?;
        let consumers = readers_of(inputs.len(), &nodes);
        let is_needed = needed(&nodes, outputs[0]);
        let graph = Graph { description, inputs, nodes, outputs, consumers, is_needed };
        graph.check_softmax()?;
        Ok(graph)
    }

    /// The same network with another of its nodes as the output that classifies.
    ///
    /// # Errors
    /// There is no node of this name.
    pub fn with_output(&self, name: &str) -> Result<Graph, GraphError> {
        let mut description = self.description.clone();
        let others = self.outputs.iter().map(|&output| self.nodes[output].name.clone());
        let others = others.filter(|other| other != name);
        description.outputs = Some([name.to_owned()].into_iter().chain(others).collect());
        Graph::new(description)
    }

    /// The description that it was built from.
    pub fn description(&self) -> &ModelDescription {
        &self.description
    }

    /// Name of the model.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// How the weights of the node at `index` are initialised.
    pub fn initializer(&self, index: usize) -> Initializer {
        self.description.nodes[index].initializer.unwrap_or(self.description.initializer)
    }

    /// The names and shapes of the inputs.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = (&str, Shape)> {
        self.inputs.iter().map(|(name, shape)| (name.as_str(), *shape))
    }

    /// Channels, rows and columns of the image, the first input; axes that it lacks are 1.
    pub fn image(&self) -> [usize; 3] {
        let axes = self.inputs[0].1.axes();
        std::array::from_fn(|axis| axes.get(axis).copied().unwrap_or(1))
    }

    /// The nodes in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Shape of a value for one image.
    pub fn shape(&self, value: ValueId) -> Shape {
        match value {
            ValueId::Input(index) => self.inputs[index].1,
            ValueId::Node(index) => self.nodes[index].shape,
        }
    }

    /// The name of a value: that of the input or of the node.
    pub fn value_name(&self, value: ValueId) -> &str {
        match value {
            ValueId::Input(index) => &self.inputs[index].0,
            ValueId::Node(index) => &self.nodes[index].name,
        }
    }

    /// Number of classes: the number of values of the output that classifies.
    pub fn classes(&self) -> usize {
        self.output().shape.len()
    }

    /// The node whose value classifies: the first output.
    pub fn output(&self) -> &Node {
        &self.nodes[self.outputs[0]]
    }

    /// Indices of the nodes whose values are the outputs, the one that classifies first.
    pub fn outputs(&self) -> &[usize] {
        &self.outputs
    }

    /// Whether the output that classifies depends on the node at this index. Others are computed, but not trained.
    pub fn is_needed(&self, node: usize) -> bool {
        self.is_needed[node]
    }

    /// The nodes whose value neither another node uses nor is an output.
    pub fn unused(&self) -> impl Iterator<Item = &Node> {
        let is_unused = |index: &usize| {
            self.consumers(ValueId::Node(*index)).next().is_none() && !self.outputs.contains(index)
        };
        (0..self.nodes.len()).filter(is_unused).map(|index| &self.nodes[index])
    }

    /// Checks that this is a classifier of images: one image comes in, and one number for each class goes out.
    ///
    /// # Errors
    /// Several inputs or one that is not an image; an output that is not a vector.
    pub fn check_classifier(&self) -> Result<(), GraphError> {
        let (name, shape) = &self.inputs[0];
        if self.inputs.len() > 1 {
            let problem =
                format!("is one of {} inputs; a classifier of images takes one image", self.inputs.len());
            return Err(GraphError::structure(&self.inputs[1].0, problem));
        }
        if !shape.is_image() {
            let problem =
                format!("has the shape {shape}; an image has three axes, [channels, rows, columns]");
            return Err(GraphError::structure(name, problem));
        }
        let output = self.output();
        if output.shape.is_vector() {
            return Ok(());
        }
        let problem = format!(
            "is the output and has the shape {}, but one value for each class is needed; end with 'flatten' and 'linear'",
            output.shape
        );
        Err(GraphError::structure(&output.name, problem))
    }

    /// The nodes that use a value as input, each once for every use.
    pub fn consumers(&self, value: ValueId) -> impl Iterator<Item = (usize, &Node)> {
        self.consumers[place(self.inputs.len(), value)].iter().map(|&index| (index, &self.nodes[index]))
    }

    /// The nodes, in order, that lie on every path from the image to the output that classifies: in graph theory, those that
    /// dominate it. The output is one of them.
    pub fn dominators(&self) -> impl Iterator<Item = usize> {
        // Nodes that depend on the image and that the output depends on.
        let mut is_between = vec![false; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            is_between[index] = self.is_needed[index]
                && node.inputs.iter().any(|input| match *input {
                    ValueId::Input(input) => input == 0,
                    ValueId::Node(before) => is_between[before],
                });
        }
        // Paths follow the order of the nodes, so one that avoids a node skips over it.
        let between = is_between.clone();
        let last_reader = move |value| {
            let readers = self.consumers(value).map(|(reader, _)| reader).filter(|&reader| between[reader]);
            readers.max().unwrap_or(0)
        };
        let mut furthest = last_reader(ValueId::Input(0));
        (0..self.nodes.len()).filter(move |&node| is_between[node]).filter(move |&node| {
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

    /// The softmax of the output that classifies is left to the loss, so nothing else may use its value.
    fn check_softmax(&self) -> Result<(), GraphError> {
        let (index, output) = (self.outputs[0], self.output());
        let is_softmax = output.activation == Some(Activation::Softmax);
        match self.consumers(ValueId::Node(index)).next() {
            Some((_, reader)) if is_softmax => {
                let problem = format!(
                    "is the output that classifies, and '{}' uses it; make its softmax a separate node",
                    reader.name
                );
                Err(GraphError::structure(&output.name, problem))
            }
            _ => Ok(()),
        }
    }
}

/// Index of a value in the list of consumers.
fn place(inputs: usize, value: ValueId) -> usize {
    match value {
        ValueId::Input(index) => index,
        ValueId::Node(index) => inputs + index,
    }
}

/// The nodes that use each value, starting with the inputs.
fn readers_of(inputs: usize, nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); inputs + nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        node.inputs.iter().for_each(|&input| readers[place(inputs, input)].push(index));
    }
    readers
}

/// Checks the inputs of a network.
fn inputs(description: &ModelDescription, extent: &mut Extent) -> Result<Vec<(String, Shape)>, GraphError> {
    if description.inputs.is_empty() || description.inputs.len() > MOST_ENDS {
        let problem = format!("has {} inputs; there are 1 to {MOST_ENDS}", description.inputs.len());
        return Err(GraphError::structure(&description.name, problem));
    }
    let mut inputs = Vec::new();
    for input in &description.inputs {
        let shape = Shape::new(&input.shape)
            .map_err(|problem| GraphError::Node { node: input.name.clone(), problem })?;
        if shape.is_empty() {
            return Err(GraphError::structure(&input.name, format!("has the empty shape {shape}")));
        }
        extent.add_input(&input.name, shape)?;
        inputs.push((input.name.clone(), shape));
    }
    Ok(inputs)
}

/// The nodes that the description names as outputs, or the last one.
fn find_outputs(description: &ModelDescription, names: &[String]) -> Result<Vec<usize>, GraphError> {
    let Some(last) = names.len().checked_sub(1) else {
        return Err(GraphError::structure(&description.name, "has no nodes"));
    };
    let Some(wanted) = &description.outputs else { return Ok(vec![last]) };
    if wanted.is_empty() || wanted.len() > MOST_ENDS {
        let problem = format!("has {} outputs; there are 1 to {MOST_ENDS}", wanted.len());
        return Err(GraphError::structure(&description.name, problem));
    }
    let places: HashMap<&str, usize> = names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let mut outputs = Vec::new();
    for name in wanted {
        let Some(&node) = places.get(name.as_str()) else {
            return Err(GraphError::structure(
                name,
                "is named as an output, but there is no node with that name",
            ));
        };
        if outputs.contains(&node) {
            return Err(GraphError::structure(name, "is named twice among the outputs"));
        }
        outputs.push(node);
    }
    Ok(outputs)
}

/// For each node, whether this one depends on it.
fn needed(nodes: &[Node], output: usize) -> Vec<bool> {
    let mut is_needed = vec![false; nodes.len()];
    is_needed[output] = true;
    for index in (0..nodes.len()).rev().filter(|&index| index <= output) {
        if is_needed[index] {
            for input in &nodes[index].inputs {
                if let ValueId::Node(before) = *input {
                    is_needed[before] = true;
                }
            }
        }
    }
    is_needed
}

/// The node whose arrays another one uses.
fn find_owner(
    known: &HashMap<&str, ValueId>,
    names: &[String],
    nodes: &[Node],
    node: &Node,
    wanted: &str,
) -> Result<usize, GraphError> {
    let wrong = |problem: String| Err(GraphError::structure(&node.name, problem));
    let index = match known.get(wanted) {
        Some(&ValueId::Node(index)) => index,
        Some(ValueId::Input(_)) => {
            return wrong(format!("shares the weights of '{wanted}', which is an input"));
        }
        None if names.iter().any(|name| name == wanted) => {
            return wrong(format!("shares the weights of '{wanted}', which comes after it"));
        }
        None => {
            return wrong(format!("shares the weights of '{wanted}', but there is no node with that name"));
        }
    };
    let owner = &nodes[index];
    if let Some(first) = owner.weights_of {
        let first = &nodes[first].name;
        return wrong(format!(
            "shares the weights of '{wanted}', which shares those of '{first}'; name '{first}'"
        ));
    }
    if node.parameters.is_empty() {
        return wrong(format!("shares the weights of '{wanted}', but needs none"));
    }
    let list = |specs: &[ParameterSpec]| {
        let all: Vec<String> = specs.iter().map(|spec| format!("{} {:?}", spec.name, spec.shape)).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    };
    let is_same = owner.parameters.len() == node.parameters.len()
        && owner
            .parameters
            .iter()
            .zip(&node.parameters)
            .all(|(a, b)| (a.name, &a.shape) == (b.name, &b.shape));
    if !is_same {
        let (needed, found) = (list(&node.parameters), list(&owner.parameters));
        return wrong(format!("shares the weights of '{wanted}', which has {found}; it needs {needed}"));
    }
    Ok(index)
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
