//! The Gaussian error linear unit.
//!
//! `x * Phi(x)` with the distribution function of the normal distribution, `Phi(x) = (1 + erf(x / sqrt(2))) / 2`; approximated, with
//! `Phi(x) = (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2`.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.gelu.html>; Hendrycks and Gimpel, "Gaussian error
//! linear units (GELUs)", 2016.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

use crate::*;

/// How [`Gelu`] is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GeluForm {
    /// By the error function.
    #[default]
    None,
    /// By a hyperbolic tangent.
    Tanh,
}

/// The Gaussian error linear unit, with the argument and default of `torch.nn.functional.gelu`.
///
/// ```
/// use convscope_ops::{Gelu, Mode, Sample, apply};
/// use ndarray::arr2;
/// let x = arr2(&[[-1.0, 0.0, 2.0]]).into_dyn();
/// let y = apply(&Gelu::default(), &[x.view()], Vec::new(), Mode::Inference, Sample::default())?.output;
/// assert!(y.iter().zip([-0.15865526, 0.0, 1.9544997]).all(|(y, expected): (&f32, f32)| (y - expected).abs() < 1e-6));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gelu {
    /// How it is approximated; default not at all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub approximate: GeluForm,
}

fn is_default(form: &GeluForm) -> bool {
    *form == GeluForm::default()
}

const CUBIC: f64 = 0.044715;

/// The argument of the hyperbolic tangent, and its derivative.
fn inner(x: f64) -> (f64, f64) {
    // sqrt(2 / pi)
    let factor = FRAC_2_SQRT_PI / SQRT_2;
    (factor * (x + CUBIC * x * x * x), factor * (1.0 + 3.0 * CUBIC * x * x))
}

impl Pointwise for Gelu {
    const NAME: &'static str = "gelu";

    const ARGUMENTS: &'static [Argument] =
        &[Argument::optional("approximate", "none", "none, or tanh for an approximation")];

    fn value(&self, x: f64) -> f64 {
        match self.approximate {
            GeluForm::None => 0.5 * x * libm::erfc(-x * FRAC_1_SQRT_2),
            GeluForm::Tanh => 0.5 * x * (1.0 + libm::tanh(inner(x).0)),
        }
    }

    fn slope(&self, x: f64) -> f64 {
        match self.approximate {
            GeluForm::None => {
                let density = 0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI * libm::exp(-0.5 * x * x);
                0.5 * libm::erfc(-x * FRAC_1_SQRT_2) + x * density
            }
            GeluForm::Tanh => {
                let (argument, slope) = inner(x);
                let t = libm::tanh(argument);
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope
            }
        }
    }

    fn function(&self) -> Option<Function> {
        Some(match self.approximate {
            GeluForm::None => Function::Gelu,
            GeluForm::Tanh => Function::GeluTanh,
        })
    }

    fn torch(&self) -> Option<Torch> {
        Some(Torch::function("F.gelu", self))
    }

    fn onnx(&self) -> Option<Onnx> {
        let form = if self.approximate == GeluForm::Tanh { "tanh" } else { "none" };
        Some(OnnxNode::new("Gelu").input(0).text("approximate", form).into())
    }
}
