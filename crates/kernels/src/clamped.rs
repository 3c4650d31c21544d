//! Batch normalisation with limits on its values, `min(max(low, x), high)`, in one pass over memory.
//!
//! Slices are channels-last: value `i` belongs to channel `i % channels`. The results are those of the normalisation and
//! of the limits one after the other.

use crate::channels::{Affine, Centered, channel_blocks, normalize, patch_len};
use crate::simd::{Kernel, Simd, dispatch};
use crate::{Epilogue, Isa};

/// A normalisation of each channel whose results stay within limits:
/// `min(max(low, (input - center) * scale + shift), high)`.
#[derive(Clone, Copy, Debug)]
pub struct Clamped<'a> {
    /// The normalisation.
    pub affine: Affine<'a>,
    /// The smallest result.
    pub low: f32,
    /// The largest result.
    pub high: f32,
}

impl Clamped<'_> {
    /// `output = min(max(low, (input - center) * scale + shift), high)`.
    pub fn forward(self, isa: Isa, input: &[f32], output: &mut [f32]) {
        normalize(isa, input, self.affine, Epilogue::Clamp { low: self.low, high: self.high }, output);
    }

    /// Adds to `sums` each channel's sum of `d`, and to `products` its sum of `d * (input - center)`, in double precision,
    /// where `d` is `d_output` between the limits and 0 elsewhere.
    pub fn add_moments(
        self,
        isa: Isa,
        input: &[f32],
        d_output: &[f32],
        sums: &mut [f64],
        products: &mut [f64],
    ) {
        self.check(&[input.len(), d_output.len()]);
        assert!(sums.len() == self.affine.center.len() && products.len() == sums.len());
        dispatch(isa, Moments { clamped: self, input, d_output, sums, products });
    }

    /// `d_input = scale * (d - mean - (input - center) * slope)`, with `d` as in [`add_moments`](Self::add_moments). The
    /// center and the scale are those of the normalisation.
    pub fn backward(self, isa: Isa, input: &[f32], by: Centered<'_>, d_output: &[f32], d_input: &mut [f32]) {
        self.check(&[input.len(), d_output.len(), d_input.len()]);
        assert!(by.mean.len() == self.affine.center.len() && by.slope.len() == by.mean.len());
        dispatch(isa, Backward { clamped: self, input, by, d_output, d_input });
    }

    fn check(&self, lens: &[usize]) {
        let Affine { center, scale, shift } = self.affine;
        assert!(lens.iter().all(|&len| len == lens[0]) && lens[0].is_multiple_of(center.len()));
        assert!(scale.len() == center.len() && shift.len() == center.len());
    }
}

struct Moments<'a> {
    clamped: Clamped<'a>,
    input: &'a [f32],
    d_output: &'a [f32],
    sums: &'a mut [f64],
    products: &'a mut [f64],
}

impl Kernel for Moments<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.clamped.affine.center.len();
        let patch = patch_len(channels);
        for (input, d_output) in self.input.chunks(patch).zip(self.d_output.chunks(patch)) {
            for (first, lanes) in channel_blocks(channels) {
                let part = first..first + lanes;
                let block = Block::new(simd, self.clamped, first, lanes);
                let (mut sum, mut product) = (simd.zero_wide(), simd.zero_wide());
                for (x, dy) in input.chunks_exact(channels).zip(d_output.chunks_exact(channels)) {
                    // SAFETY: each slice has as many values as there are lanes.
                    let [x, dy] = [&x[part.clone()], &dy[part.clone()]]
                        .map(|values| unsafe { simd.load_lanes(values.as_ptr(), lanes) });
                    let (centered, d) = block.gradient(simd, x, dy);
                    let d = simd.widen(d);
                    sum = simd.add_wide(sum, d);
                    product = simd.fma_wide(d, simd.widen(centered), product);
                }
                let (sum, product) = (simd.wide_lanes(sum), simd.wide_lanes(product));
                for lane in 0..lanes {
                    self.sums[first + lane] += sum[lane];
                    self.products[first + lane] += product[lane];
                }
            }
        }
    }
}

struct Backward<'a> {
    clamped: Clamped<'a>,
    input: &'a [f32],
    by: Centered<'a>,
    d_output: &'a [f32],
    d_input: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.clamped.affine.center.len();
        let patch = patch_len(channels);
        let patches = self.input.chunks(patch).zip(self.d_output.chunks(patch));
        for ((input, d_output), d_input) in patches.zip(self.d_input.chunks_mut(patch)) {
            for (first, lanes) in channel_blocks(channels) {
                let part = first..first + lanes;
                let block = Block::new(simd, self.clamped, first, lanes);
                let pixels = input.chunks_exact(channels).zip(d_output.chunks_exact(channels));
                // SAFETY: each slice has as many values as there are lanes.
                unsafe {
                    let [mean, slope] = [self.by.mean, self.by.slope]
                        .map(|numbers| simd.load_lanes(numbers[part.clone()].as_ptr(), lanes));
                    for ((x, dy), dx) in pixels.zip(d_input.chunks_exact_mut(channels)) {
                        let [x, dy] = [&x[part.clone()], &dy[part.clone()]]
                            .map(|values| simd.load_lanes(values.as_ptr(), lanes));
                        let (centered, d) = block.gradient(simd, x, dy);
                        let linear = simd.mul(centered, slope);
                        let value = simd.mul(block.scale, simd.sub(simd.sub(d, mean), linear));
                        simd.store_lanes(dx[part.clone()].as_mut_ptr(), value, lanes);
                    }
                }
            }
        }
    }
}

