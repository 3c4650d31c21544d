//! What tests are checked against: naive oracles, written as their formulas read, in double precision.
//!
//! A dev-dependency only; nothing here is fast. The oracles compute forward; [`numeric_gradient`] makes their
//! gradients.

pub mod browser;
mod convolution;
mod gradient;
pub mod hostile;
pub mod layers;
mod numbers;
mod pooling;
pub mod regions;

pub use convolution::{Convolution, PadWith};
pub use gradient::{numeric_gradient, to_f64};
pub use numbers::{assert_close, random, worst_difference};
pub use pooling::{Pooling, adaptive_mean};
