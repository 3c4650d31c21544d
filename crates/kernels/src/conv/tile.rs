//! The two register tiles of direct convolution.
//!
//! Both keep `P x K` vectors of sums in registers and add `broadcast * vector` to them: [`gather`] runs over the
//! taps and channels of `P` output pixels, [`outer`] over the pixels of `P` weight rows.

use crate::simd::{LANES, Simd};

/// One stretch of adjacent input values that meets one stretch of adjacent weight rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// Offset of the stretch in the input, from a pixel's first value.
    pub(super) input: usize,
    /// First weight row.
    pub(super) row: usize,
}

/// Where a tile reads its weights, or adds its weight gradients: rows of [`LANES`] output channels, one panel of
/// rows for each [`LANES`] channels.
#[derive(Clone, Copy)]
pub(super) struct Panels<T> {
    pub(super) first: T,
    /// Elements from one panel to the next.
    pub(super) stride: usize,
}

/// What is done to a sum before it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// Nothing.
    Linear,
    /// `max(0, x)`; NaN stays NaN.
    Relu,
}

/// `out[p][k] = epilogue(bias[k] + sum over taps and run of input[pixels[p] + tap + i] * weight[tap + i][k])`
///
/// # Safety
/// For each pixel and tap, `run` values are readable from the input; the panels hold `K` panels with all the taps'
/// rows; `bias`, where it is not null, holds `K * LANES` values; at each of `targets` the first
/// `(K - 1) * LANES + last_lanes` values are writable.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn gather<S: Simd, const P: usize, const K: usize>(
    simd: S,
    input: *const f32,
    pixels: &[usize; P],
    taps: &[Tap],
    run: usize,
    weights: Panels<*const f32>,
    bias: *const f32,
    epilogue: Epilogue,
    output: *mut f32,
    targets: &[usize; P],
    last_lanes: usize,
) {
    // SAFETY: every access below is one that the caller vouches for.
    unsafe {
        let mut sums = [[simd.splat(0.0); K]; P];
        if !bias.is_null() {
            let start: [S::V; K] = std::array::from_fn(|k| simd.load(bias.add(k * LANES)));
            sums = [start; P];
        }
        for tap in taps {
            let from: [*const f32; P] = std::array::from_fn(|p| input.add(pixels[p] + tap.input));
            let mut row = weights.first.add(tap.row * LANES);
            for i in 0..run {
                let weight: [S::V; K] = std::array::from_fn(|k| simd.load(row.add(k * weights.stride)));
                for p in 0..P {
                    let value = simd.splat(*from[p].add(i));
                    for k in 0..K {
                        sums[p][k] = simd.fma(value, weight[k], sums[p][k]);
                    }
                }
                row = row.add(LANES);
            }
        }
        for p in 0..P {
            for k in 0..K {
                let mut sum = sums[p][k];
                if epilogue == Epilogue::Relu {
                    sum = simd.max(simd.splat(0.0), sum);
                }
                let target = output.add(targets[p] + k * LANES);
                if k + 1 < K || last_lanes == LANES {
                    simd.store(target, sum);
                } else {
                    simd.store_first(target, sum, last_lanes);
                }
            }
        }
    }
}

/// `d_weight[r][k] += sum over pixels q of input[pixels[q] + r] * d_output[q * d_stride + k]`, for `P` adjacent rows.
///
/// # Safety
/// From each of `pixels`, `P` values of the input are readable; from each `q * d_stride` the first
/// `(K - 1) * LANES + last_lanes` values of the gradient; `K` panels of `P` rows are writable.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn outer<S: Simd, const P: usize, const K: usize>(
    simd: S,
    input: *const f32,
    pixels: &[u32],
    d_output: *const f32,
    d_stride: usize,
    last_lanes: usize,
    d_weights: Panels<*mut f32>,
) {
    // SAFETY: every access below is one that the caller vouches for.
    unsafe {
        let mut sums = [[simd.splat(0.0); K]; P];
        let mut gradient_row = d_output;
        for &pixel in pixels {
            let from = input.add(pixel as usize);
            let gradient: [S::V; K] = std::array::from_fn(|k| {
                let at = gradient_row.add(k * LANES);
                if k + 1 < K || last_lanes == LANES { simd.load(at) } else { simd.load_first(at, last_lanes) }
            });
            for p in 0..P {
                let value = simd.splat(*from.add(p));
                for k in 0..K {
                    sums[p][k] = simd.fma(value, gradient[k], sums[p][k]);
                }
            }
            gradient_row = gradient_row.add(d_stride);
        }
        for p in 0..P {
            for k in 0..K {
                let at = d_weights.first.add(k * d_weights.stride + p * LANES);
                simd.store(at, simd.add(simd.load(at), sums[p][k]));
            }
        }
    }
}
