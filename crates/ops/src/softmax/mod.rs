//! Values along an axis as shares of 1.
//!
//! `output[i] = exp(input[i] - max) / sum over j of exp(input[j] - max)` along `dim`; the maximum keeps the
//! exponentials of inputs of any size within bounds.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html>

use crate::activation::BoundActivation;
use crate::arrays::{axis, check_gradient, from_rows, rows};
use crate::layer::one_input;
use crate::*;
use convscope_kernels::elementwise;
use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

const NAME: &str = "softmax";

/// Softmax of `input`, of any shape, along the axis `dim`; a negative one counts from the end.
///
/// # Errors
/// An axis that the input does not have.
///
/// ```
/// use convscope_ops::softmax;
/// use ndarray::arr2;
/// let input = arr2(&[[1e4, 1e4], [0.0, 2f32.ln()]]).into_dyn();
/// let output = softmax(input.view(), -1)?;
/// assert_eq!(output[[0, 0]], 0.5);
/// assert!((output[[1, 1]] - 2.0 / 3.0).abs() < 1e-6);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn softmax(input: ArrayViewD<'_, f32>, dim: isize) -> Result<ArrayD<f32>, OpError> {
    let axis = axis(NAME, "dim", dim, input.ndim())?;
    let (mut rows, len) = rows(&input, axis);
    elementwise::softmax(&mut rows, len);
    Ok(from_rows(rows, input.shape(), axis))
}

/// The gradient of [`softmax()`] from its output `y`: `y * (d_output - sum of d_output * y)` along `dim`.
///
/// # Errors
/// Two arrays of different shapes, an axis that they do not have.
///
/// ```
/// use convscope_ops::softmax_backward;
/// use ndarray::arr1;
/// let (output, d_output) = (arr1(&[0.25, 0.75]).into_dyn(), arr1(&[4.0, 0.0]).into_dyn());
/// let d_input = softmax_backward(d_output.view(), output.view(), 0)?;
/// assert_eq!(d_input, arr1(&[0.75, -0.75]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn softmax_backward(
    d_output: ArrayViewD<'_, f32>,
    output: ArrayViewD<'_, f32>,
    dim: isize,
) -> Result<ArrayD<f32>, OpError> {
    check_gradient(NAME, output.shape(), d_output.shape())?;
    let axis = axis(NAME, "dim", dim, output.ndim())?;
    let ((mut d, len), (y, _)) = (rows(&d_output, axis), rows(&output, axis));
    elementwise::softmax_backward(&y, &mut d, len);
    Ok(from_rows(d, output.shape(), axis))
}

/// [`softmax()`] along the channels of each pixel, as a separate node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {
    /// The axis, which can only be the channel axis; default 1.
    #[serde(default, skip_serializing_if = "ChannelDim::is_default")]
    pub dim: ChannelDim,
}

impl Layer for Softmax {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "softmax"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::Expression("F.softmax({0}, 1)".to_owned()))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        Some(OnnxNode::new("Softmax").input(0).int("axis", 1).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = one_input(NAME, inputs)?;
        self.dim.check(NAME, "dim", shape)?;
        Ok(shape)
    }

    fn activation(&self) -> Option<Activation> {
        Some(Activation::Softmax)
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        Box::new(BoundActivation { activation: Activation::Softmax, channels: inputs[0].channels() })
    }
}
