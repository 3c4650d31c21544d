//! The hyperbolic tangent in straight lines.
//!
//! `min(max(x, min_val), max_val)`.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardtanh.html>.

use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::pointwise::finite;
use crate::*;

/// The hyperbolic tangent in straight lines, with the arguments and defaults of `torch.nn.functional.hardtanh`: `min(max(x, min_val), max_val)`.
///
/// ```
/// use convscope_ops::{Mode, Sample, Hardtanh, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[-3.0, 0.5, 4.0]]).into_dyn();
/// let function = Hardtanh { max_val: 2.0, ..Hardtanh::default() };
/// let y = apply(&function, &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([-1.0, 0.5, 2.0]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hardtanh {
    /// The smallest output; default -1.0.
    #[serde(default = "default_min_val", skip_serializing_if = "is_default_min_val")]
    pub min_val: f64,
    /// The largest output; default 1.0.
    #[serde(default = "default_max_val", skip_serializing_if = "is_default_max_val")]
    pub max_val: f64,
}

impl Default for Hardtanh {
    fn default() -> Self {
        Hardtanh { min_val: default_min_val(), max_val: default_max_val() }
    }
}

fn default_min_val() -> f64 {
    -1.0
}
fn is_default_min_val(min_val: &f64) -> bool {
    *min_val == default_min_val()
}

fn default_max_val() -> f64 {
    1.0
}
fn is_default_max_val(max_val: &f64) -> bool {
    *max_val == default_max_val()
}

impl Pointwise for Hardtanh {
    const NAME: &'static str = "hardtanh";

    const ARGUMENTS: &'static [Argument] = &[
        Argument::optional("min_val", "-1.0", "the smallest output"),
        Argument::optional("max_val", "1.0", "the largest output"),
    ];

    fn check(&self) -> Result<(), OpError> {
        finite(Self::NAME, "min_val", self.min_val)?;
        finite(Self::NAME, "max_val", self.max_val)?;
        if self.min_val > self.max_val {
            let problem = format!("is {}, above max_val, which is {}", self.min_val, self.max_val);
            return Err(OpError::argument(Self::NAME, "min_val", problem));
        }
        Ok(())
    }

    fn value(&self, x: f64) -> f64 {
        // NaN stays NaN.
        x.clamp(self.min_val, self.max_val)
    }

    fn slope(&self, x: f64) -> f64 {
        if x <= self.min_val || x >= self.max_val { 0.0 } else { 1.0 }
    }

    fn function(&self) -> Option<Function> {
        Some(Function::Clamp { low: self.min_val as f32, high: self.max_val as f32 })
    }

    fn torch(&self) -> Option<Torch> {
        Some(Torch::function("F.hardtanh", self))
    }

    fn onnx(&self) -> Option<Onnx> {
        Some(Onnx::clip(self.min_val, self.max_val))
    }
}
