//! Batch normalisation as the executor runs it.

use crate::*;
use convscope_kernels::Epilogue;
use convscope_kernels::channels::{Affine, Centered, add_moments, normalize, normalize_backward};

/// In training, all per-channel numbers are in the state that [`Coupled`] computes; in inference, the first three are
/// in the packed parameters.
#[derive(Debug)]
pub(super) struct BoundBatchNorm {
    pub(super) channels: usize,
    /// Of one image.
    pub(super) pixels: usize,
    pub(super) eps: f64,
    pub(super) momentum: Momentum,
    pub(super) affine: bool,
    pub(super) mode: Mode,
    pub(super) zeros: Vec<f32>,
}

/// Per-channel numbers, in their order in memory.
///
/// The mean is kept as `center + rest`: `input - center` is exact if the values are close to their mean, and what
/// `center` lacks goes into `shift` and `mean`. So channels with a large mean lose no precision.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// The mean in single precision.
    Center,
    /// `weight / sqrt(var + eps)`.
    Scale,
    /// Added last.
    Shift,
    /// The mean minus the center.
    Rest,
    /// `1 / sqrt(var + eps)`.
    InvStd,
    /// Mean of the output's gradient.
    Mean,
    /// Mean of the output's gradient times the normalised input, per unit of input.
    Slope,
}

impl Part {
    const COUNT: usize = 7;
}

impl BoundBatchNorm {
    pub(super) fn part<'a>(&self, part: Part, of: &'a [f32]) -> &'a [f32] {
        &of[part as usize * self.channels..][..self.channels]
    }

    /// The numbers of the forward direction.
    fn numbers<'a>(&self, packed: &'a [f32], state: &'a [f32]) -> &'a [f32] {
        if self.mode.is_training() { state } else { packed }
    }

    /// Writes the parts that the forward direction needs for a channel.
    fn set(&self, channel: usize, mean: f64, var: f64, parameters: &[Parameter], numbers: &mut [f32]) {
        let (weight, bias) = match (self.affine, parameters) {
            (true, [weight, bias, ..]) => (weight.slice()[channel], bias.slice()[channel]),
            _ => (1.0, 0.0),
        };
        let inv_std = 1.0 / (var + self.eps).sqrt();
        let scale = inv_std * f64::from(weight);
        let center = mean as f32;
        let rest = mean - f64::from(center);
        let mut set = |part: Part, value: f64| {
            if let Some(number) = numbers.get_mut(part as usize * self.channels + channel) {
                *number = value as f32;
            }
        };
        set(Part::Center, mean);
        set(Part::Scale, scale);
        set(Part::Shift, f64::from(bias) - rest * scale);
        set(Part::Rest, rest);
        set(Part::InvStd, inv_std);
    }

    fn running<'a>(&self, parameters: &'a mut [Parameter]) -> &'a mut [Parameter] {
        &mut parameters[if self.affine { 2 } else { 0 }..]
    }
}

impl Bound for BoundBatchNorm {
    fn packed_len(&self) -> usize {
        if self.mode.is_training() { 0 } else { self.channels * Part::COUNT }
    }

    fn pack(&self, parameters: &[Parameter], packed: &mut [f32]) {
        if self.mode.is_training() {
            return;
        }
        packed.fill(0.0);
        let running = &parameters[if self.affine { 2 } else { 0 }..];
        for channel in 0..self.channels {
            let [mean, var] = [0, 1].map(|index| f64::from(running[index].slice()[channel]));
            self.set(channel, mean, var, parameters, packed);
        }
    }

    fn gradient_len(&self) -> usize {
        if self.affine { 2 * self.channels } else { 0 }
    }

