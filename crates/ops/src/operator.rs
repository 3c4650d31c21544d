//! All operators as one type, as files and presets name them.

use crate::*;
use convscope_kernels::elementwise;
use serde::{Deserialize, Serialize};

/// An operator with its arguments; in a model file `op = "conv2d"` and the arguments beside it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Operator {
    AdaptiveAvgPool2d(AdaptiveAvgPool2d),
    AvgPool2d(AvgPool2d),
    Conv2d(Conv2d),
    MaxPool2d(MaxPool2d),
}

impl Operator {
    /// The operator as a layer of a network.
    pub fn layer(&self) -> &dyn Layer {
        match self {
            Operator::AdaptiveAvgPool2d(layer) => layer,
            Operator::AvgPool2d(layer) => layer,
            Operator::Conv2d(layer) => layer,
            Operator::MaxPool2d(layer) => layer,
        }
    }
}

/// A function that a layer applies to what it puts out; it belongs to the layer, as in Keras.
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
    /// Applies it in place; `channels` is the length of the last axis.
    pub fn apply(self, isa: Isa, x: &mut [f32], channels: usize) {
        match self {
            Activation::Relu => elementwise::relu(isa, x),
            Activation::Sigmoid => elementwise::sigmoid(x),
            Activation::Softmax => elementwise::softmax(x, channels),
        }
    }

    /// Turns the gradient by its output into the gradient by its input, in place.
    pub fn backward(self, isa: Isa, output: &[f32], d: &mut [f32], channels: usize) {
        match self {
            Activation::Relu => elementwise::relu_backward(isa, output, d),
            Activation::Sigmoid => elementwise::sigmoid_backward(isa, output, d),
            Activation::Softmax => elementwise::softmax_backward(output, d, channels),
        }
    }
}
