//! The operands of register tiles: single values, or pairs of bfloat16 in the space of one.

use crate::simd::Simd;
use serde::{Deserialize, Serialize};

/// The precision of a convolution's products. Sums are always `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Products of `f32`.
    #[default]
    F32,
    /// Products of bfloat16 in convolutions that use Winograd's transforms; everything else is as for `F32`.
    Bf16,
}

impl Precision {
    /// Values in a word.
    pub(crate) fn values(self) -> usize {
        match self {
            Precision::F32 => 1,
            Precision::Bf16 => 2,
        }
    }

    /// Words that hold `values` values.
    pub(super) fn words(self, values: usize) -> usize {
        values.div_ceil(self.values())
    }
}

/// How values are stored in the words of a tile's operands.
pub(crate) trait Words {
    const PRECISION: Precision;

    /// `sum + a * b`, over all values of the words.
    fn multiply_add<S: Simd>(simd: S, a: S::V, b: S::V, sum: S::V) -> S::V;

    /// Writes `lanes` adjacent values, the first at position `at` of a row of words; the others are zero.
    ///
    /// # Safety
    /// The row has the words.
    unsafe fn store<S: Simd>(simd: S, row: *mut f32, at: usize, value: S::V, lanes: usize);

    /// Combines the values of several rows that share their words; with one value per word, this is the first.
    fn join<S: Simd>(simd: S, first: S::V, second: S::V) -> S::V;
}

/// A word is an `f32`.
pub(crate) enum Singles {}

impl Words for Singles {
    const PRECISION: Precision = Precision::F32;

    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, a: S::V, b: S::V, sum: S::V) -> S::V {
        simd.fma(a, b, sum)
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(simd: S, row: *mut f32, at: usize, value: S::V, lanes: usize) {
        // SAFETY: the caller vouches for the row.
        unsafe { simd.store_lanes(row.add(at), value, lanes) }
    }

    #[inline(always)]
    fn join<S: Simd>(_: S, first: S::V, _: S::V) -> S::V {
        first
    }
}

/// A word is a pair of bfloat16, the first one in its lower half.
pub(crate) enum Pairs {}

impl Words for Pairs {
    const PRECISION: Precision = Precision::Bf16;

    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, a: S::V, b: S::V, sum: S::V) -> S::V {
        simd.dot_pairs(a, b, sum)
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(simd: S, row: *mut f32, at: usize, value: S::V, lanes: usize) {
        // SAFETY: the caller vouches for the row; an odd value shares its word with a zero.
        unsafe { simd.store_bf16(row.cast::<u16>().add(at), value, lanes.next_multiple_of(2)) }
    }

    #[inline(always)]
    fn join<S: Simd>(simd: S, first: S::V, second: S::V) -> S::V {
        simd.pair(first, second)
    }
}

/// A word of two values.
#[inline(always)]
pub(super) fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(u32::from(crate::simd::bf16(first)) | u32::from(crate::simd::bf16(second)) << 16)
}
