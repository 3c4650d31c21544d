//! Transposed convolution of arrays.

use super::transposed::Transposed;
use super::{ConvTranspose2dArguments, NAME};
use crate::arrays::{channels_last, check_gradient, planes, values};
use crate::{Isa, OpError};
use convscope_kernels::conv::ConvPass;
use ndarray::{Array1, Array4, ArrayView1, ArrayView4};

/// What [`conv_transpose2d_backward`] returns.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose2dGradients {
    /// `[N, in_channels, H, W]`.
    pub d_input: Array4<f32>,
    /// `[in_channels, out_channels / groups, rows, columns]`.
    pub d_weight: Array4<f32>,
    /// `[out_channels]`; PyTorch returns it only if a bias was given.
    pub d_bias: Array1<f32>,
}

/// Spreads `input` `[N, in_channels, H, W]` with `weight` `[in_channels, out_channels / groups, rows, columns]` over
/// `[N, out_channels, H', W']`, where
/// `H' = (H - 1) * stride - 2 * padding + dilation * (rows - 1) + output_padding + 1`, and likewise `W'`.
///
/// # Errors
/// Shapes that do not match, a zero stride, dilation or groups, an output padding that is not below stride or dilation,
/// a padding that leaves no output.
///
/// ```
/// use convscope_ops::{ConvTranspose2dArguments, conv_transpose2d};
/// use ndarray::{Array4, arr1, array};
/// let input = Array4::from_shape_vec((1, 1, 1, 2), vec![1.0, 2.0])?;
/// let weight = Array4::from_shape_vec((1, 1, 1, 2), vec![10.0, 1.0])?;
/// let arguments = ConvTranspose2dArguments::default();
/// let output = conv_transpose2d(input.view(), weight.view(), Some(arr1(&[0.5]).view()), &arguments)?;
/// assert_eq!(output, array![[[[10.5, 21.5, 2.5]]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn conv_transpose2d(
    input: ArrayView4<'_, f32>,
    weight: ArrayView4<'_, f32>,
    bias: Option<ArrayView1<'_, f32>>,
    arguments: &ConvTranspose2dArguments,
) -> Result<Array4<f32>, OpError> {
    let (transposed, images) = (checked(input, weight, arguments)?, input.dim().0);
    let out_channels = transposed.out_channels();
    if let Some(bias) = bias
        && bias.len() != out_channels
    {
        let problem = format!("weight has {out_channels} output channels, bias has {}", bias.len());
        return Err(OpError::shape(NAME, problem));
    }
    let bias = bias.map(|bias| bias.to_vec());
    let mut packed = vec![0.0; transposed.forward_len()];
    transposed.pack_forward(&values(weight.into_dyn()), bias.as_deref(), &mut packed);
    let mut output = vec![0.0; images * transposed.output_len()];
    let mut scratch = vec![0.0; transposed.scratch_len(images)];
    let input = channels_last(input);
    transposed.forward(
        ConvPass { isa: Isa::best(), images, scratch: &mut scratch },
        &input,
        &packed,
        &mut output,
    );
    Ok(planes(&output, images, out_channels, transposed.output()))
}

/// The gradients of [`conv_transpose2d()`], from the gradient with respect to its output `[N, out_channels, H', W']`.
///
/// # Errors
/// As for [`conv_transpose2d()`], and a `d_output` of a different shape from the output.
///
/// ```
/// use convscope_ops::{ConvTranspose2dArguments, conv_transpose2d_backward};
/// use ndarray::{Array4, array};
/// let input = Array4::from_shape_vec((1, 1, 1, 2), vec![1.0, 2.0])?;
/// let weight = Array4::from_shape_vec((1, 1, 1, 2), vec![10.0, 1.0])?;
/// let d_output = array![[[[1.0, 0.0, 3.0]]]];
/// let arguments = ConvTranspose2dArguments::default();
/// let d = conv_transpose2d_backward(d_output.view(), input.view(), weight.view(), &arguments)?;
/// assert_eq!(d.d_input, array![[[[10.0, 3.0]]]]);
/// assert_eq!(d.d_weight, array![[[[1.0, 6.0]]]]);
/// assert_eq!(d.d_bias, array![4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn conv_transpose2d_backward(
    d_output: ArrayView4<'_, f32>,
    input: ArrayView4<'_, f32>,
    weight: ArrayView4<'_, f32>,
    arguments: &ConvTranspose2dArguments,
) -> Result<ConvTranspose2dGradients, OpError> {
    let transposed = checked(input, weight, arguments)?;
    let (images, in_channels, height, width) = input.dim();
    let [rows, columns] = transposed.output();
    check_gradient(NAME, &[images, transposed.out_channels(), rows, columns], d_output.shape())?;
    let (isa, d_output, input) = (Isa::best(), channels_last(d_output), channels_last(input));
    let mut scratch = vec![0.0; transposed.scratch_len(images)];
    let mut packed = vec![0.0; transposed.backward_len()];
    transposed.pack_backward(&values(weight.into_dyn()), &mut packed);
    let mut d_input = vec![0.0; input.len()];
    transposed.backward_input(
        ConvPass { isa, images, scratch: &mut scratch },
        &d_output,
        &packed,
        &mut d_input,
    );
    let mut d_packed = vec![0.0; transposed.gradient_len()];
    transposed.backward_parameters(
        ConvPass { isa, images, scratch: &mut scratch },
        &input,
        &d_output,
        &mut d_packed,
    );
    let mut d_weight = Array4::zeros(weight.raw_dim());
    let mut d_bias = Array1::zeros(transposed.out_channels());
    let (weight_slice, bias_slice) = (d_weight.as_slice_mut(), d_bias.as_slice_mut());
    let weight_slice = weight_slice.expect("a new array is contiguous");
    transposed.unpack_gradient(&d_packed, weight_slice, bias_slice);
    Ok(ConvTranspose2dGradients {
        d_input: planes(&d_input, images, in_channels, [height, width]),
        d_weight,
        d_bias,
    })
}

fn checked(
    input: ArrayView4<'_, f32>,
    weight: ArrayView4<'_, f32>,
    arguments: &ConvTranspose2dArguments,
) -> Result<Transposed, OpError> {
    let (_, in_channels, height, width) = input.dim();
    let (expected, inner, rows, columns) = weight.dim();
    if expected != in_channels {
        let problem = format!("input has {in_channels} channels, weight expects {expected}");
        return Err(OpError::shape(NAME, problem));
    }
    let out_channels = inner.saturating_mul(arguments.groups);
    Transposed::new(in_channels, [height, width], out_channels, [rows, columns], arguments)
}
