//! Counts and sums over values, channel by channel, that describe the values in a network.
//!
//! Slices are channels-last: value `i` belongs to channel `i % channels`.

use crate::Isa;
use crate::channels::channel_blocks;
use crate::elementwise::Loop;
use crate::simd::{LANES, dispatch};

/// Statistics of the finite values of each channel; sums are in double precision.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelStatistics {
    /// Sum of the values.
    pub sums: Vec<f64>,
    /// Sum of |value|.
    pub sums_abs: Vec<f64>,
    /// Sum of value^2.
    pub sums_squares: Vec<f64>,
    /// Number of zeros.
    pub zeros: Vec<u64>,
    /// Smallest value; infinity before the first.
    pub min: Vec<f32>,
    /// Largest value; minus infinity before the first.
    pub max: Vec<f32>,
    /// Number of finite values.
    pub counts: Vec<u64>,
}

/// One block of channels during a pass.
struct Block {
    sums: [f64; LANES],
    sums_abs: [f64; LANES],
    sums_squares: [f64; LANES],
    zeros: [u32; LANES],
    min: [f32; LANES],
    max: [f32; LANES],
}

impl ChannelStatistics {
    /// Empty statistics.
    pub fn new(channels: usize) -> ChannelStatistics {
        ChannelStatistics {
            sums: vec![0.0; channels],
            sums_abs: vec![0.0; channels],
            sums_squares: vec![0.0; channels],
            zeros: vec![0; channels],
            min: vec![f32::INFINITY; channels],
            max: vec![f32::NEG_INFINITY; channels],
            counts: vec![0; channels],
        }
    }

    /// Adds the pixels of `x`, fewer than 2^32 of them.
    pub fn add(&mut self, isa: Isa, x: &[f32]) {
        let channels = self.sums.len();
        assert!(channels > 0 && x.len().is_multiple_of(channels), "whole pixels");
        dispatch(
            isa,
            Loop(|| {
                for (first, lanes) in channel_blocks(channels) {
                    let block = if lanes == LANES {
                        Block::whole(x, channels, first)
                    } else {
                        Block::part(x, channels, first, lanes)
                    };
                    self.take(&block, first, lanes, x);
                }
            }),
        );
    }

    /// Adds the results of another pass.
    pub fn merge(&mut self, other: &ChannelStatistics) {
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut self.sums, &other.sums);
        add(&mut self.sums_abs, &other.sums_abs);
        add(&mut self.sums_squares, &other.sums_squares);
        let count = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        count(&mut self.zeros, &other.zeros);
        count(&mut self.counts, &other.counts);
        self.min.iter_mut().zip(&other.min).for_each(|(to, &from)| *to = to.min(from));
        self.max.iter_mut().zip(&other.max).for_each(|(to, &from)| *to = to.max(from));
    }

    #[inline(always)]
    fn take(&mut self, block: &Block, first: usize, lanes: usize, x: &[f32]) {
        let channels = self.sums.len();
        for (lane, channel) in (first..first + lanes).enumerate() {
            // If the sum of magnitudes is finite, so is every value.
            if block.sums_abs[lane].is_finite() {
                self.sums[channel] += block.sums[lane];
                self.sums_abs[channel] += block.sums_abs[lane];
                self.sums_squares[channel] += block.sums_squares[lane];
                self.zeros[channel] += u64::from(block.zeros[lane]);
                self.min[channel] = self.min[channel].min(block.min[lane]);
                self.max[channel] = self.max[channel].max(block.max[lane]);
                self.counts[channel] += (x.len() / channels) as u64;
            } else {
                let finite = x.iter().skip(channel).step_by(channels).filter(|value| value.is_finite());
                finite.for_each(|&value| self.add_one(channel, value));
            }
        }
    }

    fn add_one(&mut self, channel: usize, value: f32) {
        self.sums[channel] += f64::from(value);
        self.sums_abs[channel] += f64::from(value.abs());
        self.sums_squares[channel] += f64::from(value) * f64::from(value);
        self.zeros[channel] += u64::from(value == 0.0);
        self.min[channel] = self.min[channel].min(value);
        self.max[channel] = self.max[channel].max(value);
        self.counts[channel] += 1;
    }
}

impl Block {
    #[inline(always)]
    fn new() -> Block {
        Block {
            sums: [0.0; LANES],
            sums_abs: [0.0; LANES],
            sums_squares: [0.0; LANES],
            zeros: [0; LANES],
            min: [f32::INFINITY; LANES],
            max: [f32::NEG_INFINITY; LANES],
        }
    }

    #[inline(always)]
    fn whole(x: &[f32], channels: usize, first: usize) -> Block {
        let mut block = Block::new();
        for pixel in x.chunks_exact(channels) {
            let values: &[f32; LANES] = pixel[first..].first_chunk().expect("a whole block");
            (0..LANES).for_each(|lane| block.add(lane, values[lane]));
        }
        block
    }

    #[inline(always)]
    fn part(x: &[f32], channels: usize, first: usize, lanes: usize) -> Block {
        let mut block = Block::new();
        for pixel in x.chunks_exact(channels) {
            (0..lanes).for_each(|lane| block.add(lane, pixel[first + lane]));
        }
        block
    }

    #[inline(always)]
    fn add(&mut self, lane: usize, value: f32) {
        let wide = f64::from(value);
        self.sums[lane] += wide;
        self.sums_abs[lane] += wide.abs();
        self.sums_squares[lane] += wide * wide;
        self.zeros[lane] += u32::from(value == 0.0);
        self.min[lane] = if value < self.min[lane] { value } else { self.min[lane] };
        self.max[lane] = if value > self.max[lane] { value } else { self.max[lane] };
    }
}

