//! Cross entropy of arrays.

use super::NAME;
use crate::arrays::{array, check_gradient, from_rows, rows, values};
use crate::{OpError, Reduction};
use convscope_kernels::loss;
use ndarray::{ArrayD, ArrayView1, ArrayViewD};
use serde::Deserialize;

/// The target of the logits.
#[derive(Clone, Debug)]
pub enum Target<'a> {
    /// The index of the true class: `[N, ...]`, or a single number for an input `[C]`.
    Classes(ArrayViewD<'a, i64>),
    /// The probability of each class, in the input's shape.
    Probabilities(ArrayViewD<'a, f32>),
}

/// The arguments of [`cross_entropy()`] apart from its arrays, with PyTorch's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrossEntropyArguments {
    /// A class that is ignored; default -100.
    pub ignore_index: i64,
    /// How the losses are reduced; default their mean.
    pub reduction: Reduction,
    /// The share of the target that is spread over all classes, from 0 to 1; default 0.
    pub label_smoothing: f64,
}

impl Default for CrossEntropyArguments {
    fn default() -> Self {
        CrossEntropyArguments { ignore_index: -100, reduction: Reduction::Mean, label_smoothing: 0.0 }
    }
}

/// Cross entropy of the logits `input` `[N, C, ...]` or `[C]` against `target`, with a `weight` `[C]` for each class:
/// `[N, ...]` without a reduction, otherwise a single number.
///
/// # Errors
/// Shapes that do not match, a class outside 0 to C - 1 that is not `ignore_index`, a label smoothing outside 0 to 1.
///
/// ```
/// use convscope_ops::{CrossEntropyArguments, Target, cross_entropy};
/// use ndarray::{arr1, arr2};
/// let (input, target) = (arr2(&[[0.0, 0.0], [3.0, 9.0]]).into_dyn(), arr1(&[1, -100]).into_dyn());
/// let target = Target::Classes(target.view());
/// let loss = cross_entropy(input.view(), target, None, &CrossEntropyArguments::default())?;
/// assert!((loss.sum() - 2f32.ln()).abs() < 1e-6);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn cross_entropy(
    input: ArrayViewD<'_, f32>,
    target: Target<'_>,
    weight: Option<ArrayView1<'_, f32>>,
    arguments: &CrossEntropyArguments,
) -> Result<ArrayD<f32>, OpError> {
    let mut call = Checked::new(input, target, weight, arguments)?;
    let losses = call.evaluate(|_| 1.0);
    let total: f64 = losses.iter().sum();
    Ok(match arguments.reduction {
        Reduction::None => array(&call.output_shape, losses.iter().map(|&loss| loss as f32).collect()),
        Reduction::Sum => array(&[], vec![total as f32]),
        Reduction::Mean => array(&[], vec![(total / call.divisor) as f32]),
    })
}

/// The gradient of [`cross_entropy()`] with respect to its input.
///
/// # Errors
/// As for [`cross_entropy()`], and a `d_output` of a different shape from the output.
///
/// ```
/// use convscope_ops::{CrossEntropyArguments, Target, cross_entropy_backward};
/// use ndarray::{arr0, arr1, arr2};
/// let (input, target) = (arr2(&[[0.0, 0.0], [3.0, 9.0]]).into_dyn(), arr1(&[1, -100]).into_dyn());
/// let (d_output, target) = (arr0(2.0).into_dyn(), Target::Classes(target.view()));
/// let arguments = CrossEntropyArguments::default();
/// let d = cross_entropy_backward(d_output.view(), input.view(), target, None, &arguments)?;
/// assert_eq!(d, arr2(&[[1.0, -1.0], [0.0, 0.0]]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn cross_entropy_backward(
    d_output: ArrayViewD<'_, f32>,
    input: ArrayViewD<'_, f32>,
    target: Target<'_>,
    weight: Option<ArrayView1<'_, f32>>,
    arguments: &CrossEntropyArguments,
) -> Result<ArrayD<f32>, OpError> {
    let shape = input.shape().to_vec();
    let mut call = Checked::new(input, target, weight, arguments)?;
    let none = arguments.reduction == Reduction::None;
    check_gradient(NAME, if none { &call.output_shape } else { &[] }, d_output.shape())?;
    let d_output = values(d_output);
    let divisor = if arguments.reduction == Reduction::Mean { call.divisor } else { 1.0 };
    call.evaluate(|row| f64::from(d_output[if none { row } else { 0 }]) / divisor);
    Ok(from_rows(call.d_rows, &shape, class_axis(&shape)))
}

