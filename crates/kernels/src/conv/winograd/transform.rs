//! The transforms of inputs, outputs and gradients, sixteen channels at a time.

use super::{POINTS, READ, STRETCH, Stretches};
use crate::Epilogue;
use crate::simd::Simd;

/// The position of a stretch: its image, and the row and column of its first output pixel.
#[derive(Clone, Copy)]
pub(super) struct Position {
    image: usize,
    row: usize,
    column: usize,
}

impl Position {
    #[inline(always)]
    pub(super) fn of(stretches: &Stretches, index: usize) -> Position {
        let [_, columns] = stretches.grid();
        let (image, rest) = (index / stretches.of_image(), index % stretches.of_image());
        Position { image, row: rest / columns * STRETCH, column: rest % columns * STRETCH }
    }

    /// The stretch to the right, or the first of the next row or image.
    #[inline(always)]
    pub(super) fn next(self, stretches: &Stretches) -> Position {
        let [rows, columns] = stretches.output;
        if self.column + STRETCH < columns {
            Position { column: self.column + STRETCH, ..self }
        } else if self.row + STRETCH < rows {
            Position { row: self.row + STRETCH, column: 0, ..self }
        } else {
            Position { image: self.image + 1, row: 0, column: 0 }
        }
    }
}

/// A stretch of `N` x `N` pixels of an image, with those outside the image counted as zero.
#[derive(Clone, Copy)]
pub(super) struct Pixels<const N: usize> {
    /// Offset of the first pixel, which may be before the slice.
    first: isize,
    row_len: usize,
    pixel_len: usize,
    inside_rows: [bool; N],
    inside_columns: [bool; N],
    is_inside: bool,
}

impl Pixels<READ> {
    /// The input pixels that a stretch reads.
    #[inline(always)]
    pub(super) fn read(stretches: &Stretches, place: Position) -> Pixels<READ> {
        let [row, column] = [(place.row, 0), (place.column, 1)]
            .map(|(at, axis)| at as isize - stretches.before[axis] as isize);
        Pixels::new(stretches.input, stretches.inner, place.image, row, column)
    }
}

impl Pixels<STRETCH> {
    /// The output pixels of a stretch.
    #[inline(always)]
    pub(super) fn output(stretches: &Stretches, place: Position) -> Pixels<STRETCH> {
        let (row, column) = (place.row as isize, place.column as isize);
        Pixels::new(stretches.output, stretches.outer, place.image, row, column)
    }
}

impl<const N: usize> Pixels<N> {
    #[inline(always)]
    fn new(size: [usize; 2], channels: usize, image: usize, row: isize, column: isize) -> Pixels<N> {
        let [rows, columns] = size.map(|len| len as isize);
        let mut pixels = Pixels {
            first: ((image as isize * rows + row) * columns + column) * channels as isize,
            row_len: size[1] * channels,
            pixel_len: channels,
            inside_rows: [true; N],
            inside_columns: [true; N],
            is_inside: row >= 0 && column >= 0 && row + N as isize <= rows && column + N as isize <= columns,
        };
        if !pixels.is_inside {
            for at in 0..N {
                pixels.inside_rows[at] = (0..rows).contains(&(row + at as isize));
                pixels.inside_columns[at] = (0..columns).contains(&(column + at as isize));
            }
        }
        pixels
    }

    #[inline(always)]
    fn offset(&self, row: usize, column: usize, channel: usize) -> isize {
        self.first + (row * self.row_len + column * self.pixel_len + channel) as isize
    }

    /// # Safety
    /// The pixels inside the image are readable with `lanes` channels from `channel`.
    #[inline(always)]
    unsafe fn load<S: Simd>(
        &self,
        simd: S,
        from: *const f32,
        channel: usize,
        lanes: usize,
    ) -> [[S::V; N]; N] {
        let mut values = [[simd.splat(0.0); N]; N];
        // SAFETY: only pixels inside the image are read.
        unsafe {
            if self.is_inside {
                for row in 0..N {
                    for column in 0..N {
                        let from = from.offset(self.offset(row, column, channel));
                        values[row][column] = simd.load_lanes(from, lanes);
                    }
                }
            } else {
                for row in 0..N {
                    for column in 0..N {
                        if self.inside_rows[row] && self.inside_columns[column] {
                            let from = from.offset(self.offset(row, column, channel));
                            values[row][column] = simd.load_lanes(from, lanes);
                        }
                    }
                }
            }
        }
        values
    }
}

