//! Mean pooling of arrays.

use super::NAME;
use crate::pooling::{mean_of, mean_of_backward};
use crate::{AvgPool2d, OpError};
use ndarray::{Array4, ArrayView4};

/// The mean of each window of `input` `[N, C, H, W]`, as `[N, C, H', W']`, where
/// `H' = (H + 2 * padding - kernel_size) / stride + 1`, rounded down or with `ceil_mode` up, and likewise `W'`.
///
/// With `ceil_mode` the last window must start inside the image or the padding before it, and what it covers beyond the
/// padding is never counted.
///
/// # Errors
/// A zero among `kernel_size`, `stride` and `divisor_override`, a padding above half of `kernel_size`, an input
/// without pixels or smaller than a window.
///
/// ```
/// use convscope_ops::{AvgPool2d, avg_pool2d};
/// use ndarray::{Array4, array};
/// let input = Array4::from_shape_vec((1, 1, 2, 3), vec![1.0, 5.0, 2.0, 4.0, 2.0, 7.0])?;
/// let arguments = AvgPool2d { stride: Some(1.into()), ..AvgPool2d::new(2) };
/// assert_eq!(avg_pool2d(input.view(), &arguments)?, array![[[[3.0, 4.0]]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn avg_pool2d(input: ArrayView4<'_, f32>, arguments: &AvgPool2d) -> Result<Array4<f32>, OpError> {
    mean_of(NAME, input, &|channels, size| arguments.mean(channels, size))
}

/// The gradient of [`avg_pool2d()`]: each value of `d_output`, divided like the sum, goes to every pixel of its window.
/// `input_shape` is `[N, C, H, W]`.
///
/// # Errors
/// As for [`avg_pool2d()`], and a `d_output` of a different shape from the output.
///
/// ```
/// use convscope_ops::{AvgPool2d, avg_pool2d_backward};
/// use ndarray::array;
/// let arguments = AvgPool2d { stride: Some(1.into()), ..AvgPool2d::new([1, 2]) };
/// let d_input = avg_pool2d_backward(array![[[[2.0, 6.0]]]].view(), [1, 1, 1, 3], &arguments)?;
/// assert_eq!(d_input, array![[[[1.0, 4.0, 3.0]]]]);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn avg_pool2d_backward(
    d_output: ArrayView4<'_, f32>,
    input_shape: [usize; 4],
    arguments: &AvgPool2d,
) -> Result<Array4<f32>, OpError> {
    mean_of_backward(NAME, d_output, input_shape, &|channels, size| arguments.mean(channels, size))
}
