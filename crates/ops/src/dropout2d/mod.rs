//! Whole channels, or whole images, set to zero at random.
//!
//! In training a channel is set to zero with probability `p` and otherwise multiplied with `1 / (1 - p)`; in inference nothing
//! happens. Which ones these are follows from a hash, as in dropout; PyTorch draws other ones.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout2d.html>; Tompson et al., "Efficient object
//! localization using convolutional networks", 2015.

use serde::{Deserialize, Serialize};

use crate::layer::one_input;
use crate::random_parts::{BoundParts, Part, check_probability};
use crate::*;

const NAME: &str = "dropout2d";

/// Dropout of channels; the argument and default of `torch.nn.Dropout2d`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout2d {
    /// Probability that a channel of an image is set to zero; default 0.5.
    #[serde(default = "one_half")]
    pub p: f64,
}

impl Default for Dropout2d {
    fn default() -> Self {
        Dropout2d { p: one_half() }
    }
}

fn one_half() -> f64 {
    0.5
}

impl Layer for Dropout2d {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const { &[Argument::optional("p", "0.5", "probability that a channel is set to zero")] }
    }

    fn keras_name(&self) -> &'static str {
        "spatial_dropout2d"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        Some(Torch::Expression(format!("F.dropout2d({{0}}, {}, self.training)", self.p)))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        Some(Onnx::identity())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        check_probability(NAME, self.p)?;
        one_input(NAME, inputs)
    }

    fn is_identity_in_inference(&self) -> bool {
        true
    }

    fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound> {
        Box::new(BoundParts::new(self.p, Part::Channel, inputs[0], options.mode))
    }
}
