//! A smooth rectifier.
//!
//! `ln(1 + exp(beta * x)) / beta`, and `x` itself where `beta * x` is above `threshold`.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softplus.html>.

use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::pointwise::finite;
use crate::*;

/// A smooth rectifier, with the arguments and defaults of `torch.nn.functional.softplus`: `ln(1 + exp(beta * x)) / beta`, and `x` itself where `beta * x` is above `threshold`.
///
/// ```
/// use convscope_ops::{Mode, Sample, Softplus, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[0.0, 30.0]]).into_dyn();
/// let function = Softplus { beta: 2.0, ..Softplus::default() };
/// let y = apply(&function, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([0.34657359, 30.0]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Softplus {
    /// How sharp the bend is; default 1.0.
    #[serde(default = "default_beta", skip_serializing_if = "is_default_beta")]
    pub beta: f64,
    /// From where on it is a straight line; default 20.0.
    #[serde(default = "default_threshold", skip_serializing_if = "is_default_threshold")]
    pub threshold: f64,
}

impl Default for Softplus {
    fn default() -> Self {
        Softplus { beta: default_beta(), threshold: default_threshold() }
    }
}

fn default_beta() -> f64 {
    1.0
}
fn is_default_beta(beta: &f64) -> bool {
    *beta == default_beta()
}

fn default_threshold() -> f64 {
    20.0
}
fn is_default_threshold(threshold: &f64) -> bool {
    *threshold == default_threshold()
}

impl Pointwise for Softplus {
    const NAME: &'static str = "softplus";

    const ARGUMENTS: &'static [Argument] = &[
        Argument::optional("beta", "1.0", "how sharp the bend is"),
        Argument::optional("threshold", "20.0", "from where on it is a straight line"),
    ];

    fn check(&self) -> Result<(), OpError> {
        finite(Self::NAME, "threshold", self.threshold)?;
        if self.beta.is_finite() && self.beta > 0.0 {
            return Ok(());
        }
        Err(OpError::argument(Self::NAME, "beta", format!("is {}, must be a number above 0", self.beta)))
    }

    fn value(&self, x: f64) -> f64 {
        let scaled = self.beta * x;
        if scaled > self.threshold {
            return x;
        }
        let rest = libm::log1p(libm::exp(-scaled.abs()));
        (scaled.max(0.0) + rest) / self.beta
    }

    fn slope(&self, x: f64) -> f64 {
        let scaled = self.beta * x;
        if scaled > self.threshold { 1.0 } else { 1.0 / (1.0 + libm::exp(-scaled)) }
    }

    fn function(&self) -> Option<Function> {
        Some(Function::Softplus { beta: self.beta as f32, threshold: self.threshold as f32 })
    }

    fn torch(&self) -> Option<Torch> {
        Some(Torch::function("F.softplus", self))
    }

    fn onnx(&self) -> Option<Onnx> {
        if self.beta == 1.0 {
            return Some(Onnx::function("Softplus"));
        }
        Some(Onnx::from([
            OnnxNode::new("Mul").input(0).number(self.beta),
            OnnxNode::new("Softplus").node(0),
            OnnxNode::new("Div").node(1).number(self.beta),
        ]))
    }
}
