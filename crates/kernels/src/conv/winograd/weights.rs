//! Transforms and packs weights, and unpacks their gradients.

use super::POINTS;
use crate::Isa;
use crate::conv::words::{Precision, pair};
use crate::simd::{Kernel, LANES, Simd, dispatch};

/// The order of packed weights: for every two panels of [`LANES`] outer channels, which are processed together, for
/// each point, and for each of the two panels, a row of words for each inner channel, or pair of them. So they are read
/// sequentially. The bias follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) inner: usize,
    pub(super) outer: usize,
    pub(super) precision: Precision,
}

/// Most panels that are processed together.
pub(super) const PANELS: usize = 2;

/// The taps of a panel's kernels for one inner channel.
type Taps = [[f64; LANES]; 9];
/// Their transforms.
type Points = [[f64; LANES]; POINTS];

impl Layout {
    pub(super) fn panels(&self) -> usize {
        self.outer.div_ceil(LANES)
    }

    /// Elements of one panel of one point.
    pub(super) fn panel_len(&self) -> usize {
        self.precision.words(self.inner) * LANES
    }

    pub(super) fn weight_len(&self) -> usize {
        POINTS * self.panels() * self.panel_len()
    }

    pub(super) fn packed_len(&self) -> usize {
        self.weight_len() + self.panels() * LANES
    }

    /// Packs weights and bias.
    pub(super) fn pack(&self, source: Source<'_>, bias: Option<&[f32]>, packed: &mut [f32]) {
        let (weights, biases) = packed.split_at_mut(self.weight_len());
        dispatch(Isa::best(), Pack { layout: *self, source, packed: weights });
        biases.fill(0.0);
        if let Some(bias) = bias {
            biases[..self.outer].copy_from_slice(bias);
        }
    }

    /// Extracts `d_weight`, as `[outer, inner, 3, 3]`, and `d_bias` from packed gradients of single values.
    pub(super) fn unpack_gradient(&self, d_packed: &[f32], d_weight: &mut [f32], d_bias: Option<&mut [f32]>) {
        let (weights, biases) = d_packed.split_at(self.weight_len());
        dispatch(Isa::best(), Unpack { layout: *self, d_packed: weights, d_weight });
        if let Some(d_bias) = d_bias {
            d_bias.copy_from_slice(&biases[..self.outer]);
        }
    }

    /// Offset of the weights of one point, panel and word of inner channels.
    pub(super) fn row(&self, point: usize, panel: usize, word: usize) -> usize {
        let together = panel / PANELS * PANELS;
        let count = PANELS.min(self.panels() - together);
        (together * POINTS + point * count + panel - together) * self.panel_len() + word * LANES
    }
}

/// PyTorch's weights, and the position of the kernel of an outer and an inner channel in them.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) weight: &'a [f32],
    /// Elements from one outer channel to the next.
    pub(super) outer_stride: usize,
    pub(super) inner_stride: usize,
    pub(super) turn: Turn,
}

/// Whether kernels are used as they are or rotated by 180 degrees.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    None,
    Half,
}

struct Pack<'a> {
    layout: Layout,
    source: Source<'a>,
    packed: &'a mut [f32],
}

