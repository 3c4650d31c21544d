//! The rectifier that lets a part of what is below zero pass.
//!
//! `max(0, x) + negative_slope * min(0, x)`.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.leaky_relu.html>; Maas, Hannun and Ng,
//! "Rectifier nonlinearities improve neural network acoustic models", 2013.

use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::pointwise::finite;
use crate::*;

/// The rectifier that lets a part of what is below zero pass, with the arguments and defaults of `torch.nn.functional.leaky_relu`: `max(0, x) + negative_slope * min(0, x)`.
///
/// ```
/// use convscope_ops::{Mode, Sample, LeakyRelu, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[-4.0, 2.0]]).into_dyn();
/// let function = LeakyRelu { negative_slope: 0.25 };
/// let y = apply(&function, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([-1.0, 2.0]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LeakyRelu {
    /// Factor of values below zero; default 0.01.
    #[serde(default = "default_negative_slope", skip_serializing_if = "is_default_negative_slope")]
    pub negative_slope: f64,
}

impl Default for LeakyRelu {
    fn default() -> Self {
        LeakyRelu { negative_slope: default_negative_slope() }
    }
}

fn default_negative_slope() -> f64 {
    0.01
}
fn is_default_negative_slope(negative_slope: &f64) -> bool {
    *negative_slope == default_negative_slope()
}

impl Pointwise for LeakyRelu {
    const NAME: &'static str = "leaky_relu";

    const ARGUMENTS: &'static [Argument] =
        &[Argument::optional("negative_slope", "0.01", "factor of values below zero")];

    fn check(&self) -> Result<(), OpError> {
        finite(Self::NAME, "negative_slope", self.negative_slope)
    }

    fn value(&self, x: f64) -> f64 {
        if x > 0.0 { x } else { x * self.negative_slope }
    }

    fn slope(&self, x: f64) -> f64 {
        if x > 0.0 { 1.0 } else { self.negative_slope }
    }

    fn function(&self) -> Option<Function> {
        Some(Function::LeakyRelu { slope: self.negative_slope as f32 })
    }

    fn torch(&self) -> Option<Torch> {
        Some(Torch::function("F.leaky_relu", self))
    }

    fn onnx(&self) -> Option<Onnx> {
        Some(OnnxNode::new("LeakyRelu").input(0).float("alpha", self.negative_slope).into())
    }
}
