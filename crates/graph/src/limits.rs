//! How large a network may be.
//!
//! A model file, or the model in a weights file, can come from anybody, and one line of it can ask for more memory than
//! any machine has. [`Graph::new`](crate::Graph::new) checks these bounds, and those of [`convscope_ops::limits`],
//! before it allocates anything. They are far above what a CPU can train, and low enough that no product of sizes
//! overflows.

use crate::GraphError;
use convscope_ops::{ParameterSpec, Shape};
use std::path::Path;

/// Most nodes in a network.
pub const MOST_NODES: usize = 100_000;

/// Most inputs of all nodes together.
pub const MOST_INPUTS: usize = 1_000_000;

/// Most inputs of a network, and most outputs.
pub const MOST_ENDS: usize = 1_000;

/// Most bytes in the name of a node.
pub const MOST_NAME_BYTES: usize = 1_000;

/// Most pixels (rows x columns) of one value: 2^24, as in 4096x4096.
pub const MOST_PIXELS: usize = 1 << 24;

/// Most pixels of all nodes' values together: 2^27.
pub const MOST_PIXELS_OF_ALL: u64 = 1 << 27;

/// Most elements of all nodes' values together, for one image: 2^32.
pub const MOST_ELEMENTS_OF_ALL: u64 = 1 << 32;

/// Most elements of all parameters together: 2^31, or 8 GiB.
pub const MOST_PARAMETERS: u64 = 1 << 31;

/// Most images in a batch.
pub const MOST_IMAGES: usize = 1 << 20;

/// Most bytes in a model file: 16 MiB.
pub const MOST_MODEL_BYTES: u64 = 1 << 24;

/// Most bytes in a weights file: those of [`MOST_PARAMETERS`], plus the longest header that the format allows.
pub const MOST_WEIGHTS_BYTES: u64 = 4 * MOST_PARAMETERS + 100_000_000;

/// Running totals over the nodes of a network.
#[derive(Default)]
pub(crate) struct Extent {
    nodes: usize,
    inputs: usize,
    pixels: u64,
    elements: u64,
    parameters: u64,
}

impl Extent {
    /// Adds an input.
    pub(crate) fn add_input(&mut self, name: &str, shape: Shape) -> Result<(), GraphError> {
        self.add_value(name, shape)
    }

    /// Adds a node after its output shape is known and before its operator is bound.
    pub(crate) fn add_node(
        &mut self,
        name: &str,
        inputs: usize,
        shape: Shape,
        parameters: &[ParameterSpec],
    ) -> Result<(), GraphError> {
        self.nodes += 1;
        self.inputs = self.inputs.saturating_add(inputs);
        for spec in parameters {
            self.parameters = self.parameters.saturating_add(product(&spec.shape));
        }
        at_most(name, "nodes", self.nodes as u64, MOST_NODES as u64)?;
        at_most(name, "inputs of nodes", self.inputs as u64, MOST_INPUTS as u64)?;
        at_most(name, "parameters", self.parameters, MOST_PARAMETERS)?;
        self.add_value(name, shape)
    }

    fn add_value(&mut self, name: &str, shape: Shape) -> Result<(), GraphError> {
        let (pixels, elements) = (product(&[shape.positions()]), product(shape.axes()));
        let too_large = if pixels > MOST_PIXELS as u64 {
            Some(format!("{MOST_PIXELS} pixels"))
        } else if elements > convscope_ops::limits::MOST_ELEMENTS as u64 {
            Some(format!("{} elements", convscope_ops::limits::MOST_ELEMENTS))
        } else {
            None
        };
        if let Some(bound) = too_large {
            return Err(GraphError::structure(name, format!("has the shape {shape}, more than {bound}")));
        }
        self.pixels += pixels;
        self.elements += elements;
        at_most(name, "pixels in all values", self.pixels, MOST_PIXELS_OF_ALL)?;
        at_most(name, "elements in all values of an image", self.elements, MOST_ELEMENTS_OF_ALL)
    }
}

