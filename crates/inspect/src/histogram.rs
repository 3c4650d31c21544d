//! A histogram in fixed memory over numbers of any size.

use serde::Serialize;

/// How often values of each size occurred: bins that are even in the logarithm, for both signs, and one for what is
/// nearly zero.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// The `counts.len() + 1` borders of the bins, rising.
    pub edges: Vec<f64>,
    /// How many values lie in `edges[i]..edges[i + 1]`; empty bins at both ends are left out.
    pub counts: Vec<u64>,
}
