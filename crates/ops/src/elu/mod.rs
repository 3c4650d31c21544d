//! The exponential linear unit.
//!
//! `x` above zero, else `alpha * (exp(x) - 1)`.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.elu.html>; Clevert, Unterthiner and Hochreiter, "Fast and accurate deep
//! network learning by exponential linear units", 2015.

use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::pointwise::finite;
use crate::*;

/// The exponential linear unit, with the arguments and defaults of `torch.nn.functional.elu`: `x` above zero, else `alpha * (exp(x) - 1)`.
///
/// ```
/// use convscope_ops::{Mode, Sample, Elu, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[-1.0, 0.0, 3.0]]).into_dyn();
/// let function = Elu { alpha: 2.0 };
/// let y = apply(&function, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([-1.2642411, 0.0, 3.0]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Elu {
    /// What it falls to, with its sign changed; default 1.0.
    #[serde(default = "default_alpha", skip_serializing_if = "is_default_alpha")]
    pub alpha: f64,
}

impl Default for Elu {
    fn default() -> Self {
        Elu { alpha: default_alpha() }
    }
}

fn default_alpha() -> f64 {
    1.0
}
fn is_default_alpha(alpha: &f64) -> bool {
    *alpha == default_alpha()
}

impl Pointwise for Elu {
    const NAME: &'static str = "elu";

    const ARGUMENTS: &'static [Argument] =
        &[Argument::optional("alpha", "1.0", "what it falls to, with its sign changed")];

    fn check(&self) -> Result<(), OpError> {
        finite(Self::NAME, "alpha", self.alpha)
    }

    fn value(&self, x: f64) -> f64 {
        if x > 0.0 { x } else { self.alpha * libm::expm1(x) }
    }

    fn slope(&self, x: f64) -> f64 {
        if x > 0.0 { 1.0 } else { self.alpha * libm::exp(x) }
    }

    fn function(&self) -> Option<Function> {
        Some(Function::Elu { alpha: self.alpha as f32 })
    }

    fn torch(&self) -> Option<Torch> {
        Some(Torch::function("F.elu", self))
    }

    fn onnx(&self) -> Option<Onnx> {
        Some(OnnxNode::new("Elu").input(0).float("alpha", self.alpha).into())
    }
}
