//! The keys of arrays, as in PyTorch.

use std::collections::HashMap;

use crate::{GraphError, Node};

/// Fails where two nodes have an array of the same key: a node `a` with an array `b.weight` and a node `a.b` with `weight`.
pub(crate) fn check_keys(nodes: &[Node]) -> Result<(), GraphError> {
    let mut of_key: HashMap<String, &str> = HashMap::new();
    for node in nodes {
        for spec in node.own_parameters() {
            let key = key(&node.name, spec.name);
            if let Some(other) = of_key.get(&key) {
                let problem = format!("its array '{key}' has the name of an array of node '{other}'");
                return Err(GraphError::structure(&node.name, problem));
            }
            of_key.insert(key, &node.name);
        }
    }
    Ok(())
}

/// PyTorch's key of an array: `conv2d_1.weight`; that of an array without a name of its own is the node's.
pub(crate) fn key(node: &str, array: &str) -> String {
    if array.is_empty() { node.to_owned() } else { format!("{node}.{array}") }
}
