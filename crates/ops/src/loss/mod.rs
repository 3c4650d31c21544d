//! What training makes small: the losses of logits against class labels.
//!
//! The functions [`crate::cross_entropy()`] and [`crate::mse_loss()`] have PyTorch's arguments; [`Loss`] is the form in
//! which training uses them, on the logits of some images of a batch.

mod reduction;

pub use reduction::Reduction;

use crate::OpError;
use convscope_kernels::loss;
use serde::{Deserialize, Serialize};

/// The loss of a classifier.
///
/// ```
/// use convscope_ops::Loss;
/// let mut d_logits = [0.0; 2];
/// let sum = Loss::CROSS_ENTROPY.evaluate(&[0.0, 0.0], &[1], 2, 1, &mut d_logits);
/// assert!((sum - 2f64.ln()).abs() < 1e-12);
/// assert_eq!(d_logits, [0.5, -0.5]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// `-log softmax(logits)[label]`, as [`crate::cross_entropy()`].
    CrossEntropy {
        /// The share of the target that is spread over all classes, from 0 to 1; default 0.
        #[serde(default)]
        label_smoothing: f64,
    },
    /// The mean over the classes of `(logits - one_hot(label))^2`, as [`crate::mse_loss()`].
    #[serde(rename = "mse_loss")]
    MeanSquaredError,
}

impl Loss {
    /// Cross entropy without label smoothing.
    pub const CROSS_ENTROPY: Loss = Loss::CrossEntropy { label_smoothing: 0.0 };

    /// Fails on a label smoothing outside 0 to 1.
    ///
    /// # Errors
    /// That one.
    pub fn check(self) -> Result<(), OpError> {
        match self {
            Loss::CrossEntropy { label_smoothing } if !(0.0..=1.0).contains(&label_smoothing) => {
                let problem = format!("is {label_smoothing}, must be from 0 to 1");
                Err(OpError::argument("cross_entropy", "label_smoothing", problem))
            }
            _ => Ok(()),
        }
    }

    /// The sum of the losses of some images of a batch: `logits` `[labels.len(), classes]` against their labels.
    ///
    /// Writes to `d_logits`, of the shape of `logits`, the gradient by the logits of the mean loss over a batch of
    /// `batch` images. Nothing is allocated. Labels are below `classes`.
    pub fn evaluate(
        self,
        logits: &[f32],
        labels: &[usize],
        classes: usize,
        batch: usize,
        d_logits: &mut [f32],
    ) -> f64 {
        assert_eq!(logits.len(), labels.len() * classes, "logits of another number of images or classes");
        let rows = logits.chunks_exact(classes).zip(d_logits.chunks_exact_mut(classes)).zip(labels);
        let share = 1.0 / batch as f64;
        let loss_of = |((row, d_row), &label): ((&[f32], &mut [f32]), &usize)| match self {
            Loss::CrossEntropy { label_smoothing } => {
                let target = |class| {
                    let hit = if class == label { 1.0 - label_smoothing } else { 0.0 };
                    hit + label_smoothing / classes as f64
                };
                loss::cross_entropy(row, target, share, d_row)
            }
            Loss::MeanSquaredError => {
                let target = |class| if class == label { 1.0 } else { 0.0 };
                let per_class = 1.0 / classes as f64;
                loss::squared_error(row, target, share * per_class, d_row) * per_class
            }
        };
        rows.map(loss_of).sum()
    }
}
