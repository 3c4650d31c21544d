//! The mean of windows that divide the image evenly.
//!
//! Output row `i` of `H'` is the mean of the input rows `floor(i * H / H')` up to below `ceil((i + 1) * H / H')`, and
//! likewise for columns.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html>

mod functional;
mod layer;
mod output_size;

pub use functional::{adaptive_avg_pool2d, adaptive_avg_pool2d_backward};
pub use layer::AdaptiveAvgPool2d;
pub use output_size::OutputSize;

const NAME: &str = "adaptive_avg_pool2d";
