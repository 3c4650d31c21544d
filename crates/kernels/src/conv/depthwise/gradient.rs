//! The gradient by the weights: products of input and output gradient, added up over the pixels.

use super::walk::{Walk, ZEROS};
use crate::simd::{Kernel, LANES, Simd};

/// Output pixels that are added up before their sum goes to memory: enough to be worth the way, few enough for the
/// caches and for short sums.
const STRETCH: usize = 48;

/// Adds the gradients of one image.
pub(super) struct WeightGradient<'a> {
    /// The forward walk.
    pub(super) walk: &'a Walk,
    pub(super) source: &'a [f32],
    pub(super) d_target: &'a [f32],
    /// `[taps][group][channels]`, added to.
    pub(super) d_weights: &'a mut [f32],
}

/// Output pixels, and the taps that meet them, which are inside the source in every row.
#[derive(Clone, Copy)]
struct Stretch {
    rows: (usize, usize),
    columns: (usize, usize),
    /// The first row of the kernel.
    tap_row: usize,
    /// The first column of the kernel.
    tap: usize,
}

impl Kernel for WeightGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let walk = self.walk;
        let [rows, columns] = &walk.axes;
        assert!(self.source.len() >= walk.source_len(), "input too short");
        assert!(self.d_target.len() >= rows.count * columns.count * walk.channels, "gradient too short");
        assert!(self.d_weights.len() >= walk.weight_len(), "gradients of a different convolution");
        match (walk.group, columns.taps.len()) {
            (1, 3) => self.rows::<S, 1, 3, 3>(simd),
            (1, 5) => self.rows::<S, 1, 2, 5>(simd),
            (1, 7) => self.rows::<S, 1, 2, 7>(simd),
            (1, _) => self.rows::<S, 1, 1, 1>(simd),
            (2, 3) => self.rows::<S, 2, 3, 3>(simd),
            (2, _) => self.rows::<S, 2, 1, 1>(simd),
            (4, 3) => self.rows::<S, 4, 3, 3>(simd),
            (4, _) => self.rows::<S, 4, 1, 1>(simd),
            (8, 3) => self.rows::<S, 8, 3, 3>(simd),
            (8, _) => self.rows::<S, 8, 1, 1>(simd),
            (group, _) => unreachable!("groups of {group} channels"),
        }
    }
}

impl WeightGradient<'_> {
    /// All taps, `R` rows of the kernel and `T` columns at a time.
    #[inline(always)]
    fn rows<S: Simd, const G: usize, const R: usize, const T: usize>(&mut self, simd: S) {
        let [rows, columns] = &self.walk.axes;
        let most_rows = (STRETCH / columns.count).max(1);
        let mut row = 0;
        while row < rows.count {
            let taps = rows.inside(row);
            let alike = (row..rows.count).take(most_rows).take_while(|&row| rows.inside(row) == taps);
            let end = row + alike.count();
            for first in (0..columns.count).step_by(STRETCH) {
                let stretch = (first, (first + STRETCH).min(columns.count));
                let mut tap_row = taps.0;
                while tap_row < taps.1 {
                    let left = taps.1 - tap_row;
                    for tap in (0..columns.taps.len()).step_by(T) {
                        let stretch = Stretch { rows: (row, end), columns: stretch, tap_row, tap };
                        match left {
                            _ if left >= R => self.channels::<S, G, R, T>(simd, stretch),
                            2 => self.channels::<S, G, 2, T>(simd, stretch),
                            _ => self.channels::<S, G, 1, T>(simd, stretch),
                        }
                    }
                    tap_row += left.min(R);
                }
            }
            row = end;
        }
    }

    #[inline(always)]
    fn channels<S: Simd, const G: usize, const R: usize, const T: usize>(
        &mut self,
        simd: S,
        stretch: Stretch,
    ) {
        let channels = self.walk.channels;
        let whole = channels / LANES * LANES;
        let mut channel = 0;
        while channel < whole {
            for member in 0..G {
                self.vector::<S, G, R, T>(simd, stretch, member, channel, LANES);
            }
            channel += LANES;
        }
        if whole < channels {
            for member in 0..G {
                self.vector::<S, G, R, T>(simd, stretch, member, whole, channels - whole);
            }
        }
    }

    /// `d_weight[r][t] += sum over pixels of source[r][t] * d_target`, for `lanes` channels and one member of each group of the
    /// source's.
    #[inline(always)]
    fn vector<S: Simd, const G: usize, const R: usize, const T: usize>(
        &mut self,
        simd: S,
        stretch: Stretch,
        member: usize,
        channel: usize,
        lanes: usize,
    ) {
        let (walk, channels) = (self.walk, self.walk.channels);
        let [rows, columns] = &walk.axes;
        let (step, spacing) = (columns.source_step, columns.spacing);
        let (first, end) = stretch.columns;
        let interior = columns.interior();
        let inner = (interior.0.clamp(first, end), interior.1.clamp(first, end));
        let row_len = columns.source * channels;
        let first_tap = columns.first + (stretch.tap * spacing) as isize;
        // SAFETY: `run` checked that the source holds all of its rows and columns, the gradient all output pixels, and
        // the weight gradients all taps, each with all channels; of these only `lanes` from `channel` on are accessed.
        // The rows are inside the source; columns outside it read the static zeros.
        unsafe {
            let mut sums = [[simd.splat(0.0); T]; R];
            for row in stretch.rows.0..stretch.rows.1 {
                let d_target = self.d_target.as_ptr().add(row * columns.count * channels + channel);
                let row = (row * rows.source_step + stretch.tap_row * rows.spacing) as isize + rows.first;
                let source = self.source.as_ptr().add(row as usize * row_len + channel);
                for column in first..end {
                    let gradient = simd.load_lanes(d_target.add(column * channels), lanes);
                    let at = (column * step) as isize + first_tap;
                    if inner.0 <= column && column < inner.1 {
                        let from = source.offset(at * channels as isize);
                        for r in 0..R {
                            let from = from.add(r * rows.spacing * row_len);
                            for t in 0..T {
                                let value = simd.load_lanes(from.add(t * spacing * channels), lanes);
                                let value = simd.spread::<G>(value, member);
                                sums[r][t] = simd.fma(value, gradient, sums[r][t]);
                            }
                        }
                    } else {
                        for t in 0..T {
                            let at = at + (t * spacing) as isize;
                            let is_inside = (at as usize) < columns.source;
                            for r in 0..R {
                                let place = (r * rows.spacing * row_len) as isize + at * channels as isize;
                                let from = if is_inside { source.offset(place) } else { ZEROS.as_ptr() };
                                let value = simd.load_lanes(from, lanes);
                                let value = simd.spread::<G>(value, member);
                                sums[r][t] = simd.fma(value, gradient, sums[r][t]);
                            }
                        }
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (t, &sum) in sums.iter().enumerate() {
                    let tap = (stretch.tap_row + r) * columns.taps.len() + stretch.tap + t;
                    let to = self.d_weights.as_mut_ptr().add((tap * G + member) * channels + channel);
                    simd.store_lanes(to, simd.add(simd.load_lanes(to, lanes), sum), lanes);
                }
            }
        }
    }
}
