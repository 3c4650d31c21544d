//! The layer table: statistics of each layer's weights and activations.

use convscope_graph::{Graph, Node, Parameters};
use convscope_ops::{Activation, Parameter, Role};
use serde::Serialize;

use crate::Histogram;
use crate::depth::{DepthTrend, sizes_by_depth};
pub use crate::gather::SATURATION_MARGIN;
use crate::gather::{Gathered, NodeSums, activation_of};
use crate::histogram::TOLD_APART;
pub use crate::layer_row::{ChannelRow, LayerRow};

/// A row for every node of a network, in the network's order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerTable {
    /// How many images the activations were taken over.
    pub images: u64,
    /// One for each node.
    pub rows: Vec<LayerRow>,
    /// How the activations' size changes with depth, if it can be determined (at least three layers with weights).
    pub trend: Option<DepthTrend>,
}

/// The |scale| below which a channel of a batch normalisation counts as switched off.
pub const SMALL_SCALE: f32 = 1e-2;

impl LayerTable {
    /// The table from statistics over `images` images.
    pub(crate) fn new(
        graph: &Graph,
        parameters: &Parameters,
        images: u64,
        gathered: &[Gathered],
    ) -> LayerTable {
        let nodes = graph.nodes().iter().zip(gathered).enumerate();
        let mut rows: Vec<LayerRow> = nodes
            .map(|(index, (node, gathered))| row(graph, node, parameters.of_node(index), gathered))
            .collect();
        normalize(&mut rows);
        let trend = DepthTrend::of(&sizes_by_depth(graph, &rows));
        LayerTable { images, rows, trend }
    }

    /// Trained values of all layers.
    pub fn parameters(&self) -> u64 {
        self.rows.iter().map(|row| row.parameters as u64).sum()
    }

    /// Running means and variances of all layers.
    pub fn running_statistics(&self) -> u64 {
        self.rows.iter().map(|row| row.running_statistics as u64).sum()
    }

    /// The row of the node with this name.
    pub fn row(&self, name: &str) -> Option<&LayerRow> {
        self.rows.iter().find(|row| row.name == name)
    }
}

fn row(graph: &Graph, node: &Node, parameters: &[Parameter], gathered: &Gathered) -> LayerRow {
    let Gathered { sums, covariance, .. } = gathered;
    let weights = WeightNumbers::new(parameters);
    let channels = &sums.channels;
    let finite: u64 = channels.counts.iter().sum();
    let count = finite as f64;
    let total = |of: &[f64]| of.iter().sum::<f64>();
    let mean = total(&channels.sums) / count;
    let extreme =
        |of: &[f32], better: fn(f32, f32) -> f32, start: f32| match of.iter().copied().fold(start, better) {
            value if value.is_finite() => f64::from(value),
            _ => f64::NAN,
        };
    let activation = activation_of(node);
    let channel_rows = channel_rows(gathered);
    let (change, size) = sums.change;
    LayerRow {
        name: node.name.clone(),
        kind: node.operator.layer().keras_name().to_string(),
        output_shape: node.shape.axes().to_vec(),
        parameters: node.trained_parameters(),
        running_statistics: node.running_statistics(),
        mean_abs_weight: weights.mean_abs,
        sum_abs_weight: weights.sum_abs,
        weight_gain: weights.gain,
        small_scales: weights.small_scales,
        mean_abs_activation: total(&channels.sums_abs) / count,
        normalized_activation: f64::NAN,
        mean,
        standard_deviation: deviation(total(&channels.sums_squares), mean, count),
        min: extreme(&channels.min, f32::min, f32::INFINITY),
        max: extreme(&channels.max, f32::max, f32::NEG_INFINITY),
        zero_share: channels.zeros.iter().sum::<u64>() as f64 / count,
        channels: node.shape.channels(),
        dead_channels: channel_rows.iter().filter(|channel| channel.is_dead).count(),
        saturated_share: activation
            .is_some_and(Activation::saturates)
            .then(|| sums.saturated.iter().sum::<u64>() as f64 / count),
        effective_rank: covariance.effective_rank(),
        rank_channels: covariance.channels(),
        relative_change: (size > 0.0 && change.is_finite() && size.is_finite())
            .then(|| (change / size).sqrt()),
        is_identity: node.operator.layer().is_identity_in_inference(),
        non_finite_activations: sums.values - finite,
        non_finite_weights: weights.non_finite,
        inputs: node.inputs.iter().map(|&input| graph.value_name(input).to_owned()).collect(),
        activation,
        histogram: Histogram::from_sizes(&sums.sizes, TOLD_APART),
        weight_histogram: weights.histogram,
        channel_rows,
    }
}

