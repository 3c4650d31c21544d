//! Normalisation of each channel of each image.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.InstanceNorm2d.html>; Ulyanov, Vedaldi and Lempitsky,
//! "Instance normalization: the missing ingredient for fast stylization", 2016.

use serde::{Deserialize, Serialize};

use crate::defaults::is_no;
use crate::layer::one_input;
use crate::normalize::{BoundNormalize, Order, Weights, check_eps, default_eps, is_default_eps, parameters};
use crate::operator_arguments::arguments_of;
use crate::*;

const NAME: &str = "instance_norm";

/// Normalisation over the positions of each channel; arguments and defaults of `torch.nn.InstanceNorm2d`, without running
/// statistics.
///
/// ```
/// use convscope_ops::{InstanceNorm, Layer, Shape};
/// assert!(InstanceNorm::default().parameters(&[Shape::image(6, [5, 4])]).is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceNorm {
    /// Added to the variance; default 1e-5.
    #[serde(default = "default_eps", skip_serializing_if = "is_default_eps")]
    pub eps: f64,
    /// Whether a weight and a bias for each channel follow; default no.
    #[serde(default, skip_serializing_if = "is_no")]
    pub affine: bool,
}

impl Default for InstanceNorm {
    fn default() -> Self {
        InstanceNorm { eps: default_eps(), affine: false }
    }
}

impl Layer for InstanceNorm {
    fn name() -> &'static str {
        NAME
    }

    fn tensors() -> &'static [&'static str] {
        &["input", "weight", "bias"]
    }

    fn described() -> &'static [Argument] {
        const {
            &[
                Argument::optional("eps", "1e-5", "added to the variance"),
                Argument::optional("affine", "False", "whether a weight and a bias follow"),
            ]
        }
    }

    fn keras_name(&self) -> &'static str {
        "instance_normalization"
    }

    fn torch(&self, inputs: &[Shape]) -> Option<Torch> {
        let class = if inputs[0].is_image() { "nn.InstanceNorm2d" } else { "nn.InstanceNorm1d" };
        Some(Torch::module(class, &[inputs[0].channels()], &arguments_of(self), &[]))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let channels = inputs[0].channels();
        let node = OnnxNode::new("InstanceNormalization").input(0);
        let node = node.parameter_or(self.affine, "weight", channels, 1.0);
        Some(node.parameter_or(self.affine, "bias", channels, 0.0).float("epsilon", self.eps).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = one_input(NAME, inputs)?;
        check_eps(NAME, self.eps)?;
        if shape.rank() < 2 || shape.positions() < 2 || shape.is_empty() {
            let problem = format!("takes more than one value per channel, and {shape} has none to spare");
            return Err(OpError::shape(NAME, problem));
        }
        Ok(shape)
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<ParameterSpec> {
        parameters(&[inputs[0].channels()], self.affine, true)
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let shape = inputs[0];
        Box::new(BoundNormalize {
            shape,
            order: Order::Planes,
            row: shape.positions(),
            eps: self.eps,
            weights: self.affine.then_some(Weights::OfStretch(shape.positions())),
            has_bias: self.affine,
        })
    }
}
