//! The logistic function `1 / (1 + exp(-x))`.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.sigmoid.html>

use crate::activation::BoundActivation;
use crate::arrays::{array, check_gradient, values};
use crate::layer::one_input;
use crate::*;
use convscope_kernels::elementwise;
use convscope_kernels::pointwise::Function;
use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

const NAME: &str = "sigmoid";

/// `1 / (1 + exp(-x))` of each value of `input`, of any shape; no value overflows.
///
/// ```
/// use convscope_ops::sigmoid;
/// use ndarray::arr1;
/// let input = arr1(&[-1e4, 0.0, 1e4]).into_dyn();
/// assert_eq!(sigmoid(input.view()), arr1(&[0.0, 0.5, 1.0]).into_dyn());
/// ```
pub fn sigmoid(input: ArrayViewD<'_, f32>) -> ArrayD<f32> {
    let mut output = values(input.view());
    Function::Sigmoid.apply_in_place(Isa::best(), &mut output);
    array(input.shape(), output)
}

/// The gradient of [`sigmoid()`] from its output `y`: `d_output * y * (1 - y)`.
///
/// # Errors
/// Two arrays of different shapes.
///
/// ```
/// use convscope_ops::sigmoid_backward;
/// use ndarray::arr1;
/// let (output, d_output) = (arr1(&[0.5, 1.0]).into_dyn(), arr1(&[8.0, 8.0]).into_dyn());
/// assert_eq!(sigmoid_backward(d_output.view(), output.view())?, arr1(&[2.0, 0.0]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn sigmoid_backward(
    d_output: ArrayViewD<'_, f32>,
    output: ArrayViewD<'_, f32>,
) -> Result<ArrayD<f32>, OpError> {
    check_gradient(NAME, output.shape(), d_output.shape())?;
    let mut d = values(d_output);
    elementwise::sigmoid_backward(Isa::best(), &values(output.view()), &mut d);
    Ok(array(output.shape(), d))
}

/// [`sigmoid()`] as a separate node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sigmoid {}

impl Layer for Sigmoid {
    fn name() -> &'static str {
        NAME
    }

    fn function(&self) -> Option<Function> {
        Some(Function::Sigmoid)
    }

    fn keras_name(&self) -> &'static str {
        "activation"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::function("torch.sigmoid", self))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        Some(Onnx::function("Sigmoid"))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        one_input(NAME, inputs)
    }

    fn activation(&self) -> Option<Activation> {
        Some(Activation::Sigmoid)
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        Box::new(BoundActivation { activation: Activation::Sigmoid, channels: inputs[0].channels() })
    }
}