    fn unpack_gradient(&self, packed: &[f32], gradients: &mut [Vec<f32>]) {
        if self.affine {
            gradients[0].copy_from_slice(&packed[..self.channels]);
            gradients[1].copy_from_slice(&packed[self.channels..]);
        }
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn fuses(&self, _epilogue: Epilogue) -> bool {
        true
    }

    fn forward(&self, call: Forward<'_>) {
        let numbers = self.numbers(call.packed, call.state);
        let [center, scale, shift] =
            [Part::Center, Part::Scale, Part::Shift].map(|part| self.part(part, numbers));
        let affine = Affine { center, scale, shift };
        normalize(call.isa, call.inputs.get(0), affine, call.epilogue, call.output);
    }

    fn backward_input(&self, _index: usize, call: Backward<'_>, d_input: &mut [f32]) {
        let numbers = self.numbers(call.packed, call.state);
        let part = |part| self.part(part, numbers);
        let (center, scale) = (part(Part::Center), part(Part::Scale));
        match self.mode {
            Mode::Training => {
                let by = Centered { center, scale, mean: part(Part::Mean), slope: part(Part::Slope) };
                normalize_backward(call.isa, call.inputs.get(0), by, call.d_output, d_input);
            }
            Mode::Inference | Mode::Attribution => {
                let affine = Affine { center: &self.zeros, scale, shift: &self.zeros };
                normalize(call.isa, call.d_output, affine, Epilogue::Linear, d_input);
            }
        }
    }

    fn backward_parameters(&self, call: Backward<'_>, d_packed: &mut [f32]) {
        // In training `Coupled::finish_backward` does it, once for the whole batch.
        if self.mode.is_training() || !self.affine {
            return;
        }
        let mut sums = vec![0.0; self.sums_len()];
        self.reduce_backward(call.isa, call.inputs.get(0), call.d_output, call.packed, &mut sums);
        self.add_parameter_gradients(&sums, call.packed, d_packed);
    }

    fn coupled(&self) -> Option<&dyn Coupled> {
        self.mode.is_training().then_some(self)
    }
}

impl BoundBatchNorm {
    /// The sum of the output's gradient times the centered input, from the sums of a backward reduction.
    fn product(&self, channel: usize, sums: &[f64], numbers: &[f32]) -> f64 {
        sums[self.channels + channel] - f64::from(self.part(Part::Rest, numbers)[channel]) * sums[channel]
    }

    fn add_parameter_gradients(&self, sums: &[f64], numbers: &[f32], d_packed: &mut [f32]) {
        for channel in 0..self.channels {
            let inv_std = f64::from(self.part(Part::InvStd, numbers)[channel]);
            d_packed[channel] += (self.product(channel, sums, numbers) * inv_std) as f32;
            d_packed[self.channels + channel] += sums[channel] as f32;
        }
    }
}

impl Coupled for BoundBatchNorm {
    fn sums_len(&self) -> usize {
        2 * self.channels
    }

    fn state_len(&self) -> usize {
        Part::COUNT * self.channels
    }

    fn reduce_forward(&self, isa: Isa, input: &[f32], sums: &mut [f64]) {
        let (sums, squares) = sums.split_at_mut(self.channels);
        add_moments(isa, input, input, &self.zeros, sums, squares);
    }

    fn finish_forward(&self, images: usize, sums: &[f64], parameters: &mut [Parameter], state: &mut [f32]) {
        let count = (images * self.pixels) as f64;
        let tracked = &mut self.running(parameters)[2].batches;
        *tracked += 1;
        let batches = *tracked;
        let share = self.momentum.share(batches);
        for channel in 0..self.channels {
            let mean = sums[channel] / count;
            // Rounding can leave a slightly negative number; NaN must stay.
            let var = sums[self.channels + channel] / count - mean * mean;
            let var = if var < 0.0 { 0.0 } else { var };
            self.set(channel, mean, var, parameters, state);
            // A single value says nothing about the variance.
            if count > 1.0 {
                let [running_mean, running_var, ..] = self.running(parameters) else { continue };
                for (running, batch) in [(running_mean, mean), (running_var, var * count / (count - 1.0))] {
                    let running = &mut running.slice_mut()[channel];
                    *running = ((1.0 - share) * f64::from(*running) + share * batch) as f32;
                }
            }
        }
    }

    fn reduce_backward(&self, isa: Isa, input: &[f32], d_output: &[f32], state: &[f32], sums: &mut [f64]) {
        let (sums, products) = sums.split_at_mut(self.channels);
        add_moments(isa, d_output, input, self.part(Part::Center, state), sums, products);
    }

    fn finish_backward(&self, images: usize, sums: &[f64], state: &mut [f32], d_packed: &mut [f32]) {
        let count = (images * self.pixels) as f64;
        for channel in 0..self.channels {
            let inv_std = f64::from(self.part(Part::InvStd, state)[channel]);
            let slope = self.product(channel, sums, state) * inv_std * inv_std / count;
            let mean = sums[channel] / count - f64::from(self.part(Part::Rest, state)[channel]) * slope;
            state[Part::Mean as usize * self.channels + channel] = mean as f32;
            state[Part::Slope as usize * self.channels + channel] = slope as f32;
        }
        if self.affine {
            self.add_parameter_gradients(sums, state, d_packed);
        }
    }
}
