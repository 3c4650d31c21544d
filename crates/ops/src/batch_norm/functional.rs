//! Batch normalisation of arrays.

use super::NAME;
use super::bound::BoundBatchNorm;
use crate::arrays::{array, check_gradient, values};
use crate::*;
use convscope_kernels::{Epilogue, layout};
use ndarray::{Array1, ArrayD, ArrayView1, ArrayViewD, ArrayViewMut1};

/// The arguments of [`batch_norm()`] apart from its arrays, with PyTorch's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormArguments {
    /// PyTorch's `training`; default inference.
    pub mode: Mode,
    /// The batch's share in the new running statistics, see [`Momentum::share`]; default 0.1.
    pub momentum: f64,
    /// Added to the variance; default 1e-5.
    pub eps: f64,
}

impl Default for BatchNormArguments {
    fn default() -> Self {
        BatchNormArguments { mode: Mode::Inference, momentum: 0.1, eps: 1e-5 }
    }
}

/// What [`batch_norm_backward`] returns.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormGradients {
    /// `[N, C, ...]`.
    pub d_input: ArrayD<f32>,
    /// `[C]`; PyTorch returns it only if a weight was given.
    pub d_weight: Array1<f32>,
    /// `[C]`; PyTorch returns it only if a bias was given.
    pub d_bias: Array1<f32>,
}

/// Normalises each channel of `input` `[N, C, ...]`, then multiplies it by `weight` `[C]` and adds `bias` `[C]`.
///
/// In training, the running statistics `[C]` are updated if given; in inference, they are required.
///
/// # Errors
/// Shapes that do not match; a single value per channel in training; no running statistics in inference; a negative
/// `eps`.
///
/// ```
/// use convscope_ops::{BatchNormArguments, Mode, batch_norm};
/// use ndarray::{arr1, arr2};
/// let input = arr2(&[[1.0, 5.0], [3.0, 9.0]]).into_dyn();
/// let arguments = BatchNormArguments { mode: Mode::Training, eps: 0.0, ..Default::default() };
/// let (mut mean, mut var) = (arr1(&[0.0, 0.0]), arr1(&[1.0, 1.0]));
/// let running = (Some(mean.view_mut()), Some(var.view_mut()));
/// let output = batch_norm(input.view(), running.0, running.1, None, None, &arguments)?;
/// assert_eq!(output, arr2(&[[-1.0, -1.0], [1.0, 1.0]]).into_dyn());
/// assert_eq!(mean, arr1(&[0.2, 0.7]));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn batch_norm(
    input: ArrayViewD<'_, f32>,
    running_mean: Option<ArrayViewMut1<'_, f32>>,
    running_var: Option<ArrayViewMut1<'_, f32>>,
    weight: Option<ArrayView1<'_, f32>>,
    bias: Option<ArrayView1<'_, f32>>,
    arguments: &BatchNormArguments,
) -> Result<ArrayD<f32>, OpError> {
    let running = [running_mean.as_ref(), running_var.as_ref()].map(|array| array.map(|array| array.view()));
    let mut call = Checked::new(input, running, [weight, bias], arguments)?;
    let (packed, state) = call.prepare();
    let mut output = vec![0.0; call.input.len()];
    call.bound.forward(Forward {
        isa: Isa::best(),
        images: call.images,
        sample: Sample::default(),
        inputs: Inputs(&|_| &call.input),
        packed: &packed,
        state: &state,
        epilogue: Epilogue::Linear,
        output: &mut output,
        scratch: &mut [],
    });
    for (array, parameter) in [running_mean, running_var].into_iter().zip(&call.parameters[2..]) {
        if let Some(mut array) = array {
            array.assign(&ArrayView1::from(parameter.slice()));
        }
    }
    Ok(call.planes(&output))
}

/// The gradients of [`batch_norm()`], from the gradient with respect to its output. The running statistics are those
/// before the forward call; only inference reads them.
///
/// # Errors
/// As for [`batch_norm()`], and a `d_output` of a different shape from the input.
///
/// ```
/// use convscope_ops::{BatchNormArguments, Mode, batch_norm_backward};
/// use ndarray::{arr1, arr2};
/// let (input, d_output) = (arr2(&[[1.0], [3.0]]).into_dyn(), arr2(&[[5.0], [7.0]]).into_dyn());
/// let arguments = BatchNormArguments { mode: Mode::Training, eps: 0.0, ..Default::default() };
/// let d = batch_norm_backward(d_output.view(), input.view(), None, None, None, &arguments)?;
/// assert_eq!(d.d_input, arr2(&[[0.0], [0.0]]).into_dyn());
/// assert_eq!((d.d_weight, d.d_bias), (arr1(&[2.0]), arr1(&[12.0])));
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn batch_norm_backward(
    d_output: ArrayViewD<'_, f32>,
    input: ArrayViewD<'_, f32>,
    running_mean: Option<ArrayView1<'_, f32>>,
    running_var: Option<ArrayView1<'_, f32>>,
    weight: Option<ArrayView1<'_, f32>>,
    arguments: &BatchNormArguments,
) -> Result<BatchNormGradients, OpError> {
    check_gradient(NAME, input.shape(), d_output.shape())?;
    let mut call = Checked::new(input, [running_mean, running_var], [weight, None], arguments)?;
    let (packed, mut state) = call.prepare();
    let d_output = call.channels_last(d_output);
    let (isa, channels) = (Isa::best(), call.channels);
    let mut d_packed = vec![0.0; call.bound.gradient_len()];
    if let Some(coupled) = call.bound.coupled() {
        let mut sums = vec![0.0; coupled.sums_len()];
        coupled.reduce_backward(isa, &call.input, &d_output, &state, &mut sums);
        coupled.finish_backward(call.images, &sums, &mut state, &mut d_packed);
    }
    let read = |_| call.input.as_slice();
    let backward = |scratch| Backward {
        isa,
        images: call.images,
        sample: Sample::default(),
        inputs: Inputs(&read),
        output: &[],
        d_output: &d_output,
        packed: &packed,
        state: &state,
        onto: Onto::Sum,
        scratch,
    };
    call.bound.backward_parameters(backward(&mut []), &mut d_packed);
    let mut d_input = vec![0.0; call.input.len()];
    call.bound.backward_input(0, backward(&mut []), &mut d_input);
    let (d_weight, d_bias) = d_packed.split_at(channels);
    Ok(BatchNormGradients {
        d_input: call.planes(&d_input),
        d_weight: Array1::from(d_weight.to_vec()),
        d_bias: Array1::from(d_bias.to_vec()),
    })
}

