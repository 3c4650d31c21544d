//! The affine map as a layer.

use super::NAME;
use super::rows::BoundRows;
use crate::conv2d::{Bias, BoundConv};
use crate::defaults::{is_yes, yes};
use crate::layer::one_input;
use crate::limits::check_elements;
use crate::operator_arguments::arguments_of;
use crate::*;
use convscope_kernels::conv::{Conv, ConvSize};
use serde::{Deserialize, Serialize};

/// An affine map of the last axis with its own weight, of `[F]`, `[T, F]` and so on; arguments and defaults of
/// `torch.nn.Linear`.
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
    /// A map to this many features, with a bias.
    pub fn new(out_features: usize) -> Linear {
        Linear { out_features, bias: true }
    }

    fn in_features(inputs: &[Shape]) -> Result<usize, OpError> {
        let shape = one_input(NAME, inputs)?;
        match shape.axes().last() {
            Some(0) => Err(OpError::shape(NAME, "input has no features")),
            Some(&features) => Ok(features),
            None => Err(OpError::shape(NAME, "input is a single number, not [..., in_features]")),
        }
    }
}

impl Layer for Linear {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "dense"
    }

    fn torch(&self, inputs: &[Shape]) -> Option<Torch> {
        let sizes = [last_axis(inputs), self.out_features];
        Some(Torch::module("nn.Linear", &sizes, &arguments_of(self), &["out_features"]))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        if inputs[0].is_vector() {
            let node = OnnxNode::new("Gemm").input(0).parameter("weight");
            let node = if self.bias { node.parameter("bias") } else { node };
            return Some(node.int("transB", 1).into());
        }
        let mut nodes = vec![
            OnnxNode::new("Transpose").parameter("weight").sizes("perm", &[1, 0]),
            OnnxNode::new("MatMul").input(0).node(0),
        ];
        if self.bias {
            nodes.push(OnnxNode::new("Add").node(1).parameter("bias"));
        }
        Some(Onnx { nodes })
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let in_features = Linear::in_features(inputs)?;
        check_elements(NAME, "the weight", &[self.out_features, in_features])?;
        if self.out_features == 0 {
            return Err(OpError::argument(NAME, "out_features", "is 0, must be at least 1"));
        }
        let mut axes = inputs[0].axes().to_vec();
        *axes.last_mut().expect("the input has an axis") = self.out_features;
        Shape::new(&axes)
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<ParameterSpec> {
        let (fan_in, fan_out) = (last_axis(inputs), self.out_features);
        let shape = vec![fan_out, fan_in];
        let weight = ParameterSpec { name: "weight", shape, role: Role::Weight { fan_in, fan_out } };
        let bias = ParameterSpec { name: "bias", shape: vec![fan_out], role: Role::Bias { fan_in } };
        if self.bias { vec![weight, bias] } else { vec![weight] }
    }

    fn multiply_adds(&self, inputs: &[Shape]) -> u64 {
        (inputs[0].len() * self.out_features) as u64
    }

    fn absorbing(&self, inputs: &[Shape]) -> Option<Operator> {
        // Of other inputs, the features are not the channels.
        inputs[0].is_vector().then(|| Linear { bias: true, ..self.clone() }.into())
    }

    fn absorb(&self, own: &[Parameter], map: &ChannelMap) -> Vec<Parameter> {
        map.of_outputs(own)
    }

    fn on_channels(&self, _own: &Operator, _image: Shape) -> Option<Operator> {
        Some(Conv2d { bias: self.bias, ..Conv2d::new(self.out_features, 1) }.into())
    }

    fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound> {
        let input = inputs[0];
        let conv = Conv::new(ConvSize::matrix(self.out_features, last_axis(inputs)), Precision::F32);
        let matrix = BoundConv::new(conv, Bias::new(self.bias), options.mode);
        if input.is_vector() {
            return Box::new(matrix);
        }
        let output = self.output_shape(inputs).expect("output_shape accepted these inputs");
        Box::new(BoundRows::new(matrix, input, output))
    }
}

fn last_axis(inputs: &[Shape]) -> usize {
    inputs[0].axes().last().copied().unwrap_or(1)
}
