//! The affine map of arrays.

use super::NAME;
use crate::arrays::{array, check_gradient, values};
use crate::{Isa, OpError};
use convscope_kernels::conv::{Conv, ConvPass, ConvSize, Epilogue, Onto, Precision};
use ndarray::{Array1, Array2, ArrayD, ArrayView1, ArrayView2, ArrayViewD};

/// What [`linear_backward`] returns.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearGradients {
    /// `[..., in_features]`.
    pub d_input: ArrayD<f32>,
    /// `[out_features, in_features]`.
    pub d_weight: Array2<f32>,
    /// `[out_features]`; PyTorch returns it only if a bias was given.
    pub d_bias: Array1<f32>,
}

/// Maps the last axis of `input` `[..., in_features]` by `weight` `[out_features, in_features]` and `bias`
/// `[out_features]` to `[..., out_features]`.
///
/// # Errors
/// Shapes that do not match, a weight without elements.
///
/// ```
/// use convscope_ops::linear;
/// use ndarray::{arr1, arr2};
/// let (input, weight, bias) = (arr2(&[[1.0, 2.0]]).into_dyn(), arr2(&[[10.0, 1.0]]), arr1(&[0.5]));
/// let output = linear(input.view(), weight.view(), Some(bias.view()))?;
/// assert_eq!(output, arr2(&[[12.5]]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn linear(
    input: ArrayViewD<'_, f32>,
    weight: ArrayView2<'_, f32>,
    bias: Option<ArrayView1<'_, f32>>,
) -> Result<ArrayD<f32>, OpError> {
    let Checked { conv, rows, output_shape } = Checked::new(input.shape(), weight)?;
    let out_features = weight.nrows();
    if let Some(bias) = bias
        && bias.len() != out_features
    {
        let problem = format!("weight has {out_features} output features, bias has {}", bias.len());
        return Err(OpError::shape(NAME, problem));
    }
    let bias = bias.map(|bias| bias.to_vec());
    let mut packed = vec![0.0; conv.forward_len()];
    conv.pack_forward(&values(weight.into_dyn()), bias.as_deref(), &mut packed);
    let mut output = vec![0.0; rows * out_features];
    let mut scratch = vec![0.0; conv.scratch_len()];
    let input = values(input);
    let pass = ConvPass { isa: Isa::best(), images: rows, scratch: &mut scratch };
    conv.forward(pass, &input, &packed, Epilogue::Linear, &mut output);
    Ok(array(&output_shape, output))
}

/// The gradients of [`linear()`], from the gradient with respect to its output `[..., out_features]`.
///
/// # Errors
/// As for [`linear()`], and a `d_output` of a different shape from the output.
///
/// ```
/// use convscope_ops::linear_backward;
/// use ndarray::{arr1, arr2};
/// let (input, weight) = (arr2(&[[1.0, 2.0]]).into_dyn(), arr2(&[[10.0, 1.0]]));
/// let d = linear_backward(arr2(&[[3.0]]).into_dyn().view(), input.view(), weight.view())?;
/// assert_eq!(d.d_input, arr2(&[[30.0, 3.0]]).into_dyn());
/// assert_eq!(d.d_weight, arr2(&[[3.0, 6.0]]));
/// assert_eq!(d.d_bias, arr1(&[3.0]));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn linear_backward(
    d_output: ArrayViewD<'_, f32>,
    input: ArrayViewD<'_, f32>,
    weight: ArrayView2<'_, f32>,
) -> Result<LinearGradients, OpError> {
    let Checked { conv, rows, output_shape } = Checked::new(input.shape(), weight)?;
    check_gradient(NAME, &output_shape, d_output.shape())?;
    let (isa, d_output, input_values) = (Isa::best(), values(d_output), values(input.view()));
    let mut scratch = vec![0.0; conv.scratch_len()];
    let mut packed = vec![0.0; conv.backward_len()];
    conv.pack_backward(&values(weight.into_dyn()), None, &mut packed);
    let mut d_input = vec![0.0; input_values.len()];
    let pass = ConvPass { isa, images: rows, scratch: &mut scratch };
    conv.backward_input(pass, &d_output, &packed, &mut d_input);
    let mut d_packed = vec![0.0; conv.gradient_len()];
    let pass = ConvPass { isa, images: rows, scratch: &mut scratch };
    conv.backward_weight(pass, &input_values, &d_output, Onto::Sum, &mut d_packed);
    conv.backward_bias(isa, rows, &d_output, &mut d_packed);
    let mut d_weight = Array2::zeros(weight.raw_dim());
    let mut d_bias = Array1::zeros(weight.nrows());
    let (weight_slice, bias_slice) = (d_weight.as_slice_mut(), d_bias.as_slice_mut());
    conv.unpack_gradient(&d_packed, weight_slice.expect("a new array is contiguous"), bias_slice);
    Ok(LinearGradients { d_input: array(input.shape(), d_input), d_weight, d_bias })
}

/// Checked shapes.
struct Checked {
    conv: Conv,
    /// Product of all axes of the input but the last.
    rows: usize,
    output_shape: Vec<usize>,
}

impl Checked {
    fn new(input: &[usize], weight: ArrayView2<'_, f32>) -> Result<Checked, OpError> {
        let (out_features, in_features) = weight.dim();
        let Some((&last, others)) = input.split_last() else {
            return Err(OpError::shape(NAME, "input is a single number, not [..., in_features]"));
        };
        if last != in_features {
            let problem = format!("input has {last} features, weight expects {in_features}");
            return Err(OpError::shape(NAME, problem));
        }
        if weight.is_empty() {
            let problem = format!("weight has shape {:?}, which has no elements", weight.shape());
            return Err(OpError::shape(NAME, problem));
        }
        let output_shape = [others, &[out_features]].concat();
        Ok(Checked {
            conv: Conv::new(ConvSize::matrix(out_features, in_features), Precision::F32),
            rows: others.iter().product(),
            output_shape,
        })
    }
}
