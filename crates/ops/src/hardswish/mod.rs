//! Swish in straight lines.
//!
//! `x * relu6(x + 3) / 6`.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardswish.html>; Howard et al., "Searching for MobileNetV3", 2019.

use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::*;

/// Swish in straight lines, as `torch.nn.functional.hardswish`: `x * relu6(x + 3) / 6`.
///
/// ```
/// use convscope_ops::{Mode, Sample, Hardswish, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[-4.0, 1.0, 4.0]]).into_dyn();
/// let y = apply(&Hardswish {}, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([0.0, 0.6666667, 4.0]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hardswish {}

impl Pointwise for Hardswish {
    const NAME: &'static str = "hardswish";

    fn value(&self, x: f64) -> f64 {
        x * (x + 3.0).clamp(0.0, 6.0) / 6.0
    }

    fn slope(&self, x: f64) -> f64 {
        if x <= -3.0 {
            0.0
        } else if x < 3.0 {
            x / 3.0 + 0.5
        } else {
            1.0
        }
    }

    fn function(&self) -> Option<Function> {
        Some(Function::Hardswish)
    }

    fn torch(&self) -> Option<Torch> {
        Some(Torch::function("F.hardswish", self))
    }

    fn onnx(&self) -> Option<Onnx> {
        Some(Onnx::function("HardSwish"))
    }
}
