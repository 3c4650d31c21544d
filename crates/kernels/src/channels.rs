//! Loops over individual channels: sums, moments, scale and shift.
//!
//! Slices are channels-last: value `i` belongs to channel `i % channels`.

use crate::elementwise::Loop;
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::{Epilogue, Isa};

/// Adds to `sums` each channel's sum over all pixels of `x`, computed in double precision. The sum of channel `c` is at
/// `c / group * group_stride + c % group`.
pub fn add_channel_sums(
    isa: Isa,
    x: &[f32],
    channels: usize,
    group: usize,
    group_stride: usize,
    sums: &mut [f32],
) {
    dispatch(isa, ChannelSums { x, channels, group, group_stride, sums });
}

struct ChannelSums<'a> {
    x: &'a [f32],
    channels: usize,
    group: usize,
    group_stride: usize,
    sums: &'a mut [f32],
}

impl Kernel for ChannelSums<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let channels = self.channels;
        let mut first = 0;
        while channels - first >= 4 * LANES {
            self.blocks::<S, 4>(simd, first, LANES);
            first += 4 * LANES;
        }
        while first < channels {
            self.blocks::<S, 1>(simd, first, LANES.min(channels - first));
            first += LANES;
        }
    }
}

impl ChannelSums<'_> {
    /// `B` blocks of channels at once, the last of `lanes`.
    #[inline(always)]
    fn blocks<S: Simd, const B: usize>(&mut self, simd: S, first: usize, lanes: usize) {
        let width = (B - 1) * LANES + lanes;
        let mut totals = [simd.zero_wide(); B];
        for pixel in self.x.chunks_exact(self.channels) {
            let values = &pixel[first..first + width];
            for (block, total) in totals.iter_mut().enumerate() {
                let lanes = if block + 1 < B { LANES } else { lanes };
                // SAFETY: the slice has as many values as the blocks have lanes.
                let values = unsafe { simd.load_lanes(values.as_ptr().add(block * LANES), lanes) };
                *total = simd.add_wide(*total, simd.widen(values));
            }
        }
        let totals = totals.into_iter().flat_map(|total| simd.wide_lanes(total));
        for (channel, total) in (first..first + width).zip(totals) {
            self.sums[channel / self.group * self.group_stride + channel % self.group] += total as f32;
        }
    }
}

/// Adds to `sums` each channel's sum of `x`, and to `products` its sum of `x * (y - center)`, in double precision.
///
/// With `y = x` and no center these are the moments of batch normalisation; with `x = d_output` and `y` its input, the
/// two sums of its gradient.
pub fn add_moments(isa: Isa, x: &[f32], y: &[f32], center: &[f32], sums: &mut [f64], products: &mut [f64]) {
    let channels = sums.len();
    assert!(x.len() == y.len() && products.len() == channels && center.len() == channels);
    dispatch(isa, AddMoments { x, y, center, sums, products });
}

struct AddMoments<'a> {
    x: &'a [f32],
    y: &'a [f32],
    center: &'a [f32],
    sums: &'a mut [f64],
    products: &'a mut [f64],
}

impl Kernel for AddMoments<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.center.len();
        let patch = patch_len(channels);
        for (x, y) in self.x.chunks(patch).zip(self.y.chunks(patch)) {
            for (block, lanes) in channel_blocks(channels) {
                let (mut sum, mut product) = (simd.zero_wide(), simd.zero_wide());
                // SAFETY: each slice has as many values as there are lanes.
                unsafe {
                    let center = simd.load_lanes(self.center[block..block + lanes].as_ptr(), lanes);
                    for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact(channels)) {
                        let x = simd.widen(simd.load_lanes(x[block..block + lanes].as_ptr(), lanes));
                        let y = simd.load_lanes(y[block..block + lanes].as_ptr(), lanes);
                        sum = simd.add_wide(sum, x);
                        product = simd.fma_wide(x, simd.widen(simd.sub(y, center)), product);
                    }
                }
                let (sum, product) = (simd.wide_lanes(sum), simd.wide_lanes(product));
                for lane in 0..lanes {
                    self.sums[block + lane] += sum[lane];
                    self.products[block + lane] += product[lane];
                }
            }
        }
    }
}

/// What [`normalize`] does to each channel.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// Subtracted first.
    pub center: &'a [f32],
    /// Then multiplied by.
    pub scale: &'a [f32],
    /// Added last.
    pub shift: &'a [f32],
}

/// `output = epilogue((input - center) * scale + shift)`, per channel.
pub fn normalize(isa: Isa, input: &[f32], affine: Affine<'_>, epilogue: Epilogue, output: &mut [f32]) {
    let channels = affine.center.len();
    assert!(input.len() == output.len() && affine.scale.len() == channels && affine.shift.len() == channels);
    dispatch(isa, Normalize { input, affine, epilogue, output });
}

struct Normalize<'a> {
    input: &'a [f32],
    affine: Affine<'a>,
    epilogue: Epilogue,
    output: &'a mut [f32],
}

impl Kernel for Normalize<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.affine.center.len();
        let patch = patch_len(channels);
        for (input, output) in self.input.chunks(patch).zip(self.output.chunks_mut(patch)) {
            for (block, lanes) in channel_blocks(channels) {
                let part = block..block + lanes;
                // SAFETY: each slice has as many values as there are lanes.
                unsafe {
                    let [center, scale, shift] = [self.affine.center, self.affine.scale, self.affine.shift]
                        .map(|numbers| simd.load_lanes(numbers[part.clone()].as_ptr(), lanes));
                    for (x, y) in input.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
                        let x = simd.load_lanes(x[part.clone()].as_ptr(), lanes);
                        let value = simd.fma(simd.sub(x, center), scale, shift);
                        let value = self.epilogue.apply(simd, value);
                        simd.store_lanes(y[part.clone()].as_mut_ptr(), value, lanes);
                    }
                }
            }
        }
    }
}

