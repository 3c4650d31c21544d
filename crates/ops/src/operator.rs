//! All operators as one type, as files and presets name them.

use crate::*;
use serde::{Deserialize, Serialize};

/// An operator with its arguments; in a model file `op = "conv2d"` and the arguments beside it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Operator {
    AdaptiveAvgPool2d(AdaptiveAvgPool2d),
    Add(Add),
    AvgPool2d(AvgPool2d),
    BatchNorm(BatchNorm),
    Concat(Concat),
    Conv2d(Conv2d),
    ConvTranspose2d(ConvTranspose2d),
    Dropout(Dropout),
    Flatten(Flatten),
    Linear(Linear),
    LogSoftmax(LogSoftmax),
    MaxPool2d(MaxPool2d),
    Relu(Relu),
    Sigmoid(Sigmoid),
    Softmax(Softmax),
}

impl Operator {
    /// The operator as a layer of a network.
    pub fn layer(&self) -> &dyn Layer {
        match self {
            Operator::AdaptiveAvgPool2d(layer) => layer,
            Operator::Add(layer) => layer,
            Operator::AvgPool2d(layer) => layer,
            Operator::BatchNorm(layer) => layer,
            Operator::Concat(layer) => layer,
            Operator::Conv2d(layer) => layer,
            Operator::ConvTranspose2d(layer) => layer,
            Operator::Dropout(layer) => layer,
            Operator::Flatten(layer) => layer,
            Operator::Linear(layer) => layer,
            Operator::LogSoftmax(layer) => layer,
            Operator::MaxPool2d(layer) => layer,
            Operator::Relu(layer) => layer,
            Operator::Sigmoid(layer) => layer,
            Operator::Softmax(layer) => layer,
        }
    }
}

macro_rules! operators {
    ($($name:ident),*) => {$(
        impl From<$name> for Operator {
            fn from(layer: $name) -> Operator {
                Operator::$name(layer)
            }
        }
    )*};
}

operators!(
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Linear,
    LogSoftmax,
    MaxPool2d,
    Relu,
    Sigmoid,
    Softmax
);
