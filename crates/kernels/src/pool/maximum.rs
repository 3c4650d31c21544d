//! The maximum over windows, its position, and its gradient.

use super::{Span, Windows};
use crate::Isa;
use crate::channels::channel_blocks;
use crate::simd::{Kernel, LANES, Simd, dispatch};

/// The largest value of each window; NaN if the window contains one.
pub fn max(isa: Isa, windows: &Windows, input: &[f32], output: &mut [f32]) {
    dispatch(isa, Max { windows, input, target: Target::Values(output) });
}

/// The pixel number of each window's largest value: the first of equal ones, or the last NaN if there is one.
pub fn max_indices(isa: Isa, windows: &Windows, input: &[f32], indices: &mut [u32]) {
    dispatch(isa, Max { windows, input, target: Target::Indices(indices) });
}

/// `d_input`: each window's gradient goes to the pixel of [`max_indices`].
pub fn max_backward(isa: Isa, windows: &Windows, input: &[f32], d_output: &[f32], d_input: &mut [f32]) {
    let [rows, columns] = [(&windows.rows, windows.input[0]), (&windows.columns, windows.input[1])]
        .map(|(spans, len)| Cover::of(spans, len));
    let adds = rows.overlaps || columns.overlaps;
    if adds || !(rows.is_whole && columns.is_whole) {
        d_input.fill(0.0);
    }
    dispatch(isa, Max { windows, input, target: Target::Gradient { d_output, d_input, adds } });
}

/// How windows cover an axis.
struct Cover {
    /// Some position belongs to two windows.
    overlaps: bool,
    /// Every position belongs to a window.
    is_whole: bool,
}

impl Cover {
    fn of(spans: &[Span], len: usize) -> Cover {
        // Windows whose positions are not adjacent may interlock: they count as overlapping.
        let adjacent = spans.iter().all(|span| span.step == 1);
        let mut pairs = spans.iter().zip(spans.iter().skip(1));
        Cover {
            overlaps: !adjacent || spans.iter().zip(spans.iter().skip(1)).any(|(a, b)| b.start < a.end),
            is_whole: adjacent
                && spans.first().is_some_and(|span| span.start == 0)
                && spans.last().is_some_and(|span| span.end == len)
                && pairs.all(|(a, b)| b.start <= a.end),
        }
    }
}

enum Target<'a> {
    Values(&'a mut [f32]),
    Indices(&'a mut [u32]),
    Gradient {
        d_output: &'a [f32],
        d_input: &'a mut [f32],
        /// Whether gradients are added to the existing values, as overlapping windows require.
        adds: bool,
    },
}

struct Max<'a> {
    windows: &'a Windows,
    input: &'a [f32],
    target: Target<'a>,
}

impl Kernel for Max<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let windows = self.windows;
        let images = self.input.len() / windows.input_len();
        let (inputs, outputs) = (images * windows.input_len(), images * windows.output_len());
        let reach = |spans: &[Span]| spans.iter().map(|span| span.end).max().unwrap_or(0);
        assert!(reach(&windows.rows) <= windows.input[0] && reach(&windows.columns) <= windows.input[1]);
        match &self.target {
            Target::Values(output) => assert_eq!(output.len(), outputs),
            Target::Indices(indices) => assert_eq!(indices.len(), outputs),
            Target::Gradient { d_output, d_input, .. } => {
                assert!(d_output.len() == outputs && d_input.len() == inputs);
            }
        }
        for image in 0..images {
            for (i, &row) in windows.rows.iter().enumerate() {
                for (j, &column) in windows.columns.iter().enumerate() {
                    let to =
                        image * windows.output_len() + (i * windows.columns.len() + j) * windows.channels;
                    for (channel, lanes) in channel_blocks(windows.channels) {
                        let window = Window {
                            row,
                            column,
                            first: image * windows.input_len() + channel,
                            row_len: windows.input[1] * windows.channels,
                            pixel_len: windows.channels,
                            lanes,
                        };
                        // SAFETY: the spans are inside the image, and slices have the images' lengths.
                        unsafe { self.target.write(simd, self.input, window, to + channel) }
                    }
                }
            }
        }
    }
}

