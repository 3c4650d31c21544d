//! A factor and a sum for each channel.

use crate::{Parameter, Role};
use ndarray::ArrayD;

/// `scale * x + shift` for each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelMap {
    /// The factor of each channel.
    pub scale: Vec<f64>,
    /// What is added to each channel.
    pub shift: Vec<f64>,
}

impl ChannelMap {
    /// The weight `[out_channels, ...]` and the bias of an operator whose outputs are mapped.
    pub(crate) fn of_outputs(&self, own: &[Parameter]) -> Vec<Parameter> {
        let Some(weight) = own.first() else { return Vec::new() };
        let (mut weight, channels) = (weight.clone(), self.scale.len());
        let per_channel = weight.slice().len() / channels;
        for (weights, &scale) in weight.slice_mut().chunks_exact_mut(per_channel).zip(&self.scale) {
            weights.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * scale) as f32);
        }
        let before = |channel: usize| own.get(1).map_or(0.0, |bias| f64::from(bias.slice()[channel]));
        let biases =
            (0..channels).map(|channel| (before(channel) * self.scale[channel] + self.shift[channel]) as f32);
        let bias = Parameter {
            key: String::new(),
            role: Role::Bias { fan_in: per_channel },
            values: ArrayD::from_shape_vec(vec![channels], biases.collect())
                .expect("a number for each channel"),
            batches: 0,
        };
        vec![weight, bias]
    }
}
