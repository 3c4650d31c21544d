//! Errors as Python's exceptions.

use convscope::verify::VerifyError;
use pyo3::PyErr;
use pyo3::exceptions::{PyTypeError, PyValueError};

/// The exception for a call of an operator.
pub(crate) fn raised_by_operator(error: VerifyError) -> PyErr {
    let is_type = match &error {
        VerifyError::Arguments { problem, .. } => problem.starts_with("invalid type"),
        VerifyError::Tensor { problem, .. } => problem.starts_with("has type"),
        _ => false,
    };
    if is_type { PyTypeError::new_err(error.to_string()) } else { PyValueError::new_err(error.to_string()) }
}
