//! The operators with PyTorch's names and arguments, forward and backward side by side.
//!
//! Each operator has its own folder or file with three things in it: functions on `ndarray` arrays that read like
//! PyTorch's functional API ([`conv2d()`]), the struct that describes it as a layer of a network ([`Conv2d`]), and the
//! bound form that the executor runs ([`Bound`]). All three use the same kernels, so the code that trains is the code
//! that is checked against PyTorch.
//!
//! | operators | |
//! |---|---|
//! | convolution | [`conv2d()`], [`conv_transpose2d()`] |
//! | pooling | [`max_pool2d()`], [`avg_pool2d()`], [`adaptive_avg_pool2d()`], [`AdaptiveMaxPool2d`], [`Mean`] |
//! | regions of interest, as torchvision's | [`roi_pool()`], [`roi_align()`] |
//! | dense | [`linear()`] |
//! | other axes | [`flatten()`], [`Reshape`], [`Permute`], [`Slice`], [`ChannelShuffle`], [`PixelShuffle`] |
//! | other sizes | [`Pad`], [`Interpolate`] |
//! | normalisation | [`batch_norm()`], [`LayerNorm`], [`GroupNorm`], [`InstanceNorm`], [`LocalResponseNorm`] |
//! | activation | [`relu()`], [`Relu6`], [`LeakyRelu`], [`Prelu`], [`Elu`], [`Silu`], [`Gelu`], [`Mish`], [`Hardswish`], [`Hardtanh`], [`Softplus`] |
//! | and towards a bound | [`sigmoid()`], [`Hardsigmoid`], [`Tanh`], [`softmax()`], [`log_softmax()`] |
//! | joining | [`add()`], [`Mul`], [`concat()`], [`Matmul`] |
//! | without inputs | [`Constant`] |
//! | at random | [`dropout()`], [`Dropout2d`], [`StochasticDepth`] |
//! | losses | [`cross_entropy()`], [`mse_loss()`] |
//!
//! Each has a backward pass next to it: [`roi_pool_backward()`] for [`roi_pool()`].
//!
//! ```
//! use convscope_ops::{RoiPoolArguments, roi_pool};
//! use ndarray::{Array4, array};
//!
//! // The largest values of the four quarters of one region: image 0, from column 2, row 0 to column 5, row 3.
//! let input = Array4::from_shape_fn([1, 1, 6, 8], |(_, _, y, x)| (10 * y + x) as f32);
//! let boxes = array![[0.0, 2.0, 0.0, 5.0, 3.0]];
//! let pooled = roi_pool(input.view(), boxes.view(), &RoiPoolArguments::new([2, 2]))?;
//! assert_eq!(pooled, array![[[[13.0, 15.0], [33.0, 35.0]]]]);
//! # Ok::<(), convscope_ops::OpError>(())
//! ```
//!
//! Arrays are `[N, C, H, W]` as in PyTorch; bound operators work channels-last on the images of one chunk.

mod activation;
mod adaptive_avg_pool2d;
mod adaptive_max_pool2d;
mod add;
mod apply;
mod argument;
mod arrays;
mod avg_pool2d;
mod batch_norm;
mod bound;
mod broadcast;
mod channel_dim;
mod channel_map;
mod channel_shuffle;
mod concat;
mod constant;
mod conv2d;
mod conv_transpose2d;
mod cross_entropy;
mod defaults;
mod dropout;
mod dropout2d;
mod elu;
mod error;
mod flatten;
mod followed;
mod gelu;
mod group_norm;
mod hardsigmoid;
mod hardswish;
mod hardtanh;
mod instance_norm;
mod interpolate;
mod layer;
mod layer_norm;
mod leaky_relu;
pub mod limits;
mod linear;
mod local_response_norm;
mod log_softmax;
mod loss;
mod matmul;
mod max_pool2d;
mod mean;
mod mish;
mod moving;
mod mse_loss;
mod mul;
mod named;
mod normalize;
mod onnx;
mod operator_arguments;
mod pad;
mod pair;
mod parameter;
mod permute;
mod pixel_shuffle;
mod pointwise;
mod pooling;
mod prelu;
mod random_parts;
mod regions;
mod registry;
mod relu;
mod relu6;
mod reshape;
mod roi_align;
mod roi_pool;
mod shape;
mod sigmoid;
mod silu;
mod slice;
mod softmax;
mod softplus;
mod stochastic_depth;
mod summing;
mod tanh;
mod torch;

