//! The mean squared error.
//!
//! `loss[i] = (input[i] - target[i])^2`, then the mean or the sum of all.
//!
//! Reference: <https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html>

use crate::arrays::{array, check_gradient, values};
use crate::{OpError, Reduction};
use convscope_kernels::loss;
use ndarray::{ArrayD, ArrayViewD};

const NAME: &str = "mse_loss";

/// The squared error of `input` against `target`, both of the same shape: that shape without a reduction, otherwise a
/// single number (PyTorch's default is the mean).
///
/// # Errors
/// Two arrays of different shapes; nothing is broadcast.
///
/// ```
/// use convscope_ops::{Reduction, mse_loss};
/// use ndarray::{arr0, arr1};
/// let (input, target) = (arr1(&[1.0, 5.0]).into_dyn(), arr1(&[2.0, 2.0]).into_dyn());
/// let loss = mse_loss(input.view(), target.view(), Reduction::Mean)?;
/// assert_eq!(loss, arr0(5.0).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn mse_loss(
    input: ArrayViewD<'_, f32>,
    target: ArrayViewD<'_, f32>,
    reduction: Reduction,
) -> Result<ArrayD<f32>, OpError> {
    Ok(passes(input, target, reduction, None)?.0)
}

/// The gradient of [`mse_loss()`] with respect to its input: `2 * (input - target) * d_output`, divided by the number
/// of values for the mean. The gradient with respect to the target is its negative.
///
/// # Errors
/// As for [`mse_loss()`], and a `d_output` of a different shape from the output.
///
/// ```
/// use convscope_ops::{Reduction, mse_loss_backward};
/// use ndarray::{arr0, arr1};
/// let (input, target) = (arr1(&[1.0, 5.0]).into_dyn(), arr1(&[2.0, 2.0]).into_dyn());
/// let d_output = arr0(1.0).into_dyn();
/// let d = mse_loss_backward(d_output.view(), input.view(), target.view(), Reduction::Mean)?;
/// assert_eq!(d, arr1(&[-1.0, 3.0]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn mse_loss_backward(
    d_output: ArrayViewD<'_, f32>,
    input: ArrayViewD<'_, f32>,
    target: ArrayViewD<'_, f32>,
    reduction: Reduction,
) -> Result<ArrayD<f32>, OpError> {
    Ok(passes(input, target, reduction, Some(d_output))?.1)
}

/// The loss, and its gradient with respect to the input for a `d_output` of ones if none is given.
fn passes(
    input: ArrayViewD<'_, f32>,
    target: ArrayViewD<'_, f32>,
    reduction: Reduction,
    d_output: Option<ArrayViewD<'_, f32>>,
) -> Result<(ArrayD<f32>, ArrayD<f32>), OpError> {
    if input.shape() != target.shape() {
        let problem = format!("input has shape {:?}, target {:?}", input.shape(), target.shape());
        return Err(OpError::shape(NAME, problem));
    }
    let output_shape = if reduction == Reduction::None { input.shape() } else { &[] };
    if let Some(d_output) = &d_output {
        check_gradient(NAME, output_shape, d_output.shape())?;
    }
    let d_output = d_output.map(values);
    let scale = |at: usize| d_output.as_ref().map_or(1.0, |d| f64::from(d[at]));
    let (x, t) = (values(input.view()), values(target));
    let mut d = vec![0.0; x.len()];
    let losses = if reduction == Reduction::None {
        let element = |(at, d): (usize, &mut f32)| {
            let d = std::slice::from_mut(d);
            loss::squared_error(&x[at..=at], |_| t[at], scale(at), d) as f32
        };
        d.iter_mut().enumerate().map(element).collect()
    } else {
        let share = if reduction == Reduction::Mean { 1.0 / x.len() as f64 } else { 1.0 };
        vec![(loss::squared_error(&x, |at| t[at], share * scale(0), &mut d) * share) as f32]
    };
    Ok((array(output_shape, losses), array(input.shape(), d)))
}
