//! Files with a single array, as ONNX's tests have them.

use std::path::Path;

use ndarray::{ArrayD, IxDyn};
use prost::Message;

use crate::OnnxError;
use crate::proto::TensorProto;
use crate::tensor::Tensor;

/// The array in a file `input_0.pb`, as single precision.
///
/// # Errors
/// The file cannot be read or is not an array of numbers.
pub fn read_array(path: &Path) -> Result<ArrayD<f32>, OnnxError> {
    let file = path.display().to_string();
    let bytes =
        convscope_files::read(path).map_err(|source| OnnxError::Read { file: file.clone(), source })?;
    array_from_bytes(&file, bytes)
}

/// The array in these bytes; `file` is their name in errors.
///
/// # Errors
/// As for [`read_array`].
pub fn array_from_bytes(file: &str, bytes: Vec<u8>) -> Result<ArrayD<f32>, OnnxError> {
    let tensor = tensor_from_bytes(file, bytes)?;
    let mut values = convscope_kernels::memory::zeros(tensor.len())?;
    tensor.write(&mut values)?;
    Ok(ArrayD::from_shape_vec(IxDyn(&tensor.dims), values).expect("as many values as elements"))
}

pub(crate) fn tensor_from_bytes(file: &str, bytes: Vec<u8>) -> Result<Tensor, OnnxError> {
    let error = |source| OnnxError::Decode { file: file.to_owned(), source };
    Tensor::new(TensorProto::decode(bytes::Bytes::from(bytes)).map_err(error)?, None)
}
