//! Any operator as a function on arrays.

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use convscope_kernels::layout;

use crate::{Backward, Bound, Forward, Inputs, Isa, Layer, Mode, Onto, OpError, Parameter, Sample, Shape};
use convscope_kernels::Epilogue;

/// What [`apply`] returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The output, `[N, ...]`.
    pub output: ArrayD<f32>,
    /// The parameters, with running statistics as they are afterwards.
    pub parameters: Vec<Parameter>,
}

/// What [`apply_backward`] returns.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedGradients {
    /// Of each input.
    pub d_inputs: Vec<ArrayD<f32>>,
    /// Of each parameter; empty where it is not trained.
    pub d_parameters: Vec<Vec<f32>>,
}

/// Runs a layer on arrays `[N, ...]`, in the form that the executor runs. `parameters` are those that
/// [`Layer::parameters`] asks for.
///
/// # Errors
/// Arrays that the layer does not take, or of different numbers of images.
///
/// ```
/// use convscope_ops::{Mode, Permute, Sample, apply};
/// use ndarray::{Array3, Axis};
/// let x = Array3::from_shape_fn((2, 3, 4), |(n, i, j)| (100 * n + 10 * i + j) as f32);
/// let turned = Permute { dims: vec![0, 2, 1] };
/// let applied = apply(&turned, &[x.view().into_dyn()], Vec::new(), Mode::Inference, Sample::default())?;
/// assert_eq!(applied.output, x.permuted_axes([0, 2, 1]).into_dyn());
/// # Ok::<(), convscope_ops::OpError>(())
/// ```
pub fn apply(
    layer: &dyn Layer,
    inputs: &[ArrayViewD<'_, f32>],
    parameters: Vec<Parameter>,
    mode: Mode,
    sample: Sample,
) -> Result<Applied, OpError> {
    let run = Run::new(layer, inputs, parameters, mode)?;
    let passed = run.forward(sample);
    Ok(Applied { output: run.array(run.output, &passed.output), parameters: passed.parameters })
}

/// The gradients of [`apply`] from that by its output.
///
/// # Errors
/// As [`apply`], and a `d_output` of another shape than the output.
pub fn apply_backward(
    layer: &dyn Layer,
    d_output: ArrayViewD<'_, f32>,
    inputs: &[ArrayViewD<'_, f32>],
    parameters: Vec<Parameter>,
    mode: Mode,
    sample: Sample,
) -> Result<AppliedGradients, OpError> {
    let run = Run::new(layer, inputs, parameters, mode)?;
    let expected = [&[run.images], run.output.axes()].concat();
    if d_output.shape() != expected {
        let problem = format!("output has shape {expected:?}, its gradient {:?}", d_output.shape());
        return Err(OpError::shape("backward", problem));
    }
    let passed = run.forward(sample);
    Ok(run.backward(sample, passed, &channels_last(&d_output, run.output)))
}

/// A layer with its inputs channels-last.
struct Run {
    isa: Isa,
    bound: Box<dyn Bound>,
    shapes: Vec<Shape>,
    output: Shape,
    images: usize,
    inputs: Vec<Vec<f32>>,
    parameters: Vec<Parameter>,
    packed: Vec<f32>,
}

/// What a forward pass leaves.
struct Passed {
    output: Vec<f32>,
    state: Vec<f32>,
    parameters: Vec<Parameter>,
}

impl Run {
    fn new(
        layer: &dyn Layer,
        inputs: &[ArrayViewD<'_, f32>],
        parameters: Vec<Parameter>,
        mode: Mode,
    ) -> Result<Run, OpError> {
        let images = inputs.first().and_then(|input| input.shape().first().copied()).unwrap_or(1);
        let mut shapes = Vec::new();
        for (index, input) in inputs.iter().enumerate() {
            match input.shape() {
                [count, axes @ ..] if *count == images => shapes.push(Shape::new(axes)?),
                other => {
                    let problem = format!("input {index} has shape {other:?}, the first one {images} images");
                    return Err(OpError::shape("inputs", problem));
                }
            }
        }
        let output = layer.output_shape(&shapes)?;
        if mode.is_training() {
            layer.check_batch(&shapes, images)?;
        }
        let mode = if mode.is_training() { mode } else { Mode::Attribution };
        let bound = layer.bind(&shapes, mode.into());
        let mut packed = vec![0.0; bound.packed_len()];
        bound.pack(&parameters, &mut packed);
        let inputs = inputs.iter().zip(&shapes).map(|(input, &shape)| channels_last(input, shape)).collect();
        Ok(Run { isa: Isa::best(), bound, shapes, output, images, inputs, parameters, packed })
    }

    fn forward(&self, sample: Sample) -> Passed {
        let mut parameters = self.parameters.clone();
        let mut state = Vec::new();
        if let Some(coupled) = self.bound.coupled() {
            state = vec![0.0; coupled.state_len()];
            let mut sums = vec![0.0; coupled.sums_len()];
            coupled.reduce_forward(self.isa, &self.inputs[0], &mut sums);
            coupled.finish_forward(self.images, &sums, &mut parameters, &mut state);
        }
        let mut output = vec![0.0; self.images * self.output.len()];
        let read = |index: usize| self.inputs[index].as_slice();
        self.bound.forward(Forward {
            isa: self.isa,
            images: self.images,
            sample,
            inputs: Inputs(&read),
            packed: &self.packed,
            state: &state,
            epilogue: Epilogue::Linear,
            output: &mut output,
            scratch: &mut vec![0.0; self.bound.scratch_len(self.images)],
        });
        Passed { output, state, parameters }
    }

    fn backward(&self, sample: Sample, passed: Passed, d_output: &[f32]) -> AppliedGradients {
        let Passed { output, mut state, .. } = passed;
        let mut d_packed = vec![0.0; self.bound.gradient_len()];
        if let Some(coupled) = self.bound.coupled() {
            let mut sums = vec![0.0; coupled.sums_len()];
            coupled.reduce_backward(self.isa, &self.inputs[0], d_output, &state, &mut sums);
            coupled.finish_backward(self.images, &sums, &mut state, &mut d_packed);
        }
        let mut scratch = vec![0.0; self.bound.scratch_len(self.images)];
        let mut call = |run: &mut dyn FnMut(Backward<'_>)| {
            let read = |index: usize| self.inputs[index].as_slice();
            run(Backward {
                isa: self.isa,
                images: self.images,
                sample,
                inputs: Inputs(&read),
                output: &output,
                d_output,
                packed: &self.packed,
                state: &state,
                onto: Onto::Sum,
                scratch: &mut scratch,
            });
        };
        let mut d_inputs = Vec::new();
        for (index, &shape) in self.shapes.iter().enumerate() {
            let mut d_input = vec![0.0; self.images * shape.len()];
            call(&mut |backward| self.bound.backward_input(index, backward, &mut d_input));
            d_inputs.push(self.array(shape, &d_input));
        }
        call(&mut |backward| self.bound.backward_parameters(backward, &mut d_packed));
        let len =
            |parameter: &Parameter| if parameter.role.is_trained() { parameter.values.len() } else { 0 };
        let mut d_parameters: Vec<Vec<f32>> =
            self.parameters.iter().map(|parameter| vec![0.0; len(parameter)]).collect();
        self.bound.unpack_gradient(&d_packed, &mut d_parameters);
        AppliedGradients { d_inputs, d_parameters }
    }

    /// Channels-last values as an array.
    fn array(&self, shape: Shape, values: &[f32]) -> ArrayD<f32> {
        let mut planes = vec![0.0; values.len()];
        layout::to_planes(values, shape.channels(), shape.len(), &mut planes);
        let axes = [&[self.images], shape.axes()].concat();
        ArrayD::from_shape_vec(IxDyn(&axes), planes).expect("a value for each element")
    }
}

fn channels_last(array: &ArrayViewD<'_, f32>, shape: Shape) -> Vec<f32> {
    let planes: Vec<f32> = array.iter().copied().collect();
    let mut values = vec![0.0; planes.len()];
    layout::to_channels_last(&planes, shape.channels(), shape.len(), &mut values);
    values
}
