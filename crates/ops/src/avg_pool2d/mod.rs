//! The mean of each window.
//!
//! `output[n, c, i, j] = 1 / divisor * sum over r, s of input[n, c, i * stride - padding + r, ...]`, where the divisor
//! is the window's number of pixels, with or without those in the padding, or a given number.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html>

mod functional;
mod layer;

pub use functional::{avg_pool2d, avg_pool2d_backward};
pub use layer::AvgPool2d;

const NAME: &str = "avg_pool2d";
