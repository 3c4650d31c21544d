//! What the course of training means, in plain words.

use convscope_train::metrics::{EpochMetrics, Interval};

use crate::findings::Severity;
use crate::number::figure;
use crate::{Finding, FindingKind};

/// The course of training.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// Its epochs, starting with the first.
    pub metrics: &'a [EpochMetrics],
    /// The epoch, counted from 1, whose weights it ended with.
    pub epoch: u64,
    /// How many classes there are.
    pub classes: usize,
    /// How many validation images there are.
    pub validation_images: u64,
    /// The accuracy on the test images and their number, if any.
    pub test: Option<(f64, u64)>,
}

/// The multiple of the loss of guessing, `ln(classes)`, from which a loss must come from steps that were too large.
pub const EXPLODED_FACTOR: f64 = 10.0;
/// The multiple from which it must, even if the training images are memorised.
pub const BEYOND_MEASURE: f64 = 1000.0;
/// The multiple of the accuracy of guessing up to which a network has learned nothing.
pub const GUESSING_FACTOR: f64 = 1.1;
/// The gap between training and validation accuracy from which a network has memorised its training images.
pub const OVERFITTING_GAP: f64 = 0.1;
/// The width of its interval from which an accuracy says little.
pub const WIDE_INTERVAL: f64 = 0.1;

impl Course<'_> {
    /// The findings, the most severe first.
    pub fn findings(&self) -> Vec<Finding> {
        let last = self.metrics.iter().find(|line| line.epoch == self.epoch);
        let Some(last) = last.filter(|_| self.classes > 1) else { return Vec::new() };
        let mut found: Vec<Finding> = self.exploded(last).into_iter().collect();
        if found.is_empty() {
            found.extend(self.nothing_learned(last));
            found.extend(self.overfitting(last));
        }
        found.extend(self.few_images(last));
        found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        found
    }

    fn exploded(&self, last: &EpochMetrics) -> Option<Finding> {
        let guessing = (self.classes as f64).ln();
        let (loss, whose) = match last.val_loss {
            loss if loss.is_nan() => (last.train_loss, "training"),
            loss => (loss, "validation"),
        };
        let threshold = EXPLODED_FACTOR * guessing;
        let text = format!(
            "The {whose} loss is {}, but guessing has {}: the steps were too large, and the network is useless. Train \
             again with a lower learning rate.",
            figure(loss),
            figure(guessing)
        );
        let kind = FindingKind::ExplodedLoss;
        // A network that has memorised its training images can be confidently wrong about others, but not beyond all
        // measure.
        let is_lost = last.train_loss > guessing || loss > BEYOND_MEASURE * guessing;
        (loss > threshold && is_lost).then(|| finding(kind, Severity::Problem, loss, threshold, text))
    }

    fn nothing_learned(&self, last: &EpochMetrics) -> Option<Finding> {
        let threshold = GUESSING_FACTOR / self.classes as f64;
        let accuracy = last.train_accuracy;
        let text = format!(
            "After {} epochs, {} of the training images are right, hardly more than by guessing ({}): the network has not \
             learned. First try a different learning rate.",
            last.epoch,
            percent(accuracy),
            percent(1.0 / self.classes as f64),
        );
        let kind = FindingKind::NothingLearned;
        (last.epoch > 1 && accuracy <= threshold)
            .then(|| finding(kind, Severity::Warning, accuracy, threshold, text))
    }

    fn overfitting(&self, last: &EpochMetrics) -> Option<Finding> {
        let gap = last.train_accuracy - last.val_accuracy;
        let interval = Interval::of_accuracy(last.val_accuracy, self.validation_images)?;
        if gap < OVERFITTING_GAP || interval.high >= last.train_accuracy {
            return None;
        }
        let lowest = self.metrics.iter().min_by(|a, b| a.val_loss.total_cmp(&b.val_loss))?.epoch;
        let turned = if lowest < last.epoch {
            format!(" The validation loss was lowest in epoch {lowest} of {}.", last.epoch)
        } else {
            String::new()
        };
        let text = format!(
            "The network has memorised its training images: {} of them are right, but only {} of the validation \
             images.{turned} More images, random changes to the images, or stopping earlier help.",
            percent(last.train_accuracy),
            percent(last.val_accuracy),
        );
        Some(finding(FindingKind::Overfitting, Severity::Warning, gap, OVERFITTING_GAP, text))
    }

    /// A finding about the test images, or the validation images if there are none.
    fn few_images(&self, last: &EpochMetrics) -> Option<Finding> {
        let (accuracy, images, whose) = match self.test {
            Some((accuracy, images)) => (accuracy, images, "test"),
            None => (last.val_accuracy, self.validation_images, "validation"),
        };
        let interval = Interval::of_accuracy(accuracy, images)?;
        let text = format!(
            "{images} {whose} images say little: {} right on them means that between {:.0} and {:.0} % would be right on \
             many more, with 95 % confidence.",
            percent(accuracy),
            100.0 * interval.low,
            100.0 * interval.high,
        );
        let width = interval.width();
        let kind = FindingKind::FewImages;
        (width > WIDE_INTERVAL).then(|| finding(kind, Severity::Note, width, WIDE_INTERVAL, text))
    }
}

