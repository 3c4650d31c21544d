//! An operator with known sizes, as the executor runs it.

use crate::{Algorithm, Isa, Parameter, Precision};
use convscope_kernels::Epilogue;
use convscope_kernels::conv::{Conv, Onto};
use serde::Serialize;
use std::fmt::Debug;

/// Whether a network is trained, used, or explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Batch statistics, dropout.
    Training,
    /// Running statistics, no dropout.
    Inference,
    /// As [`Mode::Inference`], plus what [`Bound::backward_input`] needs.
    Attribution,
}

/// How an operator is bound; a [`Mode`] alone stands for it with `f32` products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindOptions {
    /// What the network is for.
    pub mode: Mode,
    /// The precision of products, where the operator can use a lower one.
    pub precision: Precision,
}

impl From<Mode> for BindOptions {
    fn from(mode: Mode) -> BindOptions {
        BindOptions { mode, precision: Precision::F32 }
    }
}

impl Mode {
    /// Whether operators normalise by the batch and drop at random.
    pub fn is_training(self) -> bool {
        self == Mode::Training
    }

    /// Whether gradients are computed.
    pub fn has_backward(self) -> bool {
        self != Mode::Inference
    }
}

/// What a backward pass reads besides the gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The input values.
    pub inputs: bool,
    /// The output value.
    pub output: bool,
}

/// Identifies the images of a call within a training run, for operators that draw random numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The run's seed.
    pub seed: u64,
    /// The step of the run.
    pub step: u64,
    /// Position of the node in the network, so that two nodes of a kind draw different numbers.
    pub node: usize,
    /// Position in the batch of the call's first image.
    pub first_image: usize,
}

/// The input values of a call, channels-last.
#[derive(Clone, Copy)]
pub struct Inputs<'a>(pub &'a dyn Fn(usize) -> &'a [f32]);

impl<'a> Inputs<'a> {
    /// The input at `index`.
    pub fn get(&self, index: usize) -> &'a [f32] {
        (self.0)(index)
    }
}

/// One forward call on the images of a chunk; slices are channels-last and have exactly the length for `images` images.
pub struct Forward<'a> {
    /// Instructions to use.
    pub isa: Isa,
    /// Number of images.
    pub images: usize,
    /// Which images they are.
    pub sample: Sample,
    /// The input values.
    pub inputs: Inputs<'a>,
    /// The parameters, packed by [`Bound::pack`].
    pub packed: &'a [f32],
    /// The result of [`Coupled::finish_forward`] over the batch; empty for other operators.
    pub state: &'a [f32],
    /// What is applied to the output: nothing, or what [`Bound::fuses`] accepts.
    pub epilogue: Epilogue,
    /// The output value; every element is written.
    pub output: &'a mut [f32],
    /// [`Bound::scratch_len`] elements with arbitrary content.
    pub scratch: &'a mut [f32],
}

/// One backward call; what [`Bound::backward_reads`] did not ask for may be empty.
pub struct Backward<'a> {
    /// Instructions to use.
    pub isa: Isa,
    /// Number of images.
    pub images: usize,
    /// Which images they are.
    pub sample: Sample,
    /// The input values.
    pub inputs: Inputs<'a>,
    /// The output value, before any activation that was not fused.
    pub output: &'a [f32],
    /// Gradient of the loss with respect to the output, before its activation.
    pub d_output: &'a [f32],
    /// The parameters, packed by [`Bound::pack`].
    pub packed: &'a [f32],
    /// The result of [`Coupled::finish_backward`] over the batch; empty for other operators.
    pub state: &'a [f32],
    /// What gradients with respect to the parameters are for: to be added, or, in an operator that
    /// [begins gradients](Bound::begins_gradient), to be the first of a step.
    pub onto: Onto,
    /// [`Bound::scratch_len`] elements with arbitrary content.
    pub scratch: &'a mut [f32],
}

/// How an operator computes the products of its weights and inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The precision of the products.
    pub precision: Precision,
    /// Multiply-adds that it performs for one image and one direction.
    pub multiply_adds: u64,
}

