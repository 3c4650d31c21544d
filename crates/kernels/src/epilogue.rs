//! Operations on a value before it is stored.

use crate::simd::Simd;

/// The operation on a value before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// Nothing.
    Linear,
    /// `max(0, x)`; NaN stays NaN.
    Relu,
}

impl Epilogue {
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, simd: S, value: S::V) -> S::V {
        match self {
            Epilogue::Linear => value,
            Epilogue::Relu => simd.max(simd.splat(0.0), value),
        }
    }
}
