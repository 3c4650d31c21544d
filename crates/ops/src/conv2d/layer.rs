//! Convolution as a layer.

use super::functional::{Conv2dArguments, size};
use super::{Bias, BoundConv, NAME};
use crate::defaults::{is_one, is_one_group, is_yes, one, one_group, yes};
use crate::layer::one_image;
use crate::torch::arguments_of;
use crate::*;
use convscope_kernels::conv::{Conv, ConvSize, Padding};
use serde::{Deserialize, Serialize};

/// Rows and columns added around an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum ConvPadding {
    /// This many at each side.
    Size(Pair),
    /// Another number at each side; `{ top = 0, bottom = 1, left = 0, right = 1 }` in a file.
    Sides(Sides),
    /// By name.
    Named(NamedPadding),
}

/// Rows and columns added at each of the four sides; those that are not given are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sides {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns before.
    pub left: usize,
    /// Columns behind.
    pub right: usize,
}

impl From<Padding> for Sides {
    fn from(Padding { top, bottom, left, right }: Padding) -> Sides {
        Sides { top, bottom, left, right }
    }
}

impl From<Sides> for ConvPadding {
    fn from(sides: Sides) -> ConvPadding {
        ConvPadding::Sides(sides)
    }
}

impl From<usize> for ConvPadding {
    fn from(padding: usize) -> ConvPadding {
        ConvPadding::Size(padding.into())
    }
}

impl From<[usize; 2]> for ConvPadding {
    fn from(padding: [usize; 2]) -> ConvPadding {
        ConvPadding::Size(padding.into())
    }
}

impl From<NamedPadding> for ConvPadding {
    fn from(padding: NamedPadding) -> ConvPadding {
        ConvPadding::Named(padding)
    }
}

/// Paddings that follow from the other arguments; the first two are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedPadding {
    /// As many as keep the output as large as the input; an odd one is added at the bottom and the right. Stride 1
    /// only.
    Same,
    /// None.
    Valid,
    /// As many as give `ceil(input / stride)` rows and columns, so that their number depends on the size of the input;
    /// an odd one is added at the bottom and the right. TensorFlow's `'same'` and ONNX's `SAME_UPPER`.
    SameUpper,
}

impl ConvPadding {
    /// PyTorch's `'same'`.
    pub const SAME: ConvPadding = ConvPadding::Named(NamedPadding::Same);
    /// PyTorch's `'valid'`.
    pub const VALID: ConvPadding = ConvPadding::Named(NamedPadding::Valid);
    /// TensorFlow's `'same'`.
    pub const SAME_UPPER: ConvPadding = ConvPadding::Named(NamedPadding::SameUpper);

    pub(super) fn resolve(
        self,
        input: [usize; 2],
        kernel: [usize; 2],
        dilation: [usize; 2],
        stride: [usize; 2],
    ) -> Result<Padding, OpError> {
        match self {
            ConvPadding::Size(pair) => {
                let Pair { rows, columns } = pair.within(NAME, "padding", 0)?;
                Ok(Padding { top: rows, bottom: rows, left: columns, right: columns })
            }
            ConvPadding::Sides(Sides { top, bottom, left, right }) => {
                Pair::from([top, left]).within(NAME, "padding", 0)?;
                Pair::from([bottom, right]).within(NAME, "padding", 0)?;
                Ok(Padding { top, bottom, left, right })
            }
            ConvPadding::Named(NamedPadding::Valid) => Ok(Padding::default()),
            ConvPadding::Named(NamedPadding::Same) if stride != [1, 1] => {
                let problem = format!("is 'same', which needs stride 1, not {stride:?}");
                Err(OpError::argument(NAME, "padding", problem))
            }
            ConvPadding::Named(NamedPadding::Same) => {
                Ok(shared_out([0, 1].map(|axis| dilation[axis] * (kernel[axis] - 1))))
            }
            ConvPadding::Named(NamedPadding::SameUpper) => Ok(shared_out([0, 1].map(|axis| {
                let last_start = (input[axis].div_ceil(stride[axis]).max(1) - 1) * stride[axis];
                (last_start + dilation[axis] * (kernel[axis] - 1) + 1).saturating_sub(input[axis])
            }))),
        }
    }
}

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

/// Rows and columns in all, half at each side.
fn shared_out([rows, columns]: [usize; 2]) -> Padding {
    let (top, left) = (rows / 2, columns / 2);
    Padding { top, bottom: rows - top, left, right: columns - left }
}

fn no_padding() -> ConvPadding {
    ConvPadding::Size(0.into())
}
fn is_no_padding(padding: &ConvPadding) -> bool {
    *padding == no_padding()
}
fn is_zeros(mode: &PaddingMode) -> bool {
    *mode == PaddingMode::Zeros
}

/// The kernels know nothing about files, so their padding modes are named here.
pub(super) mod mode_name {
    use super::PaddingMode;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    const NAMES: [(&str, PaddingMode); 4] = [
        ("zeros", PaddingMode::Zeros),
        ("reflect", PaddingMode::Reflect),
        ("replicate", PaddingMode::Replicate),
        ("circular", PaddingMode::Circular),
    ];

    pub(in crate::conv2d) fn serialize<S: Serializer>(mode: &PaddingMode, to: S) -> Result<S::Ok, S::Error> {
        let name = NAMES.iter().find(|(_, named)| named == mode).map_or("zeros", |(name, _)| name);
        to.serialize_str(name)
    }

    pub(in crate::conv2d) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<PaddingMode, D::Error> {
        let name = String::deserialize(from)?;
        let found = NAMES.iter().find(|(known, _)| *known == name);
        let names = NAMES.map(|(name, _)| name).join(", ");
        found
            .map(|(_, mode)| *mode)
            .ok_or_else(|| D::Error::custom(format!("padding_mode must be one of {names}")))
    }
}
