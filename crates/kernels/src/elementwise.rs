//! Loops over single values: activations, sums, and per-channel scale and moments.
//!
//! Slices are channels-last: value `i` belongs to channel `i % channels`.

use crate::Isa;
use crate::simd::{Kernel, LANES, Simd, dispatch};

/// A loop that the compiler vectorises, with the features of the instruction set it runs under.
pub(crate) struct Loop<F>(pub(crate) F);

impl<F: FnOnce()> Kernel for Loop<F> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        (self.0)();
    }
}

/// `x = max(0, x)`; NaN stays NaN.
pub fn relu(isa: Isa, x: &mut [f32]) {
    dispatch(isa, Loop(|| x.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x })));
}

/// `d = 0` where the output of [`relu`] is zero.
pub fn relu_backward(isa: Isa, output: &[f32], d: &mut [f32]) {
    assert_eq!(output.len(), d.len());
    let run = || d.iter_mut().zip(output).for_each(|(d, &y)| *d = if y <= 0.0 { 0.0 } else { *d });
    dispatch(isa, Loop(run));
}

/// `x = 1 / (1 + exp(-x))`, without overflow for any input.
pub fn sigmoid(x: &mut [f32]) {
    for x in x {
        let small = (-x.abs()).exp();
        *x = if *x >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
    }
}

/// `d = d * y * (1 - y)` for an output `y` of [`sigmoid`].
pub fn sigmoid_backward(isa: Isa, output: &[f32], d: &mut [f32]) {
    assert_eq!(output.len(), d.len());
    dispatch(isa, Loop(|| d.iter_mut().zip(output).for_each(|(d, &y)| *d *= y * (1.0 - y))));
}

/// Softmax of each row of `len` values: `exp(x - max) / sum of exp(x - max)`.
pub fn softmax(x: &mut [f32], len: usize) {
    for row in x.chunks_exact_mut(len) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0f64;
        for value in row.iter_mut() {
            *value = (*value - largest).exp();
            sum += f64::from(*value);
        }
        row.iter_mut().for_each(|value| *value = (f64::from(*value) / sum) as f32);
    }
}

/// `d = y * (d - sum of d * y)` for each row of an output `y` of [`softmax`].
pub fn softmax_backward(output: &[f32], d: &mut [f32], len: usize) {
    for (row, d) in output.chunks_exact(len).zip(d.chunks_exact_mut(len)) {
        let sum: f64 = row.iter().zip(d.iter()).map(|(&y, &d)| f64::from(y) * f64::from(d)).sum();
        d.iter_mut().zip(row).for_each(|(d, &y)| *d = (f64::from(y) * (f64::from(*d) - sum)) as f32);
    }
}

/// Logarithm of [`softmax`]: `x - max - log(sum of exp(x - max))` for each row of `len` values.
pub fn log_softmax(x: &mut [f32], len: usize) {
    for row in x.chunks_exact_mut(len) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|&value| f64::from((value - largest).exp())).sum();
        // In this order, so that the logarithm is not lost in a large maximum.
        let (log, largest) = (sum.ln(), f64::from(largest));
        row.iter_mut().for_each(|value| *value = (f64::from(*value) - largest - log) as f32);
    }
}

/// `d = d - exp(y) * sum of d` for each row of an output `y` of [`log_softmax`].
pub fn log_softmax_backward(output: &[f32], d: &mut [f32], len: usize) {
    for (row, d) in output.chunks_exact(len).zip(d.chunks_exact_mut(len)) {
        let sum: f64 = d.iter().map(|&d| f64::from(d)).sum();
        d.iter_mut().zip(row).for_each(|(d, &y)| *d = (f64::from(*d) - f64::from(y).exp() * sum) as f32);
    }
}

/// `into += from`.
pub fn add_assign(isa: Isa, into: &mut [f32], from: &[f32]) {
    assert_eq!(into.len(), from.len());
    dispatch(isa, Loop(|| into.iter_mut().zip(from).for_each(|(sum, &value)| *sum += value)));
}

/// Adds to `sums` each channel's sum over all pixels of `x`, added up in double precision. The sum of channel `c` stands at
/// `c / group * group_stride + c % group`.
pub fn add_channel_sums(
    isa: Isa,
    x: &[f32],
    channels: usize,
    group: usize,
    group_stride: usize,
    sums: &mut [f32],
) {
    let run = || {
        for (block, lanes) in channel_blocks(channels) {
            let mut total = [0.0f64; LANES];
            for pixel in x.chunks_exact(channels) {
                if lanes == LANES {
                    let values: &[f32; LANES] = pixel[block..].first_chunk().expect("a whole block");
                    (0..LANES).for_each(|lane| total[lane] += f64::from(values[lane]));
                } else {
                    (0..lanes).for_each(|lane| total[lane] += f64::from(pixel[block + lane]));
                }
            }
            for (channel, total) in (block..block + lanes).zip(total) {
                sums[channel / group * group_stride + channel % group] += total as f32;
            }
        }
    };
    dispatch(isa, Loop(run));
}

