//! Convolution of arrays.

use super::NAME;
use super::mode_name;
use super::padding::ConvPadding;
use crate::arrays::{channels_last, check_gradient, planes};
use crate::limits::{check_elements, check_plane, check_taps};
use crate::{Isa, OpError, PaddingMode, Pair};
use convscope_kernels::conv::{Conv, ConvPass, ConvSize, Epilogue, Onto, Padding, Precision};
use ndarray::{Array1, Array4, ArrayView1, ArrayView4};
use serde::Deserialize;

/// The arguments of [`conv2d()`], with PyTorch's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conv2dArguments {
    /// Steps between windows; default 1.
    pub stride: Pair,
    /// Rows and columns added at each side; default 0.
    pub padding: ConvPadding,
    /// Distance between the taps of a window; default 1.
    pub dilation: Pair,
    /// Groups of channels that are convolved separately; default 1.
    pub groups: usize,
    /// What the padding holds; default zeros. (PyTorch has this argument on `torch.nn.Conv2d`.)
    #[serde(deserialize_with = "mode_name::deserialize")]
    pub padding_mode: PaddingMode,
}

impl Default for Conv2dArguments {
    fn default() -> Self {
        Conv2dArguments {
            stride: 1.into(),
            padding: ConvPadding::Size(0.into()),
            dilation: 1.into(),
            groups: 1,
            padding_mode: PaddingMode::Zeros,
        }
    }
}

/// What [`conv2d_backward`] returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2dGradients {
    /// `[N, in_channels, H, W]`.
    pub d_input: Array4<f32>,
    /// `[out_channels, in_channels / groups, rows, columns]`.
    pub d_weight: Array4<f32>,
    /// `[out_channels]`; PyTorch returns it only if a bias was given.
    pub d_bias: Array1<f32>,
}

/// Convolves `input` `[N, in_channels, H, W]` with `weight` `[out_channels, in_channels / groups, rows, columns]`
/// into `[N, out_channels, H', W']`, where `H' = (H + padding - dilation * (rows - 1) - 1) / stride + 1`, rounded
/// down, and likewise `W'`.
///
/// # Errors
/// Shapes that do not match, a zero stride, dilation or groups, a kernel larger than the padded
/// input, a padding that its mode cannot fill.
///
/// ```
/// use convscope_ops::{Conv2dArguments, conv2d};
/// use ndarray::{Array4, arr1, array};
/// let input = Array4::from_shape_vec((1, 1, 1, 3), vec![1.0, 2.0, 3.0])?;
/// let weight = Array4::from_shape_vec((1, 1, 1, 2), vec![10.0, 1.0])?;
/// let output = conv2d(input.view(), weight.view(), Some(arr1(&[0.5]).view()), &Conv2dArguments::default())?;
/// assert_eq!(output, array![[[[12.5, 23.5]]]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn conv2d(
    input: ArrayView4<'_, f32>,
    weight: ArrayView4<'_, f32>,
    bias: Option<ArrayView1<'_, f32>>,
    arguments: &Conv2dArguments,
) -> Result<Array4<f32>, OpError> {
    let call = Checked::new(input, weight, arguments)?;
    let size = *call.conv.size();
    if let Some(bias) = bias
        && bias.len() != size.out_channels
    {
        let problem = format!("weight has {} output channels, bias has {}", size.out_channels, bias.len());
        return Err(OpError::shape(NAME, problem));
    }
    let bias = bias.map(|bias| bias.to_vec());
    let mut packed = vec![0.0; call.conv.forward_len()];
    call.conv.pack_forward(&call.weight, bias.as_deref(), &mut packed);
    let mut output = vec![0.0; call.images * size.output_len()];
    let mut scratch = vec![0.0; call.conv.scratch_len()];
    let linear = Epilogue::Linear;
    call.conv.forward(
        ConvPass { isa: Isa::best(), images: call.images, scratch: &mut scratch },
        &call.input,
        &packed,
        linear,
        &mut output,
    );
    Ok(planes(&output, call.images, size.out_channels, size.output()))
}

/// The gradients of [`conv2d()`], from the gradient with respect to its output `[N, out_channels, H', W']`.
///
/// # Errors
/// As for [`conv2d()`], and a `d_output` of a different shape from the output.
///
/// ```
/// use convscope_ops::{Conv2dArguments, conv2d_backward};
/// use ndarray::{Array4, array};
/// let input = Array4::from_shape_vec((1, 1, 1, 3), vec![1.0, 2.0, 3.0])?;
/// let weight = Array4::from_shape_vec((1, 1, 1, 2), vec![10.0, 1.0])?;
/// let d_output = Array4::ones((1, 1, 1, 2));
/// let d = conv2d_backward(d_output.view(), input.view(), weight.view(), &Conv2dArguments::default())?;
/// assert_eq!(d.d_input, array![[[[10.0, 11.0, 1.0]]]]);
/// assert_eq!(d.d_weight, array![[[[3.0, 5.0]]]]);
/// assert_eq!(d.d_bias, array![2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn conv2d_backward(
    d_output: ArrayView4<'_, f32>,
    input: ArrayView4<'_, f32>,
    weight: ArrayView4<'_, f32>,
    arguments: &Conv2dArguments,
) -> Result<Conv2dGradients, OpError> {
    let call = Checked::new(input, weight, arguments)?;
    let (conv, isa, images) = (&call.conv, Isa::best(), call.images);
    let size = *conv.size();
    let [rows, columns] = size.output();
    let expected = [images, size.out_channels, rows, columns];
    check_gradient(NAME, &expected, d_output.shape())?;
    let d_output = channels_last(d_output);
    let mut scratch = vec![0.0; conv.scratch_len()];
    let mut packed = vec![0.0; conv.backward_len()];
    conv.pack_backward(&call.weight, None, &mut packed);
    let mut d_input = vec![0.0; call.input.len()];
    conv.backward_input(ConvPass { isa, images, scratch: &mut scratch }, &d_output, &packed, &mut d_input);
    let mut d_packed = vec![0.0; conv.gradient_len()];
    conv.backward_weight(
        ConvPass { isa, images, scratch: &mut scratch },
        &call.input,
        &d_output,
        Onto::Sum,
        &mut d_packed,
    );
    conv.backward_bias(isa, images, &d_output, &mut d_packed);
    let mut d_weight = Array4::zeros(weight.raw_dim());
    let mut d_bias = Array1::zeros(size.out_channels);
    let (weight_slice, bias_slice) = (d_weight.as_slice_mut(), d_bias.as_slice_mut());
    conv.unpack_gradient(&d_packed, weight_slice.expect("a new array is contiguous"), bias_slice);
    Ok(Conv2dGradients { d_input: planes(&d_input, images, size.in_channels, size.input), d_weight, d_bias })
}

