//! The rectifier whose slope below zero is learned: `max(0, x) + weight * min(0, x)`.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.PReLU.html>; He et al., "Delving deep into rectifiers", 2015.

use serde::{Deserialize, Serialize};

use crate::layer::one_input;
use crate::operator_arguments::arguments_of;
use crate::*;

const NAME: &str = "prelu";

/// `x` where it is above zero, else `weight * x`, with one weight or one for each channel; arguments and defaults of
/// `torch.nn.PReLU`.
///
/// ```
/// use convscope_ops::{Layer, Prelu, Shape};
/// let prelu = Prelu { num_parameters: 8 };
/// assert_eq!(prelu.parameters(&[Shape::image(8, [3, 5])])[0].shape, [8]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Prelu {
    /// Slopes: 1, or as many as there are channels; default 1. They start at 0.25.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub num_parameters: usize,
}

impl Default for Prelu {
    fn default() -> Self {
        Prelu { num_parameters: one() }
    }
}

fn one() -> usize {
    1
}
fn is_one(number: &usize) -> bool {
    *number == one()
}

impl Layer for Prelu {
    fn name() -> &'static str {
        NAME
    }

    fn tensors() -> &'static [&'static str] {
        &["input", "weight"]
    }

    fn described() -> &'static [Argument] {
        const { &[Argument::optional("num_parameters", "1", "1, or the number of channels")] }
    }

    fn keras_name(&self) -> &'static str {
        "p_re_lu"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::module("nn.PReLU", &[], &arguments_of(self), &[]))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let axes: Vec<i64> = (0..inputs[0].rank())
            .map(|axis| if axis == 0 { self.num_parameters as i64 } else { 1 })
            .collect();
        Some(Onnx::from([
            OnnxNode::new("Reshape").parameter("weight").integers_input(axes),
            OnnxNode::new("PRelu").input(0).node(0),
        ]))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = one_input(NAME, inputs)?;
        if self.num_parameters == 1 || self.num_parameters == shape.channels() {
            return Ok(shape);
        }
        let problem =
            format!("is {}, must be 1 or {}, the channels of {shape}", self.num_parameters, shape.channels());
        Err(OpError::argument(NAME, "num_parameters", problem))
    }

    fn parameters(&self, _inputs: &[Shape]) -> Vec<ParameterSpec> {
        vec![ParameterSpec {
            name: "weight",
            shape: vec![self.num_parameters],
            role: Role::Value { start: 0.25 },
        }]
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        Box::new(BoundPrelu { channels: inputs[0].channels(), is_shared: self.num_parameters == 1 })
    }
}

#[derive(Debug)]
struct BoundPrelu {
    channels: usize,
    /// Whether one slope is that of all channels.
    is_shared: bool,
}

impl Bound for BoundPrelu {
    fn packed_len(&self) -> usize {
        self.channels
    }

    fn pack(&self, parameters: &[Parameter], packed: &mut [f32]) {
        match parameters[0].slice() {
            [slope] => packed.fill(*slope),
            slopes => packed.copy_from_slice(slopes),
        }
    }

    fn gradient_len(&self) -> usize {
        self.channels
    }

    fn unpack_gradient(&self, packed: &[f32], gradients: &mut [Vec<f32>]) {
        if self.is_shared {
            gradients[0][0] = packed.iter().map(|&d| f64::from(d)).sum::<f64>() as f32;
        } else {
            gradients[0].copy_from_slice(packed);
        }
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, call: Forward<'_>) {
        let pixels =
            call.output.chunks_exact_mut(self.channels).zip(call.inputs.get(0).chunks_exact(self.channels));
        for (output, input) in pixels {
            for ((y, &x), slope) in output.iter_mut().zip(input).zip(call.packed) {
                *y = if x > 0.0 { x } else { x * slope };
            }
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let input = call.inputs.get(0).chunks_exact(self.channels);
        let pixels =
            d_input.chunks_exact_mut(self.channels).zip(input).zip(call.d_output.chunks_exact(self.channels));
        for ((d_input, input), d_output) in pixels {
            for (((d, &x), &d_output), slope) in d_input.iter_mut().zip(input).zip(d_output).zip(call.packed)
            {
                *d = if x > 0.0 { d_output } else { d_output * slope };
            }
        }
    }

    fn backward_parameters(&self, call: Backward<'_>, d_packed: &mut [f32]) {
        // Sums over many pixels are kept in double precision.
        let mut sums = vec![0.0_f64; self.channels];
        let input = call.inputs.get(0).chunks_exact(self.channels);
        for (input, d_output) in input.zip(call.d_output.chunks_exact(self.channels)) {
            for ((sum, &x), &d) in sums.iter_mut().zip(input).zip(d_output) {
                if x <= 0.0 {
                    *sum += f64::from(d) * f64::from(x);
                }
            }
        }
        d_packed.iter_mut().zip(sums).for_each(|(d, sum)| *d += sum as f32);
    }
}
