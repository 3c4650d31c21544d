//! The arrays in files that `torch.save` wrote.
//!
//! Such a file is a pickle, a program for a small machine, next to the bytes of the arrays. Python runs whatever functions the
//! program names. Here, [`TorchFile`] knows the few names that arrays need and rebuilds these itself; any other name is an error, so
//! nothing in a file can run. Memory stays in proportion to the file: arrays are only described until their values are asked for.

use std::collections::BTreeMap;

mod archive;
mod error;
pub mod limits;
mod old;
mod pickle;
mod state;
mod tensor;

pub use error::TorchError;
pub use tensor::{Dtype, Tensor, half};

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A zip archive, which PyTorch writes since version 1.6.
    Archive,
    /// Pickles one after the other and the arrays behind them, which older versions write.
    Old,
}

impl Form {
    /// The form of the file that begins with these bytes, if `torch.save` could have written it.
    pub fn of(bytes: &[u8]) -> Option<Form> {
        match bytes {
            [b'P', b'K', 3, 4, ..] => Some(Form::Archive),
            [0x80, 2..=5, ..] => Some(Form::Old),
            _ => None,
        }
    }
}

/// The named arrays of a file.
///
/// They are those of a state dictionary: of the file's own, or of the one that it keeps under a name such as `state_dict` or `model`.
#[derive(Clone, Debug)]
pub struct TorchFile {
    bytes: Vec<u8>,
    tensors: BTreeMap<String, Tensor>,
}

impl TorchFile {
    /// Finds the arrays of a file, from its bytes.
    ///
    /// # Errors
    /// The bytes were not written by `torch.save`, are truncated, name something other than arrays, or describe arrays that reach
    /// outside their bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<TorchFile, TorchError> {
        let tensors = match Form::of(&bytes) {
            Some(Form::Archive) => archive::tensors(&bytes)?,
            Some(Form::Old) => old::tensors(&bytes)?,
            None => return Err(TorchError::OtherFormat),
        };
        Ok(TorchFile { bytes, tensors })
    }

    /// The names of all arrays, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The array with this name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The elements of one of the file's arrays in row-major order, in single precision.
    ///
    /// # Errors
    /// [`TorchError::OutOfMemory`].
    pub fn values(&self, tensor: &Tensor) -> Result<Vec<f32>, TorchError> {
        tensor.values(&self.bytes)
    }

    /// The only element of an array of integers.
    pub fn integer(&self, tensor: &Tensor) -> Option<i64> {
        tensor.integer(&self.bytes)
    }
}
