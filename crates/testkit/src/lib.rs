//! What tests are held against: naive oracles, written as their formulas read, in double precision.
//!
//! A dev-dependency only; nothing here is fast.

mod convolution;
mod numbers;

pub use convolution::{Convolution, PadWith};
pub use numbers::{assert_close, random, worst_difference};