/// `(sum of (x - y)^2, sum of y^2)`, in double precision.
pub fn squared_distance(isa: Isa, x: &[f32], y: &[f32]) -> (f64, f64) {
    assert_eq!(x.len(), y.len());
    let (mut distance, mut size) = ([0.0f64; LANES], [0.0f64; LANES]);
    let run = || {
        let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
        for (x, y) in x.iter().zip(y) {
            for lane in 0..LANES {
                let difference = f64::from(x[lane]) - f64::from(y[lane]);
                distance[lane] += difference * difference;
                size[lane] += f64::from(y[lane]) * f64::from(y[lane]);
            }
        }
        for (&x, &y) in x_rest.iter().zip(y_rest) {
            distance[0] += (f64::from(x) - f64::from(y)).powi(2);
            size[0] += f64::from(y).powi(2);
        }
    };
    dispatch(isa, Loop(run));
    (distance.iter().sum(), size.iter().sum())
}

/// Size classes of [`count_sizes`]: a sign, eight bits of exponent and two of mantissa.
pub const SIZES: usize = 1 << 11;

/// How often each size occurred: the sum of both rows, which alternate so that consecutive equal values do not wait for
/// each other.
pub type SizeCounts = [[u32; SIZES]; 2];

/// Counts the values of `x` by their first eleven bits: entry `i` counts those from `f32::from_bits(i << 21)` to the
/// next, in magnitude; normal numbers in an entry differ by at most a quarter. Entries from 1020 and from 2044 on count
/// values that are not finite.
pub fn count_sizes(x: &[f32], counts: &mut SizeCounts) {
    let [even, odd] = counts;
    let (pairs, rest) = x.as_chunks::<2>();
    for &[first, second] in pairs {
        even[(first.to_bits() >> 21) as usize] += 1;
        odd[(second.to_bits() >> 21) as usize] += 1;
    }
    rest.iter().for_each(|value| even[(value.to_bits() >> 21) as usize] += 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 19 channels: one whole block and a remainder.
    #[test]
    fn statistics_of_each_channel_are_those_of_its_column() {
        let channels = 19;
        let value = |i: usize| if i.is_multiple_of(5) { 0.0 } else { (i * 37 % 101) as f32 - 50.0 };
        let x: Vec<f32> = (0..channels * 7).map(value).collect();
        for isa in Isa::available() {
            let mut whole = ChannelStatistics::new(channels);
            let mut second = ChannelStatistics::new(channels);
            whole.add(isa, &x[..channels * 3]);
            second.add(isa, &x[channels * 3..]);
            whole.merge(&second);
            for channel in 0..channels {
                let column: Vec<f64> =
                    x.iter().skip(channel).step_by(channels).map(|&v| f64::from(v)).collect();
                assert_eq!(whole.sums[channel], column.iter().sum::<f64>());
                assert_eq!(whole.sums_abs[channel], column.iter().map(|v| v.abs()).sum::<f64>());
                assert_eq!(whole.sums_squares[channel], column.iter().map(|v| v * v).sum::<f64>());
                assert_eq!(whole.zeros[channel] as usize, column.iter().filter(|&&v| v == 0.0).count());
                assert_eq!(
                    f64::from(whole.min[channel]),
                    column.iter().copied().fold(f64::INFINITY, f64::min)
                );
                assert_eq!(
                    f64::from(whole.max[channel]),
                    column.iter().copied().fold(-f64::INFINITY, f64::max)
                );
                assert_eq!(whole.counts[channel], 7);
            }
        }
    }

    #[test]
    fn values_that_are_not_finite_are_left_out_of_their_channel_alone() {
        let mut x = vec![2.0; 17 * 4];
        (x[17], x[17 + 16], x[0]) = (f32::NAN, f32::NEG_INFINITY, -6.0);
        let mut found = ChannelStatistics::new(17);
        found.add(Isa::best(), &x);
        assert_eq!((found.sums[0], found.sums_abs[0], found.counts[0]), (-2.0, 10.0, 3));
        assert_eq!((found.min[0], found.max[0]), (-6.0, 2.0));
        assert_eq!((found.sums[16], found.counts[16]), (6.0, 3));
        assert_eq!((found.sums[1], found.counts[1]), (8.0, 4));
    }

    #[test]
    fn distances_count_every_value() {
        let (x, y): (Vec<f32>, Vec<f32>) = (0..37).map(|i| (i as f32, 2.0 * i as f32 - 1.0)).unzip();
        let expected = |of: &dyn Fn(f64) -> f64| (0..37).map(|i| of(f64::from(i)).powi(2)).sum::<f64>();
        let found = squared_distance(Isa::best(), &x, &y);
        assert_eq!(found, (expected(&|i| i - 1.0), expected(&|i| 2.0 * i - 1.0)));
    }

    #[test]
    fn sizes_have_borders_a_quarter_apart() {
        let mut counts = [[0; SIZES]; 2];
        count_sizes(&[1.0, 1.2, 1.25, -1.0, 0.0, f32::NAN, f32::INFINITY], &mut counts);
        let at = |index: usize| counts[0][index] + counts[1][index];
        let one = (1.0f32.to_bits() >> 21) as usize;
        assert_eq!((at(one), at(one + 1), at(one + SIZES / 2), at(0)), (2, 1, 1, 1));
        assert_eq!((1020..1024).map(at).sum::<u32>(), 2);
        assert_eq!(f32::from_bits((one as u32 + 1) << 21), 1.25);
    }
}
