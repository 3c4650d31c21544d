//! A branch of a residual network left out at random.
//!
//! In training an image's value is set to zero with probability `p` and otherwise multiplied with `1 / (1 - p)`; in inference
//! nothing happens. Which images these are follows from a hash, as in dropout; torchvision draws other ones.
//!
//! References: <https://docs.pytorch.org/vision/stable/generated/torchvision.ops.stochastic_depth.html>; Huang et al., "Deep
//! networks with stochastic depth", 2016.

use serde::{Deserialize, Serialize};

use crate::layer::one_input;
use crate::random_parts::{BoundParts, Part, check_probability};
use crate::*;

const NAME: &str = "stochastic_depth";

/// What [`StochasticDepth`] draws for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StochasticDepthMode {
    /// For all images of a batch together.
    Batch,
    /// For each image.
    Row,
}

/// Stochastic depth; arguments of `torchvision.ops.StochasticDepth`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StochasticDepth {
    /// Probability that a value is set to zero.
    pub p: f64,
    /// Whether images are drawn one by one (`row`) or together (`batch`).
    pub mode: StochasticDepthMode,
}

impl Layer for StochasticDepth {
    fn name() -> &'static str {
        NAME
    }

    fn described() -> &'static [Argument] {
        const {
            &[
                Argument::required("p", "probability that a value is set to zero"),
                Argument::required("mode", "row draws for each image, batch for all together"),
            ]
        }
    }

    fn keras_name(&self) -> &'static str {
        NAME
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        let mode = if self.mode == StochasticDepthMode::Row { "row" } else { "batch" };
        let expression =
            format!("torchvision.ops.stochastic_depth({{0}}, {}, \"{mode}\", self.training)", self.p);
        Some(Torch::Expression(expression))
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
        let part = match self.mode {
            StochasticDepthMode::Batch => Part::Batch,
            StochasticDepthMode::Row => Part::Image,
        };
        Box::new(BoundParts::new(self.p, part, inputs[0], options.mode))
    }
}
