//! The confusion matrix and metrics derived from it.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// How often each class (row) was predicted as each class (column).
///
/// ```
/// use convscope_train::metrics::Confusion;
/// let mut confusion = Confusion::new(3);
/// for (label, prediction) in [(0, 0), (0, 1), (1, 1), (1, 1)] {
///     confusion.record(label, prediction)?;
/// }
/// assert_eq!(confusion.accuracy(), Some(0.75));
/// assert_eq!(confusion.scores(1).precision, Some(2.0 / 3.0));
/// assert_eq!(confusion.scores(2).recall, None);
/// # Ok::<(), convscope_train::TrainError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    classes: usize,
    /// `classes` rows of `classes` counts.
    counts: Vec<u64>,
}

/// How well one class is distinguished from the others; `None` if a denominator is zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Of the images predicted as the class, the fraction that are: `tp / (tp + fp)`.
    pub precision: Option<f64>,
    /// Of the images of the class, the fraction predicted as it: `tp / (tp + fn)`.
    pub recall: Option<f64>,
    /// The harmonic mean of the two: `2 tp / (2 tp + fp + fn)`.
    pub f1: Option<f64>,
    /// How many images of the class there were.
    pub support: u64,
}

/// A class and another one that it was mistaken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusedPair {
    /// The true class.
    pub label: usize,
    /// The predicted class.
    pub prediction: usize,
    /// Number of images.
    pub count: u64,
}

impl Confusion {
    /// An empty matrix for this many classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one image.
    ///
    /// # Errors
    /// [`TrainError::ClassOutOfRange`] if one of the two is not a class.
    pub fn record(&mut self, label: usize, prediction: usize) -> Result<(), TrainError> {
        for class in [label, prediction] {
            if class >= self.classes {
                return Err(TrainError::ClassOutOfRange { class, classes: self.classes });
            }
        }
        self.counts[label * self.classes + prediction] += 1;
        Ok(())
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How the images of class `label` were predicted: a count for each class.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn row(&self, label: usize) -> &[u64] {
        &self.counts[label * self.classes..][..self.classes]
    }

    /// How many images were counted.
    pub fn images(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many of them were predicted correctly.
    pub fn correct(&self) -> u64 {
        (0..self.classes).map(|class| self.row(class)[class]).sum()
    }

    /// The fraction predicted correctly, `None` without images.
    pub fn accuracy(&self) -> Option<f64> {
        fraction(self.correct(), self.images())
    }

    /// The mean recall of the classes that have images, `None` without images. It is the accuracy to expect on a set
    /// with equally many images of each class.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        let recalls: Vec<f64> = (0..self.classes).filter_map(|class| self.scores(class).recall).collect();
        (!recalls.is_empty()).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64)
    }

    /// Whether one class has more than 1.5 times the images of another, so that accuracy depends on the larger ones.
    pub fn is_uneven(&self) -> bool {
        let supports =
            (0..self.classes).map(|class| self.scores(class).support).filter(|&support| support > 0);
        let (least, most) =
            supports.fold((u64::MAX, 0), |(least, most), support| (least.min(support), most.max(support)));
        2 * most > 3 * least.min(most)
    }

    /// How well class `class` is distinguished from the others.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn scores(&self, class: usize) -> ClassScores {
        let support: u64 = self.row(class).iter().sum();
        let predicted: u64 = (0..self.classes).map(|label| self.row(label)[class]).sum();
        let correct = self.row(class)[class];
        ClassScores {
            precision: fraction(correct, predicted),
            recall: fraction(correct, support),
            f1: fraction(2 * correct, predicted + support),
            support,
        }
    }

    /// The classes that have images or were predicted, and the matrix of these alone.
    pub fn of_seen(&self) -> (Vec<usize>, Confusion) {
        let mut is_seen = vec![false; self.classes];
        for label in 0..self.classes {
            for (prediction, &count) in self.row(label).iter().enumerate() {
                if count > 0 {
                    (is_seen[label], is_seen[prediction]) = (true, true);
                }
            }
        }
        let seen: Vec<usize> = (0..self.classes).filter(|&class| is_seen[class]).collect();
        let counts = seen.iter().flat_map(|&label| seen.iter().map(move |&class| self.row(label)[class]));
        (seen.clone(), Confusion { classes: seen.len(), counts: counts.collect() })
    }

    /// The confusions that happened, the most frequent first, at most `limit` of them; ties are ordered by label and
    /// prediction.
    pub fn most_confused(&self, limit: usize) -> Vec<ConfusedPair> {
        let mut pairs: Vec<ConfusedPair> = (0..self.classes)
            .flat_map(|label| {
                let row = self.row(label).iter().enumerate();
                row.map(move |(prediction, &count)| ConfusedPair { label, prediction, count })
            })
            .filter(|pair| pair.label != pair.prediction && pair.count > 0)
            .collect();
        pairs.sort_by_key(|pair| Reverse(pair.count));
        pairs.truncate(limit);
        pairs
    }
}