/// `B' pixels B` of one stretch, by point.
///
/// # Safety
/// The pixels inside the image are readable with `lanes` channels from `channel`.
#[inline(always)]
pub(super) unsafe fn input_points<S: Simd>(
    simd: S,
    pixels: &Pixels<READ>,
    from: *const f32,
    (channel, lanes): (usize, usize),
) -> [S::V; POINTS] {
    // SAFETY: the caller vouches for the pixels.
    let d = unsafe { pixels.load(simd, from, channel, lanes) };
    let mut half = d;
    for column in 0..READ {
        let along = input_along(simd, [d[0][column], d[1][column], d[2][column], d[3][column]]);
        for row in 0..READ {
            half[row][column] = along[row];
        }
    }
    let mut points = [simd.splat(0.0); POINTS];
    for row in 0..READ {
        let along = input_along(simd, half[row]);
        for column in 0..READ {
            points[row * READ + column] = along[column];
        }
    }
    points
}

/// `B'` has the rows (1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1).
#[inline(always)]
fn input_along<S: Simd>(simd: S, [a, b, c, d]: [S::V; READ]) -> [S::V; READ] {
    [simd.sub(a, c), simd.add(b, c), simd.sub(c, b), simd.sub(b, d)]
}

/// `A d_output A'` of one stretch, by point.
///
/// # Safety
/// As for [`input_points`].
#[inline(always)]
pub(super) unsafe fn gradient_points<S: Simd>(
    simd: S,
    pixels: &Pixels<STRETCH>,
    from: *const f32,
    (channel, lanes): (usize, usize),
) -> [S::V; POINTS] {
    // SAFETY: the caller vouches for the pixels.
    let d = unsafe { pixels.load(simd, from, channel, lanes) };
    let left = gradient_along(simd, [d[0][0], d[1][0]]);
    let right = gradient_along(simd, [d[0][1], d[1][1]]);
    let mut points = [simd.splat(0.0); POINTS];
    for row in 0..READ {
        let along = gradient_along(simd, [left[row], right[row]]);
        for column in 0..READ {
            points[row * READ + column] = along[column];
        }
    }
    points
}

/// `A` has the rows (1, 0), (1, 1), (1, -1), (0, -1).
#[inline(always)]
fn gradient_along<S: Simd>(simd: S, [a, b]: [S::V; STRETCH]) -> [S::V; READ] {
    [a, simd.add(a, b), simd.sub(a, b), simd.sub(simd.splat(0.0), b)]
}

/// Writes `epilogue(A' points A + bias)` to the output pixels of one stretch; the points' values are at `from + point *
/// stride`.
///
/// # Safety
/// The points and the bias are readable, the pixels inside the image writable with `lanes` channels from `channel`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn transform_output<S: Simd>(
    simd: S,
    from: *const f32,
    stride: usize,
    bias: *const f32,
    epilogue: Epilogue,
    pixels: &Pixels<STRETCH>,
    to: *mut f32,
    (channel, lanes): (usize, usize),
) {
    // SAFETY: the caller vouches for every place, and only pixels inside the image are written.
    unsafe {
        let mut half = [[simd.splat(0.0); READ]; STRETCH];
        for column in 0..READ {
            let points: [S::V; READ] =
                std::array::from_fn(|row| simd.load(from.add((row * READ + column) * stride)));
            let along = output_along(simd, points);
            half[0][column] = along[0];
            half[1][column] = along[1];
        }
        let bias = simd.load(bias);
        for row in 0..STRETCH {
            let along = output_along(simd, half[row]);
            for column in 0..STRETCH {
                if pixels.inside_rows[row] && pixels.inside_columns[column] {
                    let value = epilogue.apply(simd, simd.add(along[column], bias));
                    simd.store_lanes(to.offset(pixels.offset(row, column, channel)), value, lanes);
                }
            }
        }
    }
}

/// `A'` has the rows (1, 1, 1, 0), (0, 1, -1, -1).
#[inline(always)]
fn output_along<S: Simd>(simd: S, [a, b, c, d]: [S::V; READ]) -> [S::V; STRETCH] {
    [simd.add(simd.add(a, b), c), simd.sub(simd.sub(b, c), d)]
}

const _: () = assert!(READ * READ == POINTS);
