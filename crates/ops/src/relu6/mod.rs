//! The rectifier up to six.
//!
//! `min(max(0, x), 6)`.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.relu6.html>.

use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::*;

/// The rectifier up to six, as `torch.nn.functional.relu6`: `min(max(0, x), 6)`.
///
/// ```
/// use convscope_ops::{Mode, Sample, Relu6, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[-1.0, 2.0, 7.0]]).into_dyn();
/// let y = apply(&Relu6 {}, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([0.0, 2.0, 6.0]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Relu6 {}

impl Pointwise for Relu6 {
    const NAME: &'static str = "relu6";

    fn value(&self, x: f64) -> f64 {
        // NaN stays NaN.
        x.clamp(0.0, 6.0)
    }

    fn slope(&self, x: f64) -> f64 {
        if x <= 0.0 || x >= 6.0 { 0.0 } else { 1.0 }
    }

    fn function(&self) -> Option<Function> {
        Some(Function::Clamp { low: 0.0, high: 6.0 })
    }

    fn torch(&self) -> Option<Torch> {
        Some(Torch::function("F.relu6", self))
    }

    fn onnx(&self) -> Option<Onnx> {
        Some(Onnx::clip(0.0, 6.0))
    }
}
