//! The nodes of a network as they are run: some do the work of others.

mod channels_last;

use crate::{Graph, Node, ValueId};
use convscope_kernels::pointwise::Function;
use convscope_ops::{BindOptions, Bound, Mode};
use std::collections::HashSet;

/// A network with its operators' sizes settled.
///
/// Unless somebody wants to see every value, work is saved where the results stay the same up to rounding:
///
/// - In training, a normalisation over the batch and the function of its values are one step.
/// - What works on the last axis of an image whose channels were moved there, until they move back, works on its channels
///   where they are.
///
/// Indices are those of the network as it was given.
pub(crate) struct Wiring {
    /// The network with the inputs and shapes that its nodes have when they are run.
    pub(crate) graph: Graph,
    pub(crate) bound: Vec<Box<dyn Bound>>,
    /// For each node, the one whose arrays, sums and state it uses: itself, or the node whose work it does.
    pub(crate) owners: Vec<usize>,
    changes: Vec<Change>,
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// It is as it was given.
    None,
    /// Its operator applies its activation in the same pass.
    WithActivation,
    /// Its value is the same with its axes in another order.
    OnChannels,
    /// It is not run: another node does its work, or there is none.
    LeftOut,
}

/// Whether nodes may do the work of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    /// Where it is faster.
    Allowed,
    /// Every node computes its own value, so that observers can see it.
    Forbidden,
}

impl Joining {
    /// What an executor does: observers of a training step have one of their own.
    pub(crate) fn of(mode: Mode) -> Joining {
        if mode.is_training() { Joining::Allowed } else { Joining::Forbidden }
    }
}

impl Wiring {
    pub(crate) fn new(graph: &Graph, options: BindOptions, joining: Joining) -> Wiring {
        let len = graph.nodes().len();
        let (owners, changes) = ((0..len).collect(), vec![Change::None; len]);
        let mut wiring = Wiring { graph: graph.clone(), bound: Vec::new(), owners, changes };
        if joining == Joining::Allowed {
            wiring.keep_channels_last();
        }
        let nodes = wiring.graph.nodes().iter();
        wiring.bound = nodes.map(|node| node.operator.layer().bind(&node.input_shapes, options)).collect();
        if joining == Joining::Allowed && options.mode.is_training() {
            wiring.join_functions(options);
        }
        wiring
    }

    /// Whether any node differs from that of the network as it was given.
    pub(crate) fn is_changed(&self) -> bool {
        self.changes.iter().any(|&change| change != Change::None)
    }

    /// Whether a node's arrays, sums and state are its own.
    pub(crate) fn is_owner(&self, node: usize) -> bool {
        self.owners[node] == node
    }

    /// Whether a node is not run, so that it has no value.
    pub(crate) fn is_left_out(&self, node: usize) -> bool {
        self.changes[node] == Change::LeftOut
    }

    /// Whether a node's operator applies its activation in the same pass.
    pub(crate) fn is_activated(&self, node: usize) -> bool {
        self.changes[node] == Change::WithActivation
    }

    /// Zeros for the sums over the batch of each node.
    pub(crate) fn zeroed_sums(&self) -> Vec<Vec<f64>> {
        let lens = self.own_lens(|bound| bound.coupled().map_or(0, |coupled| coupled.sums_len()));
        lens.map(|len| vec![0.0; len]).collect()
    }

    /// The lengths of what each node owns: none for those that use what another owns.
    pub(crate) fn own_lens(&self, len: impl Fn(&dyn Bound) -> usize) -> impl Iterator<Item = usize> {
        let nodes = self.bound.iter().enumerate();
        nodes.map(move |(node, bound)| if self.is_owner(node) { len(bound.as_ref()) } else { 0 })
    }

    /// Joins each normalisation with the function of its values, where the two can be one.
    fn join_functions(&mut self, options: BindOptions) {
        let mut nodes = self.graph.nodes().to_vec();
        let shared: HashSet<usize> = nodes.iter().filter_map(|node| node.weights_of).collect();
        for (index, node) in self.graph.nodes().iter().enumerate() {
            if node.weights_of.is_some() || shared.contains(&index) {
                continue;
            }
            let Some((last, function)) = following_function(&self.graph, index) else { continue };
            let layer = node.operator.layer();
            let Some(both) = layer.bind_activated(&node.input_shapes, options, function) else { continue };
            self.bound[last] = both;
            self.owners[last] = index;
            if last == index {
                self.changes[index] = Change::WithActivation;
                nodes[index].activation = None;
                continue;
            }
            self.changes[index] = Change::LeftOut;
            let inputs = std::mem::take(&mut nodes[index].inputs);
            let replaced = &mut nodes[last];
            replaced.inputs = inputs;
            replaced.input_shapes = node.input_shapes.clone();
            replaced.parameters = node.parameters.clone();
            replaced.multiply_adds += node.multiply_adds;
        }
        self.graph = self.graph.rewired(nodes);
    }
}

/// The function of each of a node's values that comes next, and the node whose value is the result.
fn following_function(graph: &Graph, index: usize) -> Option<(usize, Function)> {
    let node = &graph.nodes()[index];
    if let Some(activation) = node.activation {
        return activation.function().map(|function| (index, function));
    }
    let (next, reader) = only_reader(graph, index)?;
    let function = reader.operator.layer().function()?;
    reader.activation.is_none().then_some((next, function))
}

/// The only node that uses a node's value, if nobody else can see that value.
fn only_reader(graph: &Graph, index: usize) -> Option<(usize, &Node)> {
    let mut readers = graph.consumers(ValueId::Node(index));
    let (Some(reader), None) = (readers.next(), readers.next()) else { return None };
    let is_seen = graph.outputs().contains(&index) || !graph.is_needed(reader.0);
    (!is_seen).then_some(reader)
}
