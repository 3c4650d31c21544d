//! The affine map of a dense layer.
//!
//! `output[..., o] = bias[o] + sum over i of input[..., i] * weight[o, i]`
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html>

mod functional;
mod layer;

pub use functional::{LinearGradients, linear, linear_backward};
pub use layer::Linear;

use convscope_kernels::conv::{Conv, ConvSize, Padding, PaddingMode};

const NAME: &str = "linear";

/// The map as a convolution of images of one pixel, whose tiles fit it well.
fn kernel(in_features: usize, out_features: usize) -> Conv {
    Conv::new(ConvSize {
        in_channels: in_features,
        out_channels: out_features,
        groups: 1,
        input: [1, 1],
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        padding: Padding::default(),
        padding_mode: PaddingMode::Zeros,
    })
}