impl From<&Conv> for Products {
    fn from(conv: &Conv) -> Products {
        Products {
            algorithm: conv.algorithm(),
            precision: conv.precision(),
            multiply_adds: conv.multiply_adds(),
        }
    }
}

/// An operator with known sizes.
///
/// Parameters are packed once per step, and gradients are added up in the packed order and unpacked at the end, so that
/// the loops over images see them in the best order.
pub trait Bound: Debug + Send + Sync {
    /// Elements of the packed parameters.
    fn packed_len(&self) -> usize {
        0
    }

    /// Packs the layer's parameters (in the order of [`crate::Layer::parameters`]), writing every element.
    fn pack(&self, _parameters: &[Parameter], _packed: &mut [f32]) {}

    /// Elements of the packed gradients.
    fn gradient_len(&self) -> usize {
        0
    }

    /// Extracts the gradients of the trained parameters from the packed gradients; `gradients` is parallel to the
    /// layer's parameters, and empty for those that are not trained.
    fn unpack_gradient(&self, _packed: &[f32], _gradients: &mut [Vec<f32>]) {}

    /// Elements of scratch space that a call with `images` images needs.
    fn scratch_len(&self, _images: usize) -> usize {
        0
    }

    /// What [`Bound::backward_input`] and [`Bound::backward_parameters`] read.
    fn backward_reads(&self) -> Reads;

    /// Whether [`Bound::forward`] can apply this to its output by itself.
    fn fuses(&self, epilogue: Epilogue) -> bool {
        epilogue == Epilogue::Linear
    }

    /// Whether computing the output again costs less than to keep it in memory.
    fn is_cheap(&self) -> bool {
        false
    }

    /// How it computes products of weights and inputs, if it does.
    fn products(&self) -> Option<Products> {
        None
    }

    /// Prepares to compute the output of a single image on this many threads. Its bits stay the same.
    fn divide(&mut self, _threads: usize) {}

    /// Computes the output.
    fn forward(&self, call: Forward<'_>);

    /// Writes the gradient with respect to the input at `index`: every element of `d_input`.
    fn backward_input(&self, index: usize, call: Backward<'_>, d_input: &mut [f32]);

    /// Whether [`Bound::backward_parameters`] can write the first gradients of a step over anything. For other operators, the
    /// caller starts with zeros.
    fn begins_gradient(&self) -> bool {
        false
    }

    /// Adds the gradients with respect to the parameters to `d_packed` ([`Bound::gradient_len`] elements).
    fn backward_parameters(&self, _call: Backward<'_>, _d_packed: &mut [f32]) {}

    /// The steps over the whole batch, if its images are not independent.
    fn coupled(&self) -> Option<&dyn Coupled> {
        None
    }
}

/// An operator whose output for one image depends on all images of the batch.
///
/// Each direction first reduces every chunk to sums, adds the sums of all chunks in order, computes a state from them,
/// and then runs [`Bound::forward`] or [`Bound::backward_input`] with that state.
pub trait Coupled {
    /// Number of sums of a reduction.
    fn sums_len(&self) -> usize;

    /// Elements of the state, which both directions share.
    fn state_len(&self) -> usize;

    /// Adds a chunk's contribution to the sums of the forward direction.
    fn reduce_forward(&self, isa: Isa, input: &[f32], sums: &mut [f64]);

    /// Computes the state from the sums over `images` images and updates running statistics in `parameters`.
    fn finish_forward(&self, images: usize, sums: &[f64], parameters: &mut [Parameter], state: &mut [f32]);

    /// Adds a chunk's contribution to the sums of the backward direction.
    fn reduce_backward(&self, isa: Isa, input: &[f32], d_output: &[f32], state: &[f32], sums: &mut [f64]);

    /// Completes the state from the sums over `images` images, and adds the gradients with respect to the parameters to
    /// `d_packed`.
    fn finish_backward(&self, images: usize, sums: &[f64], state: &mut [f32], d_packed: &mut [f32]);
}
