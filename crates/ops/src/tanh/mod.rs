//! The hyperbolic tangent.
//!
//! `(exp(x) - exp(-x)) / (exp(x) + exp(-x))`.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.tanh.html>.

use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::*;

/// The hyperbolic tangent, as `torch.nn.functional.tanh`: `(exp(x) - exp(-x)) / (exp(x) + exp(-x))`.
///
/// ```
/// use convscope_ops::{Mode, Sample, Tanh, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[-1.0, 0.0, 0.5]]).into_dyn();
/// let y = apply(&Tanh {}, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([-0.7615942, 0.0, 0.46211717]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tanh {}

impl Pointwise for Tanh {
    const NAME: &'static str = "tanh";

    fn value(&self, x: f64) -> f64 {
        libm::tanh(x)
    }

    fn slope(&self, x: f64) -> f64 {
        let y = libm::tanh(x);
        1.0 - y * y
    }

    fn function(&self) -> Option<Function> {
        Some(Function::Tanh)
    }

    fn torch(&self) -> Option<Torch> {
        Some(Torch::function("torch.tanh", self))
    }

    fn onnx(&self) -> Option<Onnx> {
        Some(Onnx::function("Tanh"))
    }
}
