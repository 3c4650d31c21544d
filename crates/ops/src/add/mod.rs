//! The sum of inputs with the same shape.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.add.html>

use crate::arrays::{array, values};
use crate::*;
use convscope_kernels::elementwise;
use ndarray::{ArrayD, ArrayViewD};
use serde::{Deserialize, Serialize};

const NAME: &str = "add";

/// `input + other`, both of the same shape. The gradient of each is that of the output.
///
/// # Errors
/// Two arrays of different shapes; nothing is broadcast.
///
/// ```
/// use convscope_ops::add;
/// use ndarray::arr1;
/// let (input, other) = (arr1(&[1.0, 2.0]).into_dyn(), arr1(&[10.0, 20.0]).into_dyn());
/// assert_eq!(add(input.view(), other.view())?, arr1(&[11.0, 22.0]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn add(input: ArrayViewD<'_, f32>, other: ArrayViewD<'_, f32>) -> Result<ArrayD<f32>, OpError> {
    if input.shape() != other.shape() {
        let problem = format!("input has shape {:?}, other {:?}", input.shape(), other.shape());
        return Err(OpError::shape(NAME, problem));
    }
    let mut sum = values(input.view());
    elementwise::add_assign(Isa::best(), &mut sum, &values(other));
    Ok(array(input.shape(), sum))
}

/// The sum of two or more inputs of the same shape, as in a residual connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Add {}

impl Layer for Add {
    fn name() -> &'static str {
        NAME
    }

    fn tensors() -> &'static [&'static str] {
        &["input", "other"]
    }

    fn keras_name(&self) -> &'static str {
        "add"
    }

    fn torch(&self, inputs: &[Shape]) -> Option<Torch> {
        let inputs: Vec<String> = (0..inputs.len()).map(|index| format!("{{{index}}}")).collect();
        Some(Torch::Expression(inputs.join(" + ")))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let [first, others @ ..] = inputs else {
            return Err(OpError::shape(NAME, "takes two inputs or more, not 0"));
        };
        if others.is_empty() {
            return Err(OpError::shape(NAME, "takes two inputs or more, not 1"));
        }
        match others.iter().position(|shape| shape != first) {
            None => Ok(*first),
            Some(at) => {
                let problem = format!("input 0 has shape {first}, input {} {}", at + 1, others[at]);
                Err(OpError::shape(NAME, problem))
            }
        }
    }

    fn bind(&self, inputs: &[Shape], _mode: Mode) -> Box<dyn Bound> {
        Box::new(BoundAdd { inputs: inputs.len() })
    }
}

#[derive(Debug)]
struct BoundAdd {
    inputs: usize,
}

impl Bound for BoundAdd {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn forward(&self, call: Forward<'_>) {
        call.output.copy_from_slice(call.inputs.get(0));
        for index in 1..self.inputs {
            elementwise::add_assign(call.isa, call.output, call.inputs.get(index));
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        d_input.copy_from_slice(call.d_output);
    }
}
