//! Adjacent axes as one.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.flatten.html>

use crate::arrays::{array, axis, check_gradient, values};
use crate::layer::one_input;
use crate::*;
use convscope_kernels::layout;
use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

const NAME: &str = "flatten";

/// Joins the axes `start_dim` to `end_dim` (PyTorch's defaults are 0 and -1) of `input`; negative ones count from the
/// end. A single number becomes an array of one.
///
/// # Errors
/// An axis that the input does not have, a `start_dim` behind `end_dim`.
///
/// ```
/// use convscope_ops::flatten;
/// use ndarray::Array4;
/// let input = Array4::<f32>::zeros((2, 3, 4, 5)).into_dyn();
/// assert_eq!(flatten(input.view(), 1, -1)?.shape(), [2, 60]);
/// assert_eq!(flatten(input.view(), -3, 2)?.shape(), [2, 12, 5]);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn flatten(input: ArrayViewD<'_, f32>, start_dim: isize, end_dim: isize) -> Result<ArrayD<f32>, OpError> {
    Ok(array(&flat(input.shape(), start_dim, end_dim)?, values(input)))
}

/// The gradient of [`flatten()`]: `d_output` in the input's shape.
///
/// # Errors
/// As for [`flatten()`], and a `d_output` of a different shape from the output.
///
/// ```
/// use convscope_ops::flatten_backward;
/// use ndarray::Array2;
/// let d_output = Array2::<f32>::zeros((2, 60)).into_dyn();
/// assert_eq!(flatten_backward(d_output.view(), &[2, 3, 4, 5], 1, -1)?.shape(), [2, 3, 4, 5]);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn flatten_backward(
    d_output: ArrayViewD<'_, f32>,
    input_shape: &[usize],
    start_dim: isize,
    end_dim: isize,
) -> Result<ArrayD<f32>, OpError> {
    check_gradient(NAME, &flat(input_shape, start_dim, end_dim)?, d_output.shape())?;
    Ok(array(input_shape, values(d_output)))
}

fn flat(shape: &[usize], start_dim: isize, end_dim: isize) -> Result<Vec<usize>, OpError> {
    let start = axis(NAME, "start_dim", start_dim, shape.len())?;
    let end = axis(NAME, "end_dim", end_dim, shape.len())?;
    if start > end {
        let problem = format!("is {start_dim}, which lies behind end_dim {end_dim} of {} axes", shape.len());
        return Err(OpError::argument(NAME, "start_dim", problem));
    }
    if shape.is_empty() {
        return Ok(vec![1]);
    }
    let joined = shape[start..=end].iter().product();
    Ok([&shape[..start], &[joined], &shape[end + 1..]].concat())
}

/// [`flatten()`] of everything but the batch axis, in PyTorch's order: channel, row, column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {
    /// The first axis that is joined, which can only be that of the channels; default 1.
    #[serde(default, skip_serializing_if = "ChannelDim::is_default")]
    pub start_dim: ChannelDim,
    /// The last axis that is joined, which can only be the last one; default -1.
    #[serde(default = "last", skip_serializing_if = "is_last")]
    pub end_dim: isize,
}

impl Default for Flatten {
    fn default() -> Self {
        Flatten { start_dim: ChannelDim::default(), end_dim: last() }
    }
}

fn last() -> isize {
    -1
}
fn is_last(end_dim: &isize) -> bool {
    *end_dim == last()
}

impl Layer for Flatten {
    fn keras_name(&self) -> &'static str {
        "flatten"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = one_input(NAME, inputs)?;
        self.start_dim.check(NAME, "start_dim", shape)?;
        let axes = shape.axes().len() as isize;
        if self.end_dim != last() && self.end_dim != axes {
            let problem = format!("is {}, must be -1 or {axes}, the last axis of {shape}", self.end_dim);
            return Err(OpError::argument(NAME, "end_dim", problem));
        }
        Ok(Shape::Vector { features: shape.len() })
    }

    fn bind(&self, inputs: &[Shape], _mode: Mode) -> Box<dyn Bound> {
        Box::new(BoundFlatten { channels: inputs[0].channels(), len: inputs[0].len() })
    }
}

#[derive(Debug)]
struct BoundFlatten {
    channels: usize,
    len: usize,
}

impl Bound for BoundFlatten {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn forward(&self, call: Forward<'_>) {
        if self.channels == self.len {
            call.output.copy_from_slice(call.inputs.get(0));
        } else {
            layout::to_planes(call.inputs.get(0), self.channels, self.len, call.output);
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        if self.channels == self.len {
            d_input.copy_from_slice(call.d_output);
        } else {
            layout::to_channels_last(call.d_output, self.channels, self.len, d_input);
        }
    }
}
