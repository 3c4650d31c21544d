//! Batch normalisation as a layer and as the executor runs it.

use super::NAME;
use super::clamped::ClampedBatchNorm;
use crate::defaults::{is_yes, yes};
use crate::layer::one_input;
use crate::operator_arguments::arguments_of;
use crate::*;
use convscope_kernels::Epilogue;
use convscope_kernels::channels::{Affine, Centered, add_moments, normalize, normalize_backward};
use convscope_kernels::pointwise::Function;
use serde::{Deserialize, Serialize};

/// Batch normalisation with its own weight, bias and running statistics; arguments and defaults of
/// `torch.nn.BatchNorm2d`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to the variance; default 1e-5.
    #[serde(default = "default_eps", skip_serializing_if = "is_default_eps")]
    pub eps: f64,
    /// How fast the running statistics are updated; default 0.1.
    #[serde(default = "default_momentum", skip_serializing_if = "is_default_momentum")]
    pub momentum: Momentum,
    /// Whether a weight and a bias are applied after the normalisation; default yes.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub affine: bool,
}

impl Default for BatchNorm {
    fn default() -> BatchNorm {
        BatchNorm { eps: default_eps(), momentum: Momentum::DEFAULT, affine: true }
    }
}

fn default_eps() -> f64 {
    1e-5
}
fn is_default_eps(eps: &f64) -> bool {
    *eps == default_eps()
}
fn default_momentum() -> Momentum {
    Momentum::DEFAULT
}
fn is_default_momentum(momentum: &Momentum) -> bool {
    *momentum == Momentum::DEFAULT
}

impl BatchNorm {
    pub(super) fn check(&self) -> Result<(), OpError> {
        if self.eps >= 0.0 {
            return Ok(());
        }
        Err(OpError::argument(NAME, "eps", format!("is {}, must be at least 0", self.eps)))
    }

    pub(super) fn bound(&self, shape: Shape, mode: Mode) -> BoundBatchNorm {
        let channels = shape.channels();
        BoundBatchNorm {
            channels,
            pixels: shape.positions(),
            layer: self.clone(),
            mode,
            zeros: vec![0.0; channels],
        }
    }
}

impl Layer for BatchNorm {
    fn name() -> &'static str {
        NAME
    }

    fn keras_name(&self) -> &'static str {
        "batch_normalization"
    }

    fn torch(&self, inputs: &[Shape]) -> Option<Torch> {
        let class = if inputs[0].is_image() { "nn.BatchNorm2d" } else { "nn.BatchNorm1d" };
        let mut arguments = arguments_of(self);
        if self.momentum == Momentum::Cumulative {
            arguments.insert("momentum".to_owned(), serde_json::Value::Null);
        }
        Some(Torch::module(class, &[inputs[0].channels()], &arguments, &[]))
    }

    fn onnx(&self, inputs: &[Shape]) -> Option<Onnx> {
        let channels = inputs[0].channels();
        let node = OnnxNode::new("BatchNormalization").input(0);
        let node = node.parameter_or(self.affine, "weight", channels, 1.0);
        let node = node.parameter_or(self.affine, "bias", channels, 0.0);
        Some(node.parameter("running_mean").parameter("running_var").float("epsilon", self.eps).into())
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        self.check()?;
        one_input(NAME, inputs)
    }

    fn parameters(&self, inputs: &[Shape]) -> Vec<ParameterSpec> {
        let channels = vec![inputs[0].channels()];
        let spec = |name, shape: &[usize], role| ParameterSpec { name, shape: shape.to_vec(), role };
        let mut specs = Vec::new();
        if self.affine {
            specs.push(spec("weight", &channels, Role::Scale));
            specs.push(spec("bias", &channels, Role::Shift));
        }
        specs.push(spec("running_mean", &channels, Role::RunningMean));
        specs.push(spec("running_var", &channels, Role::RunningVar));
        specs.push(spec("num_batches_tracked", &[], Role::BatchesTracked));
        specs
    }

    fn check_batch(&self, inputs: &[Shape], images: usize) -> Result<(), OpError> {
        let shape = inputs[0];
        if images * shape.positions() > 1 {
            return Ok(());
        }
        let problem = format!(
            "a batch of one image of shape {shape} has one value per channel; training needs two or more"
        );
        Err(OpError::shape(NAME, problem))
    }

    fn maps_channels(&self) -> bool {
        true
    }

    fn channel_map(&self, parameters: &[Parameter]) -> Option<ChannelMap> {
        let (affine, running) = parameters.split_at(if self.affine { 2 } else { 0 });
        let [mean, var, ..] = running else { return None };
        let mut map = ChannelMap { scale: Vec::new(), shift: Vec::new() };
        for (channel, (&mean, &var)) in mean.slice().iter().zip(var.slice()).enumerate() {
            let (weight, bias) = match affine {
                [weight, bias] => (weight.slice()[channel], bias.slice()[channel]),
                _ => (1.0, 0.0),
            };
            let scale = f64::from(weight) / (f64::from(var) + self.eps).sqrt();
            map.scale.push(scale);
            map.shift.push(f64::from(bias) - scale * f64::from(mean));
        }
        Some(map)
    }

    fn with_cumulative_statistics(&self) -> Option<Operator> {
        Some(BatchNorm { momentum: Momentum::Cumulative, ..self.clone() }.into())
    }

    fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound> {
        Box::new(self.bound(inputs[0], options.mode))
    }

    fn bind_activated(
        &self,
        inputs: &[Shape],
        options: BindOptions,
        function: Function,
    ) -> Option<Box<dyn Bound>> {
        // Other functions take so long that computing them in both passes costs more than memory does.
        let Function::Clamp { low, high } = function else { return None };
        let norm = self.bound(inputs[0], options.mode);
        options.mode.is_training().then(|| Box::new(ClampedBatchNorm { norm, low, high }) as Box<dyn Bound>)
    }
}

/// In training, all per-channel numbers are in the state that [`Coupled`] computes; in inference, the first three are
/// in the packed parameters.
#[derive(Debug)]
pub(super) struct BoundBatchNorm {
    channels: usize,
    /// Of one image.
    pixels: usize,
    layer: BatchNorm,
    mode: Mode,
    zeros: Vec<f32>,
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
        let (weight, bias) = match (self.layer.affine, parameters) {
            (true, [weight, bias, ..]) => (weight.slice()[channel], bias.slice()[channel]),
            _ => (1.0, 0.0),
        };
        let inv_std = 1.0 / (var + self.layer.eps).sqrt();
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
        &mut parameters[if self.layer.affine { 2 } else { 0 }..]
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
        let running = &parameters[if self.layer.affine { 2 } else { 0 }..];
        for channel in 0..self.channels {
            let [mean, var] = [0, 1].map(|index| f64::from(running[index].slice()[channel]));
            self.set(channel, mean, var, parameters, packed);
        }
    }

    fn gradient_len(&self) -> usize {
        if self.layer.affine { 2 * self.channels } else { 0 }
    }

    fn unpack_gradient(&self, packed: &[f32], gradients: &mut [Vec<f32>]) {
        if self.layer.affine {
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
        if self.mode.is_training() || !self.layer.affine {
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
        let share = self.layer.momentum.share(batches);
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
        if self.layer.affine {
            self.add_parameter_gradients(sums, state, d_packed);
        }
    }
}