/// Checked arguments, with the classes of each pixel side by side.
struct Checked {
    classes: usize,
    output_shape: Vec<usize>,
    rows: Vec<f32>,
    /// As long as `rows`.
    d_rows: Vec<f32>,
    targets: Targets,
    weight: Option<Vec<f32>>,
    label_smoothing: f64,
    /// The divisor of the mean.
    divisor: f64,
}

enum Targets {
    /// `None` where the class is ignored.
    Classes(Vec<Option<usize>>),
    Probabilities(Vec<f32>),
}

fn class_axis(shape: &[usize]) -> usize {
    usize::from(shape.len() > 1)
}

impl Checked {
    fn new(
        input: ArrayViewD<'_, f32>,
        target: Target<'_>,
        weight: Option<ArrayView1<'_, f32>>,
        arguments: &CrossEntropyArguments,
    ) -> Result<Checked, OpError> {
        let &CrossEntropyArguments { ignore_index, label_smoothing, .. } = arguments;
        if !(0.0..=1.0).contains(&label_smoothing) {
            let problem = format!("is {label_smoothing}, must be from 0 to 1");
            return Err(OpError::argument(NAME, "label_smoothing", problem));
        }
        let shape = input.shape();
        let axis = class_axis(shape);
        let classes = shape.get(axis).copied().unwrap_or(0);
        if classes == 0 {
            let problem = format!("input has shape {shape:?}, not [C] or [N, C, ...] with a class or more");
            return Err(OpError::shape(NAME, problem));
        }
        let weight = weight.map(|weight| weight.to_vec());
        if let Some(weight) = &weight
            && weight.len() != classes
        {
            let problem = format!("input has {classes} classes, weight has {}", weight.len());
            return Err(OpError::shape(NAME, problem));
        }
        let mut output_shape = shape.to_vec();
        output_shape.remove(axis);
        let weight_of = |class: usize| weight.as_ref().map_or(1.0, |weight| f64::from(weight[class]));
        let (targets, divisor) = match target {
            Target::Classes(target) => {
                check_target(shape, &output_shape, target.shape())?;
                let mut found = Vec::with_capacity(target.len());
                for &class in &target {
                    found.push(match usize::try_from(class) {
                        _ if class == ignore_index => None,
                        Ok(class) if class < classes => Some(class),
                        _ => {
                            let problem =
                                format!("has class {class}, input has classes 0 to {}", classes - 1);
                            return Err(OpError::argument(NAME, "target", problem));
                        }
                    });
                }
                let divisor = found.iter().flatten().map(|&class| weight_of(class)).sum();
                (Targets::Classes(found), divisor)
            }
            Target::Probabilities(target) => {
                check_target(shape, shape, target.shape())?;
                let divisor = output_shape.iter().product::<usize>() as f64;
                (Targets::Probabilities(rows(&target, axis).0), divisor)
            }
        };
        let (rows, _) = rows(&input, axis);
        let d_rows = vec![0.0; rows.len()];
        Ok(Checked { classes, output_shape, rows, d_rows, targets, weight, label_smoothing, divisor })
    }

    /// The loss of each row; writes the gradient times `scale(row)`.
    fn evaluate(&mut self, scale: impl Fn(usize) -> f64) -> Vec<f64> {
        let (classes, smoothing) = (self.classes, self.label_smoothing);
        let weight = |class: usize| self.weight.as_ref().map_or(1.0, |w| f64::from(w[class]));
        let rows = self.rows.chunks_exact(classes).zip(self.d_rows.chunks_exact_mut(classes)).enumerate();
        let loss_of = |(at, (row, d_row)): (usize, (&[f32], &mut [f32]))| {
            let share = |class: usize| match &self.targets {
                Targets::Classes(found) => f64::from(u8::from(found[at] == Some(class))),
                Targets::Probabilities(values) => f64::from(values[at * classes + class]),
            };
            if matches!(&self.targets, Targets::Classes(found) if found[at].is_none()) {
                return 0.0;
            }
            let spread = smoothing / classes as f64;
            let target = |class| weight(class) * ((1.0 - smoothing) * share(class) + spread);
            loss::cross_entropy(row, target, scale(at), d_row)
        };
        rows.map(loss_of).collect()
    }
}

fn check_target(input: &[usize], expected: &[usize], target: &[usize]) -> Result<(), OpError> {
    if expected == target {
        return Ok(());
    }
    let problem = format!("input has shape {input:?}, which needs a target {expected:?}, not {target:?}");
    Err(OpError::shape(NAME, problem))
}
