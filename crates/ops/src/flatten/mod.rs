//! Joins adjacent axes into one.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.flatten.html>

use crate::arrays::{array, axis, check_gradient, values};
use crate::layer::one_input;
use crate::moving::Reordered;
use crate::*;
use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

const NAME: &str = "flatten";

/// Joins the axes `start_dim` to `end_dim` (PyTorch's defaults are 0 and -1) of `input`; negative ones count from the
/// end. A single number becomes an array of one element.
///
/// # Errors
/// An axis that the input does not have, a `start_dim` after `end_dim`.
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
        let problem = format!("is {start_dim}, which comes after end_dim {end_dim} of {} axes", shape.len());
        return Err(OpError::argument(NAME, "start_dim", problem));
    }
    if shape.is_empty() {
        return Ok(vec![1]);
    }
    let joined = shape[start..=end].iter().product();
    Ok([&shape[..start], &[joined], &shape[end + 1..]].concat())
}

/// [`flatten()`] with the batch axis left as it is: by default all others become one, in PyTorch's order: channel, row, column.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {
    /// The first axis that is joined; 0 is the batch axis, which cannot be; default 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub start_dim: isize,
    /// The last axis that is joined; default -1, the last one.
    #[serde(default = "last", skip_serializing_if = "is_last")]
    pub end_dim: isize,
}

impl Default for Flatten {
    fn default() -> Self {
        Flatten { start_dim: first(), end_dim: last() }
    }
}

fn first() -> isize {
    1
}
fn is_first(start_dim: &isize) -> bool {
    *start_dim == first()
}
fn last() -> isize {
    -1
}
fn is_last(end_dim: &isize) -> bool {
    *end_dim == last()
}

impl Layer for Flatten {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "flatten"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        let end = if self.end_dim == last() { String::new() } else { format!(", {}", self.end_dim) };
        Some(Torch::Expression(format!("torch.flatten({{0}}, {}{end})", self.start_dim)))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let output = self.output_shape(inputs).ok()?;
        if output.is_vector() {
            return Some(OnnxNode::new("Flatten").input(0).int("axis", 1).into());
        }
        Some(Onnx::reshape(output.axes()))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = one_input(NAME, inputs)?;
        // A single number becomes an array of one.
        let mut with_batch = [&[1], shape.axes()].concat();
        if shape.rank() == 0 {
            with_batch.push(1);
        }
        if axis(NAME, "start_dim", self.start_dim, with_batch.len())? == 0 {
            let problem = format!("is {}, the batch axis of {shape}, which stays as it is", self.start_dim);
            return Err(OpError::argument(NAME, "start_dim", problem));
        }
        Shape::new(&flat(&with_batch, self.start_dim, self.end_dim)?[1..])
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let output = self.output_shape(inputs).expect("output_shape accepted these inputs");
        Box::new(Reordered::new(inputs[0], output))
    }
}
