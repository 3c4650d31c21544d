//! The sigmoid linear unit, or swish.
//!
//! `x * sigmoid(x)`.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.silu.html>; Ramachandran, Zoph and Le, "Searching for activation functions", 2017.

use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::*;

/// The sigmoid linear unit, or swish, as `torch.nn.functional.silu`: `x * sigmoid(x)`.
///
/// ```
/// use convscope_ops::{Mode, Sample, Silu, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[-1.0, 0.0, 2.0]]).into_dyn();
/// let y = apply(&Silu {}, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([-0.26894143, 0.0, 1.7615942]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Silu {}

impl Pointwise for Silu {
    const NAME: &'static str = "silu";

    fn value(&self, x: f64) -> f64 {
        x * sigmoid(x)
    }

    fn slope(&self, x: f64) -> f64 {
        let s = sigmoid(x);
        s * (1.0 + x * (1.0 - s))
    }

    fn function(&self) -> Option<Function> {
        Some(Function::Silu)
    }

    fn torch(&self) -> Option<Torch> {
        Some(Torch::function("F.silu", self))
    }

    fn onnx(&self) -> Option<Onnx> {
        Some(Onnx::from([OnnxNode::new("Sigmoid").input(0), OnnxNode::new("Mul").input(0).node(0)]))
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}