/// The checked sizes of a convolution.
pub(super) fn size(
    in_channels: usize,
    input: [usize; 2],
    out_channels: usize,
    kernel: [usize; 2],
    arguments: &Conv2dArguments,
) -> Result<ConvSize, OpError> {
    let Conv2dArguments { stride, padding, dilation, groups, padding_mode } = *arguments;
    let stride = stride.at_least_one(NAME, "stride")?.array();
    let dilation = dilation.at_least_one(NAME, "dilation")?.array();
    let kernel = Pair::from(kernel).at_least_one(NAME, "kernel_size")?.array();
    let divides = |channels: usize| groups > 0 && channels > 0 && channels.is_multiple_of(groups);
    if !divides(in_channels) || !divides(out_channels) {
        let problem = format!(
            "is {groups}, it must divide {in_channels} input channels and {out_channels} output channels"
        );
        return Err(OpError::argument(NAME, "groups", problem));
    }
    let padding = padding.resolve(input, kernel, dilation, stride)?;
    let size = ConvSize {
        in_channels,
        out_channels,
        groups,
        input,
        kernel,
        stride,
        dilation,
        padding,
        padding_mode,
    };
    let padded = size.padded();
    let reach = [0, 1].map(|axis| dilation[axis] * (kernel[axis] - 1) + 1);
    if (0..2).any(|axis| reach[axis] > padded[axis] || input[axis] == 0) {
        let problem = format!("the kernel covers {reach:?} pixels, the padded input has {padded:?}");
        return Err(OpError::shape(NAME, problem));
    }
    check_mode(&size, padding)?;
    check_plane(NAME, "a padded plane", padded, input)?;
    check_arrays(NAME, &size)?;
    Ok(size)
}

/// Fails if an array that the kernels make for these sizes would be too large, including the framed input and the
/// framed gradient. A transposed convolution has the same arrays.
pub(crate) fn check_arrays(operator: &'static str, size: &ConvSize) -> Result<(), OpError> {
    let ConvSize { in_channels, out_channels, groups, kernel, stride, .. } = *size;
    let (padded, output, gradient) = (size.padded(), size.output(), size.gradient_frame());
    check_taps(operator, "the kernel", kernel)?;
    check_taps(operator, "the stride", [0, 1].map(|axis| stride[axis].min(padded[axis])))?;
    check_elements(operator, "the padded input", &[in_channels, padded[0], padded[1]])?;
    check_elements(operator, "the output", &[out_channels, output[0], output[1]])?;
    check_elements(operator, "the padded gradient", &[out_channels, gradient[0], gradient[1]])?;
    check_elements(operator, "the weight", &[out_channels, in_channels / groups, kernel[0], kernel[1]])
}

fn check_mode(size: &ConvSize, padding: Padding) -> Result<(), OpError> {
    let most = [padding.top.max(padding.bottom), padding.left.max(padding.right)];
    let (allowed, mode) = match size.padding_mode {
        PaddingMode::Zeros | PaddingMode::Replicate => return Ok(()),
        PaddingMode::Reflect => (size.input.map(|len| len - 1), "reflect"),
        PaddingMode::Circular => (size.input, "circular"),
    };
    if most[0] <= allowed[0] && most[1] <= allowed[1] {
        return Ok(());
    }
    let problem = format!("is {most:?}, padding_mode {mode} can fill at most {allowed:?} of this input");
    Err(OpError::argument(NAME, "padding", problem))
}

/// Checked arguments with the arrays in the kernels' order.
struct Checked {
    conv: Conv,
    images: usize,
    input: Vec<f32>,
    weight: Vec<f32>,
}

impl Checked {
    fn new(
        input: ArrayView4<'_, f32>,
        weight: ArrayView4<'_, f32>,
        arguments: &Conv2dArguments,
    ) -> Result<Checked, OpError> {
        let (images, in_channels, height, width) = input.dim();
        let (out_channels, inner, rows, columns) = weight.dim();
        let size = size(in_channels, [height, width], out_channels, [rows, columns], arguments)?;
        if inner * size.groups != in_channels {
            let groups = size.groups;
            let problem =
                format!("input has {in_channels} channels, weight expects {inner} x {groups} groups");
            return Err(OpError::shape(NAME, problem));
        }
        Ok(Checked {
            conv: Conv::new(size, Precision::F32),
            images,
            input: channels_last(input),
            weight: weight.iter().copied().collect(),
        })
    }
}
