//! What timm calls the arrays of presets.
//!
//! Each file has lines `ours = theirs` for the nodes whose names differ. timm's `resnet18`, `resnet34`, `resnet50` and `densenet121` have
//! torchvision's names. `fixtures/timm_names.py` writes the files.

use crate::KeyMap;

/// The files, by preset.
macro_rules! tables {
    ($($name:literal,)*) => {
        const TABLES: &[(&str, &str)] = &[$(($name, include_str!(concat!($name, ".txt")))),*];
    };
}

tables! {
    "convnext_tiny",
    "efficientnet_b0",
    "efficientnet_lite0",
    "mnasnet1_0",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "vgg11_bn",
    "vgg16",
}

/// timm's names for the nodes of a preset, where they differ.
pub(crate) fn names(preset: &str) -> Option<KeyMap> {
    let (_, text) = TABLES.iter().find(|(name, _)| *name == preset)?;
    KeyMap::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Graph, preset};

    #[test]
    fn every_line_names_a_node_with_arrays() {
        for (name, text) in TABLES {
            let graph = Graph::new(preset(name, [3, 64, 64], 10).unwrap()).unwrap();
            assert!(names(graph.name()).is_some(), "{name}");
            for line in text.lines() {
                let (ours, _) = line.split_once(" = ").unwrap();
                let node = graph.nodes().iter().find(|node| node.name == ours);
                assert!(node.is_some_and(|node| !node.parameters.is_empty()), "{name}: {line}");
            }
        }
    }
}
