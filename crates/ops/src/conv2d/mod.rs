//! Two-dimensional convolution.
//!
//! `output[n, o, i, j] = bias[o] + sum over c, r, s of
//! input[n, c, i * stride - padding + r * dilation, ...] * weight[o, c, r, s]`
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html>

mod bound;
mod functional;
mod layer;
mod mode_name;
mod padding;

pub(crate) use bound::{Bias, BoundConv};
pub(crate) use functional::check_arrays;
pub use functional::{Conv2dArguments, Conv2dGradients, conv2d, conv2d_backward};
pub use layer::Conv2d;
pub use padding::{ConvPadding, NamedPadding, Sides};

const NAME: &str = "conv2d";
