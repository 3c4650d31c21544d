//! What training minimises: the losses of logits against class labels.
//!
//! The functions [`crate::cross_entropy()`] and [`crate::mse_loss()`] have PyTorch's arguments; [`Loss`] is the form in
//! which training uses them, on the logits of some images of a batch.

mod labels;
mod reduction;

pub use labels::{Labels, SoftTargets};
pub use reduction::Reduction;

use crate::OpError;
use convscope_kernels::loss;
use serde::{Deserialize, Serialize};

/// The loss of a classifier.
///
/// ```
/// use convscope_ops::{Labels, Loss};
/// let mut d_logits = [0.0; 2];
/// let sum = Loss::CROSS_ENTROPY.evaluate(&[0.0, 0.0], Labels::new(&[1]), 2, 1, &mut d_logits);
/// assert!((sum - 2f64.ln()).abs() < 1e-12);
/// assert_eq!(d_logits, [0.5, -0.5]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// `-sum over c of weight[c] * target[c] * log softmax(logits)[c]`, as [`crate::cross_entropy()`]; the target is 1
    /// for the label, or shared between two labels, and the weights are 1 unless the [`Labels`] have others.
    CrossEntropy {
        /// The share of the target that is spread over all classes, from 0 to 1; default 0.
        #[serde(default)]
        label_smoothing: f64,
    },
    /// The mean over the classes of `(logits - target)^2`, as [`crate::mse_loss()`].
    #[serde(rename = "mse_loss")]
    MeanSquaredError,
}

impl Loss {
    /// Cross entropy without label smoothing.
    pub const CROSS_ENTROPY: Loss = Loss::CrossEntropy { label_smoothing: 0.0 };

    /// Checks the label smoothing.
    ///
    /// # Errors
    /// A label smoothing outside 0 to 1.
    pub fn check(self) -> Result<(), OpError> {
        match self {
            Loss::CrossEntropy { label_smoothing } if !(0.0..=1.0).contains(&label_smoothing) => {
                let problem = format!("is {label_smoothing}, must be from 0 to 1");
                Err(OpError::argument("cross_entropy", "label_smoothing", problem))
            }
            _ => Ok(()),
        }
    }

    /// The sum of the losses of some images of a batch: `logits` `[images, classes]` against their labels, and against
    /// their [soft targets](SoftTargets), if any.
    ///
    /// Writes to `d_logits`, of the shape of `logits`, the gradient with respect to the logits of the mean loss over a
    /// batch of `batch` images. Nothing is allocated. Labels are below `classes`.
    pub fn evaluate(
        self,
        logits: &[f32],
        labels: Labels<'_>,
        classes: usize,
        batch: usize,
        d_logits: &mut [f32],
    ) -> f64 {
        let images = labels.classes().len();
        assert_eq!(logits.len(), images * classes, "logits for a different number of images or classes");
        let rows = logits.chunks_exact(classes).zip(d_logits.chunks_exact_mut(classes)).enumerate();
        let soft = labels.soft_targets();
        let (whole, soft_share) = (1.0 / batch as f64, soft.map_or(0.0, |soft| soft.share));
        let share = whole * (1.0 - soft_share);
        let loss_of_labels = |image: usize, row: &[f32], d_row: &mut [f32]| match self {
            Loss::CrossEntropy { label_smoothing } => {
                let target = |class| {
                    let spread = label_smoothing / classes as f64;
                    labels.weight(class) * ((1.0 - label_smoothing) * labels.target(image, class) + spread)
                };
                loss::cross_entropy(row, target, share, d_row)
            }
            Loss::MeanSquaredError => {
                let target = |class| labels.target(image, class) as f32;
                let per_class = 1.0 / classes as f64;
                loss::squared_error(row, target, share * per_class, d_row) * per_class
            }
        };
        let loss_of = |(image, (row, d_row)): (usize, (&[f32], &mut [f32]))| {
            let loss = (1.0 - soft_share) * loss_of_labels(image, row, d_row);
            soft.map_or(loss, |SoftTargets { probabilities, share, temperature }| {
                let target = &probabilities[image * classes..][..classes];
                loss + share * loss::divergence(row, target, temperature, whole * share, d_row)
            })
        };
        rows.map(loss_of).sum()
    }
}

/// The index of the largest value, the first of equal ones: the class that logits or probabilities predict. NaN is
/// skipped; if there is nothing else, the result is 0.
pub fn argmax(values: &[f32]) -> usize {
    let mut best: Option<(usize, f32)> = None;
    for (index, &value) in values.iter().enumerate() {
        if !value.is_nan() && best.is_none_or(|(_, largest)| value > largest) {
            best = Some((index, value));
        }
    }
    best.map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CrossEntropyArguments, Target, cross_entropy, cross_entropy_backward};
    use ndarray::{arr0, arr1, arr2};

    #[test]
    fn class_weights_are_those_of_the_cross_entropy_of_arrays() {
        let (classes, weights) = ([2, 0], [0.5, 1.0, 3.0]);
        let logits = [0.3, -1.2, 0.8, 2.0, 0.1, -0.4];
        let mut gradient = [0.0; 6];
        let loss = Loss::CrossEntropy { label_smoothing: 0.1 };
        let sum =
            loss.evaluate(&logits, Labels::new(&classes).with_class_weights(&weights), 3, 2, &mut gradient);
        let input = arr2(&[[0.3, -1.2, 0.8], [2.0, 0.1, -0.4]]).into_dyn();
        let target = arr1(&[2_i64, 0]).into_dyn();
        let weight = arr1(&weights.map(|weight| weight as f32));
        let arguments = CrossEntropyArguments {
            reduction: Reduction::Sum,
            label_smoothing: 0.1,
            ..CrossEntropyArguments::default()
        };
        let of_classes = || Target::Classes(target.view());
        let expected = cross_entropy(input.view(), of_classes(), Some(weight.view()), &arguments).unwrap();
        assert!((sum - f64::from(expected.sum())).abs() < 1e-5, "{sum} {expected}");
        let d_output = arr0(1.0).into_dyn();
        let d = cross_entropy_backward(
            d_output.view(),
            input.view(),
            of_classes(),
            Some(weight.view()),
            &arguments,
        );
        for (found, expected) in gradient.iter().zip(d.unwrap().iter()) {
            assert!((2.0 * found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn argmax_takes_the_first_of_equals_and_skips_nan() {
        assert_eq!(argmax(&[-3.0, -1.0, -1.0, -2.0]), 1);
        assert_eq!(argmax(&[f32::NAN, -2.0, f32::NEG_INFINITY]), 1);
        assert_eq!(argmax(&[f32::NEG_INFINITY, f32::NEG_INFINITY]), 0);
        assert_eq!(argmax(&[f32::NAN, f32::NAN]), 0);
    }
}
