//! Where the arrays of a node come from.

use std::rc::Rc;

use crate::OnnxError;
use crate::tensor::Tensor;

/// The numbers of an array of the network.
#[derive(Clone, Debug)]
pub(crate) enum Array {
    /// As in the file.
    Stored(Tensor),
    /// A matrix with its axes exchanged.
    Transposed(Tensor),
    /// Computed.
    Values(Rc<Vec<f32>>),
    /// One number for all.
    Filled(f32),
}

impl Array {
    pub(crate) fn values(values: Vec<f32>) -> Array {
        Array::Values(Rc::new(values))
    }

    /// The elements, if it has a number of its own.
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Array::Stored(tensor) | Array::Transposed(tensor) => Some(tensor.len()),
            Array::Values(values) => Some(values.len()),
            Array::Filled(_) => None,
        }
    }

    /// Writes the numbers to an array of as many elements.
    pub(crate) fn write(&self, to: &mut [f32]) -> Result<(), OnnxError> {
        match self {
            Array::Stored(tensor) => tensor.write(to)?,
            Array::Transposed(tensor) => {
                let values = tensor.to_floats()?;
                let columns = tensor.dims[1];
                let rows = tensor.dims[0];
                for (row, line) in values.chunks_exact(columns).enumerate() {
                    line.iter().enumerate().for_each(|(column, &value)| to[column * rows + row] = value);
                }
            }
            Array::Values(values) => to.copy_from_slice(values),
            Array::Filled(value) => to.fill(*value),
        }
        Ok(())
    }
}