/// The numbers of a block of channels.
#[derive(Clone, Copy)]
struct Block<V> {
    center: V,
    scale: V,
    shift: V,
    low: V,
    high: V,
}

impl<V: Copy> Block<V> {
    #[inline(always)]
    fn new<S: Simd<V = V>>(simd: S, clamped: Clamped<'_>, first: usize, lanes: usize) -> Block<V> {
        let Clamped { affine, low, high } = clamped;
        let [center, scale, shift] = [affine.center, affine.scale, affine.shift].map(|numbers| {
            // SAFETY: the slice has as many values as there are lanes.
            unsafe { simd.load_lanes(numbers[first..first + lanes].as_ptr(), lanes) }
        });
        Block { center, scale, shift, low: simd.splat(low), high: simd.splat(high) }
    }

    /// The centered input, and the gradient with respect to the normalised value: that of the output between the limits,
    /// and where the value is NaN.
    #[inline(always)]
    fn gradient<S: Simd<V = V>>(&self, simd: S, x: V, d_output: V) -> (V, V) {
        let centered = simd.sub(x, self.center);
        let value = simd.fma(centered, self.scale, self.shift);
        let zero = simd.splat(0.0);
        let above_low = simd.select(simd.exceeds(value, self.low), d_output, zero);
        let is_capped = simd.equals(simd.min(self.high, value), self.high);
        (centered, simd.select(is_capped, zero, above_low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::{add_moments, normalize_backward};
    use crate::pointwise::Function;

    /// One block of channels, and several with a remainder.
    #[test]
    fn bits_are_those_of_one_after_the_other() {
        for isa in Isa::available() {
            for limits in [[0.0, f32::INFINITY], [0.0, 6.0], [-0.5, 1.5]] {
                [(5, 37), (16 * 21 + 3, 29)].into_iter().for_each(|(channels, pixels)| {
                    check(isa, limits, channels, pixels);
                });
            }
        }
    }

    fn check(isa: Isa, [low, high]: [f32; 2], channels: usize, pixels: usize) {
        let wave = |len: usize, step: f32, size: f32| -> Vec<f32> {
            (0..len).map(|i| (i as f32 * step).sin() * size).collect()
        };
        let len = channels * pixels;
        let (mut input, d_output) = (wave(len, 0.71, 4.0), wave(len, 1.37, 2.0));
        let [center, mut scale, shift] =
            [(0.3, 1.0), (0.9, 2.5), (1.7, 1.5)].map(|(step, size)| wave(channels, step, size));
        let [mean, slope] = [(0.5, 0.1), (1.1, 0.2)].map(|(step, size)| wave(channels, step, size));
        // The lower limit exactly, which has no gradient, and NaN, which has.
        (input[1], scale[1]) = (center[1], 1.0);
        input[channels + 2] = f32::NAN;
        let mut shift = shift;
        shift[1] = low;
        let affine = Affine { center: &center, scale: &scale, shift: &shift };
        let by = Centered { center: &center, scale: &scale, mean: &mean, slope: &slope };
        let (both, function) = (Clamped { affine, low, high }, Function::Clamp { low, high });
        let same = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan());

        let mut between = vec![0.0; len];
        normalize(isa, &input, affine, Epilogue::Linear, &mut between);
        let (mut expected, mut output) = (vec![0.0; len], vec![0.0; len]);
        function.apply(isa, &between, &mut expected);
        both.forward(isa, &input, &mut output);
        assert!(same(&output, &expected), "{low}, {high}, {channels} channels, {isa}");

        let mut d_between = vec![0.0; len];
        function.backward(isa, &between, &d_output, &mut d_between);
        let moments = || (vec![0.5; channels], vec![1.5; channels]);
        let (mut expected, mut found) = (moments(), moments());
        add_moments(isa, &d_between, &input, &center, &mut expected.0, &mut expected.1);
        both.add_moments(isa, &input, &d_output, &mut found.0, &mut found.1);
        // NaN is never equal.
        assert!(found.1[2].is_nan() && expected.1[2].is_nan());
        (found.1[2], expected.1[2]) = (0.0, 0.0);
        assert_eq!(found, expected, "{low}, {high}, {channels} channels, {isa}");

        let (mut expected, mut d_input) = (vec![0.0; len], vec![0.0; len]);
        normalize_backward(isa, &input, by, &d_between, &mut expected);
        both.backward(isa, &input, by, &d_output, &mut d_input);
        assert!(same(&d_input, &expected), "{low}, {high}, {channels} channels, {isa}");
    }
}
