//! How fast running statistics are updated.

use serde::{Deserialize, Serialize};

/// The batch's share in the new running statistics. In files, a number or `"cumulative"` (in JSON also `null`).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(from = "Repr", into = "Repr")]
pub enum Momentum {
    /// This share.
    Value(f64),
    /// The mean over all batches so far: PyTorch's `momentum=None`.
    Cumulative,
}

impl Momentum {
    /// PyTorch's default.
    pub const DEFAULT: Momentum = Momentum::Value(0.1);

    /// The share of batch number `batches_tracked`, counted from 1.
    ///
    /// ```
    /// use convscope_ops::Momentum;
    /// assert_eq!(Momentum::Cumulative.share(4), 0.25);
    /// assert_eq!(Momentum::DEFAULT.share(4), 0.1);
    /// ```
    pub fn share(self, batches_tracked: u64) -> f64 {
        match self {
            Momentum::Value(share) => share,
            Momentum::Cumulative => 1.0 / batches_tracked.max(1) as f64,
        }
    }
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(untagged, expecting = "momentum must be a number or \"cumulative\"")]
enum Repr {
    Value(f64),
    Named(Named),
    Null(()),
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Named {
    Cumulative,
}

impl From<Repr> for Momentum {
    fn from(repr: Repr) -> Momentum {
        match repr {
            Repr::Value(share) => Momentum::Value(share),
            Repr::Named(Named::Cumulative) | Repr::Null(()) => Momentum::Cumulative,
        }
    }
}

impl From<Momentum> for Repr {
    fn from(momentum: Momentum) -> Repr {
        match momentum {
            Momentum::Value(share) => Repr::Value(share),
            Momentum::Cumulative => Repr::Named(Named::Cumulative),
        }
    }
}
