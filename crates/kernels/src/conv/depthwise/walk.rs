//! A walk over output pixels that gathers the products of a kernel, channel by channel.

use crate::Epilogue;
use crate::simd::{Kernel, LANES, Simd};

/// Which pixels a walk reads and writes, and with which weights.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    pub(super) channels: usize,
    /// Channels of a group, each of which meets all of them: 1, 2, 4 or 8.
    pub(super) group: usize,
    /// Rows and columns.
    pub(super) axes: [Axis; 2],
}

/// Output `i` of `count` is at `target_first + i * target_step`; its tap number `t` is at `i * source_step + first + t *
/// spacing` in the source, where places outside it hold zero.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) source: usize,
    pub(super) source_step: usize,
    pub(super) target: usize,
    pub(super) target_step: usize,
    pub(super) target_first: usize,
    pub(super) count: usize,
    /// Which row or column of the kernel each tap is.
    pub(super) taps: Vec<usize>,
    pub(super) first: isize,
    pub(super) spacing: usize,
}

impl Axis {
    /// The taps of output `i` that are inside the source: from the first number up to the second.
    #[inline(always)]
    pub(super) fn inside(&self, i: usize) -> (usize, usize) {
        let at = (i * self.source_step) as isize + self.first;
        let spacing = self.spacing as isize;
        let reached = |limit: isize| ((limit - at + spacing - 1).div_euclid(spacing)).max(0) as usize;
        let end = reached(self.source as isize).min(self.taps.len());
        (reached(0).min(end), end)
    }

    /// The outputs with all taps inside the source: from the first number up to the second.
    pub(super) fn interior(&self) -> (usize, usize) {
        let step = self.source_step as isize;
        let span = (self.taps.len().max(1) - 1) * self.spacing;
        let first = (-self.first + step - 1).div_euclid(step).max(0) as usize;
        let last = (self.source as isize - 1 - span as isize - self.first).div_euclid(step);
        let end = ((last + 1).max(0) as usize).min(self.count);
        (first.min(end), end)
    }
}

impl Walk {
    /// Row and column of the kernel for every tap, in the order in which the weights are packed.
    pub(super) fn taps(&self) -> impl Iterator<Item = [usize; 2]> + '_ {
        let [rows, columns] = &self.axes;
        rows.taps.iter().flat_map(|&row| columns.taps.iter().map(move |&column| [row, column]))
    }

    /// Elements of the packed weights `[taps][group][channels]`, which are followed by the bias.
    pub(super) fn weight_len(&self) -> usize {
        self.axes[0].taps.len() * self.axes[1].taps.len() * self.group * self.channels
    }

    /// Elements of packed weights and bias.
    pub(super) fn packed_len(&self) -> usize {
        self.weight_len() + self.channels
    }

    /// Elements of an image that is read.
    pub(super) fn source_len(&self) -> usize {
        self.axes[0].source * self.axes[1].source * self.channels
    }
}

/// What is read beyond the sides of an image.
pub(super) static ZEROS: [f32; LANES] = [0.0; LANES];

/// A walk over one image.
pub(super) struct Run<'a> {
    pub(super) walk: &'a Walk,
    pub(super) source: &'a [f32],
    /// Packed weights and bias.
    pub(super) packed: &'a [f32],
    pub(super) epilogue: Epilogue,
    pub(super) target: &'a mut [f32],
}

impl Kernel for Run<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let walk = self.walk;
        let [rows, columns] = &walk.axes;
        assert!(self.source.len() >= walk.source_len(), "input too short");
        assert!(self.packed.len() >= walk.packed_len(), "packed weights of a different convolution");
        assert!(self.target.len() >= rows.target * columns.target * walk.channels, "output too short");
        match walk.group {
            1 => self.channel_by_channel(simd),
            2 => self.groups::<S, 2>(simd),
            4 => self.groups::<S, 4>(simd),
            8 => self.groups::<S, 8>(simd),
            group => unreachable!("groups of {group} channels"),
        }
    }
}

/// In place of a number of taps: any number, step and spacing.
const ANY: usize = 0;

/// A tile of output pixels in one row.
#[derive(Clone, Copy)]
struct Tile {
    row: usize,
    /// First of its pixels.
    column: usize,
    /// The taps in the kernel's rows that are inside the source.
    taps: (usize, usize),
}

