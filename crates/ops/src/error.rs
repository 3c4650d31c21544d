//! What can be wrong with an operator's arguments.

use thiserror::Error;

/// An argument or a shape that an operator cannot work with.
///
/// The message contains the numbers; a caller that knows the node's name puts it in front.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpError {
    /// An argument has a value that the operator does not take.
    #[error("{operator}: {argument} {problem}")]
    Argument {
        /// PyTorch's name of the operator.
        operator: &'static str,
        /// PyTorch's name of the argument.
        argument: &'static str,
        /// What is wrong, with the numbers: "is [0, 2], every number must be at least 1".
        problem: String,
    },
    /// Shapes do not fit together.
    #[error("{operator}: {problem}")]
    Shape {
        /// PyTorch's name of the operator.
        operator: &'static str,
        /// What does not fit, with the numbers: "input has 32 channels, weight expects 16".
        problem: String,
    },
}

impl OpError {
    /// An [`OpError::Argument`].
    pub fn argument(operator: &'static str, argument: &'static str, problem: impl Into<String>) -> OpError {
        OpError::Argument { operator, argument, problem: problem.into() }
    }

    /// An [`OpError::Shape`].
    pub fn shape(operator: &'static str, problem: impl Into<String>) -> OpError {
        OpError::Shape { operator, problem: problem.into() }
    }

    /// The message without the operator's name, to be put after a node's.
    pub fn detail(&self) -> String {
        match self {
            OpError::Argument { argument, problem, .. } => format!("{argument} {problem}"),
            OpError::Shape { problem, .. } => problem.clone(),
        }
    }
}
