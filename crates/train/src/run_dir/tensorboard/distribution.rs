//! The distribution of values, in even bins.

/// The smallest and the largest of some values, ignoring those that are not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueRange {
    min: f32,
    max: f32,
}

/// How many values are in each of 64 even bins between the smallest and the largest.
///
/// ```
/// use convscope_train::run_dir::Distribution;
///
/// let values = Distribution::of(&[-1.0, 3.0, 3.0, 0.0, f32::NAN]);
/// assert_eq!((values.min(), values.max(), values.count(), values.sum()), (-1.0, 3.0, 4, 5.0));
/// assert_eq!((values.counts()[0], values.counts()[16], values.counts()[63]), (1, 1, 2));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    range: ValueRange,
    sum: f64,
    sum_squares: f64,
    counts: [u64; BINS],
}

const BINS: usize = 64;

impl ValueRange {
    /// The range of no values.
    pub const EMPTY: ValueRange = ValueRange { min: f32::INFINITY, max: f32::NEG_INFINITY };

    /// Adds values.
    pub fn add(&mut self, values: &[f32]) {
        for &value in values.iter().filter(|value| value.is_finite()) {
            (self.min, self.max) = (self.min.min(value), self.max.max(value));
        }
    }
}

impl Distribution {
    /// The distribution of these values, ignoring those that are not finite.
    pub fn of(values: &[f32]) -> Distribution {
        let mut range = ValueRange::EMPTY;
        range.add(values);
        let mut distribution = Distribution::within(range);
        distribution.add(values);
        distribution
    }

    /// An empty distribution for values in this range.
    pub fn within(range: ValueRange) -> Distribution {
        let range = if range.min > range.max { ValueRange { min: 0.0, max: 0.0 } } else { range };
        Distribution { range, sum: 0.0, sum_squares: 0.0, counts: [0; BINS] }
    }

    /// Adds values; one outside the range counts in the first or last bin.
    pub fn add(&mut self, values: &[f32]) {
        let (min, width) = (self.min(), self.bin_width());
        for value in values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value)) {
            let bin = if width > 0.0 { ((value - min) / width) as usize } else { 0 };
            self.counts[bin.min(BINS - 1)] += 1;
            self.sum += value;
            self.sum_squares += value * value;
        }
    }

    /// Adds the counts of another distribution with the same range.
    pub fn merge(&mut self, other: &Distribution) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        self.sum += other.sum;
        self.sum_squares += other.sum_squares;
    }

    /// The smallest value; 0 if there is none.
    pub fn min(&self) -> f64 {
        f64::from(self.range.min)
    }

    /// The largest value; 0 if there is none.
    pub fn max(&self) -> f64 {
        f64::from(self.range.max)
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The sum of their squares.
    pub fn sum_squares(&self) -> f64 {
        self.sum_squares
    }

    /// The count of each bin.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The upper end of each bin.
    pub fn limits(&self) -> impl Iterator<Item = f64> {
        let (min, max, width) = (self.min(), self.max(), self.bin_width());
        (1..=BINS).map(move |bin| if bin == BINS { max } else { min + bin as f64 * width })
    }

    fn bin_width(&self) -> f64 {
        (self.max() - self.min()) / BINS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        let values: Vec<f32> = (0..100).map(|i| ((i * 37) % 100) as f32 - 20.0).collect();
        let whole = Distribution::of(&values);
        let mut range = ValueRange::EMPTY;
        values.chunks(33).for_each(|part| range.add(part));
        let parts = values.chunks(33).map(|part| {
            let mut of_part = Distribution::within(range);
            of_part.add(part);
            of_part
        });
        let merged = parts.reduce(|mut all, part| {
            all.merge(&part);
            all
        });
        assert_eq!(merged.unwrap(), whole);
        assert_eq!((whole.min(), whole.max(), whole.count()), (-20.0, 79.0, 100));
        let mut below = 0;
        for (limit, count) in whole.limits().zip(whole.counts()) {
            below += count;
            // Only the last bin includes its upper end.
            let expected = values.iter().filter(|&&value| f64::from(value) < limit || limit == 79.0).count();
            assert_eq!(below, expected as u64, "below {limit}");
        }
    }

    #[test]
    fn no_values_and_equal_values_have_a_place() {
        assert_eq!((Distribution::of(&[]).count(), Distribution::of(&[f32::INFINITY]).max()), (0, 0.0));
        let equal = Distribution::of(&[2.5; 3]);
        assert_eq!((equal.counts()[0], equal.count(), equal.sum_squares()), (3, 3, 18.75));
    }
}
