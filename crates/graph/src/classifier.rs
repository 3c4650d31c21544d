//! The same network for other classes.

use crate::{Graph, ModelDescription, ValueId};

/// The arguments that say how many values come out of a node.
const SIZES: [&str; 2] = ["out_features", "out_channels"];

impl Graph {
    /// The same network for so many classes: the last node before the output that has as many features or channels gets that
    /// many. `None` if there is no such node.
    ///
    /// ```
    /// use convscope_graph::{Graph, preset};
    /// let graph = Graph::new(preset("resnet8", [3, 16, 16], 5)?)?;
    /// let other = Graph::new(graph.with_classes(7).unwrap())?;
    /// assert_eq!((other.classes(), other.nodes().len()), (7, graph.nodes().len()));
    /// # Ok::<(), convscope_graph::GraphError>(())
    /// ```
    pub fn with_classes(&self, classes: usize) -> Option<ModelDescription> {
        let mut description = self.description().clone();
        let present = self.classes();
        let mut at = self.outputs()[0];
        let key = loop {
            let node = &self.nodes()[at];
            let arguments = node.operator.arguments();
            let found = SIZES.into_iter().find_map(|key| Some((key, arguments.get(key)?.as_u64()?)));
            match (found, node.inputs.as_slice()) {
                (Some((key, size)), _) if size == present as u64 => break key,
                (None, &[ValueId::Node(before)]) => at = before,
                _ => return None,
            }
        };
        let mut node = toml::Table::try_from(&description.nodes[at]).ok()?;
        node.insert(key.to_owned(), toml::Value::Integer(i64::try_from(classes).ok()?));
        description.nodes[at] = node.try_into().ok()?;
        Some(description)
    }
}
