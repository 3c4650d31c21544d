//! Maximum and mean over windows, channels-last.

use crate::Isa;
use crate::simd::{Kernel, LANES, Simd, dispatch};

/// The positions of one window along one axis: `start, start + step, ...` below `end`, all inside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First position.
    pub start: usize,
    /// Past the last position.
    pub end: usize,
    /// Distance between positions.
    pub step: usize,
}

impl Span {
    fn positions(self) -> impl Iterator<Item = usize> + Clone {
        (self.start..self.end).step_by(self.step)
    }
}

/// The windows of a pooling: output pixel (i, j) sees the input rows of `rows[i]` and the columns of `columns[j]`.
///
/// Whoever makes one has checked that every span lies inside the image and, for a maximum, holds a position.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// Channels of input and output.
    pub channels: usize,
    /// Rows and columns of the input.
    pub input: [usize; 2],
    /// One span for each output row.
    pub rows: Vec<Span>,
    /// One span for each output column.
    pub columns: Vec<Span>,
}

impl Windows {
    /// Elements of one image of the input.
    pub fn input_len(&self) -> usize {
        self.input[0] * self.input[1] * self.channels
    }

    /// Elements of one image of the output.
    pub fn output_len(&self) -> usize {
        self.rows.len() * self.columns.len() * self.channels
    }

    /// Pixel numbers (`row * columns + column`) of a window.
    fn pixels(&self, row: Span, column: Span) -> impl Iterator<Item = usize> + Clone {
        let width = self.input[1];
        row.positions().flat_map(move |row| column.positions().map(move |column| row * width + column))
    }

    /// Calls `visit(output pixel, row span, column span)` for each window of an image.
    #[inline(always)]
    fn for_each(&self, mut visit: impl FnMut(usize, Span, Span)) {
        for (i, &row) in self.rows.iter().enumerate() {
            for (j, &column) in self.columns.iter().enumerate() {
                visit(i * self.columns.len() + j, row, column);
            }
        }
    }
}

/// The largest value of each window; NaN where the window holds one.
pub fn max(isa: Isa, windows: &Windows, input: &[f32], output: &mut [f32]) {
    dispatch(isa, Max { windows, input, target: Target::Values(output) });
}

/// The pixel number of each window's largest value: the first of equal ones, the last NaN where there is one.
pub fn max_indices(isa: Isa, windows: &Windows, input: &[f32], indices: &mut [u32]) {
    dispatch(isa, Max { windows, input, target: Target::Indices(indices) });
}

/// `d_input`: each window's gradient goes to the pixel of [`max_indices`].
pub fn max_backward(isa: Isa, windows: &Windows, input: &[f32], d_output: &[f32], d_input: &mut [f32]) {
    d_input.fill(0.0);
    dispatch(isa, Max { windows, input, target: Target::Gradient(d_output, d_input) });
}

enum Target<'a> {
    Values(&'a mut [f32]),
    Indices(&'a mut [u32]),
    Gradient(&'a [f32], &'a mut [f32]),
}

struct Max<'a> {
    windows: &'a Windows,
    input: &'a [f32],
    target: Target<'a>,
}

impl Kernel for Max<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, _: S) {
        let (windows, channels) = (self.windows, self.windows.channels);
        let (input_len, output_len) = (windows.input_len(), windows.output_len());
        for (image, pixels) in self.input.chunks_exact(input_len).enumerate() {
            windows.for_each(|at, row, column| {
                let mut channel = 0;
                let mut step = |channel: usize, lanes: usize| {
                    let window = windows.pixels(row, column);
                    let to = image * output_len + at * channels + channel;
                    if lanes == LANES {
                        self.target.write::<LANES>(channels, pixels, window, channel, image * input_len, to);
                    } else {
                        self.target.write::<1>(channels, pixels, window, channel, image * input_len, to);
                    }
                };
                while channels - channel >= LANES {
                    step(channel, LANES);
                    channel += LANES;
                }
                while channel < channels {
                    step(channel, 1);
                    channel += 1;
                }
            });
        }
    }
}

impl Target<'_> {
    /// Finds the maxima of `N` channels of one window and puts down what is asked for.
    #[inline(always)]
    fn write<const N: usize>(
        &mut self,
        channels: usize,
        image: &[f32],
        window: impl Iterator<Item = usize> + Clone,
        channel: usize,
        image_start: usize,
        to: usize,
    ) {
        let values_of =
            |pixel: usize| image[pixel * channels + channel..].first_chunk::<N>().expect("inside the image");
        let mut rest = window.clone();
        let Some(first) = rest.next() else { return };
        let mut best = *values_of(first);
        let mut best_at = [first as u32; N];
        for pixel in rest {
            let values = values_of(pixel);
            for lane in 0..N {
                let better = values[lane] > best[lane] || values[lane].is_nan();
                best[lane] = if better { values[lane] } else { best[lane] };
                best_at[lane] = if better { pixel as u32 } else { best_at[lane] };
            }
        }
        match self {
            Target::Values(output) => output[to..to + N].copy_from_slice(&best),
            Target::Indices(indices) => indices[to..to + N].copy_from_slice(&best_at),
            Target::Gradient(d_output, d_input) => {
                let d: &[f32; N] = d_output[to..].first_chunk().expect("inside the gradient");
                for pixel in window {
                    let at = image_start + pixel * channels + channel;
                    let target: &mut [f32; N] = d_input[at..].first_chunk_mut().expect("inside the image");
                    for lane in 0..N {
                        target[lane] += if best_at[lane] == pixel as u32 { d[lane] } else { 0.0 };
                    }
                }
            }
        }
    }
}

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
            windows.for_each(|at, row, column| {
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
            });
        }
    }
}

struct Window<'a> {
    windows: &'a Windows,
    row: Span,
    column: Span,
    /// Output pixel.
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
                    // Rows are added up by themselves, which keeps the rounding of large windows small.
                    let mut sum = [0.0; N];
                    for column in self.column.positions() {
                        let values = &from[(row * width + column) * channels + channel..];
                        let values: &[f32; N] = values.first_chunk().expect("inside the image");
                        (0..N).for_each(|lane| sum[lane] += values[lane]);
                    }
                    (0..N).for_each(|lane| total[lane] += sum[lane]);
                }
                let target = &mut into[self.at * channels + channel..][..N];
                (0..N).for_each(|lane| target[lane] = total[lane] * self.factor);
            }
            Direction::Backward => {
                let d: &[f32; N] = from[self.at * channels + channel..].first_chunk().expect("a pixel");
                let d: [f32; N] = std::array::from_fn(|lane| d[lane] * self.factor);
                for pixel in self.windows.pixels(self.row, self.column) {
                    let target = &mut into[pixel * channels + channel..];
                    let target: &mut [f32; N] = target.first_chunk_mut().expect("inside the image");
                    (0..N).for_each(|lane| target[lane] += d[lane]);
                }
            }
        }
    }
}
