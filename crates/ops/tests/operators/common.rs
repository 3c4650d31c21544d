//! Runs a layer's bound form as an executor would: in chunks, channels-last, for a given instruction set.

use convscope_kernels::layout;
use convscope_ops::*;
use convscope_testkit::random;
use ndarray::{Array4, ArrayD, IxDyn};

/// The results of a forward and a backward pass, as planes.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) output: Vec<f32>,
    pub(crate) d_inputs: Vec<Vec<f32>>,
    /// One for each trained parameter.
    pub(crate) d_parameters: Vec<Vec<f32>>,
    pub(crate) parameters: Vec<Parameter>,
}

/// A layer, the shapes of its inputs, and how it is run.
#[derive(Clone, Debug)]
pub(crate) struct Run<'a> {
    pub(crate) layer: &'a dyn Layer,
    pub(crate) shapes: &'a [Shape],
    pub(crate) images: usize,
    pub(crate) chunk: usize,
    pub(crate) mode: Mode,
    pub(crate) isa: Isa,
    pub(crate) seed: u64,
}

pub(crate) fn array(seed: u64, shape: &[usize]) -> ArrayD<f32> {
    ArrayD::from_shape_vec(IxDyn(shape), random(seed, shape.iter().product())).unwrap()
}

pub(crate) fn images(seed: u64, shape: [usize; 4]) -> Array4<f32> {
    Array4::from_shape_vec(shape, random(seed, shape.iter().product())).unwrap()
}

pub(crate) fn slice<D: ndarray::Dimension>(array: &ndarray::Array<f32, D>) -> &[f32] {
    array.as_slice().unwrap()
}

pub(crate) fn parameters(layer: &dyn Layer, shapes: &[Shape]) -> Vec<Parameter> {
    let make = |(index, spec): (usize, ParameterSpec)| {
        let mut parameter = Parameter::zeros(spec.name, &spec).unwrap();
        if spec.role != Role::BatchesTracked {
            parameter.values = array(100 + index as u64, &spec.shape);
        }
        if spec.role == Role::RunningVar {
            parameter.values.mapv_inplace(|value| value + 1.5);
        }
        parameter
    };
    layer.parameters(shapes).into_iter().enumerate().map(make).collect()
}

fn last(planes: &[f32], shape: Shape) -> Vec<f32> {
    let mut out = vec![0.0; planes.len()];
    layout::to_channels_last(planes, shape.channels(), shape.len(), &mut out);
    out
}

fn planes(values: &[f32], shape: Shape) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    layout::to_planes(values, shape.channels(), shape.len(), &mut out);
    out
}

impl Run<'_> {
    /// Both passes; inputs and `d_output` are planes.
    pub(crate) fn passes(
        &self,
        inputs: &[&[f32]],
        d_output: &[f32],
        mut parameters: Vec<Parameter>,
    ) -> Passed {
        let Run { layer, shapes, images, chunk, mode, isa, seed } = *self;
        let shape = layer.output_shape(shapes).unwrap();
        let bound = layer.bind(shapes, mode.into());
        let inputs: Vec<Vec<f32>> = inputs.iter().zip(shapes).map(|(x, &shape)| last(x, shape)).collect();
        let d_output = last(d_output, shape);
        let mut packed = vec![f32::NAN; bound.packed_len()];
        bound.pack(&parameters, &mut packed);
        // NaN in every buffer, so that elements left unwritten, or read before being written, show up.
        let mut output = vec![f32::NAN; images * shape.len()];
        let mut d_inputs: Vec<Vec<f32>> = inputs.iter().map(|x| vec![f32::NAN; x.len()]).collect();
        let mut d_packed = vec![0.0; bound.gradient_len()];
        let chunks: Vec<(usize, usize)> =
            (0..images).step_by(chunk).map(|first| (first, chunk.min(images - first))).collect();
        let part = |values: &[f32], shape: Shape, (first, count): (usize, usize)| {
            values[first * shape.len()..(first + count) * shape.len()].to_vec()
        };
        let mut state = Vec::new();
        if let Some(coupled) = bound.coupled() {
            state = vec![f32::NAN; coupled.state_len()];
            let mut sums = vec![0.0; coupled.sums_len()];
            for &chunk in &chunks {
                coupled.reduce_forward(isa, &part(&inputs[0], shapes[0], chunk), &mut sums);
            }
            coupled.finish_forward(images, &sums, &mut parameters, &mut state);
        }
        for &(first_image, count) in &chunks {
            let own: Vec<Vec<f32>> =
                inputs.iter().zip(shapes).map(|(x, &shape)| part(x, shape, (first_image, count))).collect();
            let read = |index: usize| own[index].as_slice();
            bound.forward(Forward {
                isa,
                images: count,
                sample: Sample { seed, step: 3, first_image, ..Sample::default() },
                inputs: Inputs(&read),
                packed: &packed,
                state: &state,
                epilogue: Epilogue::Linear,
                output: &mut output[first_image * shape.len()..][..count * shape.len()],
                scratch: &mut vec![f32::NAN; bound.scratch_len(count)],
            });
        }
        if let Some(coupled) = bound.coupled() {
            let mut sums = vec![0.0; coupled.sums_len()];
            for &chunk in &chunks {
                let (x, d) = (part(&inputs[0], shapes[0], chunk), part(&d_output, shape, chunk));
                coupled.reduce_backward(isa, &x, &d, &state, &mut sums);
            }
            coupled.finish_backward(images, &sums, &mut state, &mut d_packed);
        }
        let reads = bound.backward_reads();
        for &(first_image, count) in &chunks {
            let own: Vec<Vec<f32>> =
                inputs.iter().zip(shapes).map(|(x, &shape)| part(x, shape, (first_image, count))).collect();
            let (y, d) =
                (part(&output, shape, (first_image, count)), part(&d_output, shape, (first_image, count)));
            let sample = Sample { seed, step: 3, first_image, ..Sample::default() };
            let output = if reads.output { y.as_slice() } else { &[] };
            let call = |run: &mut dyn FnMut(Backward<'_>)| {
                let mut scratch = vec![f32::NAN; bound.scratch_len(count)];
                let read = |index: usize| if reads.inputs { own[index].as_slice() } else { &[] };
                run(Backward {
                    isa,
                    images: count,
                    sample,
                    inputs: Inputs(&read),
                    output,
                    d_output: &d,
                    packed: &packed,
                    state: &state,
                    onto: if first_image == 0 { Onto::Nothing } else { Onto::Sum },
                    scratch: &mut scratch,
                });
            };
            for (index, d_input) in d_inputs.iter_mut().enumerate() {
                let len = shapes[index].len();
                let d_input = &mut d_input[first_image * len..][..count * len];
                call(&mut |backward| bound.backward_input(index, backward, d_input));
            }
            call(&mut |backward| bound.backward_parameters(backward, &mut d_packed));
        }
        let mut gradients: Vec<Vec<f32>> = parameters
            .iter()
            .map(|p| vec![f32::NAN; if p.role.is_trained() { p.values.len() } else { 0 }])
            .collect();
        bound.unpack_gradient(&d_packed, &mut gradients);
        gradients.retain(|gradient| !gradient.is_empty());
        Passed {
            output: planes(&output, shape),
            d_inputs: d_inputs.iter().zip(shapes).map(|(d, &shape)| planes(d, shape)).collect(),
            d_parameters: gradients,
            parameters,
        }
    }
}