fn fraction(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_without_images_or_predictions_can_be_left_out() {
        let mut confusion = Confusion::new(5);
        for (label, prediction) in [(1, 1), (1, 4), (1, 4), (4, 1)] {
            confusion.record(label, prediction).unwrap();
        }
        let (seen, small) = confusion.of_seen();
        assert_eq!((seen, small.row(0), small.row(1)), (vec![1, 4], &[1, 2][..], &[1, 0][..]));
        assert_eq!(small.accuracy(), confusion.accuracy());
    }

    #[test]
    fn balanced_accuracy_is_the_mean_recall() {
        let confusion = lopsided();
        // 3/5, 4/5 and 0/3; the last class has no images.
        assert!((confusion.balanced_accuracy().unwrap() - 1.4 / 3.0).abs() < 1e-12);
        assert!(confusion.is_uneven());
        let mut even = Confusion::new(2);
        for label in [0, 0, 0, 1, 1] {
            even.record(label, 0).unwrap();
        }
        assert!(!even.is_uneven());
        even.record(0, 1).unwrap();
        assert!(even.is_uneven());
        assert_eq!((Confusion::new(2).balanced_accuracy(), Confusion::new(2).is_uneven()), (None, false));
    }

    /// Labels in rows: 0 -> [3, 2, 0, 0], 1 -> [0, 4, 1, 0], 2 -> [1, 2, 0, 0], 3 -> nothing.
    fn lopsided() -> Confusion {
        let mut confusion = Confusion::new(4);
        for (label, row) in [[3, 2, 0, 0], [0, 4, 1, 0], [1, 2, 0, 0]].iter().enumerate() {
            for (prediction, &count) in row.iter().enumerate() {
                for _ in 0..count {
                    confusion.record(label, prediction).unwrap();
                }
            }
        }
        confusion
    }

    #[test]
    fn scores_keep_rows_and_columns_apart() {
        let confusion = lopsided();
        assert_eq!((confusion.images(), confusion.correct()), (13, 7));
        assert_eq!(confusion.accuracy(), Some(7.0 / 13.0));
        assert_eq!(confusion.row(1), [0, 4, 1, 0]);
        let scores = |class| {
            let scores = confusion.scores(class);
            (scores.precision, scores.recall, scores.f1, scores.support)
        };
        assert_eq!(scores(0), (Some(3.0 / 4.0), Some(3.0 / 5.0), Some(6.0 / 9.0), 5));
        assert_eq!(scores(1), (Some(4.0 / 8.0), Some(4.0 / 5.0), Some(8.0 / 13.0), 5));
        assert_eq!(scores(2), (Some(0.0), Some(0.0), Some(0.0), 3));
        assert_eq!(scores(3), (None, None, None, 0));
    }

    #[test]
    fn most_confused_pairs_come_first_and_equals_in_class_order() {
        let pair = |label, prediction, count| ConfusedPair { label, prediction, count };
        assert_eq!(lopsided().most_confused(3), [pair(0, 1, 2), pair(2, 1, 2), pair(1, 2, 1)]);
        assert_eq!(lopsided().most_confused(9).len(), 4);
    }

    #[test]
    fn a_class_out_of_range_is_an_error_and_not_counted() {
        let mut confusion = Confusion::new(2);
        let error = confusion.record(0, 2).unwrap_err().to_string();
        assert!(error.starts_with("class 2 is out of range for 2 classes"), "{error}");
        assert!(confusion.record(5, 0).is_err());
        assert_eq!((confusion.images(), confusion.accuracy()), (0, None));
    }
}
