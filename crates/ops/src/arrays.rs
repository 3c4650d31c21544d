//! Conversion between PyTorch's order of values and the kernels'.

use crate::OpError;
use convscope_kernels::layout;
use ndarray::{Array4, ArrayD, ArrayView4, ArrayViewD, Axis, IxDyn};

/// An array's values channels-last.
pub(crate) fn channels_last(array: ArrayView4<'_, f32>) -> Vec<f32> {
    array.permuted_axes([0, 2, 3, 1]).iter().copied().collect()
}

/// Channels-last values as an array.
pub(crate) fn planes(
    values: &[f32],
    images: usize,
    channels: usize,
    [rows, columns]: [usize; 2],
) -> Array4<f32> {
    let mut array = Array4::zeros((images, channels, rows, columns));
    let target = array.as_slice_mut().expect("a new array is contiguous");
    layout::to_planes(values, channels, channels * rows * columns, target);
    array
}

/// An array's values in the order of its axes.
pub(crate) fn values(array: ArrayViewD<'_, f32>) -> Vec<f32> {
    array.iter().copied().collect()
}

/// An array from values in the order of its axes; their number must match `shape`.
pub(crate) fn array(shape: &[usize], values: Vec<f32>) -> ArrayD<f32> {
    ArrayD::from_shape_vec(IxDyn(shape), values).expect("as many values as the shape has")
}

/// Fails if a gradient has a different shape from the output it belongs to.
pub(crate) fn check_gradient(
    operator: &'static str,
    output: &[usize],
    d_output: &[usize],
) -> Result<(), OpError> {
    if output == d_output {
        return Ok(());
    }
    Err(OpError::shape(operator, format!("output has shape {output:?}, its gradient {d_output:?}")))
}

/// The axis that PyTorch means by `dim`, which counts from the end where it is negative.
pub(crate) fn axis(
    operator: &'static str,
    argument: &'static str,
    dim: isize,
    axes: usize,
) -> Result<usize, OpError> {
    // A single number counts as one axis.
    let count = axes.max(1) as isize;
    if (-count..count).contains(&dim) {
        return Ok(dim.rem_euclid(count) as usize);
    }
    let problem = format!("is {dim}, an input of {axes} axes takes {} to {}", -count, count - 1);
    Err(OpError::argument(operator, argument, problem))
}

/// The values with `axis` moved last, and the length of that axis; a single number is a row of one.
pub(crate) fn rows(array: &ArrayViewD<'_, f32>, axis: usize) -> (Vec<f32>, usize) {
    if array.ndim() == 0 {
        return (array.iter().copied().collect(), 1);
    }
    let rows = array.view().permuted_axes(axis_last(array.ndim(), axis));
    (rows.iter().copied().collect(), array.len_of(Axis(axis)).max(1))
}

/// The inverse of [`rows`].
pub(crate) fn from_rows(values: Vec<f32>, shape: &[usize], axis: usize) -> ArrayD<f32> {
    if shape.is_empty() {
        return array(shape, values);
    }
    let order = axis_last(shape.len(), axis);
    let last: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
    array(&last, values).permuted_axes(back).as_standard_layout().into_owned()
}

fn axis_last(axes: usize, axis: usize) -> Vec<usize> {
    (0..axes).filter(|&other| other != axis).chain([axis]).collect()
}
