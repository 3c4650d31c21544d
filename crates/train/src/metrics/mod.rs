//! Metrics of a run: loss, accuracy, the confusion matrix, and the line for each epoch.

mod confusion;
mod interval;

pub use confusion::{ClassScores, ConfusedPair, Confusion};
pub use interval::{Interval, are_told_apart};

use serde::{Deserialize, Serialize};

/// A mean over images, from the means of batches of any size, in f64.
///
/// ```
/// use convscope_train::metrics::RunningMean;
/// let mut loss = RunningMean::default();
/// loss.add(1.0, 30);
/// loss.add(2.0, 10);
/// assert_eq!(loss.mean(), Some(1.25));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningMean {
    sum: f64,
    images: u64,
}

impl RunningMean {
    /// Adds the mean over a batch of `images`.
    pub fn add(&mut self, mean: f64, images: u64) {
        self.sum += mean * images as f64;
        self.images += images;
    }

    /// The mean over all images, `None` before the first.
    pub fn mean(&self) -> Option<f64> {
        (self.images > 0).then(|| self.sum / self.images as f64)
    }

    /// How many images were added.
    pub fn images(&self) -> u64 {
        self.images
    }
}

/// The metrics of an epoch: a line of `metrics.csv`, whose columns have these names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// The epoch, counted from 1.
    pub epoch: u64,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// The mean training loss over the epoch, measured while the weights changed.
    pub train_loss: f64,
    /// The training accuracy over the epoch, as a fraction, measured while the weights changed. For an image that an
    /// augmentation blends with another, the class with the larger share counts.
    pub train_accuracy: f64,
    /// The mean loss over the validation images after the epoch.
    pub val_loss: f64,
    /// The accuracy over the validation images after the epoch, as a fraction.
    pub val_accuracy: f64,
    /// How long the training images took, without validation, in seconds.
    pub seconds: f64,
    /// Training images per second during that time.
    pub images_per_second: f64,
    /// How much of that time training waited for batches, in seconds.
    pub data_wait_seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_of_nothing_is_unknown() {
        assert_eq!(RunningMean::default().mean(), None);
    }
}
