//! Errors as Python's exceptions.

use std::error::Error;
use std::io;

use anyhow::Error as Chain;
use convscope::data::DataError;
use convscope::inspect::InspectError;
use convscope::ops::OutOfMemory;
use convscope::train::TrainError;
use convscope::verify::VerifyError;
use pyo3::PyErr;
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};

/// The exception for an error of a library: what is missing or unreadable is an `OSError`, a training that cannot go on
/// a `RuntimeError`, everything else a value that does not fit.
pub(crate) fn raised(error: impl Into<Chain>) -> PyErr {
    let error = error.into();
    let text = text(&error);
    for cause in error.chain() {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return io::Error::new(cause.kind(), text).into();
        }
        if let Some(kind) = kind_of(cause) {
            return match kind {
                Kind::Missing => io::Error::new(io::ErrorKind::NotFound, text).into(),
                Kind::Memory => PyMemoryError::new_err(text),
                Kind::Runtime => PyRuntimeError::new_err(text),
            };
        }
    }
    PyValueError::new_err(text)
}

/// The exception for a call of an operator.
pub(crate) fn raised_by_operator(error: VerifyError) -> PyErr {
    let is_type = match &error {
        VerifyError::ArgumentType { .. } => true,
        VerifyError::Tensor { problem, .. } => problem.starts_with("has type"),
        _ => false,
    };
    if is_type { PyTypeError::new_err(error.to_string()) } else { PyValueError::new_err(error.to_string()) }
}

enum Kind {
    Missing,
    Memory,
    Runtime,
}

fn kind_of(error: &(dyn Error + 'static)) -> Option<Kind> {
    if error.is::<OutOfMemory>() {
        return Some(Kind::Memory);
    }
    if let Some(error) = error.downcast_ref::<DataError>() {
        return match error {
            DataError::NotFound { .. } | DataError::NotAFolder { .. } => Some(Kind::Missing),
            DataError::Memory { .. } | DataError::BeyondMemory { .. } => Some(Kind::Memory),
            DataError::Download { .. } => Some(Kind::Runtime),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<TrainError>() {
        return match error {
            TrainError::Data(error) => kind_of(error),
            TrainError::NotARun { .. }
            | TrainError::NoWeights { .. }
            | TrainError::CheckpointMissing { .. } => Some(Kind::Missing),
            TrainError::Diverged { .. } | TrainError::RunBusy { .. } => Some(Kind::Runtime),
            TrainError::TooLarge { .. } => Some(Kind::Memory),
            _ => None,
        };
    }
    match error.downcast_ref::<InspectError>() {
        Some(InspectError::Train(error)) => kind_of(error),
        Some(InspectError::Data(error)) => kind_of(error),
        _ => None,
    }
}

/// The error and its causes, none of them twice.
fn text(error: &Chain) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
