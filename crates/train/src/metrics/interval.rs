//! How reliable an accuracy measured on few images is.

use serde::Serialize;
use statrs::function::beta::inv_beta_reg;

/// The 95 % confidence interval of the accuracy on all images of the kind, given how many of a sample were right.
///
/// This is the exact interval of Clopper and Pearson ("The use of confidence or fiducial limits illustrated in the case
/// of the binomial", 1934): an accuracy outside it would give as many right ones or more (or fewer) in less than 2.5 %
/// of all cases.
///
/// ```
/// use convscope_train::metrics::Interval;
/// let interval = Interval::of(20, 30).unwrap();
/// assert!((interval.low - 0.4719).abs() < 1e-4 && (interval.high - 0.8271).abs() < 1e-4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end, a fraction.
    pub low: f64,
    /// The upper end, a fraction.
    pub high: f64,
}

/// The probability beyond each end.
const TAIL: f64 = 0.025;
/// The number of standard deviations from the mean that a normal distribution exceeds in 5 % of all cases.
const DEVIATIONS: f64 = 1.959_963_984_540_054;

impl Interval {
    /// The interval for `right` correct predictions among `images`; `None` without images.
    pub fn of(right: u64, images: u64) -> Option<Interval> {
        if images == 0 || right > images {
            return None;
        }
        let (right, wrong) = (right as f64, (images - right) as f64);
        let low = if right == 0.0 { 0.0 } else { inv_beta_reg(right, wrong + 1.0, TAIL) };
        let high = if wrong == 0.0 { 1.0 } else { inv_beta_reg(right + 1.0, wrong, 1.0 - TAIL) };
        Some(Interval { low, high })
    }

    /// The interval for an accuracy on this many images.
    pub fn of_accuracy(accuracy: f64, images: u64) -> Option<Interval> {
        if !(0.0..=1.0).contains(&accuracy) {
            return None;
        }
        Interval::of((accuracy * images as f64).round() as u64, images)
    }

    /// The distance between the ends.
    pub fn width(&self) -> f64 {
        self.high - self.low
    }
}

/// Whether two accuracies, each on this many images, differ by more than chance would explain in 95 % of all cases: by
/// more than 1.96 times the standard error of their difference, assuming different images. On the same images, smaller
/// differences can be real.
pub fn are_told_apart(first: f64, second: f64, images: u64) -> bool {
    let variance = |share: f64| share * (1.0 - share) / images as f64;
    (first - second).abs() > DEVIATIONS * (variance(first) + variance(second)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ends, by adding up the binomial distribution.
    fn tails(right: u64, images: u64, share: f64) -> (f64, f64) {
        let choose = |k: u64| (0..k).map(|i| (images - i) as f64 / (i + 1) as f64).product::<f64>();
        let probability = |k: u64| choose(k) * share.powi(k as i32) * (1.0 - share).powi((images - k) as i32);
        ((right..=images).map(probability).sum(), (0..=right).map(probability).sum())
    }

    #[test]
    fn beyond_each_end_lies_a_fortieth() {
        for (right, images) in [(20, 30), (1, 7), (59, 60), (3, 100)] {
            let interval = Interval::of(right, images).unwrap();
            assert!((tails(right, images, interval.low).0 - TAIL).abs() < 1e-6, "{right} of {images}");
            assert!((tails(right, images, interval.high).1 - TAIL).abs() < 1e-6, "{right} of {images}");
        }
        let none = Interval::of(0, 10).unwrap();
        assert!(none.low == 0.0 && (none.high - 0.3085).abs() < 1e-4);
        let all = Interval::of(10, 10).unwrap();
        assert!(all.high == 1.0 && (all.low - 0.6915).abs() < 1e-4);
        let many = Interval::of_accuracy(0.842, 10_000).unwrap();
        assert!((many.low - 0.8347).abs() < 2e-4 && (many.high - 0.8491).abs() < 2e-4, "{many:?}");
        assert_eq!((Interval::of(0, 0), Interval::of_accuracy(f64::NAN, 5)), (None, None));
    }

    #[test]
    fn few_images_tell_less_apart() {
        assert!(!are_told_apart(0.8, 0.7, 60) && are_told_apart(0.8, 0.7, 1000));
        assert!(!are_told_apart(0.8, 0.8, 1_000_000) && are_told_apart(1.0, 0.0, 5));
    }
}
