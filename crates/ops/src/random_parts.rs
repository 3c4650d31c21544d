//! Parts of a value set to zero at random: channels, images or whole batches.

use convscope_kernels::{channels, elementwise, random};

use crate::{Backward, Bound, Forward, Isa, Mode, OpError, Reads, Sample, Shape};

/// What is kept or set to zero together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A channel of an image.
    Channel,
    /// An image.
    Image,
    /// All images of a batch.
    Batch,
}

#[derive(Debug)]
pub(crate) struct BoundParts {
    part: Part,
    channels: usize,
    /// Elements of an image.
    len: usize,
    /// The probability in units of 2^-32.
    threshold: u64,
    scale: f32,
    mode: Mode,
}

impl BoundParts {
    pub(crate) fn new(p: f64, part: Part, shape: Shape, mode: Mode) -> BoundParts {
        let threshold = (p * (1u64 << 32) as f64).round() as u64;
        let scale = if p < 1.0 { (1.0 / (1.0 - p)) as f32 } else { 0.0 };
        BoundParts { part, channels: shape.channels(), len: shape.len(), threshold, scale, mode }
    }

    /// `scratch` has room for the factors of an image's parts.
    fn apply(&self, isa: Isa, sample: Sample, input: &[f32], output: &mut [f32], scratch: &mut [f32]) {
        if !self.mode.is_training() || self.len == 0 {
            output.copy_from_slice(input);
            return;
        }
        let (ones, factors) = scratch.split_at_mut(self.parts());
        let factors = &mut factors[..self.parts()];
        ones.fill(1.0);
        let images = input.chunks_exact(self.len).zip(output.chunks_exact_mut(self.len));
        for (image, (x, y)) in images.enumerate() {
            let place = if self.part == Part::Batch { 0 } else { (sample.first_image + image) as u64 };
            let key = random::key(&[sample.seed, sample.step, sample.node as u64, place]);
            random::mask(isa, key, self.threshold, self.scale, ones, factors);
            match *factors {
                [factor] => elementwise::scale(isa, x, factor, y),
                _ => channels::scale_channels(isa, x, factors, y),
            }
        }
    }

    fn parts(&self) -> usize {
        if self.part == Part::Channel { self.channels } else { 1 }
    }
}

impl Bound for BoundParts {
    fn backward_reads(&self) -> Reads {
        Reads::default()
    }

    fn scratch_len(&self, _images: usize) -> usize {
        2 * self.parts()
    }

    fn forward(&self, call: Forward<'_>) {
        self.apply(call.isa, call.sample, call.inputs.get(0), call.output, call.scratch);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        self.apply(call.isa, call.sample, call.d_output, d_input, call.scratch);
    }
}

/// Fails where `p` is not a probability.
pub(crate) fn check_probability(operator: &'static str, p: f64) -> Result<(), OpError> {
    if (0.0..=1.0).contains(&p) {
        return Ok(());
    }
    Err(OpError::argument(operator, "p", format!("is {p}, a probability is from 0 to 1")))
}