/// Adds to `sums` each channel's sum of `x`, and to `products` its sum of `x * (y - center)`, in double precision.
///
/// With `y = x` and no center these are the moments of batch normalisation; with `x = d_output` and `y` its input
/// the two sums of its gradient.
pub fn add_moments(isa: Isa, x: &[f32], y: &[f32], center: &[f32], sums: &mut [f64], products: &mut [f64]) {
    let channels = sums.len();
    assert!(x.len() == y.len() && products.len() == channels && center.len() == channels);
    let run = || {
        for (block, lanes) in channel_blocks(channels) {
            let (mut sum, mut product) = ([0.0f64; LANES], [0.0f64; LANES]);
            let mut middle = [0.0f32; LANES];
            middle[..lanes].copy_from_slice(&center[block..block + lanes]);
            for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact(channels)) {
                if lanes == LANES {
                    let x: &[f32; LANES] = x[block..].first_chunk().expect("a whole block");
                    let y: &[f32; LANES] = y[block..].first_chunk().expect("a whole block");
                    for lane in 0..LANES {
                        sum[lane] += f64::from(x[lane]);
                        product[lane] += f64::from(x[lane]) * f64::from(y[lane] - middle[lane]);
                    }
                } else {
                    for lane in 0..lanes {
                        sum[lane] += f64::from(x[block + lane]);
                        product[lane] +=
                            f64::from(x[block + lane]) * f64::from(y[block + lane] - middle[lane]);
                    }
                }
            }
            for lane in 0..lanes {
                sums[block + lane] += sum[lane];
                products[block + lane] += product[lane];
            }
        }
    };
    dispatch(isa, Loop(run));
}

/// `output = (input - center) * scale + shift`, each by channel.
pub fn normalize(isa: Isa, input: &[f32], center: &[f32], scale: &[f32], shift: &[f32], output: &mut [f32]) {
    let channels = center.len();
    assert!(input.len() == output.len() && scale.len() == channels && shift.len() == channels);
    let run = || {
        for (x, y) in input.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
            for channel in 0..channels {
                y[channel] = (x[channel] - center[channel]) * scale[channel] + shift[channel];
            }
        }
    };
    dispatch(isa, Loop(run));
}

/// `d = scale * (d - mean - (input - center) * slope)`, each by channel: the gradient of batch normalisation.
#[allow(clippy::too_many_arguments)]
pub fn normalize_backward(
    isa: Isa,
    input: &[f32],
    center: &[f32],
    scale: &[f32],
    mean: &[f32],
    slope: &[f32],
    d_output: &[f32],
    d_input: &mut [f32],
) {
    let channels = center.len();
    assert!(input.len() == d_input.len() && d_output.len() == d_input.len());
    assert!(scale.len() == channels && mean.len() == channels && slope.len() == channels);
    let run = || {
        let pixels = input.chunks_exact(channels).zip(d_output.chunks_exact(channels));
        for ((x, dy), dx) in pixels.zip(d_input.chunks_exact_mut(channels)) {
            for channel in 0..channels {
                let centered = x[channel] - center[channel];
                dx[channel] = scale[channel] * (dy[channel] - mean[channel] - centered * slope[channel]);
            }
        }
    };
    dispatch(isa, Loop(run));
}

/// `(first channel, number of channels)` of each block of at most [`LANES`].
pub(crate) fn channel_blocks(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..channels).step_by(LANES).map(move |first| (first, LANES.min(channels - first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relu_keeps_nan_and_stops_gradients_at_zero() {
        for isa in Isa::available() {
            let mut x = [-1.0, 0.0, 2.0, f32::NAN];
            relu(isa, &mut x);
            assert_eq!(x[..3], [0.0, 0.0, 2.0]);
            assert!(x[3].is_nan());
            let mut d = [5.0; 4];
            relu_backward(isa, &x, &mut d);
            assert_eq!(d, [0.0, 0.0, 5.0, 5.0]);
        }
    }

    #[test]
    fn sigmoid_and_softmax_bear_large_inputs() {
        let mut x = [-1e4, -1.0, 0.0, 1.0, 1e4];
        sigmoid(&mut x);
        assert_eq!([x[0], x[2], x[4]], [0.0, 0.5, 1.0]);
        assert!((x[1] + x[3] - 1.0).abs() < 1e-7);
        let mut x = [1e4, 1e4, -1e4, 0.0, 0.0, 0.0];
        softmax(&mut x, 3);
        assert_eq!(x[..3], [0.5, 0.5, 0.0]);
        assert!(x[3..].iter().all(|value| (value - 1.0 / 3.0).abs() < 1e-7));
    }

    /// 19 channels: one whole block and a remainder.
    #[test]
    fn channel_loops_reach_every_lane() {
        let channels = 19;
        let x: Vec<f32> = (0..channels * 5).map(|i| (i * 37 % 101) as f32 - 50.0).collect();
        let center: Vec<f32> = (0..channels).map(|c| c as f32 * 0.5).collect();
        for isa in Isa::available() {
            let (mut sums, mut products) = (vec![1.0; channels], vec![2.0; channels]);
            add_moments(isa, &x, &x, &center, &mut sums, &mut products);
            let mut single = vec![1.0; 3 * 8];
            add_channel_sums(isa, &x, channels, 7, 8, &mut single);
            for c in 0..channels {
                let column: Vec<f64> = x.iter().skip(c).step_by(channels).map(|&v| f64::from(v)).collect();
                assert_eq!(sums[c], 1.0 + column.iter().sum::<f64>());
                let product: f64 = column.iter().map(|v| v * (v - c as f64 * 0.5)).sum();
                assert_eq!(products[c], 2.0 + product);
                assert_eq!(f64::from(single[c / 7 * 8 + c % 7]), sums[c]);
            }
        }
    }
}
