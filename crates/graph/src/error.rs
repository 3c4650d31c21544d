//! What can be wrong with a model, its file or its weights.

use convscope_keras::KerasError;
use convscope_kernels::memory::OutOfMemory;
use convscope_ops::OpError;
use convscope_torch::TorchError;
use thiserror::Error;

use crate::Mismatch;

/// A model that cannot be built, or weights that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A node's operator does not take its arguments or inputs.
    #[error("{node}: {}", problem.detail())]
    Node {
        /// Name of the node.
        node: String,
        /// The operator's message.
        problem: OpError,
    },
    /// The nodes do not make a network.
    #[error("{node}: {problem}")]
    Structure {
        /// Name of the node.
        node: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A model file that does not describe a model.
    #[error("{file}: {problem}")]
    File {
        /// The file.
        file: String,
        /// What is wrong, with the line.
        problem: String,
    },
    /// A model option that does not fit the model.
    #[error("model option {key} {problem}")]
    Option {
        /// The option's key.
        key: String,
        /// What is wrong, and what is available.
        problem: String,
        /// The keys or nodes that could be used instead.
        known: Vec<String>,
    },
    /// A model file for images of a different shape.
    #[error("{file}: its input is {expected:?}, the images are {found:?} (channels, rows, columns)")]
    OtherInput {
        /// The file.
        file: String,
        /// Channels, rows and columns that it asks for.
        expected: [usize; 3],
        /// Channels, rows and columns of the images.
        found: [usize; 3],
    },
    /// No preset has this name.
    #[error("there is no model '{name}'; presets are {}, or give the path of a .toml file", crate::PRESETS.join(", "))]
    UnknownPreset {
        /// The requested name.
        name: String,
    },
    /// A weights file that cannot be read or does not fit.
    #[error("{file}: {problem}")]
    Weights {
        /// The file.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The arrays of a file are not those of the network.
    #[error("{file}: {mismatch}")]
    Mismatch {
        /// The file.
        file: String,
        /// What is missing, surplus and of another shape.
        mismatch: Mismatch,
    },
    /// A file of another program in the place of a weights file, which says what network it is for.
    #[error("{file}: was written by {program}, so it has arrays but no network")]
    OnlyArrays {
        /// The file.
        file: String,
        /// `torch.save` or Keras.
        program: &'static str,
    },
    /// A file of PyTorch's own function whose arrays cannot be read.
    #[error("{file}: {source}")]
    Torch {
        /// The file.
        file: String,
        /// What is wrong.
        source: TorchError,
    },
    /// A file of Keras whose arrays cannot be read.
    #[error("{file}: {source}")]
    Keras {
        /// The file.
        file: String,
        /// What is wrong.
        source: KerasError,
    },
    /// A batch that is too small to train on.
    #[error("{node}: {}", problem.detail())]
    Batch {
        /// Name of the node.
        node: String,
        /// The operator's message.
        problem: OpError,
    },
    /// Input whose shape is not the one that the graph was built for.
    #[error("the network takes images of shape {expected}, but these have {found:?}")]
    Input {
        /// Shape of one image.
        expected: String,
        /// Shape that was given.
        found: Vec<usize>,
    },
    /// The system cannot provide the memory that a network or a batch needs.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

impl GraphError {
    pub(crate) fn structure(node: &str, problem: impl Into<String>) -> GraphError {
        GraphError::Structure { node: node.to_string(), problem: problem.into() }
    }
}
