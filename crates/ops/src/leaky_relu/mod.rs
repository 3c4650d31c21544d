//! The rectifier that lets a part of what is below zero pass: `max(0, x) + negative_slope * min(0, x)`.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.leaky_relu.html>; Maas, Hannun and Ng,
//! "Rectifier nonlinearities improve neural network acoustic models", 2013.

use serde::{Deserialize, Serialize};

use crate::layer::one_input;
use crate::*;

const NAME: &str = "leaky_relu";

/// `x` where it is above zero, else `negative_slope * x`; arguments and defaults of `torch.nn.LeakyReLU`.
///
/// ```
/// use convscope_ops::{LeakyRelu, Mode, Sample, apply};
/// use ndarray::arr2;
/// let leaky = LeakyRelu { negative_slope: 0.25 };
/// let x = arr2(&[[-4.0, 2.0]]).into_dyn();
/// let y = apply(&leaky, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert_eq!(y, arr2(&[[-1.0, 2.0]]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LeakyRelu {
    /// Factor of values below zero; default 0.01.
    #[serde(default = "default_slope", skip_serializing_if = "is_default_slope")]
    pub negative_slope: f64,
}

impl Default for LeakyRelu {
    fn default() -> Self {
        LeakyRelu { negative_slope: default_slope() }
    }
}

fn default_slope() -> f64 {
    0.01
}
fn is_default_slope(slope: &f64) -> bool {
    *slope == default_slope()
}

impl Layer for LeakyRelu {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const { &[Argument::optional("negative_slope", "0.01", "factor of values below zero")] }
    }

    fn keras_name(&self) -> &'static str {
        NAME
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::function("F.leaky_relu", self))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        if !self.negative_slope.is_finite() {
            let problem = format!("is {}, must be a finite number", self.negative_slope);
            return Err(OpError::argument(NAME, "negative_slope", problem));
        }
        one_input(NAME, inputs)
    }

    fn bind(&self, _inputs: &[Shape], _mode: Mode) -> Box<dyn Bound> {
        Box::new(BoundLeakyRelu { slope: self.negative_slope as f32 })
    }
}

#[derive(Debug)]
struct BoundLeakyRelu {
    slope: f32,
}

impl Bound for BoundLeakyRelu {
    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, call: Forward<'_>) {
        for (y, &x) in call.output.iter_mut().zip(call.inputs.get(0)) {
            *y = if x > 0.0 { x } else { x * self.slope };
        }
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        for ((d, &x), &d_output) in d_input.iter_mut().zip(call.inputs.get(0)).zip(call.d_output) {
            *d = if x > 0.0 { d_output } else { d_output * self.slope };
        }
    }
}