/// `output = input * factors`, per channel; `input` has whole pixels, all of which meet the same factors.
pub fn scale_channels(isa: Isa, input: &[f32], factors: &[f32], output: &mut [f32]) {
    assert_eq!(input.len(), output.len());
    let channels = factors.len();
    let run = || {
        for (x, y) in input.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
            y.iter_mut().zip(x.iter().zip(factors)).for_each(|(y, (x, factor))| *y = x * factor);
        }
    };
    dispatch(isa, Loop(run));
}

/// Writes to `sums` each channel's sum of `x * y` over all pixels, taken in double precision.
pub fn channel_products(isa: Isa, x: &[f32], y: &[f32], sums: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    dispatch(isa, ChannelProducts { x, y, sums });
}

struct ChannelProducts<'a> {
    x: &'a [f32],
    y: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for ChannelProducts<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.sums.len();
        for (block, lanes) in channel_blocks(channels) {
            let mut total = simd.zero_wide();
            for (x, y) in self.x.chunks_exact(channels).zip(self.y.chunks_exact(channels)) {
                // SAFETY: each slice has as many values as there are lanes.
                let [x, y] = [x, y].map(|values| unsafe {
                    simd.widen(simd.load_lanes(values[block..block + lanes].as_ptr(), lanes))
                });
                total = simd.fma_wide(x, y, total);
            }
            for (sum, total) in self.sums[block..block + lanes].iter_mut().zip(simd.wide_lanes(total)) {
                *sum = total as f32;
            }
        }
    }
}

/// The per-channel numbers of [`normalize_backward`].
#[derive(Clone, Copy, Debug)]
pub struct Centered<'a> {
    /// The input's center.
    pub center: &'a [f32],
    /// The scale of the forward direction.
    pub scale: &'a [f32],
    /// Mean of the output's gradient.
    pub mean: &'a [f32],
    /// Increase of the output's gradient per unit of input.
    pub slope: &'a [f32],
}

/// `d_input = scale * (d_output - mean - (input - center) * slope)`, per channel: the gradient of batch
/// normalisation.
pub fn normalize_backward(isa: Isa, input: &[f32], by: Centered<'_>, d_output: &[f32], d_input: &mut [f32]) {
    let channels = by.center.len();
    assert!(input.len() == d_input.len() && d_output.len() == d_input.len());
    assert!(by.scale.len() == channels && by.mean.len() == channels && by.slope.len() == channels);
    dispatch(isa, NormalizeBackward { input, by, d_output, d_input });
}

struct NormalizeBackward<'a> {
    input: &'a [f32],
    by: Centered<'a>,
    d_output: &'a [f32],
    d_input: &'a mut [f32],
}

impl Kernel for NormalizeBackward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.by.center.len();
        let patch = patch_len(channels);
        let patches = self.input.chunks(patch).zip(self.d_output.chunks(patch));
        for ((input, d_output), d_input) in patches.zip(self.d_input.chunks_mut(patch)) {
            for (block, lanes) in channel_blocks(channels) {
                let part = block..block + lanes;
                let pixels = input.chunks_exact(channels).zip(d_output.chunks_exact(channels));
                // SAFETY: each slice has as many values as there are lanes.
                unsafe {
                    let [center, scale, mean, slope] =
                        [self.by.center, self.by.scale, self.by.mean, self.by.slope]
                            .map(|numbers| simd.load_lanes(numbers[part.clone()].as_ptr(), lanes));
                    for ((x, dy), dx) in pixels.zip(d_input.chunks_exact_mut(channels)) {
                        let x = simd.load_lanes(x[part.clone()].as_ptr(), lanes);
                        let dy = simd.load_lanes(dy[part.clone()].as_ptr(), lanes);
                        let linear = simd.mul(simd.sub(x, center), slope);
                        let value = simd.mul(scale, simd.sub(simd.sub(dy, mean), linear));
                        simd.store_lanes(dx[part.clone()].as_mut_ptr(), value, lanes);
                    }
                }
            }
        }
    }
}

/// Values of adjacent pixels that are gone through block by block, so that memory is read nearly in its order and the
/// numbers of a block serve many pixels.
pub(crate) fn patch_len(channels: usize) -> usize {
    const VALUES: usize = 4096;
    const LEAST_PIXELS: usize = 12;
    (VALUES / channels).max(LEAST_PIXELS) * channels
}

/// `(first channel, number of channels)` of each block of at most [`LANES`].
pub(crate) fn channel_blocks(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..channels).step_by(LANES).map(move |first| (first, LANES.min(channels - first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole blocks and a remainder, and four blocks at once.
    #[test]
    fn channel_loops_reach_every_lane() {
        [19, 64 + 16 + 5].into_iter().for_each(check_channels);
    }

    fn check_channels(channels: usize) {
        let x: Vec<f32> = (0..channels * 5).map(|i| (i * 37 % 101) as f32 - 50.0).collect();
        let center: Vec<f32> = (0..channels).map(|c| c as f32 * 0.5).collect();
        for isa in Isa::available() {
            let (mut sums, mut products) = (vec![1.0; channels], vec![2.0; channels]);
            add_moments(isa, &x, &x, &center, &mut sums, &mut products);
            let mut single = vec![1.0; channels.div_ceil(7) * 8];
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