impl Kernel for Pack<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Pack { layout, source, packed } = self;
        for panel in 0..layout.panels() {
            for word in 0..layout.precision.words(layout.inner) {
                let first = source.points(&layout, panel, word * layout.precision.values());
                match layout.precision {
                    Precision::F32 => {
                        for point in 0..POINTS {
                            let row: &mut [f32] = &mut packed[layout.row(point, panel, word)..][..LANES];
                            for lane in 0..LANES {
                                row[lane] = first[point][lane] as f32;
                            }
                        }
                    }
                    Precision::Bf16 => {
                        let mut second = [[0.0; LANES]; POINTS];
                        if 2 * word + 1 < layout.inner {
                            second = source.points(&layout, panel, 2 * word + 1);
                        }
                        for point in 0..POINTS {
                            let row: &mut [f32] = &mut packed[layout.row(point, panel, word)..][..LANES];
                            for lane in 0..LANES {
                                row[lane] = pair(first[point][lane] as f32, second[point][lane] as f32);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Source<'_> {
    /// The transformed kernels of a panel for one inner channel.
    #[inline(always)]
    fn points(&self, layout: &Layout, panel: usize, inner: usize) -> Points {
        let mut taps: Taps = [[0.0; LANES]; 9];
        let lanes = LANES.min(layout.outer - panel * LANES);
        for lane in 0..lanes {
            let start = (panel * LANES + lane) * self.outer_stride + inner * self.inner_stride;
            let kernel: &[f32; 9] = self.weight[start..].first_chunk().expect("nine taps");
            for tap in 0..9 {
                taps[tap][lane] =
                    f64::from(if self.turn == Turn::Half { kernel[8 - tap] } else { kernel[tap] });
            }
        }
        transform(&taps)
    }
}

struct Unpack<'a> {
    layout: Layout,
    d_packed: &'a [f32],
    d_weight: &'a mut [f32],
}

impl Kernel for Unpack<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Unpack { layout, d_packed, d_weight } = self;
        for panel in 0..layout.panels() {
            let lanes = LANES.min(layout.outer - panel * LANES);
            for inner in 0..layout.inner {
                let mut points: Points = [[0.0; LANES]; POINTS];
                for point in 0..POINTS {
                    let row = &d_packed[layout.row(point, panel, inner)..][..LANES];
                    for lane in 0..LANES {
                        points[point][lane] = f64::from(row[lane]);
                    }
                }
                let taps = gradient(&points);
                for lane in 0..lanes {
                    let start = ((panel * LANES + lane) * layout.inner + inner) * 9;
                    let kernel: &mut [f32; 9] = d_weight[start..].first_chunk_mut().expect("nine taps");
                    for tap in 0..9 {
                        kernel[tap] = taps[tap][lane] as f32;
                    }
                }
            }
        }
    }
}

/// `G taps G'`, where `G` has the rows (1, 0, 0), (1/2, 1/2, 1/2), (1/2, -1/2, 1/2), (0, 0, 1).
#[inline(always)]
fn transform(taps: &Taps) -> Points {
    let mut half = [[[0.0; LANES]; 3]; 4];
    for column in 0..3 {
        for lane in 0..LANES {
            let [a, b, c] = [taps[column][lane], taps[3 + column][lane], taps[6 + column][lane]];
            half[0][column][lane] = a;
            half[1][column][lane] = (a + b + c) / 2.0;
            half[2][column][lane] = (a - b + c) / 2.0;
            half[3][column][lane] = c;
        }
    }
    let mut points = [[0.0; LANES]; POINTS];
    for row in 0..4 {
        for lane in 0..LANES {
            let [a, b, c] = [half[row][0][lane], half[row][1][lane], half[row][2][lane]];
            points[row * 4][lane] = a;
            points[row * 4 + 1][lane] = (a + b + c) / 2.0;
            points[row * 4 + 2][lane] = (a - b + c) / 2.0;
            points[row * 4 + 3][lane] = c;
        }
    }
    points
}

/// `G' points G`.
#[inline(always)]
fn gradient(points: &Points) -> Taps {
    let mut half = [[[0.0; LANES]; 4]; 3];
    for column in 0..4 {
        for lane in 0..LANES {
            let [a, b, c, d] = [
                points[column][lane],
                points[4 + column][lane],
                points[8 + column][lane],
                points[12 + column][lane],
            ];
            half[0][column][lane] = a + (b + c) / 2.0;
            half[1][column][lane] = (b - c) / 2.0;
            half[2][column][lane] = (b + c) / 2.0 + d;
        }
    }
    let mut taps = [[0.0; LANES]; 9];
    for row in 0..3 {
        for lane in 0..LANES {
            let [a, b, c, d] =
                [half[row][0][lane], half[row][1][lane], half[row][2][lane], half[row][3][lane]];
            taps[row * 3][lane] = a + (b + c) / 2.0;
            taps[row * 3 + 1][lane] = (b - c) / 2.0;
            taps[row * 3 + 2][lane] = (b + c) / 2.0 + d;
        }
    }
    taps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `<transform(w), p> = <w, gradient(p)>`: one is the transpose of the other.
    #[test]
    fn gradient_is_the_transpose_of_transform() {
        let taps: Taps =
            std::array::from_fn(|tap| std::array::from_fn(|lane| (tap * 7 + lane * 3) as f64 % 5.0));
        let points: Points =
            std::array::from_fn(|point| std::array::from_fn(|lane| (point * 11 + lane) as f64 % 7.0 - 3.0));
        let (forward, back) = (transform(&taps), gradient(&points));
        let forward: f64 = forward.as_flattened().iter().zip(points.as_flattened()).map(|(a, b)| a * b).sum();
        let back: f64 = back.as_flattened().iter().zip(taps.as_flattened()).map(|(a, b)| a * b).sum();
        assert_eq!(forward, back);
    }
}
