//! The rectifier `max(0, x)`.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.relu.html>

use crate::activation::BoundActivation;
use crate::arrays::{array, check_gradient, values};
use crate::layer::one_input;
use crate::*;
use convscope_kernels::elementwise;
use convscope_kernels::pointwise::Function;
use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

const NAME: &str = "relu";

/// `max(0, x)` of each value of `input`, of any shape; NaN stays NaN.
///
/// ```
/// use convscope_ops::relu;
/// use ndarray::arr1;
/// assert_eq!(relu(arr1(&[-1.0, 2.0]).view().into_dyn()), arr1(&[0.0, 2.0]).into_dyn());
/// ```
pub fn relu(input: ArrayViewD<'_, f32>) -> ArrayD<f32> {
    let mut output = values(input.view());
    elementwise::relu(Isa::best(), &mut output);
    array(input.shape(), output)
}

/// The gradient of [`relu()`] from its output: `d_output` where the output is above zero, else zero.
///
/// # Errors
/// Two arrays of different shapes.
///
/// ```
/// use convscope_ops::relu_backward;
/// use ndarray::arr1;
/// let (output, d_output) = (arr1(&[0.0, 2.0]).into_dyn(), arr1(&[3.0, 4.0]).into_dyn());
/// assert_eq!(relu_backward(d_output.view(), output.view())?, arr1(&[0.0, 4.0]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn relu_backward(
    d_output: ArrayViewD<'_, f32>,
    output: ArrayViewD<'_, f32>,
) -> Result<ArrayD<f32>, OpError> {
    check_gradient(NAME, output.shape(), d_output.shape())?;
    let mut d = values(d_output);
    elementwise::relu_backward(Isa::best(), &values(output.view()), &mut d);
    Ok(array(output.shape(), d))
}

/// [`relu()`] as a separate node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Relu {}

impl Layer for Relu {
    fn name() -> &'static str {
        NAME
    }

    fn function(&self) -> Option<Function> {
        Some(Function::Clamp { low: 0.0, high: f32::INFINITY })
    }

    fn keras_name(&self) -> &'static str {
        "re_lu"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::function("F.relu", self))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        Some(Onnx::function("Relu"))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        one_input(NAME, inputs)
    }

    fn activation(&self) -> Option<Activation> {
        Some(Activation::Relu)
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        Box::new(BoundActivation { activation: Activation::Relu, channels: inputs[0].channels() })
    }
}
