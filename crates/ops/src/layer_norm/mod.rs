//! Normalisation over the last axes of a value, or over the channels of each pixel.
//!
//! References: <https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html>; Ba, Kiros and Hinton, "Layer
//! normalization", 2016; Liu et al., "A ConvNet for the 2020s", 2022, for that over channels.

use serde::{Deserialize, Serialize};

use crate::defaults::{is_yes, yes};
use crate::layer::one_input;
use crate::normalize::{BoundNormalize, Order, Weights, check_eps, default_eps, is_default_eps, parameters};
use crate::operator_arguments::arguments_of;
use crate::*;

const NAME: &str = "layer_norm";

/// Which axes [`LayerNorm`] takes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFormat {
    /// The last ones, as many as `normalized_shape` has: PyTorch's.
    #[default]
    ChannelsLast,
    /// The channels of each pixel of an image, as ConvNeXt has it.
    ChannelsFirst,
}

/// Normalisation of each image over its last axes; arguments and defaults of `torch.nn.LayerNorm`, and the `data_format` of
/// ConvNeXt's own.
///
/// ```
/// use convscope_ops::{Layer, LayerNorm, Shape};
/// let norm = LayerNorm::new([5, 4]);
/// assert_eq!(norm.parameters(&[Shape::image(8, [5, 4])])[0].shape, [5, 4]);
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    /// Lengths of the axes that are taken together.
    pub normalized_shape: Vec<usize>,
    /// Added to the variance; default 1e-5.
    #[serde(default = "default_eps", skip_serializing_if = "is_default_eps")]
    pub eps: f64,
    /// Whether a weight, and with it a bias, follows; default yes.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub elementwise_affine: bool,
    /// Whether a bias follows; default yes.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
    /// Which axes are taken together; default the last ones.
    #[serde(default, skip_serializing_if = "is_default")]
    pub data_format: DataFormat,
}

fn is_default(format: &DataFormat) -> bool {
    *format == DataFormat::default()
}

impl LayerNorm {
    /// Over the last axes, which have these lengths.
    pub fn new(normalized_shape: impl Into<Vec<usize>>) -> LayerNorm {
        LayerNorm {
            normalized_shape: normalized_shape.into(),
            eps: default_eps(),
            elementwise_affine: true,
            bias: true,
            data_format: DataFormat::default(),
        }
    }

    /// Over the channels of each pixel.
    pub fn of_channels(channels: usize) -> LayerNorm {
        LayerNorm { data_format: DataFormat::ChannelsFirst, ..LayerNorm::new([channels]) }
    }

    fn check(&self, shape: Shape) -> Result<(), OpError> {
        check_eps(NAME, self.eps)?;
        let wanted = self.normalized_shape.as_slice();
        let (fits, which) = match self.data_format {
            DataFormat::ChannelsLast => {
                (!wanted.is_empty() && shape.axes().ends_with(wanted), "the last axes")
            }
            DataFormat::ChannelsFirst => (shape.rank() > 0 && wanted == [shape.channels()], "the channels"),
        };
        if fits && !shape.is_empty() {
            return Ok(());
        }
        let problem = format!("is {wanted:?}, which are not {which} of {shape}");
        Err(OpError::argument(NAME, "normalized_shape", problem))
    }
}

impl Layer for LayerNorm {
    fn name() -> &'static str {
        NAME
    }

    fn tensors() -> &'static [&'static str] {
        &["input", "weight", "bias"]
    }

    fn described() -> &'static [Argument] {
        const {
            &[
                Argument::required("normalized_shape", "lengths of the axes that are taken together"),
                Argument::optional("eps", "1e-5", "added to the variance"),
                Argument::optional("elementwise_affine", "True", "whether a weight follows"),
                Argument::optional("bias", "True", "whether a bias follows the weight"),
                Argument::optional(
                    "data_format",
                    "channels_last",
                    "channels_first takes the channels of each pixel",
                ),
            ]
        }
    }

    fn keras_name(&self) -> &'static str {
        "layer_normalization"
    }

    fn torch(&self, _inputs: &[Shape]) -> Option<Torch> {
        let mut arguments = arguments_of(self);
        arguments.remove("data_format");
        let module = Torch::module("nn.LayerNorm", &[], &arguments, &[]);
        match (module, self.data_format) {
            (Torch::Module { constructor, .. }, DataFormat::ChannelsFirst) => {
                let input = "{0}.movedim(1, -1)".to_owned();
                Some(Torch::Module { constructor, input, after: ".movedim(-1, 1)" })
            }
            (module, _) => Some(module),
        }
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        let normalize = |node: OnnxNode| {
            let axes = self.normalized_shape.len();
            let node = if self.elementwise_affine {
                node.parameter("weight")
            } else {
                let count = self.normalized_shape.iter().product();
                node.with(OnnxInput::Numbers(self.normalized_shape.clone(), vec![1.0; count]))
            };
            let node = if self.elementwise_affine && self.bias { node.parameter("bias") } else { node };
            node.int("axis", -(axes as i64)).float("epsilon", self.eps)
        };
        let norm = OnnxNode::new("LayerNormalization");
        if self.data_format == DataFormat::ChannelsLast {
            return Some(normalize(norm.input(0)).into());
        }
        Some(Onnx::from([
            OnnxNode::new("Transpose").input(0).sizes("perm", &[0, 2, 3, 1]),
            normalize(norm.node(0)),
            OnnxNode::new("Transpose").node(1).sizes("perm", &[0, 3, 1, 2]),
        ]))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = one_input(NAME, inputs)?;
        self.check(shape)?;
        Ok(shape)
    }

    fn parameters(&self, _inputs: &[Shape]) -> Vec<ParameterSpec> {
        parameters(&self.normalized_shape, self.elementwise_affine, self.bias)
    }

    fn on_channels(&self, _own: &Operator, image: Shape) -> Option<Operator> {
        let is_of_channels = self.normalized_shape == [image.channels()];
        let on_channels = LayerNorm { data_format: DataFormat::ChannelsFirst, ..self.clone() };
        (is_of_channels && self.data_format == DataFormat::ChannelsLast).then(|| on_channels.into())
    }

    fn bind(&self, inputs: &[Shape], _options: BindOptions) -> Box<dyn Bound> {
        let order = match self.data_format {
            DataFormat::ChannelsLast => Order::Planes,
            DataFormat::ChannelsFirst => Order::ChannelsLast,
        };
        Box::new(BoundNormalize {
            shape: inputs[0],
            order,
            row: self.normalized_shape.iter().product(),
            eps: self.eps,
            weights: self.elementwise_affine.then_some(Weights::OfColumn),
            has_bias: self.elementwise_affine && self.bias,
        })
    }
}