impl Run<'_> {
    #[inline(always)]
    fn channel_by_channel<S: Simd>(&mut self, simd: S) {
        let columns = &self.walk.axes[1];
        match (columns.source_step, columns.spacing, columns.taps.len()) {
            (1, 1, 1) => self.rows::<S, 1, 1, 1>(simd),
            (1, 1, 2) => self.rows::<S, 1, 2, 1>(simd),
            (1, 1, 3) => self.rows::<S, 1, 3, 1>(simd),
            (1, 1, 4) => self.rows::<S, 1, 4, 1>(simd),
            (1, 1, 5) => self.rows::<S, 1, 5, 1>(simd),
            (1, 1, 7) => self.rows::<S, 1, 7, 1>(simd),
            (2, 1, 3) => self.rows::<S, 1, 3, 2>(simd),
            (2, 1, 5) => self.rows::<S, 1, 5, 2>(simd),
            (2, 1, 7) => self.rows::<S, 1, 7, 2>(simd),
            _ => self.rows::<S, 1, ANY, 1>(simd),
        }
    }

    #[inline(always)]
    fn groups<S: Simd, const G: usize>(&mut self, simd: S) {
        let columns = &self.walk.axes[1];
        match (columns.source_step, columns.spacing, columns.taps.len()) {
            (1, 1, 1) => self.rows::<S, G, 1, 1>(simd),
            (1, 1, 2) => self.rows::<S, G, 2, 1>(simd),
            (1, 1, 3) => self.rows::<S, G, 3, 1>(simd),
            (2, 1, 3) => self.rows::<S, G, 3, 2>(simd),
            _ => self.rows::<S, G, ANY, 1>(simd),
        }
    }

    #[inline(always)]
    fn rows<S: Simd, const G: usize, const T: usize, const STEP: usize>(&mut self, simd: S) {
        let [rows, columns] = &self.walk.axes;
        for row in 0..rows.count {
            let taps = rows.inside(row);
            let mut column = 0;
            if S::REGISTERS >= 32 && STEP == 1 && T <= 5 && G == 1 {
                column = self.tiles::<S, G, T, STEP, 8>(simd, Tile { row, column, taps });
            }
            column = self.tiles::<S, G, T, STEP, 4>(simd, Tile { row, column, taps });
            while column < columns.count {
                self.tile::<S, G, T, STEP, 1, true>(simd, Tile { row, column, taps });
                column += 1;
            }
        }
    }

    /// Tiles of `P` pixels from the tile's column on, with the last one moved back over pixels that are already done if
    /// more than half of it is left. Returns the first column that is not done.
    #[inline(always)]
    fn tiles<S: Simd, const G: usize, const T: usize, const STEP: usize, const P: usize>(
        &mut self,
        simd: S,
        tile: Tile,
    ) -> usize {
        let columns = &self.walk.axes[1];
        let interior = columns.interior();
        let mut column = tile.column;
        while column < columns.count {
            let left = columns.count - column;
            if left < P {
                if columns.count < P || left <= P / 2 {
                    break;
                }
                column = columns.count - P;
            }
            let tile = Tile { column, ..tile };
            if T != ANY && interior.0 <= column && column + P <= interior.1 {
                self.tile::<S, G, T, STEP, P, false>(simd, tile);
            } else {
                self.tile::<S, G, T, STEP, P, true>(simd, tile);
            }
            column += P;
        }
        column
    }

    /// `EDGE` tells that columns outside the source must be looked out for.
    #[inline(always)]
    fn tile<S: Simd, const G: usize, const T: usize, const STEP: usize, const P: usize, const EDGE: bool>(
        &mut self,
        simd: S,
        tile: Tile,
    ) {
        let channels = self.walk.channels;
        let whole = channels / LANES * LANES;
        let mut channel = 0;
        while channel < whole {
            self.vector::<S, G, T, STEP, P, EDGE>(simd, tile, channel, LANES);
            channel += LANES;
        }
        if whole < channels {
            self.vector::<S, G, T, STEP, P, EDGE>(simd, tile, whole, channels - whole);
        }
    }

    /// The sums of `lanes` channels.
    #[inline(always)]
    fn vector<
        S: Simd,
        const G: usize,
        const T: usize,
        const STEP: usize,
        const P: usize,
        const EDGE: bool,
    >(
        &mut self,
        simd: S,
        tile: Tile,
        channel: usize,
        lanes: usize,
    ) {
        let (walk, channels) = (self.walk, self.walk.channels);
        let [rows, columns] = &walk.axes;
        let (step, spacing, count) = match T {
            ANY => (columns.source_step, columns.spacing, columns.taps.len()),
            _ => (STEP, 1, T),
        };
        let first_column = (tile.column * step) as isize + columns.first;
        // SAFETY: `run` checked that the source holds all of its rows and columns, the packed weights all taps followed
        // by the bias, and the target all of its pixels, each with all channels; of these only `lanes` from `channel` on
        // are accessed. Taps outside the source read the static zeros, if they are not left out.
        unsafe {
            let bias = self.packed.as_ptr().add(walk.weight_len() + channel);
            let mut sums = [simd.load_lanes(bias, lanes); P];
            for tap_row in tile.taps.0..tile.taps.1 {
                let row = (tile.row * rows.source_step + tap_row * rows.spacing) as isize + rows.first;
                let source = self.source.as_ptr().add(row as usize * columns.source * channels + channel);
                let weights = self.packed.as_ptr().add(tap_row * count * G * channels + channel);
                let row = Row { source, channels, columns: columns.source, first: first_column };
                if T == ANY {
                    for tap in 0..count {
                        for member in 0..G {
                            let weight = simd.load_lanes(weights.add((tap * G + member) * channels), lanes);
                            for (p, sum) in sums.iter_mut().enumerate() {
                                let value = row.value::<S, EDGE>(simd, p * step + tap * spacing, lanes);
                                *sum = simd.fma(simd.spread::<G>(value, member), weight, *sum);
                            }
                        }
                    }
                } else {
                    let mut values = [simd.splat(0.0); MOST_VALUES];
                    for (place, target) in values[..(P - 1) * STEP + T].iter_mut().enumerate() {
                        *target = row.value::<S, EDGE>(simd, place, lanes);
                    }
                    for member in 0..G {
                        let mut members = values;
                        if G > 1 {
                            for target in members[..(P - 1) * STEP + T].iter_mut() {
                                *target = simd.spread::<G>(*target, member);
                            }
                        }
                        for tap in 0..T {
                            let weight = simd.load_lanes(weights.add((tap * G + member) * channels), lanes);
                            for p in 0..P {
                                sums[p] = simd.fma(members[p * STEP + tap], weight, sums[p]);
                            }
                        }
                    }
                }
            }
            let row = rows.target_first + tile.row * rows.target_step;
            for (p, &sum) in sums.iter().enumerate() {
                let column = columns.target_first + (tile.column + p) * columns.target_step;
                let to = self.target.as_mut_ptr().add((row * columns.target + column) * channels + channel);
                simd.store_lanes(to, self.epilogue.apply(simd, sum), lanes);
            }
        }
    }
}

/// A row of the source from some channel on, as a tile sees it.
#[derive(Clone, Copy)]
struct Row {
    source: *const f32,
    channels: usize,
    columns: usize,
    /// The column of the tile's first value.
    first: isize,
}

impl Row {
    /// The channels of a pixel; with `EDGE`, zeros outside the source.
    ///
    /// # Safety
    /// `lanes` channels of the row are readable in each of its columns, and without `EDGE` the place is one of them.
    #[inline(always)]
    unsafe fn value<S: Simd, const EDGE: bool>(self, simd: S, place: usize, lanes: usize) -> S::V {
        let column = self.first + place as isize;
        // SAFETY: the column is inside the source, or the static zeros are read.
        unsafe {
            if !EDGE || (column as usize) < self.columns {
                simd.load_lanes(self.source.offset(column * self.channels as isize), lanes)
            } else {
                simd.load_lanes(ZEROS.as_ptr(), lanes)
            }
        }
    }
}

/// Values of a row that a tile reads at most: 4 pixels with 7 taps, two steps apart.
const MOST_VALUES: usize = 13;
