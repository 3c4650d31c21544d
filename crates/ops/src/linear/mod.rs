//! The affine map of a dense layer.
//!
//! `output[..., o] = bias[o] + sum over i of input[..., i] * weight[o, i]`
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html>

mod functional;
mod layer;
mod rows;

pub use functional::{LinearGradients, linear, linear_backward};
pub use layer::Linear;

const NAME: &str = "linear";
