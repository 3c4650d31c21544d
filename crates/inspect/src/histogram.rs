//! A histogram in fixed memory over numbers of any size.

use convscope_kernels::statistics::{SIZES, SizeCounts, count_sizes};
use serde::Serialize;

/// How often values of each size occurred.
///
/// A bin extends from `m` to `5/4 m`, `6/4 m`, `7/4 m` or `2 m` with `m` a power of two, for both signs, so a value is
/// known to within a quarter of its bin's smaller border. Everything smaller than the largest magnitude by a factor of
/// about 2^16 or more is in one bin around zero; in the histogram of a single channel, by 2^8.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// The borders of the bins, in increasing order, one more than there are bins; empty if nothing was counted.
    pub edges: Vec<f64>,
    /// How many values are in `edges[i]..edges[i + 1]`; empty bins at both ends are omitted.
    pub counts: Vec<u64>,
}

/// Entries of one sign for finite numbers.
pub(crate) const FINITE: usize = 255 << 2;
/// Entries up to the largest one that are kept separate in a layer: sixteen powers of two.
pub(crate) const TOLD_APART: usize = 16 << 2;

impl Histogram {
    /// The histogram of these values, ignoring those that are not finite.
    ///
    /// ```
    /// use convscope_inspect::Histogram;
    /// let histogram = Histogram::of(&[1.0, 1.1, -2.0, 0.0, 1e-9, f32::NAN]);
    /// assert_eq!(histogram.counts.iter().sum::<u64>(), 5);
    /// assert_eq!(histogram.edges.last(), Some(&1.25));
    /// assert_eq!(histogram.counts.last(), Some(&2));
    /// ```
    pub fn of(values: &[f32]) -> Histogram {
        const STRETCH: usize = 1 << 30;
        let mut sizes = vec![0u64; SIZES];
        let mut counts: Box<SizeCounts> = Box::new([[0; SIZES]; 2]);
        for values in values.chunks(STRETCH) {
            counts.iter_mut().for_each(|row| row.fill(0));
            count_sizes(values, &mut counts);
            for (index, size) in sizes.iter_mut().enumerate() {
                *size += u64::from(counts[0][index]) + u64::from(counts[1][index]);
            }
        }
        Histogram::from_sizes(&sizes, TOLD_APART)
    }

    /// From the counts of [`count_sizes`], with this many entries up to the largest one kept separate.
    pub(crate) fn from_sizes(sizes: &[u64], told_apart: usize) -> Histogram {
        let (positive, negative) = sizes.split_at(SIZES / 2);
        let last = |of: &[u64]| of[..FINITE].iter().rposition(|&count| count > 0);
        let Some(largest) = last(positive).max(last(negative)) else {
            return Histogram { edges: Vec::new(), counts: Vec::new() };
        };
        // Entry 0 holds zero itself, so it always belongs to the bin around zero.
        let first = (largest + 1).saturating_sub(told_apart).max(1);
        let border = |entry: usize| f64::from(f32::from_bits((entry as u32) << 21).min(f32::MAX));
        let mut bins: Vec<(f64, u64)> = Vec::new();
        for entry in (first..=largest).rev() {
            bins.push((-border(entry + 1), negative[entry]));
        }
        let near_zero = positive[..first].iter().chain(&negative[..first]).sum();
        bins.push((-border(first), near_zero));
        bins.extend((first..=largest).map(|entry| (border(entry), positive[entry])));
        let start = bins.iter().position(|&(_, count)| count > 0).unwrap_or(0);
        let end = bins.iter().rposition(|&(_, count)| count > 0).unwrap_or(0) + 1;
        let edges = bins.iter().map(|&(from, _)| from).chain([border(largest + 1)]);
        Histogram {
            edges: edges.skip(start).take(end - start + 1).collect(),
            counts: bins[start..end].iter().map(|&(_, count)| count).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bin() {
        let values: Vec<f32> = (-300..400)
            .map(|i| (i as f32 * 0.37).sin() * 10f32.powi(i % 5) * if i % 7 == 0 { 0.0 } else { 1.0 })
            .collect();
        let histogram = Histogram::of(&values);
        assert!(histogram.edges.is_sorted_by(|a, b| a < b));
        assert_eq!(histogram.edges.len(), histogram.counts.len() + 1);
        for (pair, &count) in histogram.edges.windows(2).zip(&histogram.counts) {
            // Negative and positive bins both include their inner border: magnitudes start there.
            let inside = |value: f64| {
                if pair[1] <= 0.0 {
                    value > pair[0] && value <= pair[1]
                } else {
                    value >= pair[0] && value < pair[1]
                }
            };
            assert_eq!(
                values.iter().filter(|&&value| inside(f64::from(value))).count() as u64,
                count,
                "{pair:?}"
            );
            assert!(
                pair[0] * pair[1] <= 0.0
                    || (pair[1] / pair[0]).abs().max((pair[0] / pair[1]).abs()) <= 1.25 + 1e-12
            );
        }
        assert!(histogram.counts[0] > 0 && histogram.counts.last() > Some(&0));
    }

    #[test]
    fn extremes_have_their_place() {
        assert_eq!(Histogram::of(&[0.0; 3]).counts, [3]);
        assert_eq!(Histogram::of(&[]).counts, [0; 0]);
        let large = Histogram::of(&[f32::MAX, -f32::MAX, f32::INFINITY]);
        assert_eq!(large.counts.iter().sum::<u64>(), 2);
        assert!(large.edges.iter().all(|edge| edge.is_finite()));
        let small = Histogram::of(&[f32::from_bits(1), 0.0]);
        assert_eq!(small.counts.iter().sum::<u64>(), 2);
    }
}
