//! What can go wrong while inspecting a network.

use std::io;
use std::path::PathBuf;

use convscope_ops::OutOfMemory;

/// An error of this crate; its message is one sentence that names the node or the file and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// A node that the network does not have.
    #[error("there is no node {name}; the network has {known}")]
    UnknownNode {
        /// The requested name.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A method that needs rows and columns, on a node without them.
    #[error("{node} outputs {shape}, which has no rows and columns; choose a convolution or pooling")]
    NotAPicture {
        /// The node.
        node: String,
        /// Its output shape.
        shape: String,
    },
    /// A network without any node that has rows and columns.
    #[error("no node of the network outputs rows and columns, so there is no map to draw")]
    NoPictures,
    /// A class that the network does not have.
    #[error("class {class} is out of range; the network has {classes} classes, counted from 0")]
    UnknownClass {
        /// The requested class.
        class: usize,
        /// How many there are.
        classes: usize,
    },
    /// An image that the split does not have.
    #[error("there is no image {index}; the {split} split has {images} images, counted from 0")]
    UnknownImage {
        /// The requested index.
        index: usize,
        /// The split.
        split: convscope_data::Split,
        /// How many images it has.
        images: usize,
    },
    /// Images whose size is not the network's.
    #[error("the network takes images of {expected} pixels, but the data has {found} (width x height)")]
    OtherSize {
        /// Width and height of the network's images.
        expected: String,
        /// Width and height of the data's.
        found: String,
    },
    /// Networks for images of different sizes, which cannot see the same images.
    #[error(
        "{first} takes images of {expected} pixels, but {other} takes images of {found} (width x height)"
    )]
    SizesDiffer {
        /// The first network.
        first: String,
        /// Width and height of its images.
        expected: String,
        /// The other one.
        other: String,
        /// Width and height of its images.
        found: String,
    },
    /// No data to take an image from.
    #[error("there is no image to inspect; give data with images, or a picture file")]
    NoData,
    /// Data whose classes are not the network's.
    #[error(
        "the network knows the classes {model}, but the data has {data}; give data with the network's classes"
    )]
    OtherClasses {
        /// Names that the network knows.
        model: String,
        /// Names that the data has.
        data: String,
    },
    /// A comparison of fewer than two networks.
    #[error("a comparison needs at least two runs, not {given}")]
    TooFewRuns {
        /// How many were given.
        given: usize,
    },
    /// An operation on a file or folder failed.
    #[error("{}: cannot {action}: {cause}", path.display())]
    Io {
        /// What was attempted (`write the file`).
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// The activations could not be written.
    #[error("{}: cannot write the activations: {reason}", path.display())]
    Export {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The system cannot provide the memory for the inspection.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// What is wrong with the run.
    #[error(transparent)]
    Train(#[from] convscope_train::TrainError),
    /// What is wrong with the data.
    #[error(transparent)]
    Data(#[from] convscope_data::DataError),
    /// What is wrong with the model or its weights.
    #[error(transparent)]
    Graph(#[from] convscope_graph::GraphError),
}
