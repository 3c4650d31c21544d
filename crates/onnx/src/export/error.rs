//! Why a network cannot be written as ONNX.

use convscope_graph::GraphError;

/// A network that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// An operator without counterpart in ONNX, with these arguments.
    #[error("{node}: {operator} with these arguments and sizes has no counterpart in ONNX")]
    Operator {
        /// The node.
        node: String,
        /// The operator.
        operator: String,
    },
    /// A network that does not fit into one file.
    #[error("the network has {bytes} bytes, but an ONNX file has less than 2 GiB")]
    TooLarge {
        /// Bytes of the arrays.
        bytes: usize,
    },
    /// A model that is not a network.
    #[error(transparent)]
    Graph(#[from] GraphError),
}
