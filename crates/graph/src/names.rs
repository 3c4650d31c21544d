//! Names of nodes and of their arrays.

use std::collections::{HashMap, HashSet};

use crate::limits::MOST_NAME_BYTES;
use crate::{GraphError, ModelDescription, NodeDescription};

/// The names of all nodes: given ones, and Keras' names with a number for the others.
pub(crate) fn names(description: &ModelDescription) -> Result<Vec<String>, GraphError> {
    let mut taken: HashSet<&str> = HashSet::new();
    let inputs = description.inputs.iter().map(|input| (&input.name, "two inputs have this name"));
    let nodes = description.nodes.iter().filter_map(|node| node.name.as_ref());
    for (name, problem) in inputs.chain(nodes.map(|name| (name, "two nodes have this name"))) {
        check(name)?;
        if !taken.insert(name) {
            let is_input = description.inputs.iter().any(|input| input.name == *name);
            let is_node = description.nodes.iter().any(|node| node.name.as_ref() == Some(name));
            let problem = if is_input && is_node { "an input and a node have this name" } else { problem };
            return Err(GraphError::structure(name, problem));
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

fn check(name: &str) -> Result<(), GraphError> {
    let problem = if name.is_empty() {
        "a name has at least one character".to_owned()
    } else if name.chars().any(char::is_control) {
        "a name has no line breaks, tabs or other control characters".to_owned()
    } else if name.len() > MOST_NAME_BYTES {
        format!("this name has {} bytes, at most {MOST_NAME_BYTES} are possible", name.len())
    } else {
        return Ok(());
    };
    let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
    Err(GraphError::structure(&format!("'{shown}'"), problem))
}
