//! The affine map as a layer.

use super::NAME;
use crate::conv2d::BoundConv;
use crate::defaults::{is_yes, yes};
use crate::layer::one_input;
use crate::limits::check_elements;
use crate::*;
use convscope_kernels::conv::{Conv, ConvSize};
use serde::{Deserialize, Serialize};

/// An affine map with its own weight; arguments and defaults of `torch.nn.Linear`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Features of the output.
    pub out_features: usize,
    /// Whether a bias is added; default yes.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
}

impl Linear {
    /// A map to so many features, with a bias.
    pub fn new(out_features: usize) -> Linear {
        Linear { out_features, bias: true }
    }

    fn in_features(&self, inputs: &[Shape]) -> Result<usize, OpError> {
        match one_input(NAME, inputs)? {
            Shape::Vector { features: 0 } => Err(OpError::shape(NAME, "input has no features")),
            Shape::Vector { features } => Ok(features),
            image => {
                let problem = format!("takes a vector, not {image}; put a flatten before it");
                Err(OpError::shape(NAME, problem))
            }
        }
    }
}

impl Layer for Linear {
    fn keras_name(&self) -> &'static str {
        "dense"
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let in_features = self.in_features(inputs)?;
        check_elements(NAME, "the weight", &[self.out_features, in_features])?;
        if self.out_features == 0 {
            return Err(OpError::argument(NAME, "out_features", "is 0, must be at least 1"));
        }
        Ok(Shape::Vector { features: self.out_features })
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<ParameterSpec> {
        let (fan_in, fan_out) = (inputs[0].len(), self.out_features);
        let shape = vec![fan_out, fan_in];
        let weight = ParameterSpec { name: "weight", shape, role: Role::Weight { fan_in, fan_out } };
        let bias = ParameterSpec { name: "bias", shape: vec![fan_out], role: Role::Bias { fan_in } };
        if self.bias { vec![weight, bias] } else { vec![weight] }
    }

    fn multiply_adds(&self, inputs: &[Shape]) -> u64 {
        (inputs[0].len() * self.out_features) as u64
    }

    fn bind(&self, inputs: &[Shape], mode: Mode) -> Box<dyn Bound> {
        Box::new(BoundConv { conv: Conv::new(ConvSize::matrix(self.out_features, inputs[0].len())), mode })
    }
}
