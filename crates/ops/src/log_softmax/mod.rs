//! The logarithm of [`crate::softmax()`].
//!
//! `output[i] = input[i] - max - log(sum over j of exp(input[j] - max))` along `dim`: exact even where the softmax
//! itself underflows.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html>

use crate::arrays::{axis, check_gradient, from_rows, rows};
use crate::layer::one_input;
use crate::*;
use convscope_kernels::elementwise;
use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

const NAME: &str = "log_softmax";

/// Logarithm of the softmax of `input`, of any shape, along the axis `dim`; a negative one counts from the end.
///
/// # Errors
/// An axis that the input does not have.
///
/// ```
/// use convscope_ops::log_softmax;
/// use ndarray::arr1;
/// let output = log_softmax(arr1(&[1e4, 0.0]).into_dyn().view(), 0)?;
/// assert_eq!(output, arr1(&[0.0, -1e4]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn log_softmax(input: ArrayViewD<'_, f32>, dim: isize) -> Result<ArrayD<f32>, OpError> {
    let axis = axis(NAME, "dim", dim, input.ndim())?;
    let (mut rows, len) = rows(&input, axis);
    elementwise::log_softmax(&mut rows, len);
    Ok(from_rows(rows, input.shape(), axis))
}

/// The gradient of [`log_softmax()`] from its output `y`: `d_output - exp(y) * sum of d_output` along `dim`.
///
/// # Errors
/// Two arrays of different shapes, an axis that they do not have.
///
/// ```
/// use convscope_ops::log_softmax_backward;
/// use ndarray::arr1;
/// let (output, d_output) = (arr1(&[0.0, -1e4]).into_dyn(), arr1(&[1.0, 3.0]).into_dyn());
/// let d_input = log_softmax_backward(d_output.view(), output.view(), 0)?;
/// assert_eq!(d_input, arr1(&[-3.0, 3.0]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn log_softmax_backward(
    d_output: ArrayViewD<'_, f32>,
    output: ArrayViewD<'_, f32>,
    dim: isize,
) -> Result<ArrayD<f32>, OpError> {
    check_gradient(NAME, output.shape(), d_output.shape())?;
    let axis = axis(NAME, "dim", dim, output.ndim())?;
    let ((mut d, len), (y, _)) = (rows(&d_output, axis), rows(&output, axis));
    elementwise::log_softmax_backward(&y, &mut d, len);
    Ok(from_rows(d, output.shape(), axis))
}

/// [`log_softmax()`] along the channels of each pixel, as a separate node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogSoftmax {
    /// The axis, which can only be the channel axis; default 1.
    #[serde(default, skip_serializing_if = "ChannelDim::is_default")]
    pub dim: ChannelDim,
}

impl Layer for LogSoftmax {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "log_softmax"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::Expression("F.log_softmax({0}, 1)".to_owned()))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        Some(OnnxNode::new("LogSoftmax").input(0).int("axis", 1).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = one_input(NAME, inputs)?;
        self.dim.check(NAME, "dim", shape)?;
        Ok(shape)
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        Box::new(BoundLogSoftmax { channels: inputs[0].channels() })
    }
}

#[derive(Debug)]
struct BoundLogSoftmax {
    channels: usize,
}

impl Bound for BoundLogSoftmax {
    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: true }
    }

    fn forward(&self, call: Forward<'_>) {
        call.output.copy_from_slice(call.inputs.get(0));
        elementwise::log_softmax(call.output, self.channels);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        d_input.copy_from_slice(call.d_output);
        elementwise::log_softmax_backward(call.output, d_input, self.channels);
    }
}
