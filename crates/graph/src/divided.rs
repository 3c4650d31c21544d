//! A network in two parts, so that the first can stay as it is while the second is trained.

use convscope_ops::{Activation, Flatten, Reshape};

use crate::{Graph, GraphError, ModelDescription, ModelInput, NodeDescription, Parameters, ValueId};

/// A network divided after one of its nodes: the body, which computes its features, and the head, which classifies from
/// them.
///
/// ```
/// use convscope_graph::{Divided, Graph, preset};
/// let graph = Graph::new(preset("resnet8", [3, 16, 16], 5)?)?;
/// let divided = Divided::new(&graph, graph.last_before_classifier().unwrap())?;
/// assert_eq!(divided.body.classes(), 64);
/// assert_eq!(divided.head.trained_parameters(), 64 * 5 + 5);
/// # Ok::<(), convscope_graph::GraphError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Divided {
    /// From the image to the features, as a vector of all their values in PyTorch's order.
    pub body: Graph,
    /// From the features to the classes. Its input is an image for the executor: the features with their own axes if they
    /// have three, otherwise `[values, 1, 1]`.
    pub head: Graph,
    /// For each array of the body, its index among those of the whole network.
    pub body_arrays: Vec<usize>,
    /// The same for the head.
    pub head_arrays: Vec<usize>,
    /// The nodes of the head in the whole network.
    head_nodes: Vec<bool>,
}

impl Divided {
    /// Divides a network after the node at this index. The body has the nodes that this one depends on, the head the others
    /// that the classification depends on.
    ///
    /// # Errors
    /// A network that does not classify images. A node that is not on every path from the image to the output, or the last
    /// one; arrays or constants that both parts use; a head without trained arrays.
    pub fn new(graph: &Graph, node: usize) -> Result<Divided, GraphError> {
        graph.check_classifier()?;
        let name = graph.nodes()[node].name.as_str();
        let cuts: Vec<usize> =
            graph.dominators().filter(|cut| !graph.outputs().starts_with(&[*cut])).collect();
        if !cuts.contains(&node) {
            let problem = match cuts.iter().find(|&&cut| cut > node).or(cuts.last()) {
                Some(&near) => format!(
                    "does not divide the network in two: not everything goes through it; through '{}' it does",
                    graph.nodes()[near].name
                ),
                None => "does not divide the network in two, and no other node does".to_owned(),
            };
            return Err(GraphError::structure(name, problem));
        }
        if graph.nodes()[node].activation == Some(Activation::Softmax) {
            return Err(GraphError::structure(
                name,
                "has a softmax, whose values are not kept; name another node",
            ));
        }
        let in_body = ancestors(graph, node);
        let in_head: Vec<bool> =
            (0..graph.nodes().len()).map(|index| graph.is_needed(index) && !in_body[index]).collect();
        check_apart(graph, node, &in_body, &in_head)?;
        let of_head =
            || graph.nodes().iter().zip(&in_head).filter(|(_, is_in)| **is_in).map(|(node, _)| node);
        if !of_head().any(|node| node.trained_parameters() > 0) {
            return Err(GraphError::structure(name, "has nothing that could be trained after it"));
        }
        Ok(Divided {
            body: Graph::new(body(graph, node, &in_body))?,
            head: Graph::new(head(graph, node, &in_head))?,
            body_arrays: arrays(graph, &in_body),
            head_arrays: arrays(graph, &in_head),
            head_nodes: in_head,
        })
    }

    /// Whether the node at this index of the whole network is in the head.
    pub fn is_in_head(&self, node: usize) -> bool {
        self.head_nodes[node]
    }

    /// The body's arrays of the whole network's.
    pub fn body_parameters(&self, whole: &Parameters) -> Parameters {
        taken(&self.body, &self.body_arrays, whole)
    }

    /// The head's arrays of the whole network's.
    pub fn head_parameters(&self, whole: &Parameters) -> Parameters {
        taken(&self.head, &self.head_arrays, whole)
    }
}

impl Graph {
    /// The node whose value the classifier works on: the last one before the last trained node that is on every path from the
    /// image to the output and does something in inference, so that a dropout belongs to the classifier. `None` if there is
    /// nothing before it.
    pub fn last_before_classifier(&self) -> Option<usize> {
        let is_trained = |&index: &usize| self.is_needed(index) && self.nodes()[index].is_trained();
        let classifier = (0..self.nodes().len()).rfind(is_trained)?;
        let acts = |&index: &usize| !self.nodes()[index].operator.layer().is_identity_in_inference();
        self.dominators().filter(|&index| index < classifier).filter(acts).last()
    }
}

