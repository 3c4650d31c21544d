//! Shared by the pooling operators: windows from arguments, and the bound form of a mean.

mod mean;
mod windows;

pub(crate) use mean::{BoundMean, Mean, mean_of, mean_of_backward};
pub(crate) use windows::Sliding;
