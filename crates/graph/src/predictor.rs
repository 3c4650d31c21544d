//! The logits of a network, as fast as possible.

use std::sync::Arc;

use convscope_ops::{BindOptions, Joined, Mode, Operator, Parameter, Precision};
use ndarray::{Array2, ArrayView4};

use crate::plan::Joining;
use crate::{Executor, Graph, GraphError, ModelDescription, NodeDescription, Parameters, Plan, ValueId};

/// Computes logits and nothing else. Where nobody can look in between, batch normalisations become part of the weights
/// before them, and activations are applied before values are stored; results differ from an [`Executor`]'s by rounding
/// only.
///
/// ```
/// use convscope_graph::{Graph, Parameters, Predictor, preset};
/// use convscope_ops::Precision;
/// use ndarray::Array4;
/// use std::sync::Arc;
/// let graph = Arc::new(Graph::new(preset("resnet8", [3, 16, 16], 5)?)?);
/// let mut predictor = Predictor::new(Arc::clone(&graph), Precision::F32, 8)?;
/// predictor.load(&Parameters::new(&graph, 1)?);
/// let logits = predictor.logits(Array4::zeros([2, 3, 16, 16]).view())?;
/// assert_eq!(logits.dim(), (2, 5));
/// # Ok::<(), convscope_graph::GraphError>(())
/// ```
pub struct Predictor {
    graph: Arc<Graph>,
    /// Runs the network with nodes joined.
    executor: Executor,
    joined: Option<JoinedNodes>,
}

impl Predictor {
    /// A predictor for batches of `batch` images.
    ///
    /// # Errors
    /// [`GraphError::OutOfMemory`].
    pub fn new(graph: Arc<Graph>, precision: Precision, batch: usize) -> Result<Predictor, GraphError> {
        let joined = JoinedNodes::new(&graph);
        let runs = joined.as_ref().map_or(&graph, |joined| &joined.graph);
        let options = BindOptions { mode: Mode::Inference, precision };
        let executor = Executor::wired(Arc::clone(runs), options, batch, Joining::Allowed)?;
        Ok(Predictor { graph, executor, joined })
    }

    /// The network as it was given.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The plan that is run, of the network with nodes joined.
    pub fn plan(&self) -> &Plan {
        self.executor.plan()
    }

    /// Loads parameters of the network as it was given.
    pub fn load(&mut self, parameters: &Parameters) {
        match &self.joined {
            Some(joined) => self.executor.load(&joined.parameters(&self.graph, parameters)),
            None => self.executor.load(parameters),
        }
    }

    /// The values before the softmax, `[N, classes]`, for any number of images.
    ///
    /// # Errors
    /// Images of a different shape from the graph's.
    pub fn logits(&mut self, images: ArrayView4<'_, f32>) -> Result<Array2<f32>, GraphError> {
        self.executor.logits(images, None)
    }

    /// As [`logits`](Self::logits), replacing the contents of the vector.
    ///
    /// # Errors
    /// As [`logits`](Self::logits).
    pub fn logits_into(
        &mut self,
        images: ArrayView4<'_, f32>,
        logits: &mut Vec<f32>,
    ) -> Result<(), GraphError> {
        self.executor.logits_into(images, None, logits)
    }
}

/// A network whose nodes each stand for one or more of another network.
struct JoinedNodes {
    graph: Arc<Graph>,
    chains: Vec<Chain>,
}

/// Nodes that are computed as one.
struct Chain {
    operator: Operator,
    first: usize,
    last: usize,
    /// Whose maps of channels its arrays take over, in order.
    absorbed: Vec<usize>,
}

impl JoinedNodes {
    /// None if nothing can be joined.
    fn new(graph: &Graph) -> Option<JoinedNodes> {
        let mut chains: Vec<Chain> = Vec::new();
        for (index, node) in graph.nodes().iter().enumerate() {
            let before = match node.inputs[..] {
                [ValueId::Node(before)] => chains.iter_mut().find(|chain| chain.last == before),
                _ => None,
            };
            if !before.is_some_and(|chain| chain.extend(graph, index)) {
                let operator = node.operator.clone();
                chains.push(Chain { operator, first: index, last: index, absorbed: Vec::new() });
            }
        }
        if chains.len() == graph.nodes().len() {
            return None;
        }
        // Each where its value is complete.
        chains.sort_by_key(|chain| chain.last);
        let nodes = chains.iter().map(|chain| chain.description(graph)).collect();
        let description = ModelDescription { nodes, ..graph.description().clone() };
        // Names of nodes are unique, but arrays of two nodes may now have one key.
        let graph = Graph::new(description).ok()?;
        Some(JoinedNodes { graph: Arc::new(graph), chains })
    }

    fn parameters(&self, graph: &Graph, parameters: &Parameters) -> Parameters {
        let mut arrays = self.chains.iter().flat_map(|chain| chain.parameters(graph, parameters));
        let joined = Parameters::from_arrays::<std::convert::Infallible>(&self.graph, |key, _| {
            let array = arrays.next().expect("a chain has the arrays of its operator");
            Ok(Parameter { key: key.to_owned(), ..array })
        });
        match joined {
            Ok(joined) => joined,
            Err(never) => match never {},
        }
    }
}

impl Chain {
    /// Takes over the node after its last one, if it is the only one to read it and the two can be one.
    fn extend(&mut self, graph: &Graph, next: usize) -> bool {
        let [first, last] = [self.first, self.last].map(|index| &graph.nodes()[index]);
        let node = &graph.nodes()[next];
        let is_seen = graph.outputs().contains(&self.last) || last.activation.is_some();
        let shares = |index: usize| {
            let node = &graph.nodes()[index];
            node.weights_of.is_some() || graph.nodes().iter().any(|other| other.weights_of == Some(index))
        };
        if is_seen || graph.consumers(ValueId::Node(self.last)).count() != 1 {
            return false;
        }
        if shares(self.first) || shares(next) {
            return false;
        }
        match self.operator.followed_by(&node.operator, &first.input_shapes) {
            Some(Joined::Function(operator)) => self.operator = operator,
            Some(Joined::Channels(operator)) => {
                self.operator = operator;
                self.absorbed.push(next);
            }
            None => return false,
        }
        self.last = next;
        true
    }

    fn description(&self, graph: &Graph) -> NodeDescription {
        let [first, last] = [self.first, self.last].map(|index| &graph.nodes()[index]);
        let inputs = first.inputs.iter().map(|&value| graph.value_name(value).to_owned()).collect();
        NodeDescription {
            name: Some(last.name.clone()),
            operator: self.operator.clone(),
            activation: last.activation,
            inputs: first.operator.layer().takes_inputs().then_some(inputs),
            weights_of: first.weights_of.map(|owner| graph.nodes()[owner].name.clone()),
            initializer: None,
        }
    }

    /// The arrays of its operator.
    fn parameters(&self, graph: &Graph, parameters: &Parameters) -> Vec<Parameter> {
        let node = &graph.nodes()[self.first];
        if node.weights_of.is_some() {
            return Vec::new();
        }
        let own = parameters.of_node(self.first).to_vec();
        self.absorbed.iter().fold(own, |own, &next| {
            let operator = &graph.nodes()[next].operator;
            self.operator.absorbed(&own, operator, parameters.of_node(next))
        })
    }
}