/// The nodes that one depends on, and itself.
fn ancestors(graph: &Graph, node: usize) -> Vec<bool> {
    let mut is_in = vec![false; graph.nodes().len()];
    is_in[node] = true;
    for index in (0..=node).rev() {
        if is_in[index] {
            for input in &graph.nodes()[index].inputs {
                if let ValueId::Node(before) = *input {
                    is_in[before] = true;
                }
            }
        }
    }
    is_in
}

/// Checks that a head takes nothing of a body but the value of one node.
fn check_apart(graph: &Graph, cut: usize, in_body: &[bool], in_head: &[bool]) -> Result<(), GraphError> {
    for (index, node) in graph.nodes().iter().enumerate() {
        let owner = node
            .weights_of
            .filter(|&owner| in_body[index] && !in_body[owner] || in_head[index] && !in_head[owner]);
        let reads = node.inputs.iter().find_map(|input| match *input {
            ValueId::Node(before) if in_head[index] && in_body[before] && before != cut => Some(before),
            _ => None,
        });
        if let Some(other) = owner.or(reads) {
            let problem = format!(
                "cannot be apart from '{}', which is on the other side of '{}'",
                graph.nodes()[other].name,
                graph.nodes()[cut].name
            );
            return Err(GraphError::structure(&node.name, problem));
        }
    }
    Ok(())
}

/// A node by name, with its inputs by name.
fn described(graph: &Graph, index: usize) -> NodeDescription {
    let node = &graph.nodes()[index];
    let inputs = node.inputs.iter().map(|&value| graph.value_name(value).to_owned()).collect();
    NodeDescription {
        initializer: None,
        name: Some(node.name.clone()),
        operator: node.operator.clone(),
        activation: node.activation,
        inputs: node.operator.layer().takes_inputs().then_some(inputs),
        weights_of: node.weights_of.map(|owner| graph.nodes()[owner].name.clone()),
    }
}

fn chosen(graph: &Graph, is_in: &[bool]) -> Vec<NodeDescription> {
    (0..is_in.len()).filter(|&index| is_in[index]).map(|index| described(graph, index)).collect()
}

/// A name that no value of the network has.
fn new_name(graph: &Graph, wanted: &str) -> String {
    let is_taken = |name: &str| {
        graph.nodes().iter().any(|node| node.name == name) || graph.inputs().any(|(input, _)| input == name)
    };
    let mut name = wanted.to_owned();
    while is_taken(&name) {
        name.push('_');
    }
    name
}

fn body(graph: &Graph, node: usize, in_body: &[bool]) -> ModelDescription {
    let mut nodes = chosen(graph, in_body);
    let features = &graph.nodes()[node];
    let mut output = features.name.clone();
    if !features.shape.is_vector() {
        let name = new_name(graph, "features");
        let flat = NodeDescription::new(Flatten::default().into()).named(&name);
        nodes.push(flat.with_inputs(&[&features.name]));
        output = name;
    }
    ModelDescription { outputs: Some(vec![output]), nodes, ..graph.description().clone() }
}

fn head(graph: &Graph, node: usize, in_head: &[bool]) -> ModelDescription {
    let features = &graph.nodes()[node];
    let axes = features.shape.axes();
    let output = vec![graph.output().name.clone()];
    let mut nodes = Vec::new();
    let input = if features.shape.is_image() {
        ModelInput { name: features.name.clone(), shape: axes.to_vec() }
    } else {
        let name = new_name(graph, "features");
        let shape = axes.iter().map(|&axis| axis as isize).collect();
        let own = NodeDescription::new(Reshape { shape }.into()).named(&features.name);
        nodes.push(own.with_inputs(&[&name]));
        ModelInput { name, shape: vec![features.shape.len(), 1, 1] }
    };
    nodes.extend(chosen(graph, in_head));
    ModelDescription { inputs: vec![input], outputs: Some(output), nodes, ..graph.description().clone() }
}

/// The indices of the arrays that belong to these nodes.
fn arrays(graph: &Graph, is_in: &[bool]) -> Vec<usize> {
    let owned = graph
        .nodes()
        .iter()
        .zip(is_in)
        .flat_map(|(node, &is_in)| node.own_parameters().iter().map(move |_| is_in));
    owned.enumerate().filter(|(_, is_in)| *is_in).map(|(index, _)| index).collect()
}

fn taken(part: &Graph, arrays: &[usize], whole: &Parameters) -> Parameters {
    let mut arrays = arrays.iter().map(|&index| whole.tensors()[index].clone());
    let taken = Parameters::from_arrays::<std::convert::Infallible>(part, |_, _| {
        Ok(arrays.next().expect("a part has the arrays of its nodes"))
    });
    match taken {
        Ok(taken) => taken,
        Err(never) => match never {},
    }
}
