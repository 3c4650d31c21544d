//! Batch normalisation with limits on its values as one, for training.

use super::bound::{BoundBatchNorm, Part};
use crate::*;
use convscope_kernels::Epilogue;
use convscope_kernels::channels::{Affine, Centered};
use convscope_kernels::clamped::Clamped;

/// A batch normalisation in training, followed by `min(max(low, x), high)`: neither the normalised values nor the gradients
/// with respect to them go through memory.
#[derive(Debug)]
pub(super) struct ClampedBatchNorm {
    pub(super) norm: BoundBatchNorm,
    pub(super) low: f32,
    pub(super) high: f32,
}

impl ClampedBatchNorm {
    fn clamped<'a>(&self, state: &'a [f32]) -> Clamped<'a> {
        let [center, scale, shift] =
            [Part::Center, Part::Scale, Part::Shift].map(|part| self.norm.part(part, state));
        Clamped { affine: Affine { center, scale, shift }, low: self.low, high: self.high }
    }
}

impl Bound for ClampedBatchNorm {
    fn packed_len(&self) -> usize {
        self.norm.packed_len()
    }

    fn pack(&self, parameters: &[Parameter], packed: &mut [f32]) {
        self.norm.pack(parameters, packed);
    }

    fn gradient_len(&self) -> usize {
        self.norm.gradient_len()
    }

    fn unpack_gradient(&self, packed: &[f32], gradients: &mut [Vec<f32>]) {
        self.norm.unpack_gradient(packed, gradients);
    }

    fn backward_reads(&self) -> Reads {
        self.norm.backward_reads()
    }

    fn is_cheap(&self) -> bool {
        self.norm.is_cheap()
    }

    fn forward(&self, call: Forward<'_>) {
        debug_assert_eq!(call.epilogue, Epilogue::Linear);
        self.clamped(call.state).forward(call.isa, call.inputs.get(0), call.output);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let part = |part| self.norm.part(part, call.state);
        let (center, scale) = (part(Part::Center), part(Part::Scale));
        let by = Centered { center, scale, mean: part(Part::Mean), slope: part(Part::Slope) };
        self.clamped(call.state).backward(call.isa, call.inputs.get(0), by, call.d_output, d_input);
    }

    fn coupled(&self) -> Option<&dyn Coupled> {
        Some(self)
    }
}

impl Coupled for ClampedBatchNorm {
    fn sums_len(&self) -> usize {
        self.norm.sums_len()
    }

    fn state_len(&self) -> usize {
        self.norm.state_len()
    }

    fn reduce_forward(&self, isa: Isa, input: &[f32], sums: &mut [f64]) {
        self.norm.reduce_forward(isa, input, sums);
    }

    fn finish_forward(&self, images: usize, sums: &[f64], parameters: &mut [Parameter], state: &mut [f32]) {
        self.norm.finish_forward(images, sums, parameters, state);
    }

    fn reduce_backward(&self, isa: Isa, input: &[f32], d_output: &[f32], state: &[f32], sums: &mut [f64]) {
        let (sums, products) = sums.split_at_mut(sums.len() / 2);
        self.clamped(state).add_moments(isa, input, d_output, sums, products);
    }

    fn finish_backward(&self, images: usize, sums: &[f64], state: &mut [f32], d_packed: &mut [f32]) {
        self.norm.finish_backward(images, sums, state, d_packed);
    }
}