fn finding(kind: FindingKind, severity: Severity, value: f64, threshold: f64, text: String) -> Finding {
    Finding { kind, severity, node: None, value, threshold, text }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(epoch: u64, train: [f64; 2], val: [f64; 2]) -> EpochMetrics {
        EpochMetrics {
            epoch,
            learning_rate: 0.01,
            train_loss: train[0],
            train_accuracy: train[1],
            val_loss: val[0],
            val_accuracy: val[1],
            seconds: 1.0,
            images_per_second: 1.0,
            data_wait_seconds: 0.0,
        }
    }

    fn found(metrics: &[EpochMetrics], images: u64, test: Option<(f64, u64)>) -> Vec<(FindingKind, String)> {
        let epoch = metrics.len() as u64;
        let course = Course { metrics, epoch, classes: 4, validation_images: images, test };
        course.findings().into_iter().map(|finding| (finding.kind, finding.text)).collect()
    }

    #[test]
    fn a_training_that_went_well_has_nothing_to_say() {
        let metrics = [line(1, [1.0, 0.6], [0.9, 0.7]), line(2, [0.4, 0.85], [0.5, 0.82])];
        assert_eq!(found(&metrics, 2000, Some((0.81, 2000))), []);
        assert_eq!(found(&[], 2000, None), []);
    }

    #[test]
    fn a_loss_beyond_all_measure_is_told_alone() {
        let metrics = [line(1, [2.0, 0.25], [5.7e21, 0.25])];
        let said = found(&metrics, 2000, None);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].0 == FindingKind::ExplodedLoss && said[0].1.contains("lower learning rate"),
            "{said:?}"
        );
        // Without validation images, it is the training loss.
        let metrics = [line(1, [140.0, 0.25], [f64::NAN, f64::NAN])];
        assert_eq!(found(&metrics, 0, None)[0].0, FindingKind::ExplodedLoss);
        assert_eq!(found(&[line(1, [13.0, 0.4], [13.0, 0.4])], 2000, None), []);
    }

    #[test]
    fn sure_and_wrong_is_no_explosion() {
        let kinds = |val_loss: f64| -> Vec<FindingKind> {
            let metrics = [line(1, [0.2, 0.9], [val_loss, 0.0])];
            found(&metrics, 2000, None).into_iter().map(|(kind, _)| kind).collect()
        };
        assert_eq!(kinds(17.5), [FindingKind::Overfitting]);
        assert_eq!(kinds(5.7e21), [FindingKind::ExplodedLoss]);
    }

    #[test]
    fn knowing_by_heart_is_told_with_the_epoch_that_was_best() {
        let metrics = [
            line(1, [1.3, 0.4], [1.35, 0.38]),
            line(2, [0.5, 0.8], [1.1, 0.55]),
            line(3, [0.01, 1.0], [1.42, 0.53]),
        ];
        let said = found(&metrics, 1000, Some((0.53, 1000)));
        assert_eq!(said[0].0, FindingKind::Overfitting);
        for part in ["100.00 % of them are right", "53.00 %", "lowest in epoch 2 of 3"] {
            assert!(said[0].1.contains(part), "{said:?}");
        }
        // A gap that ten images cannot prove.
        let few = [line(1, [0.3, 0.9], [0.8, 0.7])];
        assert!(found(&few, 10, None).iter().all(|(kind, _)| *kind != FindingKind::Overfitting));
    }

    #[test]
    fn thirty_test_images_tell_little() {
        let metrics = [line(1, [0.9, 0.65], [0.9, 0.66])];
        let said = found(&metrics, 2000, Some((2.0 / 3.0, 30)));
        assert_eq!(said.len(), 1);
        assert!(said[0].0 == FindingKind::FewImages && said[0].1.contains("between 47 and 83 %"), "{said:?}");
        assert!(found(&metrics, 30, None)[0].1.starts_with("30 validation images"));
    }

    #[test]
    fn guessing_after_some_epochs_is_told() {
        let metrics = [line(1, [1.4, 0.25], [1.4, 0.25]), line(2, [1.39, 0.26], [1.39, 0.25])];
        assert_eq!(found(&metrics, 2000, None)[0].0, FindingKind::NothingLearned);
        assert_eq!(found(&metrics[..1], 2000, None), []);
    }
}
