//! Pooling of regions of one plane: `[row, column]`.

use std::ops::Range;

/// The largest value of a bin above `least` and its position in the plane: the first of equal ones, never NaN.
///
/// Without such a value, `least` and no position.
pub fn bin_max(
    plane: &[f32],
    width: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    least: f32,
) -> (f32, Option<usize>) {
    let mut best = (least, None);
    for row in rows {
        for column in columns.clone() {
            let at = row * width + column;
            if plane[at] > best.0 {
                best = (plane[at], Some(at));
            }
        }
    }
    best
}

/// A position in a plane and its weight in a sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Position in the plane.
    pub at: usize,
    /// Factor.
    pub weight: f64,
}

/// `sum of plane[at] * weight`.
pub fn gather(plane: &[f32], shares: &[Share]) -> f64 {
    shares.iter().map(|share| f64::from(plane[share.at]) * share.weight).sum()
}

/// `plane[at] += d * weight`: the gradient of [`gather`].
pub fn scatter(d: f32, shares: &[Share], plane: &mut [f64]) {
    shares.iter().for_each(|share| plane[share.at] += f64::from(d) * share.weight);
}
