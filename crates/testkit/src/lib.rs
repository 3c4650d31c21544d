//! References for tests: naive oracles, written like their formulas, in double precision.
//!
//! A dev-dependency only; nothing here is fast. The oracles compute the forward direction; [`numeric_gradient`]
//! computes their gradients.

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
