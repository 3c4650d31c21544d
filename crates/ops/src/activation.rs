//! Functions that layers apply to their outputs.

use crate::{Backward, Bound, Forward, Isa, OnnxNode, Reads};
use convscope_kernels::pointwise::Function;
use convscope_kernels::{Epilogue, elementwise};
use serde::{Deserialize, Serialize};

/// A function that a layer applies to its output; it belongs to the layer, as in Keras.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(0, x)`.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `exp(x) / sum of exp(x)` over the channels of each pixel.
    Softmax,
}

impl Activation {
    /// Its name in PyTorch and in model files: `relu`, `sigmoid`, `softmax`.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::Sigmoid => "sigmoid",
            Activation::Softmax => "softmax",
        }
    }

    /// PyTorch's expression of a value `{0}`.
    pub fn torch(self) -> &'static str {
        match self {
            Activation::Relu => "F.relu({0})",
            Activation::Sigmoid => "torch.sigmoid({0})",
            Activation::Softmax => "F.softmax({0}, 1)",
        }
    }

    /// ONNX's operator.
    pub fn onnx(self) -> OnnxNode {
        match self {
            Activation::Relu => OnnxNode::new("Relu").input(0),
            Activation::Sigmoid => OnnxNode::new("Sigmoid").input(0),
            Activation::Softmax => OnnxNode::new("Softmax").input(0).int("axis", 1),
        }
    }

    /// Whether its outputs lie between 0 and 1 and hardly change where they are close to either.
    pub fn saturates(self) -> bool {
        matches!(self, Activation::Sigmoid | Activation::Softmax)
    }

    /// Whether the outputs of the channels of a pixel add up to 1.
    pub fn is_distribution(self) -> bool {
        self == Activation::Softmax
    }

    /// The form in which kernels apply it to what they store, if they can.
    pub fn epilogue(self) -> Option<Epilogue> {
        (self == Activation::Relu).then_some(Epilogue::Relu)
    }

    /// The function of single values that it is, if its gradient is the same whether the input or the output is known.
    pub fn function(self) -> Option<Function> {
        (self == Activation::Relu).then_some(Function::Clamp { low: 0.0, high: f32::INFINITY })
    }

    /// Applies it in place; `channels` is the length of the last axis.
    pub fn apply(self, isa: Isa, x: &mut [f32], channels: usize) {
        match self {
            Activation::Relu => elementwise::relu(isa, x),
            Activation::Sigmoid => Function::Sigmoid.apply_in_place(isa, x),
            Activation::Softmax => elementwise::softmax(x, channels),
        }
    }

    /// Turns the gradient with respect to its output into the gradient with respect to its input, in place.
    pub fn backward(self, isa: Isa, output: &[f32], d: &mut [f32], channels: usize) {
        match self {
            Activation::Relu => elementwise::relu_backward(isa, output, d),
            Activation::Sigmoid => elementwise::sigmoid_backward(isa, output, d),
            Activation::Softmax => elementwise::softmax_backward(output, d, channels),
        }
    }
}

/// An activation that is a separate node, as the executor runs it.
#[derive(Debug)]
pub(crate) struct BoundActivation {
    pub(crate) activation: Activation,
    /// Length of the last axis.
    pub(crate) channels: usize,
}

impl Bound for BoundActivation {
    fn backward_reads(&self) -> Reads {
        Reads { inputs: false, output: true }
    }

    fn is_cheap(&self) -> bool {
        self.activation != Activation::Softmax
    }

    fn forward(&self, call: Forward<'_>) {
        call.output.copy_from_slice(call.inputs.get(0));
        self.activation.apply(call.isa, call.output, self.channels);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        d_input.copy_from_slice(call.d_output);
        self.activation.backward(call.isa, call.output, d_input, self.channels);
    }
}
