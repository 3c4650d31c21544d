//! Operations on a value before it is stored.

use crate::pointwise::Function;
use crate::simd::Simd;

/// The operation on a value before it is stored. NaN stays NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Epilogue {
    /// Nothing.
    Linear,
    /// `max(0, x)`.
    Relu,
    /// `min(max(low, x), high)`.
    Clamp {
        /// The smallest result.
        low: f32,
        /// The largest result.
        high: f32,
    },
    /// `x * min(max(0, x + 3), 6) / 6`.
    Hardswish,
}

impl Epilogue {
    /// The operation that is this function, if it is simple enough for the inner loops.
    pub fn of(function: Function) -> Option<Epilogue> {
        match function {
            Function::Clamp { low: 0.0, high: f32::INFINITY } => Some(Epilogue::Relu),
            Function::Clamp { low, high } => Some(Epilogue::Clamp { low, high }),
            Function::Hardswish => Some(Epilogue::Hardswish),
            _ => None,
        }
    }

    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, simd: S, value: S::V) -> S::V {
        match self {
            Epilogue::Linear => value,
            Epilogue::Relu => simd.max(simd.splat(0.0), value),
            Epilogue::Clamp { low, high } => simd.min(simd.splat(high), simd.max(simd.splat(low), value)),
            Epilogue::Hardswish => {
                let raised = simd.max(simd.splat(0.0), simd.add(value, simd.splat(3.0)));
                let factor = simd.mul(simd.min(simd.splat(6.0), raised), simd.splat(1.0 / 6.0));
                simd.mul(value, factor)
            }
        }
    }
}
