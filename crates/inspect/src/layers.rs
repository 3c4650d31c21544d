//! The layer table: what each layer's weights and activations are like.

use serde::Serialize;

use crate::Histogram;

/// A row for every node of a network, in the network's order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerTable {
    /// How many images the activations were taken over.
    pub images: u64,
    /// One for each node.
    pub rows: Vec<LayerRow>,
    /// How the activations' size changes with depth, where it can be told (at least three layers with weights).
    pub trend: Option<DepthTrend>,
}

/// What is known of one node. Means are over all images, positions and channels, summed in f64 in a fixed order.
/// Activations are those after the node's activation function; of a softmax, the probabilities.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerRow {
    /// The node's name: `conv2d_1`.
    pub name: String,
    /// Keras' name of the operator: `conv2d`, `max_pooling2d`, `dense`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The shape of one image's output, `[C, H, W]` or `[F]`.
    pub output_shape: Vec<usize>,
    /// Values of the node's arrays, trained or not.
    pub parameters: usize,
    /// Mean of |weight| over the array that PyTorch calls `weight` (of a batch norm its scale), without bias; none
    /// where there is no such array.
    pub mean_abs_weight: Option<f64>,
    /// Sum of |weight| over the same array.
    pub sum_abs_weight: Option<f64>,
    /// Mean of |activation|.
    pub mean_abs_activation: f64,
    /// `(mean_abs_activation - smallest) / (largest - smallest)` over the layers of the table: 0 for the smallest, 1
    /// for the largest; 0 where all are equal, NaN where this layer's is not finite.
    pub normalized_activation: f64,
    /// Mean of the activations.
    pub mean: f64,
    /// Standard deviation of the activations over all images, positions and channels, with the divisor n.
    pub standard_deviation: f64,
    /// Smallest activation.
    pub min: f64,
    /// Largest activation.
    pub max: f64,
    /// Share of the activations that are exactly zero, 0 to 1.
    pub zero_share: f64,
    /// Channels of the output (features of a vector).
    pub channels: usize,
    /// Channels that were exactly zero at every position of every image.
    pub dead_channels: usize,
    /// Share of the activations within [`SATURATION_MARGIN`] of 0 or 1, of a sigmoid or softmax; none of other layers.
    pub saturated_share: Option<f64>,
    /// How many directions the channels really use, from 1 to `channels`: `(sum of e)^2 / sum of e^2` over the
    /// eigenvalues `e` of the covariance of the channels (the participation ratio, Gao et al. 2017, "A theory of
    /// multineuronal dimensionality"); none where nothing varies or the covariance was not gathered.
    pub effective_rank: Option<f64>,
    /// `||output - input|| / ||input||` over all images, where the layer has one input of its output's shape; none
    /// elsewhere. 0 for a layer that does nothing.
    pub relative_change: Option<f64>,
    /// Activations that are NaN or infinite; they are left out of every other number.
    pub non_finite_activations: u64,
    /// Values of the node's arrays that are NaN or infinite; left out of the numbers on weights.
    pub non_finite_weights: u64,
    /// Names of the values it takes: nodes, or `input`.
    pub inputs: Vec<String>,
    /// The node's own activation function: `relu`, `sigmoid`, `softmax`.
    pub activation: Option<String>,
    /// The activations' distribution.
    pub histogram: Histogram,
    /// The distribution of the array called `weight`.
    pub weight_histogram: Option<Histogram>,
    /// One for each channel, in order.
    pub channel_rows: Vec<ChannelRow>,
}

/// One channel of a layer, over all images and positions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ChannelRow {
    /// Mean of the activations.
    pub mean: f64,
    /// Standard deviation of the activations.
    pub standard_deviation: f64,
    /// Share of exact zeros, 0 to 1.
    pub zero_share: f64,
    /// Largest |activation|.
    pub max_abs: f64,
    /// Whether it was exactly zero everywhere.
    pub is_dead: bool,
}

/// By what factor the mean |activation| grows from one layer with a weight to the next: the slope of a straight line
/// through its logarithms, by least squares over convolutions and dense layers without the last node.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DepthTrend {
    /// Factor from layer to layer; above 1 they grow.
    pub factor_per_layer: f64,
    /// Layers that the line goes through.
    pub layers: usize,
    /// How well the line fits, 0 to 1: the share of the variance that it explains (R squared).
    pub fit: f64,
    /// Largest mean |activation| of those layers divided by the smallest.
    pub spread: f64,
}

/// How near to 0 or 1 an output of a sigmoid or softmax counts as saturated.
pub const SATURATION_MARGIN: f32 = 1e-3;