pub use activation::Activation;
pub use adaptive_avg_pool2d::{
    AdaptiveAvgPool2d, OutputSize, adaptive_avg_pool2d, adaptive_avg_pool2d_backward,
};
pub use adaptive_max_pool2d::AdaptiveMaxPool2d;
pub use add::{Add, add};
pub use apply::{Applied, AppliedGradients, apply, apply_backward};
pub use argument::Argument;
pub use avg_pool2d::{AvgPool2d, avg_pool2d, avg_pool2d_backward};
pub use batch_norm::{
    BatchNorm, BatchNormArguments, BatchNormGradients, Momentum, batch_norm, batch_norm_backward,
};
pub use bound::{Backward, BindOptions, Bound, Coupled, Forward, Inputs, Mode, Products, Reads, Sample};
pub use channel_dim::ChannelDim;
pub use channel_map::ChannelMap;
pub use channel_shuffle::ChannelShuffle;
pub use concat::{Concat, concat};
pub use constant::Constant;
pub use conv_transpose2d::{
    ConvTranspose2d, ConvTranspose2dArguments, ConvTranspose2dGradients, conv_transpose2d,
    conv_transpose2d_backward,
};
pub use conv2d::{
    Conv2d, Conv2dArguments, Conv2dGradients, ConvPadding, NamedPadding, Sides, conv2d, conv2d_backward,
};
pub use convscope_kernels::conv::{Algorithm, Onto, PaddingMode, Precision};
pub use convscope_kernels::memory::OutOfMemory;
pub use convscope_kernels::{Epilogue, Isa};
pub use cross_entropy::{CrossEntropyArguments, Target, cross_entropy, cross_entropy_backward};
pub use dropout::{Dropout, dropout, dropout_backward};
pub use dropout2d::Dropout2d;
pub use elu::Elu;
pub use error::OpError;
pub use flatten::{Flatten, flatten, flatten_backward};
pub use followed::Joined;
pub use gelu::{Gelu, GeluForm};
pub use group_norm::GroupNorm;
pub use hardsigmoid::Hardsigmoid;
pub use hardswish::Hardswish;
pub use hardtanh::Hardtanh;
pub use instance_norm::InstanceNorm;
pub use interpolate::{Interpolate, InterpolateMode, ScaleFactor};
pub use layer::{Layer, Operator};
pub use layer_norm::{DataFormat, LayerNorm};
pub use leaky_relu::LeakyRelu;
pub use linear::{Linear, LinearGradients, linear, linear_backward};
pub use local_response_norm::LocalResponseNorm;
pub use log_softmax::{LogSoftmax, log_softmax, log_softmax_backward};
pub use loss::{Labels, Loss, Reduction, SoftTargets, argmax};
pub use matmul::Matmul;
pub use max_pool2d::{MaxPool2d, max_pool2d, max_pool2d_backward, max_pool2d_with_indices};
pub use mean::Mean;
pub use mish::Mish;
pub use mse_loss::{mse_loss, mse_loss_backward};
pub use mul::Mul;
pub use named::ParseError;
pub use onnx::{Onnx, OnnxAttribute, OnnxInput, OnnxNode};
pub use operator_arguments::{ArgumentError, Arguments, read_arguments};
pub use pad::{Pad, PadMode};
pub use pair::Pair;
pub use parameter::{Parameter, ParameterSpec, Role};
pub use permute::Permute;
pub use pixel_shuffle::PixelShuffle;
pub use pointwise::Pointwise;
pub use prelu::Prelu;
pub use registry::{NameTaken, Registered, names, register, registered};
pub use relu::{Relu, relu, relu_backward};
pub use relu6::Relu6;
pub use reshape::Reshape;
pub use roi_align::{RoiAlignArguments, roi_align, roi_align_backward};
pub use roi_pool::{RoiPoolArguments, roi_pool, roi_pool_backward};
pub use shape::{MOST_AXES, Shape};
pub use sigmoid::{Sigmoid, sigmoid, sigmoid_backward};
pub use silu::Silu;
pub use slice::Slice;
pub use softmax::{Softmax, softmax, softmax_backward};
pub use softplus::Softplus;
pub use stochastic_depth::{StochasticDepth, StochasticDepthMode};
pub use tanh::Tanh;
pub use torch::Torch;
