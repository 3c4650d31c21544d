//! Normalisation of rows of values, each by its own mean and variance, as layer normalisation of channels.

use crate::Isa;
use crate::elementwise::Loop;
use crate::simd::dispatch;

/// Sums that are taken side by side, so that they are vectors.
const SUMS: usize = 16;

/// The weight and the bias of each column.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// The factor of a normalised value.
    pub weight: &'a [f32],
    /// What is added last.
    pub bias: &'a [f32],
}

/// `y = (x - mean) / sqrt(var + eps) * weight + bias` for each row as long as the weight; the variance is the biased one.
pub fn normalize_rows(isa: Isa, x: &[f32], columns: Columns<'_>, eps: f64, y: &mut [f32]) {
    let len = columns.weight.len();
    assert!(x.len() == y.len() && columns.bias.len() == len);
    let run = || {
        for (x, y) in x.chunks_exact(len).zip(y.chunks_exact_mut(len)) {
            let (mean, inv_std) = moments(x, eps);
            let (center, rest) = split(mean);
            let scale = inv_std as f32;
            for ((y, &x), (&weight, &bias)) in
                y.iter_mut().zip(x).zip(columns.weight.iter().zip(columns.bias))
            {
                *y = (x - center - rest) * scale * weight + bias;
            }
        }
    };
    dispatch(isa, Loop(run));
}

/// The gradient of [`normalize_rows`] with respect to its input:
/// `d_x = (g - mean of g - n * mean of (g * n)) / sqrt(var + eps)` with `g = d_y * weight` and the normalised `n`.
pub fn normalize_rows_backward(isa: Isa, x: &[f32], d_y: &[f32], weight: &[f32], eps: f64, d_x: &mut [f32]) {
    let len = weight.len();
    assert!(x.len() == d_x.len() && d_y.len() == d_x.len());
    let run = || {
        let rows = x.chunks_exact(len).zip(d_y.chunks_exact(len));
        for ((x, d_y), d_x) in rows.zip(d_x.chunks_exact_mut(len)) {
            let (mean, inv_std) = moments(x, eps);
            // In double precision, because in short rows nearly everything cancels out.
            let gradient = |at: usize| f64::from(d_y[at]) * f64::from(weight[at]);
            let normalized = |at: usize| (f64::from(x[at]) - mean) * inv_std;
            let sum = sum_of(len, gradient) / len as f64;
            let slope = sum_of(len, |at| gradient(at) * normalized(at)) / len as f64;
            for (at, d) in d_x.iter_mut().enumerate() {
                *d = (inv_std * (gradient(at) - sum - normalized(at) * slope)) as f32;
            }
        }
    };
    dispatch(isa, Loop(run));
}

/// Adds to `d_weight` the sums of `d_y` times the normalised values over all rows, and to `d_bias` those of `d_y`.
pub fn add_row_gradients(
    isa: Isa,
    x: &[f32],
    d_y: &[f32],
    eps: f64,
    d_weight: &mut [f32],
    d_bias: &mut [f32],
) {
    /// Rows that are added up before their sum goes into a longer one, to limit rounding errors.
    const STRETCH: usize = 64;
    let len = d_weight.len();
    assert!(x.len() == d_y.len() && d_bias.len() == len);
    let mut run = || {
        let stretches = x.chunks(STRETCH * len).zip(d_y.chunks(STRETCH * len));
        for (x, d_y) in stretches {
            let mut of_rows = [(0.0f32, 0.0f32, 0.0f32); STRETCH];
            for (numbers, x) in of_rows.iter_mut().zip(x.chunks_exact(len)) {
                let (mean, inv_std) = moments(x, eps);
                let (center, rest) = split(mean);
                *numbers = (center, rest, inv_std as f32);
            }
            for first in (0..len).step_by(SUMS) {
                let width = SUMS.min(len - first);
                let (mut weights, mut biases) = ([0.0f32; SUMS], [0.0f32; SUMS]);
                let rows = x.chunks_exact(len).zip(d_y.chunks_exact(len));
                for ((x, d_y), &(center, rest, scale)) in rows.zip(&of_rows) {
                    let (x, d_y) = (&x[first..first + width], &d_y[first..first + width]);
                    let sums = weights.iter_mut().zip(&mut biases);
                    for ((weight, bias), (&x, &d)) in sums.zip(x.iter().zip(d_y)) {
                        *weight += d * ((x - center - rest) * scale);
                        *bias += d;
                    }
                }
                let sums = d_weight[first..].iter_mut().zip(&mut d_bias[first..]);
                for ((d_weight, d_bias), (weight, bias)) in sums.zip(weights.iter().zip(&biases)).take(width)
                {
                    *d_weight += weight;
                    *d_bias += bias;
                }
            }
        }
    };
    dispatch(isa, Loop(&mut run));
}

/// Mean, and one over the root of variance and `eps`.
#[inline(always)]
fn moments(x: &[f32], eps: f64) -> (f64, f64) {
    let count = x.len() as f64;
    let mean = sum_of(x.len(), |at| f64::from(x[at])) / count;
    let square = |at: usize| {
        let off = f64::from(x[at]) - mean;
        off * off
    };
    (mean, 1.0 / (sum_of(x.len(), square) / count + eps).sqrt())
}

/// A number as the sum of two in single precision, so that subtracting it from values close to it is nearly exact.
#[inline(always)]
fn split(value: f64) -> (f32, f32) {
    let center = value as f32;
    (center, (value - f64::from(center)) as f32)
}

/// The sum of `value(at)` for all places, in a fixed order.
#[inline(always)]
fn sum_of(len: usize, value: impl Fn(usize) -> f64) -> f64 {
    let mut sums = [0.0f64; SUMS];
    let whole = len / SUMS * SUMS;
    for first in (0..whole).step_by(SUMS) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += value(first + lane);
        }
    }
    for (sum, at) in sums.iter_mut().zip(whole..len) {
        *sum += value(at);
    }
    sums.iter().sum()
}
