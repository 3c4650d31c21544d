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
//! | pooling | [`max_pool2d()`], [`avg_pool2d()`], [`adaptive_avg_pool2d()`] |
//! | regions of interest, as torchvision's | [`roi_pool()`], [`roi_align()`] |
//! | dense | [`linear()`] |
//! | other axes | [`flatten()`], [`Reshape`], [`Permute`], [`Slice`] |
//! | normalisation | [`batch_norm()`] |
//! | activation | [`relu()`], [`sigmoid()`], [`softmax()`], [`log_softmax()`] |
//! | joining | [`add()`], [`concat()`] |
//! | without inputs | [`Constant`] |
//! | at random | [`dropout()`] |
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
mod add;
mod apply;
mod argument;
mod arrays;
mod avg_pool2d;
mod batch_norm;
mod bound;
mod channel_dim;
mod concat;
mod constant;
mod conv2d;
mod conv_transpose2d;
mod cross_entropy;
mod defaults;
mod dropout;
mod error;
mod flatten;
mod layer;
mod leaky_relu;
pub mod limits;
mod linear;
mod log_softmax;
mod loss;
mod max_pool2d;
mod moving;
mod mse_loss;
mod operator;
mod pair;
mod parameter;
mod permute;
mod pooling;
mod regions;
mod registry;
mod relu;
mod reshape;
mod roi_align;
mod roi_pool;
mod shape;
mod sigmoid;
mod slice;
mod softmax;
mod torch;

pub use activation::Activation;
pub use adaptive_avg_pool2d::{
    AdaptiveAvgPool2d, OutputSize, adaptive_avg_pool2d, adaptive_avg_pool2d_backward,
};
pub use add::{Add, add};
pub use apply::{Applied, AppliedGradients, apply, apply_backward};
pub use argument::Argument;
pub use avg_pool2d::{AvgPool2d, avg_pool2d, avg_pool2d_backward};
pub use batch_norm::{
    BatchNorm, BatchNormArguments, BatchNormGradients, Momentum, batch_norm, batch_norm_backward,
};
pub use bound::{Backward, Bound, Coupled, Forward, Inputs, Mode, Products, Reads, Sample};
pub use channel_dim::ChannelDim;
pub use concat::{Concat, concat};
pub use constant::Constant;
pub use conv_transpose2d::{
    ConvTranspose2d, ConvTranspose2dArguments, ConvTranspose2dGradients, conv_transpose2d,
    conv_transpose2d_backward,
};
pub use conv2d::{
    Conv2d, Conv2dArguments, Conv2dGradients, ConvPadding, NamedPadding, Sides, conv2d, conv2d_backward,
};
pub use convscope_kernels::Isa;
pub use convscope_kernels::conv::{Algorithm, PaddingMode, Precision};
pub use convscope_kernels::memory::OutOfMemory;
pub use cross_entropy::{CrossEntropyArguments, Target, cross_entropy, cross_entropy_backward};
pub use dropout::{Dropout, dropout, dropout_backward};
pub use error::OpError;
pub use flatten::{Flatten, flatten, flatten_backward};
pub use layer::Layer;
pub use leaky_relu::LeakyRelu;
pub use linear::{Linear, LinearGradients, linear, linear_backward};
pub use log_softmax::{LogSoftmax, log_softmax, log_softmax_backward};
pub use loss::{Labels, Loss, Reduction, SoftTargets};
pub use max_pool2d::{MaxPool2d, max_pool2d, max_pool2d_backward, max_pool2d_with_indices};
pub use mse_loss::{mse_loss, mse_loss_backward};
pub use operator::{Arguments, Operator, ParseError};
pub use pair::Pair;
pub use parameter::{Parameter, ParameterSpec, Role};
pub use permute::Permute;
pub use registry::{NameTaken, Registered, names, register, registered};
pub use relu::{Relu, relu, relu_backward};
pub use reshape::Reshape;
pub use roi_align::{RoiAlignArguments, roi_align, roi_align_backward};
pub use roi_pool::{RoiPoolArguments, roi_pool, roi_pool_backward};
pub use shape::{MOST_AXES, Shape};
pub use sigmoid::{Sigmoid, sigmoid, sigmoid_backward};
pub use slice::Slice;
pub use softmax::{Softmax, softmax, softmax_backward};
pub use torch::Torch;
