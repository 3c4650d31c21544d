//! Transposed convolution as a layer and as the executor runs it.

use super::NAME;
use super::transposed::Transposed;
use crate::defaults::{is_one, is_one_group, is_yes, is_zero, one, one_group, yes, zero};
use crate::layer::one_image;
use crate::operator_arguments::arguments_of;
use crate::*;
use convscope_kernels::conv::ConvPass;
use serde::{Deserialize, Serialize};

/// A transposed convolution with its own weight; arguments and defaults of `torch.nn.ConvTranspose2d`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConvTranspose2d {
    /// Channels of the output.
    pub out_channels: usize,
    /// Rows and columns of the kernel.
    pub kernel_size: Pair,
    /// Steps in the output from one input pixel's window to the next; default 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: Pair,
    /// Rows and columns removed at each side of the output; default 0.
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    pub padding: Pair,
    /// Extra rows and columns of the output at the bottom and the right; default 0.
    #[serde(default = "zero", skip_serializing_if = "is_zero")]
    pub output_padding: Pair,
    /// Groups of channels that are convolved separately; default 1.
    #[serde(default = "one_group", skip_serializing_if = "is_one_group")]
    pub groups: usize,
    /// Whether a bias is added; default yes.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
    /// Distance between the taps of a window; default 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub dilation: Pair,
}

impl ConvTranspose2d {
    /// A transposed convolution with PyTorch's defaults for everything else.
    pub fn new(out_channels: usize, kernel_size: impl Into<Pair>) -> ConvTranspose2d {
        let ConvTranspose2dArguments { stride, padding, output_padding, groups, dilation } =
            ConvTranspose2dArguments::default();
        let (kernel_size, bias) = (kernel_size.into(), true);
        ConvTranspose2d { out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation }
    }

    fn transposed(&self, inputs: &[Shape]) -> Result<Transposed, OpError> {
        let (channels, input) = one_image(NAME, inputs)?;
        let ConvTranspose2d { stride, padding, output_padding, groups, dilation, .. } = *self;
        let arguments = ConvTranspose2dArguments { stride, padding, output_padding, groups, dilation };
        Transposed::new(channels, input, self.out_channels, self.kernel_size.array(), &arguments)
    }
}

impl Layer for ConvTranspose2d {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "conv2d_transpose"
    }

    fn torch(&self, inputs: &[Shape]) -> Option<Torch> {
        let sizes = [inputs[0].channels(), self.out_channels];
        Some(Torch::module("nn.ConvTranspose2d", &sizes, &arguments_of(self), &["out_channels"]))
    }

    fn onnx(&self, _inputs: &[Shape]) -> Option<Onnx> {
        let Pair { rows, columns } = self.padding;
        let conv = OnnxNode::new("ConvTranspose").input(0).parameter("weight");
        let conv = if self.bias { conv.parameter("bias") } else { conv };
        Some(
            conv.sizes("kernel_shape", &self.kernel_size.array())
                .sizes("strides", &self.stride.array())
                .sizes("dilations", &self.dilation.array())
                .sizes("pads", &[rows, columns, rows, columns])
                .sizes("output_padding", &self.output_padding.array())
                .int("group", self.groups as i64)
                .into(),
        )
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        Ok(Shape::image(self.out_channels, self.transposed(inputs)?.output()))
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<ParameterSpec> {
        let [rows, columns] = self.kernel_size.array();
        let (channels, inner) = (inputs[0].channels(), self.out_channels / self.groups);
        // As PyTorch's initialisers count them: from the weight's second and first axis.
        let (fan_in, fan_out) = (inner * rows * columns, channels * rows * columns);
        let shape = vec![channels, inner, rows, columns];
        let weight = ParameterSpec { name: "weight", shape, role: Role::Weight { fan_in, fan_out } };
        let bias =
            ParameterSpec { name: "bias", shape: vec![self.out_channels], role: Role::Bias { fan_in } };
        if self.bias { vec![weight, bias] } else { vec![weight] }
    }

    fn multiply_adds(&self, inputs: &[Shape]) -> u64 {
        let [rows, columns] = inputs[0].size();
        let weights: usize = self.parameters(inputs)[0].shape.iter().product();
        (weights * rows * columns) as u64
    }

    fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound> {
        let transposed = self.transposed(inputs).expect("output_shape accepted these inputs");
        Box::new(BoundConvTranspose2d { transposed, mode: options.mode })
    }
}

#[derive(Debug)]
struct BoundConvTranspose2d {
    transposed: Transposed,
    mode: Mode,
}

impl Bound for BoundConvTranspose2d {
    fn packed_len(&self) -> usize {
        let backward = if self.mode.has_backward() { self.transposed.backward_len() } else { 0 };
        self.transposed.forward_len() + backward
    }

    fn pack(&self, parameters: &[Parameter], packed: &mut [f32]) {
        let weight = parameters[0].slice();
        let (forward, backward) = packed.split_at_mut(self.transposed.forward_len());
        self.transposed.pack_forward(weight, parameters.get(1).map(Parameter::slice), forward);
        if self.mode.has_backward() {
            self.transposed.pack_backward(weight, backward);
        }
    }

    fn gradient_len(&self) -> usize {
        self.transposed.gradient_len()
    }

    fn unpack_gradient(&self, packed: &[f32], gradients: &mut [Vec<f32>]) {
        let (weight, bias) = gradients.split_at_mut(1);
        self.transposed.unpack_gradient(packed, &mut weight[0], bias.first_mut().map(Vec::as_mut_slice));
    }

    fn scratch_len(&self, images: usize) -> usize {
        self.transposed.scratch_len(images)
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn products(&self) -> Option<Products> {
        Some(self.transposed.products())
    }

    fn forward(&self, call: Forward<'_>) {
        let packed = &call.packed[..self.transposed.forward_len()];
        let input = call.inputs.get(0);
        self.transposed.forward(
            ConvPass { isa: call.isa, images: call.images, scratch: call.scratch },
            input,
            packed,
            call.output,
        );
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let packed = &call.packed[self.transposed.forward_len()..];
        self.transposed.backward_input(
            ConvPass { isa: call.isa, images: call.images, scratch: call.scratch },
            call.d_output,
            packed,
            d_input,
        );
    }

    fn backward_parameters(&self, call: Backward<'_>, d_packed: &mut [f32]) {
        let (input, d_output) = (call.inputs.get(0), call.d_output);
        let Backward { isa, images, scratch, .. } = call;
        self.transposed.backward_parameters(ConvPass { isa, images, scratch }, input, d_output, d_packed);
    }
}
