//! What can be wrong with a call by name or a case.

use convscope_ops::{ArgumentError, OpError};
use std::path::PathBuf;
use thiserror::Error;

/// Why an operator could not be called by name, or a case could not be checked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Something is wrong in a case.
    #[error("{case}: {source}")]
    Case {
        /// The case's name: its file, without the folder.
        case: String,
        /// What is wrong.
        source: Box<VerifyError>,
    },
    /// A file is not a safetensors file.
    #[error("not a safetensors file ({0}); a case must be one")]
    NotSafetensors(String),
    /// Metadata of a case is missing or invalid.
    #[error("metadata `{key}` {problem}")]
    Metadata {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// No operator has this name.
    #[error("no operator is called {name}; there are {}", known.join(", "))]
    UnknownOperator {
        /// The name.
        name: String,
        /// All names.
        known: Vec<&'static str>,
    },
    /// Arguments that the operator does not have, or invalid values.
    #[error("{operator}: arguments: {problem}")]
    Arguments {
        /// PyTorch's name of the operator.
        operator: &'static str,
        /// What is wrong, with the valid names.
        problem: String,
    },
    /// An argument has a value of another type.
    #[error("{operator}: arguments: {problem}")]
    ArgumentType {
        /// PyTorch's name of the operator.
        operator: &'static str,
        /// The argument, its value, and what it must be.
        problem: String,
    },
    /// A tensor is missing, unknown, or of the wrong type or number of axes.
    #[error("{operator}: tensor {tensor} {problem}")]
    Tensor {
        /// PyTorch's name of the operator.
        operator: String,
        /// The tensor's name.
        tensor: String,
        /// What is wrong.
        problem: String,
    },
    /// The operator rejects the arguments or shapes.
    #[error(transparent)]
    Operator(#[from] OpError),
    /// A file or folder cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A folder holds no case.
    #[error("{}: has no .safetensors files, so there are no cases to check", .0.display())]
    NoCases(PathBuf),
    /// An archive of cases is damaged.
    #[error("archive of cases: {0}")]
    Archive(std::io::Error),
    /// Python cannot be started, or PyTorch is missing or fails.
    #[error("{}: {problem}", python.display())]
    Python {
        /// The program.
        python: PathBuf,
        /// What happened, and what to do.
        problem: String,
    },
}

impl VerifyError {
    pub(crate) fn in_case(self, case: &str) -> VerifyError {
        VerifyError::Case { case: case.to_owned(), source: Box::new(self) }
    }

    pub(crate) fn arguments(operator: &'static str, error: &ArgumentError) -> VerifyError {
        let problem = error.to_string();
        if error.is_of_type() {
            VerifyError::ArgumentType { operator, problem }
        } else {
            VerifyError::Arguments { operator, problem }
        }
    }

    pub(crate) fn metadata(key: &'static str, problem: impl Into<String>) -> VerifyError {
        VerifyError::Metadata { key, problem: problem.into() }
    }

    pub(crate) fn tensor(operator: &str, tensor: &str, problem: impl Into<String>) -> VerifyError {
        VerifyError::Tensor { operator: operator.into(), tensor: tensor.into(), problem: problem.into() }
    }
}