/// Checked arguments, in the layer's form.
struct Checked {
    bound: BoundBatchNorm,
    shape: Vec<usize>,
    images: usize,
    channels: usize,
    /// Channels-last.
    input: Vec<f32>,
    parameters: Vec<Parameter>,
}

impl Checked {
    fn new(
        input: ArrayViewD<'_, f32>,
        running: [Option<ArrayView1<'_, f32>>; 2],
        affine: [Option<ArrayView1<'_, f32>>; 2],
        arguments: &BatchNormArguments,
    ) -> Result<Checked, OpError> {
        let &BatchNormArguments { mode, momentum, eps } = arguments;
        let layer = BatchNorm { eps, momentum: Momentum::Value(momentum), affine: true };
        layer.check()?;
        let shape = input.shape().to_vec();
        let &[images, channels, ref size @ ..] = shape.as_slice() else {
            return Err(OpError::shape(NAME, format!("input has shape {shape:?}, not [N, C, ...]")));
        };
        let pixels: usize = size.iter().product();
        if mode == Mode::Training && images * pixels < 2 || channels == 0 || pixels == 0 {
            let problem = format!("input has shape {shape:?}; training needs two values per channel or more");
            return Err(OpError::shape(NAME, problem));
        }
        if !mode.is_training() && running.iter().any(Option::is_none) {
            let problem = "is missing; inference needs it and running_var";
            return Err(OpError::argument(NAME, "running_mean", problem));
        }
        let [mean, var] = running;
        let [weight, bias] = affine;
        let specs = layer.parameters(&[Shape::image(channels, [pixels, 1])]);
        let mut parameters = Vec::new();
        for (spec, given) in specs.into_iter().zip([weight, bias, mean, var, None]) {
            let mut parameter = Parameter::zeros(spec.name, &spec).unwrap();
            match given {
                None if matches!(spec.role, Role::Scale | Role::RunningVar) => parameter.values.fill(1.0),
                None => {}
                Some(given) if given.len() == channels => {
                    parameter.values = array(&spec.shape, given.to_vec());
                }
                Some(given) => {
                    let problem = format!("input has {channels} channels, {} has {}", spec.name, given.len());
                    return Err(OpError::shape(NAME, problem));
                }
            }
            parameters.push(parameter);
        }
        let bound = layer.bound(Shape::image(channels, [pixels, 1]), mode);
        let mut call = Checked { bound, images, channels, input: Vec::new(), parameters, shape };
        call.input = call.channels_last(input);
        Ok(call)
    }

    /// The packed parameters and the state of the forward direction; updates the running statistics.
    fn prepare(&mut self) -> (Vec<f32>, Vec<f32>) {
        let mut packed = vec![0.0; self.bound.packed_len()];
        self.bound.pack(&self.parameters, &mut packed);
        let mut state = Vec::new();
        if let Some(coupled) = self.bound.coupled() {
            let mut sums = vec![0.0; coupled.sums_len()];
            coupled.reduce_forward(Isa::best(), &self.input, &mut sums);
            state = vec![0.0; coupled.state_len()];
            coupled.finish_forward(self.images, &sums, &mut self.parameters, &mut state);
        }
        (packed, state)
    }

    fn image_len(&self) -> usize {
        self.shape[1..].iter().product()
    }

    fn channels_last(&self, array: ArrayViewD<'_, f32>) -> Vec<f32> {
        let planes = values(array);
        let mut channels_last = vec![0.0; planes.len()];
        layout::to_channels_last(&planes, self.channels, self.image_len(), &mut channels_last);
        channels_last
    }

    fn planes(&self, channels_last: &[f32]) -> ArrayD<f32> {
        let mut planes = vec![0.0; channels_last.len()];
        layout::to_planes(channels_last, self.channels, self.image_len(), &mut planes);
        array(&self.shape, planes)
    }
}