/// At most [`LANES`] channels of one window.
#[derive(Clone, Copy)]
struct Window {
    row: Span,
    column: Span,
    /// Offset of the image's first value of these channels.
    first: usize,
    row_len: usize,
    pixel_len: usize,
    lanes: usize,
}

impl Window {
    /// The maxima and the position of each, counted along the window.
    ///
    /// # Safety
    /// The window is inside the slice at `input`.
    #[inline(always)]
    unsafe fn largest<S: Simd>(self, simd: S, input: *const f32) -> (S::V, S::V) {
        let mut best = simd.splat(f32::NEG_INFINITY);
        let (mut best_at, mut position) = (simd.splat(0.0), 0.0);
        let mut row = self.row.start;
        while row < self.row.end {
            let mut column = self.column.start;
            while column < self.column.end {
                // SAFETY: the caller vouches for every position.
                let values = unsafe { self.load(simd, input, row, column) };
                let better = simd.exceeds(values, best);
                best = simd.select(better, values, best);
                best_at = simd.select(better, simd.splat(position), best_at);
                position += 1.0;
                column += self.column.step;
            }
            row += self.row.step;
        }
        (best, best_at)
    }

    #[inline(always)]
    fn offset(self, row: usize, column: usize) -> usize {
        self.first + row * self.row_len + column * self.pixel_len
    }

    /// # Safety
    /// The position's channels are readable.
    #[inline(always)]
    unsafe fn load<S: Simd>(self, simd: S, from: *const f32, row: usize, column: usize) -> S::V {
        // SAFETY: the caller vouches for it.
        unsafe {
            let from = from.add(self.offset(row, column));
            if self.lanes == LANES { simd.load(from) } else { simd.load_first(from, self.lanes) }
        }
    }
}

impl Target<'_> {
    /// Finds the maxima of a window and writes what was requested; `to` is their position in the output.
    ///
    /// # Safety
    /// The window is inside the input, `to` and its lanes inside the output, and slices have the images' lengths.
    #[inline(always)]
    unsafe fn write<S: Simd>(&mut self, simd: S, input: &[f32], window: Window, to: usize) {
        // SAFETY: the caller vouches for every place.
        unsafe {
            let (best, best_at) = window.largest(simd, input.as_ptr());
            match self {
                Target::Values(output) => simd.store_lanes(output.as_mut_ptr().add(to), best, window.lanes),
                Target::Indices(indices) => {
                    let mut positions = [0.0; LANES];
                    simd.store(positions.as_mut_ptr(), best_at);
                    let across = window.column.count();
                    for (index, position) in indices[to..to + window.lanes].iter_mut().zip(positions) {
                        let (row, column) = (position as usize / across, position as usize % across);
                        let row = window.row.start + row * window.row.step;
                        let column = window.column.start + column * window.column.step;
                        *index = (row * (window.row_len / window.pixel_len) + column) as u32;
                    }
                }
                Target::Gradient { d_output, d_input, adds } => {
                    let d = simd.load_lanes(d_output.as_ptr().add(to), window.lanes);
                    let mut position = 0.0;
                    let mut row = window.row.start;
                    while row < window.row.end {
                        let mut column = window.column.start;
                        while column < window.column.end {
                            let hit = simd.equals(best_at, simd.splat(position));
                            let mut share = simd.select(hit, d, simd.splat(0.0));
                            let target = d_input.as_mut_ptr().add(window.offset(row, column));
                            if *adds {
                                share = simd.add(share, simd.load_lanes(target, window.lanes));
                            }
                            simd.store_lanes(target, share, window.lanes);
                            position += 1.0;
                            column += window.column.step;
                        }
                        row += window.row.step;
                    }
                }
            }
        }
    }
}
