//! A network with some of its nodes changed, for running it.

use super::{Graph, needed, readers_of};
use crate::Node;

impl Graph {
    /// The same network with these nodes, which have the same indices, instead of its own. Its description stays what it
    /// was.
    pub(crate) fn rewired(&self, nodes: Vec<Node>) -> Graph {
        debug_assert_eq!(nodes.len(), self.nodes.len());
        Graph {
            description: self.description.clone(),
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            consumers: readers_of(self.inputs.len(), &nodes),
            is_needed: needed(&nodes, self.outputs[0]),
            nodes,
        }
    }
}
