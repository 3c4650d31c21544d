//! Normalisation of groups of channels within an image.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.GroupNorm.html>; Wu and He, "Group normalization", 2018.

use serde::{Deserialize, Serialize};

use crate::defaults::{is_yes, yes};
use crate::layer::one_input;
use crate::normalize::{BoundNormalize, Order, Weights, check_eps, default_eps, is_default_eps, parameters};
use crate::onnx::with_batch;
use crate::operator_arguments::arguments_of;
use crate::*;

const NAME: &str = "group_norm";

/// Normalisation over the positions of each group of channels; arguments and defaults of `torch.nn.GroupNorm`.
///
/// ```
/// use convscope_ops::{GroupNorm, Layer, Shape};
/// let norm = GroupNorm::new(3);
/// assert_eq!(norm.parameters(&[Shape::image(6, [5, 4])])[0].shape, [6]);
/// assert!(norm.output_shape(&[Shape::image(8, [5, 4])]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupNorm {
    /// Groups, which have equally many channels.
    pub num_groups: usize,
    /// Added to the variance; default 1e-5.
    #[serde(default = "default_eps", skip_serializing_if = "is_default_eps")]
    pub eps: f64,
    /// Whether a weight and a bias for each channel follow; default yes.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub affine: bool,
}

impl GroupNorm {
    /// So many groups, with PyTorch's defaults for everything else.
    pub fn new(num_groups: usize) -> GroupNorm {
        GroupNorm { num_groups, eps: default_eps(), affine: true }
    }
}

impl Layer for GroupNorm {
    fn name() -> &'static str {
        NAME
    }

    fn tensors() -> &'static [&'static str] {
        &["input", "weight", "bias"]
    }

    fn described() -> &'static [Argument] {
        const {
            &[
                Argument::required("num_groups", "groups of channels that are taken together"),
                Argument::optional("eps", "1e-5", "added to the variance"),
                Argument::optional("affine", "True", "whether a weight and a bias follow"),
            ]
        }
    }

    fn keras_name(&self) -> &'static str {
        "group_normalization"
    }

    fn torch(&self, inputs: &[Shape]) -> Option<Torch> {
        let sizes = [self.num_groups, inputs[0].channels()];
        Some(Torch::module("nn.GroupNorm", &sizes, &arguments_of(self), &["num_groups"]))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let shape = inputs[0];
        let (groups, channels) = (self.num_groups, shape.channels());
        let normalized = OnnxNode::new("InstanceNormalization")
            .node(0)
            .parameter_or(false, "", groups, 1.0)
            .parameter_or(false, "", groups, 0.0)
            .float("epsilon", self.eps);
        let mut nodes = vec![
            OnnxNode::new("Reshape").input(0).integers_input([0, groups as i64, -1]),
            normalized,
            OnnxNode::new("Reshape").node(1).integers_input(with_batch(shape.axes())),
        ];
        if self.affine {
            let by_channel: Vec<i64> =
                (0..shape.rank()).map(|axis| if axis == 0 { channels as i64 } else { 1 }).collect();
            nodes.extend([
                OnnxNode::new("Reshape").parameter("weight").integers_input(by_channel.clone()),
                OnnxNode::new("Mul").node(2).node(3),
                OnnxNode::new("Reshape").parameter("bias").integers_input(by_channel),
                OnnxNode::new("Add").node(4).node(5),
            ]);
        }
        Some(Onnx { nodes })
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = one_input(NAME, inputs)?;
        check_eps(NAME, self.eps)?;
        if shape.is_empty() || shape.rank() == 0 {
            return Err(OpError::shape(NAME, format!("takes a value with channels, not {shape}")));
        }
        if self.num_groups == 0 || shape.channels() % self.num_groups != 0 {
            let problem = format!("is {}, it must divide {} channels", self.num_groups, shape.channels());
            return Err(OpError::argument(NAME, "num_groups", problem));
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
            row: shape.len() / self.num_groups,
            eps: self.eps,
            weights: self.affine.then_some(Weights::OfStretch(shape.positions())),
            has_bias: self.affine,
        })
    }
}
