//! The largest value of each window.
//!
//! `output[n, c, i, j] = max over r, s of input[n, c, i * stride - padding + r * dilation, ...]`, ignoring positions
//! outside the image.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html>

mod functional;
mod layer;

pub use functional::{max_pool2d, max_pool2d_backward, max_pool2d_with_indices};
pub use layer::MaxPool2d;

const NAME: &str = "max_pool2d";
