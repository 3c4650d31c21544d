//! Transposed convolution: the gradient of [`crate::conv2d()`] with respect to its input, as an operator.
//!
//! `output[n, o, y, x] = bias[o] + sum over c, i, j, r, s of input[n, c, i, j] * weight[c, o, r, s]` for all
//! `y = i * stride - padding + r * dilation` and likewise `x`; output channel `o` sees the input channels of its
//! group.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html>

mod arguments;
mod functional;
mod layer;
mod transposed;

pub use arguments::ConvTranspose2dArguments;
pub use functional::{ConvTranspose2dGradients, conv_transpose2d, conv_transpose2d_backward};
pub use layer::ConvTranspose2d;

const NAME: &str = "conv_transpose2d";
