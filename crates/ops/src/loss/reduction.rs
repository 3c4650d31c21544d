//! How the losses of many elements are reduced.

use serde::{Deserialize, Serialize};

/// PyTorch's `reduction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// No reduction.
    None,
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}
