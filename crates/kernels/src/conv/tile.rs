//! The two register tiles of direct convolution.
//!
//! Both keep `P x K` vectors of sums in registers and add `broadcast * vector` to them: [`gather`] runs over the
//! taps and channels of `P` output pixels, [`outer`] over the pixels of `P` weight rows.

use super::Onto;
use super::words::{Singles, Words};
use crate::Epilogue;
use crate::simd::{LANES, Simd};

/// Products that are added up before their sum is moved out, to limit the rounding errors of long sums.
const EXACT_ROWS: usize = 96;

/// One stretch of adjacent input values that meets one stretch of adjacent weight rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// Offset of the stretch in the input, from a pixel's first value.
    pub(super) input: usize,
    /// First weight row.
    pub(super) row: usize,
    /// Number of values, and of weight rows.
    pub(super) len: usize,
}

/// Where a tile reads its weights, or adds its weight gradients: rows of [`LANES`] output channels, one panel of
/// rows for each [`LANES`] channels.
#[derive(Clone, Copy)]
pub(super) struct Panels<T> {
    pub(super) first: T,
    /// Elements from one panel to the next.
    pub(super) stride: usize,
}

/// `out[p][k] = epilogue(bias[k] + sum over taps and i of input[pixels[p] + tap + i] * weight[tap + i][k])`
///
/// # Safety
/// For each pixel and tap, its values are readable from the input; the panels hold `K` panels with all the taps'
/// rows; `bias` holds `K * LANES` values; at each of `targets` the first
/// `(K - 1) * LANES + last_lanes` values are writable.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn gather<S: Simd, const P: usize, const K: usize>(
    simd: S,
    input: *const f32,
    pixels: &[usize; P],
    taps: &[Tap],
    weights: Panels<*const f32>,
    bias: *const f32,
    epilogue: Epilogue,
    output: *mut f32,
    targets: &[usize; P],
    last_lanes: usize,
) {
    // SAFETY: every access below is one that the caller vouches for.
    unsafe {
        let mut taps = taps;
        let mut is_first = true;
        while is_first || !taps.is_empty() {
            let (segment, rest) = taps.split_at(segment_len(taps));
            taps = rest;
            let sums = sums::<S, Singles, P, K>(simd, input, pixels, segment, weights);
            for p in 0..P {
                for k in 0..K {
                    let target = output.add(targets[p] + k * LANES);
                    let lanes = if k + 1 < K { LANES } else { last_lanes };
                    let total = if is_first {
                        simd.load(bias.add(k * LANES))
                    } else {
                        simd.load_lanes(target, lanes)
                    };
                    let mut total = simd.add(total, sums[p][k]);
                    if rest.is_empty() {
                        total = epilogue.apply(simd, total);
                    }
                    simd.store_lanes(target, total, lanes);
                }
            }
            is_first = false;
        }
    }
}

/// How many taps are summed before the sum is moved out.
#[inline(always)]
fn segment_len(taps: &[Tap]) -> usize {
    let mut rows = 0;
    taps.iter().take_while(|tap| (rows < EXACT_ROWS).then(|| rows += tap.len).is_some()).count()
}

/// # Safety
/// As for [`gather`].
#[inline(always)]
pub(super) unsafe fn sums<S: Simd, W: Words, const P: usize, const K: usize>(
    simd: S,
    input: *const f32,
    pixels: &[usize; P],
    taps: &[Tap],
    weights: Panels<*const f32>,
) -> [[S::V; K]; P] {
    let mut sums = [[simd.splat(0.0); K]; P];
    for tap in taps {
        // SAFETY: every access below is one that the caller vouches for.
        unsafe {
            let from: [*const f32; P] = std::array::from_fn(|p| input.add(pixels[p] + tap.input));
            let mut row = weights.first.add(tap.row * LANES);
            for i in 0..tap.len {
                let weight: [S::V; K] = std::array::from_fn(|k| simd.load(row.add(k * weights.stride)));
                for p in 0..P {
                    let value = simd.splat(*from[p].add(i));
                    for k in 0..K {
                        sums[p][k] = W::multiply_add(simd, value, weight[k], sums[p][k]);
                    }
                }
                row = row.add(LANES);
            }
        }
    }
    sums
}

/// `d_weight[r][k] += sum over pixels q of input[pixels[q] + r] * d_output[q * d_stride + k]`, for `P` adjacent rows; onto
/// nothing, the sum alone.
///
/// # Safety
/// From each of `pixels`, `P` values of the input are readable; from each `q * d_stride` the first
/// `(K - 1) * LANES + last_lanes` values of the gradient; `K` panels of `P` rows are writable.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn outer<S: Simd, W: Words, const P: usize, const K: usize>(
    simd: S,
    input: *const f32,
    pixels: &[u32],
    d_output: *const f32,
    d_stride: usize,
    last_lanes: usize,
    onto: Onto,
    d_weights: Panels<*mut f32>,
) {
    // SAFETY: every access below is one that the caller vouches for.
    unsafe {
        let mut sums = [[simd.splat(0.0); K]; P];
        let mut gradient_row = d_output;
        for &pixel in pixels {
            let from = input.add(pixel as usize);
            let gradient: [S::V; K] = std::array::from_fn(|k| {
                simd.load_lanes(gradient_row.add(k * LANES), if k + 1 < K { LANES } else { last_lanes })
            });
            for p in 0..P {
                let value = simd.splat(*from.add(p));
                for k in 0..K {
                    sums[p][k] = W::multiply_add(simd, value, gradient[k], sums[p][k]);
                }
            }
            gradient_row = gradient_row.add(d_stride);
        }
        for p in 0..P {
            for k in 0..K {
                let at = d_weights.first.add(k * d_weights.stride + p * LANES);
                let sum = sums[p][k];
                simd.store(at, if onto == Onto::Sum { simd.add(simd.load(at), sum) } else { sum });
            }
        }
    }
}