/// Fails if a list of nodes is too long to process.
pub(crate) fn check_nodes(model: &str, nodes: usize) -> Result<(), GraphError> {
    at_most(model, "nodes", nodes as u64, MOST_NODES as u64)
}

/// Reads a file of at most `most` bytes, or returns what is wrong with it.
pub(crate) fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let file = convscope_files::open(path).map_err(cannot)?;
    let len = file.metadata().map_err(cannot)?.len();
    let mut bytes = Vec::new();
    if len <= most {
        file.take(most + 1).read_to_end(&mut bytes).map_err(cannot)?;
    }
    if len.max(bytes.len() as u64) > most {
        return Err(format!("has {} bytes, more than {most}", len.max(bytes.len() as u64)));
    }
    Ok(bytes)
}

fn product(axes: &[usize]) -> u64 {
    axes.iter().fold(1, |product: u64, &axis| product.saturating_mul(axis as u64))
}

fn at_most(name: &str, what: &str, found: u64, most: u64) -> Result<(), GraphError> {
    if found <= most {
        return Ok(());
    }
    Err(GraphError::structure(name, format!("brings the network to {found} {what}, more than {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use convscope_ops::Role;

    #[test]
    fn every_sum_has_its_bound() {
        let vector = Shape::vector(3);
        let weight = |len| vec![ParameterSpec { name: "weight", shape: vec![len, 2], role: Role::Scale }];
        let mut extent = Extent::default();
        for _ in 0..MOST_NODES {
            extent.add_node("dense", 1, vector, &[]).unwrap();
        }
        assert!(extent.add_node("dense", 1, vector, &[]).is_err());

        let mut extent = Extent::default();
        extent.add_node("add", MOST_INPUTS, vector, &[]).unwrap();
        assert!(extent.add_node("add", 1, vector, &[]).is_err());

        let mut extent = Extent::default();
        extent.add_node("dense", 1, vector, &weight(1 << 30)).unwrap();
        assert!(extent.add_node("dense", 1, vector, &weight(1)).is_err());
        assert!(Extent::default().add_node("dense", 1, vector, &weight(usize::MAX)).is_err());

        let mut extent = Extent::default();
        for _ in 0..8 {
            extent.add_node("relu", 1, Shape::image(1, [1 << 12, 1 << 12]), &[]).unwrap();
        }
        assert!(extent.add_node("relu", 1, vector, &[]).is_err());

        let mut extent = Extent::default();
        extent.add_input("input", Shape::image(1 << 11, [1 << 10, 1 << 10])).unwrap();
        extent.add_node("relu", 1, Shape::image(1 << 11, [1 << 10, 1 << 10]), &[]).unwrap();
        assert!(extent.add_node("relu", 1, vector, &[]).is_err());
    }

    #[test]
    fn one_value_has_its_bounds_and_no_product_wraps() {
        let error = |shape| Extent::default().add_input("input", shape).unwrap_err().to_string();
        assert_eq!(
            error(Shape::image(3, [1 << 12, (1 << 12) + 1])),
            "input: has the shape [3, 4096, 4097], more than 16777216 pixels"
        );
        // Three times this is 2^64 + 2, which would wrap to 2.
        assert!(error(Shape::image(3, [6_148_914_691_236_517_206, 1])).contains("pixels"));
        assert!(error(Shape::image(1 << 31, [1, 2])).contains("2147483648 elements"));
        assert!(error(Shape::vector(usize::MAX)).contains("elements"));
    }

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.toml");
        std::fs::write(&path, [7; 10]).unwrap();
        assert_eq!(read_file(&path, 10).unwrap(), [7; 10]);
        assert_eq!(read_file(&path, 9).unwrap_err(), "has 10 bytes, more than 9");
        assert!(read_file(folder.path(), 9).is_err());
        // It reports a length of 0, but never ends.
        if Path::new("/dev/zero").exists() {
            let error = read_file(Path::new("/dev/zero"), 9).unwrap_err();
            assert!(error.contains("not a regular file"), "{error}");
        }
    }
}
