//! Arrays of the types that operators take and return.

use ndarray::{ArrayD, IxDyn};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// An array of one of the types that operators take and return.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// Values.
    F32(ArrayD<f32>),
    /// Expected values.
    F64(ArrayD<f64>),
    /// Classes, indices and counts.
    I64(ArrayD<i64>),
}

impl Tensor {
    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Tensor::F32(array) => array.shape(),
            Tensor::F64(array) => array.shape(),
            Tensor::I64(array) => array.shape(),
        }
    }

    /// The name of its type, as safetensors files have it.
    pub fn dtype(&self) -> &'static str {
        match self {
            Tensor::F32(_) => "F32",
            Tensor::F64(_) => "F64",
            Tensor::I64(_) => "I64",
        }
    }

    /// Reads a tensor of a safetensors file; fails with the name of a type that is none of these.
    pub(super) fn read(view: &TensorView<'_>) -> Result<Tensor, String> {
        let (shape, data) = (IxDyn(view.shape()), view.data());
        Ok(match view.dtype() {
            Dtype::F32 => Tensor::F32(array(shape, data, f32::from_le_bytes)),
            Dtype::F64 => Tensor::F64(array(shape, data, f64::from_le_bytes)),
            Dtype::I64 => Tensor::I64(array(shape, data, i64::from_le_bytes)),
            other => return Err(format!("{other:?}")),
        })
    }
}

fn array<T, const N: usize>(shape: IxDyn, data: &[u8], value: fn([u8; N]) -> T) -> ArrayD<T> {
    let values = data.as_chunks::<N>().0.iter().map(|&bytes| value(bytes)).collect();
    ArrayD::from_shape_vec(shape, values).expect("the file's length was checked against its shapes")
}

impl From<ArrayD<f32>> for Tensor {
    fn from(array: ArrayD<f32>) -> Tensor {
        Tensor::F32(array)
    }
}

impl From<ArrayD<i64>> for Tensor {
    fn from(array: ArrayD<i64>) -> Tensor {
        Tensor::I64(array)
    }
}
