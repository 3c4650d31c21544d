//! Convolution as a layer.

use super::functional::{Conv2dArguments, size};
use super::mode_name;
use super::padding::{is_no_padding, is_zeros, no_padding};
use super::{Bias, BoundConv, NAME};
use crate::defaults::{is_one, is_one_group, is_yes, one, one_group, yes};
use crate::layer::one_image;
use crate::operator_arguments::arguments_of;
use crate::*;
use convscope_kernels::conv::{Conv, ConvSize, Padding};
use serde::{Deserialize, Serialize};

/// A convolution with its own weight; arguments and defaults of `torch.nn.Conv2d`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Channels of the output.
    pub out_channels: usize,
    /// Rows and columns of the kernel.
    pub kernel_size: Pair,
    /// Steps between windows.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: Pair,
    /// Rows and columns added around the input.
    #[serde(default = "no_padding", skip_serializing_if = "is_no_padding")]
    pub padding: ConvPadding,
    /// Distance between the taps of a window.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub dilation: Pair,
    /// Groups of channels that are convolved separately.
    #[serde(default = "one_group", skip_serializing_if = "is_one_group")]
    pub groups: usize,
    /// Whether a bias is added.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
    /// What the padding holds.
    #[serde(default, with = "mode_name", skip_serializing_if = "is_zeros")]
    pub padding_mode: PaddingMode,
}

impl Conv2d {
    /// A convolution with PyTorch's defaults for everything else.
    pub fn new(out_channels: usize, kernel_size: impl Into<Pair>) -> Conv2d {
        let Conv2dArguments { stride, padding, dilation, groups, padding_mode } = Conv2dArguments::default();
        let kernel_size = kernel_size.into();
        Conv2d { out_channels, kernel_size, stride, padding, dilation, groups, bias: true, padding_mode }
    }

    fn size(&self, inputs: &[Shape]) -> Result<ConvSize, OpError> {
        let (channels, input) = one_image(NAME, inputs)?;
        let Conv2d { stride, padding, dilation, groups, padding_mode, .. } = *self;
        let arguments = Conv2dArguments { stride, padding, dilation, groups, padding_mode };
        size(channels, input, self.out_channels, self.kernel_size.array(), &arguments)
    }
}

impl Layer for Conv2d {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "conv2d"
    }

    fn torch(&self, inputs: &[Shape]) -> Option<Torch> {
        let sizes = [inputs[0].channels(), self.out_channels];
        let mut arguments = arguments_of(self);
        let uneven = match self.padding {
            ConvPadding::Sides(sides) => Some(sides),
            ConvPadding::SAME_UPPER => self.size(inputs).ok().map(|size| size.padding.into()),
            _ => None,
        };
        let Some(sides) = uneven else {
            return Some(Torch::module("nn.Conv2d", &sizes, &arguments, &["out_channels"]));
        };
        // PyTorch's convolution pads alike on opposite sides.
        arguments.remove("padding");
        arguments.remove("padding_mode");
        let Sides { top, bottom, left, right } = sides;
        let mode = match self.padding_mode {
            PaddingMode::Zeros => "constant",
            PaddingMode::Reflect => "reflect",
            PaddingMode::Replicate => "replicate",
            PaddingMode::Circular => "circular",
        };
        let input = format!("F.pad({{0}}, ({left}, {right}, {top}, {bottom}), mode=\"{mode}\")");
        match Torch::module("nn.Conv2d", &sizes, &arguments, &["out_channels"]) {
            Torch::Module { constructor, .. } => Some(Torch::Module { constructor, input, after: "" }),
            other => Some(other),
        }
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let size = self.size(inputs).ok()?;
        let Padding { top, bottom, left, right } = size.padding;
        let mode = match self.padding_mode {
            PaddingMode::Zeros => None,
            PaddingMode::Reflect => Some("reflect"),
            PaddingMode::Replicate => Some("edge"),
            PaddingMode::Circular => Some("wrap"),
        };
        let conv = OnnxNode::new("Conv");
        let conv = if mode.is_some() { conv.node(0) } else { conv.input(0) }.parameter("weight");
        let conv = if self.bias { conv.parameter("bias") } else { conv };
        let conv = conv
            .sizes("kernel_shape", &self.kernel_size.array())
            .sizes("strides", &self.stride.array())
            .sizes("dilations", &self.dilation.array())
            .int("group", self.groups as i64);
        let Some(mode) = mode else {
            return Some(conv.sizes("pads", &[top, left, bottom, right]).into());
        };
        let pads = [0, 0, top, left, 0, 0, bottom, right].map(|side| side as i64);
        Some(Onnx::from([OnnxNode::new("Pad").input(0).integers_input(pads).text("mode", mode), conv]))
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let size = self.size(inputs)?;
        Ok(Shape::image(size.out_channels, size.output()))
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<ParameterSpec> {
        let [rows, columns] = self.kernel_size.array();
        let inner = inputs[0].channels() / self.groups;
        let fan_in = inner * rows * columns;
        let fan_out = self.out_channels / self.groups * rows * columns;
        let shape = vec![self.out_channels, inner, rows, columns];
        let weight = ParameterSpec { name: "weight", shape, role: Role::Weight { fan_in, fan_out } };
        let bias =
            ParameterSpec { name: "bias", shape: vec![self.out_channels], role: Role::Bias { fan_in } };
        if self.bias { vec![weight, bias] } else { vec![weight] }
    }

    fn multiply_adds(&self, inputs: &[Shape]) -> u64 {
        let [rows, columns] = self.size(inputs).map_or([0, 0], |size| size.output());
        let weights: usize = self.parameters(inputs)[0].shape.iter().product();
        (weights * rows * columns) as u64
    }

    fn absorbing(&self, _inputs: &[Shape]) -> Option<Operator> {
        Some(Conv2d { bias: true, ..self.clone() }.into())
    }

    fn absorb(&self, own: &[Parameter], map: &ChannelMap) -> Vec<Parameter> {
        map.of_outputs(own)
    }

    fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound> {
        let size = self.size(inputs).expect("output_shape accepted these inputs");
        let conv = Conv::new(size, options.precision);
        Box::new(BoundConv::new(conv, Bias::new(self.bias), options.mode))
    }
}
