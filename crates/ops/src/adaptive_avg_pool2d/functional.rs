//! Adaptive mean pooling of arrays.

use super::NAME;
use crate::pooling::{mean_of, mean_of_backward};
use crate::{AdaptiveAvgPool2d, OpError, OutputSize};
use ndarray::{Array4, ArrayView4};

/// Pools `input` `[N, C, H, W]` to `[N, C, rows, columns]` of `output_size`, which may be larger than the input.
///
/// # Errors
/// An output size of 0, an input without pixels.
///
/// ```
/// use convscope_ops::adaptive_avg_pool2d;
/// use ndarray::{Array4, array};
/// let input = Array4::from_shape_vec((1, 1, 1, 3), vec![1.0, 3.0, 7.0])?;
/// assert_eq!(adaptive_avg_pool2d(input.view(), [1, 2])?, array![[[[2.0, 5.0]]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn adaptive_avg_pool2d(
    input: ArrayView4<'_, f32>,
    output_size: impl Into<OutputSize>,
) -> Result<Array4<f32>, OpError> {
    let arguments = AdaptiveAvgPool2d::new(output_size);
    mean_of(NAME, input, &|channels, size| arguments.mean(channels, size))
}

/// The gradient of [`adaptive_avg_pool2d()`]: each value of `d_output`, divided by the pixels of its window, goes to
/// each of them. `input_shape` is `[N, C, H, W]`.
///
/// # Errors
/// As for [`adaptive_avg_pool2d()`], and a `d_output` of a different shape from the output.
///
/// ```
/// use convscope_ops::adaptive_avg_pool2d_backward;
/// use ndarray::array;
/// let d_input = adaptive_avg_pool2d_backward(array![[[[2.0, 6.0]]]].view(), [1, 1, 1, 3], [1, 2])?;
/// assert_eq!(d_input, array![[[[1.0, 4.0, 3.0]]]]);
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn adaptive_avg_pool2d_backward(
    d_output: ArrayView4<'_, f32>,
    input_shape: [usize; 4],
    output_size: impl Into<OutputSize>,
) -> Result<Array4<f32>, OpError> {
    let arguments = AdaptiveAvgPool2d::new(output_size);
    mean_of_backward(NAME, d_output, input_shape, &|channels, size| arguments.mean(channels, size))
}
