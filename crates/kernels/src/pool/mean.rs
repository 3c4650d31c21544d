//! The mean over windows.

use super::{Span, Windows};
use crate::Isa;
use crate::simd::{Kernel, LANES, Simd, dispatch};

/// The sum of each window times `factors[output pixel]`.
pub fn mean(isa: Isa, windows: &Windows, factors: &[f32], input: &[f32], output: &mut [f32]) {
    dispatch(isa, Mean { windows, factors, from: input, into: output, direction: Direction::Forward });
}

/// `d_input` of [`mean`].
pub fn mean_backward(isa: Isa, windows: &Windows, factors: &[f32], d_output: &[f32], d_input: &mut [f32]) {
    d_input.fill(0.0);
    dispatch(isa, Mean { windows, factors, from: d_output, into: d_input, direction: Direction::Backward });
}

enum Direction {
    Forward,
    Backward,
}

struct Mean<'a> {
    windows: &'a Windows,
    factors: &'a [f32],
    from: &'a [f32],
    into: &'a mut [f32],
    direction: Direction,
}

impl Kernel for Mean<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (windows, channels) = (self.windows, self.windows.channels);
        let (input_len, output_len) = (windows.input_len(), windows.output_len());
        let (from_len, into_len) = match self.direction {
            Direction::Forward => (input_len, output_len),
            Direction::Backward => (output_len, input_len),
        };
        assert_eq!(self.factors.len() * channels, output_len);
        for (from, into) in self.from.chunks_exact(from_len).zip(self.into.chunks_exact_mut(into_len)) {
            for (i, &row) in windows.rows.iter().enumerate() {
                for (j, &column) in windows.columns.iter().enumerate() {
                    let at = i * windows.columns.len() + j;
                    let window = Window { windows, row, column, at, factor: self.factors[at] };
                    let mut channel = 0;
                    while channels - channel >= LANES {
                        window.run::<LANES>(&self.direction, from, into, channel);
                        channel += LANES;
                    }
                    while channel < channels {
                        window.run::<1>(&self.direction, from, into, channel);
                        channel += 1;
                    }
                }
            }
        }
    }
}

struct Window<'a> {
    windows: &'a Windows,
    row: Span,
    column: Span,
    /// Index of the output pixel.
    at: usize,
    factor: f32,
}

impl Window<'_> {
    /// The mean of `N` channels, or its gradient.
    #[inline(always)]
    fn run<const N: usize>(&self, direction: &Direction, from: &[f32], into: &mut [f32], channel: usize) {
        let (channels, width) = (self.windows.channels, self.windows.input[1]);
        match direction {
            Direction::Forward => {
                let mut total = [0.0; N];
                for row in self.row.positions() {
                    // Each row is summed separately, to limit the rounding errors of large windows.
                    let mut sum = [0.0; N];
                    for column in self.column.positions() {
                        let values = &from[(row * width + column) * channels + channel..];
                        let values: &[f32; N] = values.first_chunk().expect("inside the image");
                        for lane in 0..N {
                            sum[lane] += values[lane];
                        }
                    }
                    for lane in 0..N {
                        total[lane] += sum[lane];
                    }
                }
                let target = &mut into[self.at * channels + channel..][..N];
                for lane in 0..N {
                    target[lane] = total[lane] * self.factor;
                }
            }
            Direction::Backward => {
                let d: &[f32; N] = from[self.at * channels + channel..].first_chunk().expect("a pixel");
                for row in self.row.positions() {
                    for column in self.column.positions() {
                        let target = &mut into[(row * width + column) * channels + channel..];
                        let target: &mut [f32; N] = target.first_chunk_mut().expect("inside the image");
                        for lane in 0..N {
                            target[lane] += d[lane] * self.factor;
                        }
                    }
                }
            }
        }
    }
}
