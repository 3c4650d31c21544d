//! Arrays of the types that operators take and return.

use ndarray::ArrayD;

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

    /// The name of its type in safetensors files.
    pub fn dtype(&self) -> &'static str {
        match self {
            Tensor::F32(_) => "F32",
            Tensor::F64(_) => "F64",
            Tensor::I64(_) => "I64",
        }
    }
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
