//! Maximum pooling of arrays.

use super::NAME;
use crate::arrays::{channels_last, check_gradient, planes};
use crate::{Isa, MaxPool2d, OpError};
use convscope_kernels::pool::{self, Windows};
use ndarray::{Array4, ArrayView4};

/// The largest value of each window of `input` `[N, C, H, W]`, as `[N, C, H', W']`, where
/// `H' = (H + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1`, rounded down or with `ceil_mode` up,
/// and likewise `W'`.
///
/// A window with a NaN gives NaN. With `ceil_mode` the last window must start inside the image or the padding before
/// it.
///
/// # Errors
/// A zero among `kernel_size`, `stride` and `dilation`, a padding above half of `kernel_size`, an input without pixels
/// or smaller than a window, a dilation that steps over the whole input. (PyTorch returns minus infinity for such a
/// window, and an index outside the image.)
///
/// ```
/// use convscope_ops::{MaxPool2d, max_pool2d};
/// use ndarray::{Array4, array};
/// let input = Array4::from_shape_vec((1, 1, 2, 3), vec![1.0, 5.0, 2.0, 4.0, 3.0, 6.0])?;
/// let arguments = MaxPool2d { stride: Some(1.into()), ..MaxPool2d::new(2) };
/// assert_eq!(max_pool2d(input.view(), &arguments)?, array![[[[5.0, 6.0]]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn max_pool2d(input: ArrayView4<'_, f32>, arguments: &MaxPool2d) -> Result<Array4<f32>, OpError> {
    let (windows, images) = (windows(input, arguments)?, input.dim().0);
    let mut output = vec![0.0; images * windows.output_len()];
    pool::max(Isa::best(), &windows, &channels_last(input), &mut output);
    Ok(planes(&output, images, windows.channels, size(&windows)))
}

/// [`max_pool2d()`] together with the position of each maximum: PyTorch's `return_indices=True`.
///
/// An index is `row * W + column`; the first of equal values, and the last NaN, count as the largest.
///
/// # Errors
/// As [`max_pool2d()`].
///
/// ```
/// use convscope_ops::{MaxPool2d, max_pool2d_with_indices};
/// use ndarray::{Array4, array};
/// let input = Array4::from_shape_vec((1, 1, 2, 2), vec![1.0, 5.0, 5.0, 3.0])?;
/// let (_, indices) = max_pool2d_with_indices(input.view(), &MaxPool2d::new(2))?;
/// assert_eq!(indices, array![[[[1]]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn max_pool2d_with_indices(
    input: ArrayView4<'_, f32>,
    arguments: &MaxPool2d,
) -> Result<(Array4<f32>, Array4<i64>), OpError> {
    let output = max_pool2d(input, arguments)?;
    let windows = windows(input, arguments)?;
    let mut indices = vec![0; output.len()];
    pool::max_indices(Isa::best(), &windows, &channels_last(input), &mut indices);
    let (_, channels, rows, columns) = output.dim();
    let indices = Array4::from_shape_fn(output.dim(), |(n, c, i, j)| {
        i64::from(indices[((n * rows + i) * columns + j) * channels + c])
    });
    Ok((output, indices))
}

/// The gradient of [`max_pool2d()`]: each value of `d_output` goes to the position of its window's maximum.
///
/// # Errors
/// As for [`max_pool2d()`], and a `d_output` of a different shape from the output.
///
/// ```
/// use convscope_ops::{MaxPool2d, max_pool2d_backward};
/// use ndarray::{Array4, array};
/// let input = Array4::from_shape_vec((1, 1, 2, 2), vec![1.0, 5.0, 5.0, 3.0])?;
/// let d_input = max_pool2d_backward(array![[[[7.0]]]].view(), input.view(), &MaxPool2d::new(2))?;
/// assert_eq!(d_input, array![[[[0.0, 7.0], [0.0, 0.0]]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn max_pool2d_backward(
    d_output: ArrayView4<'_, f32>,
    input: ArrayView4<'_, f32>,
    arguments: &MaxPool2d,
) -> Result<Array4<f32>, OpError> {
    let windows = windows(input, arguments)?;
    let (images, channels, height, width) = input.dim();
    let [rows, columns] = size(&windows);
    check_gradient(NAME, &[images, channels, rows, columns], d_output.shape())?;
    let (input, d_output) = (channels_last(input), channels_last(d_output));
    let mut d_input = vec![0.0; input.len()];
    pool::max_backward(Isa::best(), &windows, &input, &d_output, &mut d_input);
    Ok(planes(&d_input, images, channels, [height, width]))
}

fn windows(input: ArrayView4<'_, f32>, arguments: &MaxPool2d) -> Result<Windows, OpError> {
    let (_, channels, height, width) = input.dim();
    if channels == 0 {
        return Err(OpError::shape(NAME, "input has no channels"));
    }
    arguments.windows(channels, [height, width])
}

fn size(windows: &Windows) -> [usize; 2] {
    [windows.rows.len(), windows.columns.len()]
}
