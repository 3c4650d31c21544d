//! What can be wrong with an ONNX file.

use std::fmt;
use std::io;
use std::path::PathBuf;

use convscope_graph::GraphError;
use convscope_kernels::memory::OutOfMemory;
use thiserror::Error;

/// An ONNX file that is not a network that can be run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file, or one that it refers to, cannot be read.
    #[error("{file}: cannot be read")]
    Read {
        /// The file.
        file: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is too large.
    #[error("{file}: has {bytes} bytes, more than {most}")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size.
        bytes: u64,
        /// The largest size.
        most: u64,
    },
    /// The bytes are not a message of ONNX's.
    #[error("{file}: is not an ONNX file, or is damaged")]
    Decode {
        /// The file.
        file: String,
        /// Where it goes wrong.
        #[source]
        source: prost::DecodeError,
    },
    /// The parts of the file do not make a network.
    #[error("{name}: {problem}")]
    Structure {
        /// A node, a value or the file.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// An array that is damaged or too large.
    #[error("array '{name}': {problem}")]
    Tensor {
        /// The array.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Operators, or uses of them, that are not supported.
    #[error("{0}")]
    Unsupported(Unsupported),
    /// The file describes operators for which there is no counterpart, or arguments that do not fit.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Python, or onnxruntime in it, cannot be used.
    #[error("{}: {problem}", python.display())]
    Python {
        /// The executable.
        python: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The system cannot provide the memory.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

impl OnnxError {
    pub(crate) fn structure(name: &str, problem: impl Into<String>) -> OnnxError {
        OnnxError::Structure { name: shortened(name), problem: problem.into() }
    }

    pub(crate) fn tensor(name: &str, problem: impl Into<String>) -> OnnxError {
        OnnxError::Tensor { name: shortened(name), problem: problem.into() }
    }
}

/// Everything in a network that is not supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The file.
    pub file: String,
    /// Whether the network is a transformer: it weighs values by a softmax over their products.
    pub is_transformer: bool,
    /// The operators, those that occur most often first.
    pub operators: Vec<UnsupportedOperator>,
}

/// An operator, or a use of one, that is not supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedOperator {
    /// ONNX's name, with its domain if it is not ONNX's own.
    pub operator: String,
    /// How many nodes have it.
    pub count: usize,
    /// The name of the first of them, or of its output if it has none.
    pub first_node: String,
    /// What is not supported of it; empty if nothing is.
    pub reason: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if self.is_transformer {
            write!(f, "is a transformer, which is not supported: ")?;
        }
        let nodes: usize = self.operators.iter().map(|operator| operator.count).sum();
        let noun = if nodes == 1 { "node is" } else { "nodes are" };
        write!(f, "{nodes} {noun} not supported")?;
        for operator in &self.operators {
            let UnsupportedOperator { operator, count, first_node, reason } = operator;
            write!(f, "\n  {count} x {operator}, first '{first_node}'")?;
            if !reason.is_empty() {
                write!(f, ": {reason}")?;
            }
        }
        Ok(())
    }
}

/// A name as errors show it.
pub(crate) fn shortened(name: &str) -> String {
    name.chars()
        .take(120)
        .flat_map(|c| if c.is_control() { '?' } else { c }.to_string().chars().collect::<Vec<_>>())
        .collect()
}
