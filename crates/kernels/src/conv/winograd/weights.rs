//! Weights transformed and packed, and their gradients on the way back.

use super::POINTS;
use crate::conv::words::{Precision, pair};
use crate::simd::LANES;

/// The order of packed weights: for each point and panel of [`LANES`] outer channels, a row of words for each inner
/// channel, or pair of them. The bias follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) inner: usize,
    pub(super) outer: usize,
    pub(super) precision: Precision,
}

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

    /// Packs `weight(outer, inner, tap)`.
    pub(super) fn pack(
        &self,
        bias: Option<&[f32]>,
        packed: &mut [f32],
        weight: impl Fn(usize, usize, usize) -> f32,
    ) {
        let (weights, biases) = packed.split_at_mut(self.weight_len());
        for panel in 0..self.panels() {
            let lanes = LANES.min(self.outer - panel * LANES);
            let points = |inner: usize| {
                let mut taps: Taps = [[0.0; LANES]; 9];
                for (tap, taps) in taps.iter_mut().enumerate() {
                    for (lane, value) in taps[..lanes].iter_mut().enumerate() {
                        *value = f64::from(weight(panel * LANES + lane, inner, tap));
                    }
                }
                transform(&taps)
            };
            for word in 0..self.precision.words(self.inner) {
                let first = points(word * self.precision.values());
                match self.precision {
                    Precision::F32 => {
                        for (point, values) in first.iter().enumerate() {
                            let row = &mut weights[self.row(point, panel, word)..][..LANES];
                            row.iter_mut().zip(values).for_each(|(row, &value)| *row = value as f32);
                        }
                    }
                    Precision::Bf16 => {
                        let has_second = 2 * word + 1 < self.inner;
                        let second = if has_second { points(2 * word + 1) } else { [[0.0; LANES]; POINTS] };
                        for (point, values) in first.iter().zip(&second).enumerate() {
                            let row = &mut weights[self.row(point, panel, word)..][..LANES];
                            for ((row, &first), &second) in row.iter_mut().zip(values.0).zip(values.1) {
                                *row = pair(first as f32, second as f32);
                            }
                        }
                    }
                }
            }
        }
        biases.fill(0.0);
        if let Some(bias) = bias {
            biases[..self.outer].copy_from_slice(bias);
        }
    }

    /// Takes `d_weight`, as `[outer, inner, 3, 3]`, and `d_bias` out of packed gradients of single values.
    pub(super) fn unpack_gradient(&self, d_packed: &[f32], d_weight: &mut [f32], d_bias: Option<&mut [f32]>) {
        let (weights, biases) = d_packed.split_at(self.weight_len());
        for panel in 0..self.panels() {
            let lanes = LANES.min(self.outer - panel * LANES);
            for inner in 0..self.inner {
                let mut points: Points = [[0.0; LANES]; POINTS];
                for (point, points) in points.iter_mut().enumerate() {
                    let row = &weights[self.row(point, panel, inner)..][..LANES];
                    points.iter_mut().zip(row).for_each(|(point, &value)| *point = f64::from(value));
                }
                for (tap, values) in gradient(&points).iter().enumerate() {
                    for (lane, &value) in values[..lanes].iter().enumerate() {
                        d_weight[((panel * LANES + lane) * self.inner + inner) * 9 + tap] = value as f32;
                    }
                }
            }
        }
        if let Some(d_bias) = d_bias {
            d_bias.copy_from_slice(&biases[..self.outer]);
        }
    }

    /// Offset of the weights of one point, panel and word of inner channels.
    pub(super) fn row(&self, point: usize, panel: usize, word: usize) -> usize {
        (point * self.panels() + panel) * self.panel_len() + word * LANES
    }
}

/// `G taps G'`, where `G` has the rows (1, 0, 0), (1/2, 1/2, 1/2), (1/2, -1/2, 1/2), (0, 0, 1).
fn transform(taps: &Taps) -> Points {
    let mut points = [[0.0; LANES]; POINTS];
    for lane in 0..LANES {
        let along = |[a, b, c]: [f64; 3]| [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
        let columns: [[f64; 4]; 3] =
            std::array::from_fn(|column| along(std::array::from_fn(|row| taps[row * 3 + column][lane])));
        for row in 0..4 {
            let values = along([columns[0][row], columns[1][row], columns[2][row]]);
            (0..4).for_each(|column| points[row * 4 + column][lane] = values[column]);
        }
    }
    points
}

/// `G' points G`.
fn gradient(points: &Points) -> Taps {
    let mut taps = [[0.0; LANES]; 9];
    for lane in 0..LANES {
        let along = |[a, b, c, d]: [f64; 4]| [a + (b + c) / 2.0, (b - c) / 2.0, (b + c) / 2.0 + d];
        let columns: [[f64; 3]; 4] =
            std::array::from_fn(|column| along(std::array::from_fn(|row| points[row * 4 + column][lane])));
        for row in 0..3 {
            let values = along([columns[0][row], columns[1][row], columns[2][row], columns[3][row]]);
            (0..3).for_each(|column| taps[row * 3 + column][lane] = values[column]);
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