/// The standard deviation from a sum of squares; rounding can leave a little below zero.
fn deviation(sum_squares: f64, mean: f64, count: f64) -> f64 {
    let variance = sum_squares / count - mean * mean;
    if variance < 0.0 { 0.0 } else { variance.sqrt() }
}

fn channel_rows(gathered: &Gathered) -> Vec<ChannelRow> {
    let NodeSums { channels, saturated, .. } = &gathered.sums;
    gathered
        .histograms
        .finish()
        .enumerate()
        .map(|(channel, histogram)| {
            let count = channels.counts[channel] as f64;
            let mean = channels.sums[channel] / count;
            ChannelRow {
                mean,
                standard_deviation: deviation(channels.sums_squares[channel], mean, count),
                zero_share: channels.zeros[channel] as f64 / count,
                min: f64::from(channels.min[channel]),
                max: f64::from(channels.max[channel]),
                is_dead: channels.counts[channel] > 0 && channels.zeros[channel] == channels.counts[channel],
                saturated_share: saturated.get(channel).map(|&saturated| saturated as f64 / count),
                histogram,
            }
        })
        .collect()
}

/// Statistics of a node's arrays.
struct WeightNumbers {
    mean_abs: Option<f64>,
    sum_abs: Option<f64>,
    gain: Option<f64>,
    small_scales: Option<usize>,
    non_finite: u64,
    histogram: Option<Histogram>,
}

impl WeightNumbers {
    fn new(parameters: &[Parameter]) -> WeightNumbers {
        let values = parameters.iter().flat_map(|parameter| parameter.slice());
        let non_finite = values.filter(|value| !value.is_finite()).count() as u64;
        let weight =
            parameters.iter().find(|parameter| matches!(parameter.role, Role::Weight { .. } | Role::Scale));
        let Some(weight) = weight else {
            let (mean_abs, sum_abs, gain, small_scales, histogram) = (None, None, None, None, None);
            return WeightNumbers { mean_abs, sum_abs, gain, small_scales, non_finite, histogram };
        };
        let finite =
            || weight.slice().iter().filter(|value| value.is_finite()).map(|&value| f64::from(value));
        let count = finite().count() as f64;
        let sum_abs: f64 = finite().map(f64::abs).sum();
        let squares: f64 = finite().map(|value| value * value).sum();
        let (gain, small_scales) = match weight.role {
            Role::Weight { fan_in, .. } => (Some((squares / count * fan_in as f64).sqrt()), None),
            _ => (None, Some(weight.slice().iter().filter(|scale| scale.abs() < SMALL_SCALE).count())),
        };
        WeightNumbers {
            mean_abs: Some(sum_abs / count),
            sum_abs: Some(sum_abs),
            gain,
            small_scales,
            non_finite,
            histogram: Some(Histogram::of(weight.slice())),
        }
    }
}

/// Sets `normalized_activation` of all rows.
fn normalize(rows: &mut [LayerRow]) {
    let finite = rows.iter().map(|row| row.mean_abs_activation).filter(|value| value.is_finite());
    let (smallest, largest) = finite
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(smallest, largest), value| {
            (smallest.min(value), largest.max(value))
        });
    for row in rows {
        row.normalized_activation = match row.mean_abs_activation {
            value if !value.is_finite() => f64::NAN,
            _ if largest <= smallest => 0.0,
            value => (value - smallest) / (largest - smallest),
        };
    }
}
