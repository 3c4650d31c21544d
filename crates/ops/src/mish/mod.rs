//! The self-regularised function of Misra.
//!
//! `x * tanh(softplus(x))` with `softplus(x) = ln(1 + exp(x))`.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.mish.html>; Misra, "Mish: a self regularized non-monotonic activation function", 2019.

use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::*;

/// The self-regularised function of Misra, as `torch.nn.functional.mish`: `x * tanh(softplus(x))` with `softplus(x) = ln(1 + exp(x))`.
///
/// ```
/// use convscope_ops::{Mode, Sample, Mish, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[-1.0, 0.0, 2.0]]).into_dyn();
/// let y = apply(&Mish {}, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([-0.30340147, 0.0, 1.943959]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mish {}

impl Pointwise for Mish {
    const NAME: &'static str = "mish";

    fn value(&self, x: f64) -> f64 {
        x * libm::tanh(softplus(x))
    }

    fn slope(&self, x: f64) -> f64 {
        let t = libm::tanh(softplus(x));
        let sigmoid = 1.0 / (1.0 + libm::exp(-x));
        t + x * sigmoid * (1.0 - t * t)
    }

    fn function(&self) -> Option<Function> {
        Some(Function::Mish)
    }

    fn torch(&self) -> Option<Torch> {
        Some(Torch::function("F.mish", self))
    }

    fn onnx(&self) -> Option<Onnx> {
        Some(Onnx::function("Mish"))
    }
}

fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + libm::log1p(libm::exp(-x)) } else { libm::log1p(libm::exp(x)) }
}
