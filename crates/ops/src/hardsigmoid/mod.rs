//! The sigmoid in straight lines.
//!
//! `relu6(x + 3) / 6`.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardsigmoid.html>.

use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::*;

/// The sigmoid in straight lines, as `torch.nn.functional.hardsigmoid`: `relu6(x + 3) / 6`.
///
/// ```
/// use convscope_ops::{Mode, Sample, Hardsigmoid, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[-4.0, 0.0, 1.5]]).into_dyn();
/// let y = apply(&Hardsigmoid {}, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([0.0, 0.5, 0.75]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hardsigmoid {}

impl Pointwise for Hardsigmoid {
    const NAME: &'static str = "hardsigmoid";

    fn value(&self, x: f64) -> f64 {
        (x + 3.0).clamp(0.0, 6.0) / 6.0
    }

    fn slope(&self, x: f64) -> f64 {
        if x <= -3.0 || x >= 3.0 { 0.0 } else { 1.0 / 6.0 }
    }

    fn function(&self) -> Option<Function> {
        Some(Function::Hardsigmoid)
    }

    fn torch(&self) -> Option<Torch> {
        Some(Torch::function("F.hardsigmoid", self))
    }

    fn onnx(&self) -> Option<Onnx> {
        Some(OnnxNode::new("HardSigmoid").input(0).float("alpha", 1.0 / 6.0).float("beta", 0.5).into())
    }
}
