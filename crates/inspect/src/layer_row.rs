//! A line of the layer table, and one for each channel of it.

use convscope_ops::Activation;
use serde::Serialize;

use crate::Histogram;

/// The statistics of one node. Means are over all images, positions and channels, summed in f64 in a fixed order.
/// Activations are taken after the node's activation function; for a softmax, they are the probabilities.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerRow {
    /// The node's name: `conv2d_1`.
    pub name: String,
    /// Keras' name of the operator: `conv2d`, `max_pooling2d`, `dense`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The shape of one image's output, `[C, H, W]` or `[F]`.
    pub output_shape: Vec<usize>,
    /// Trained values.
    pub parameters: usize,
    /// Running means and variances, which are updated without gradients.
    pub running_statistics: usize,
    /// Mean of |weight| over the array that PyTorch calls `weight` (for a batch norm, its scale), without bias; `None`
    /// if there is no such array.
    pub mean_abs_weight: Option<f64>,
    /// Sum of |weight| over the same array.
    pub sum_abs_weight: Option<f64>,
    /// The factor by which the weights scale independent inputs: `sqrt(mean of weight^2 * inputs per output)`, for
    /// layers that sum; about 1 to 1.4 when training starts.
    pub weight_gain: Option<f64>,
    /// Channels of a batch normalisation whose |scale| is below [`SMALL_SCALE`](crate::layers::SMALL_SCALE); `None` for other layers.
    pub small_scales: Option<usize>,
    /// Mean of |activation|.
    pub mean_abs_activation: f64,
    /// `(mean_abs_activation - smallest) / (largest - smallest)` over the layers of the table: 0 for the smallest, 1
    /// for the largest; 0 if all are equal, NaN if this layer's is not finite.
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
    /// Share of the activations within [`SATURATION_MARGIN`](crate::layers::SATURATION_MARGIN) of 0 or 1, for a sigmoid or softmax; `None` for other
    /// layers.
    pub saturated_share: Option<f64>,
    /// How many directions the channels actually use, from 1 to `channels`: `(sum of e)^2 / sum of e^2` over the
    /// eigenvalues `e` of the covariance of the channels (the participation ratio, Gao et al. 2017, "A theory of
    /// multineuronal dimensionality"); `None` if nothing varies. The covariance is taken over evenly chosen positions,
    /// 64 per channel and at least 16,384 if there are that many.
    pub effective_rank: Option<f64>,
    /// Number of channels in the effective rank: all, or 256 evenly spaced ones if there are more.
    pub rank_channels: usize,
    /// `||output - input|| / ||input||` over all images, if the layer has one input of its output's shape; otherwise
    /// `None`. 0 for a layer that does nothing.
    pub relative_change: Option<f64>,
    /// Whether the layer passes on its input unchanged in inference by design, like a dropout.
    #[serde(skip)]
    pub is_identity: bool,
    /// Activations that are NaN or infinite; they are left out of every other number.
    pub non_finite_activations: u64,
    /// Values of the node's arrays that are NaN or infinite; left out of the statistics of weights.
    pub non_finite_weights: u64,
    /// Names of its inputs: nodes, or `input`.
    pub inputs: Vec<String>,
    /// The node's activation function, or the one that the node is: `relu`, `sigmoid`, `softmax`.
    pub activation: Option<Activation>,
    /// The activations' distribution.
    pub histogram: Histogram,
    /// The distribution of the array called `weight`.
    pub weight_histogram: Option<Histogram>,
    /// One for each channel, in order.
    pub channel_rows: Vec<ChannelRow>,
}

/// One channel of a layer, over all images and positions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelRow {
    /// Mean of the activations.
    pub mean: f64,
    /// Standard deviation of the activations.
    pub standard_deviation: f64,
    /// Share of exact zeros, 0 to 1.
    pub zero_share: f64,
    /// Smallest activation.
    pub min: f64,
    /// Largest activation.
    pub max: f64,
    /// Whether it was exactly zero everywhere.
    pub is_dead: bool,
    /// Share of the activations within [`SATURATION_MARGIN`](crate::layers::SATURATION_MARGIN) of 0 or 1, for a sigmoid or softmax; `None` for other
    /// layers.
    pub saturated_share: Option<f64>,
    /// The distribution of the channel over evenly chosen positions, the same for all channels of the layer: at least
    /// 16,384 of them, or all if there are fewer. Everything smaller than the channel's largest magnitude by a factor
    /// of about 2^8 or more is in one bin around zero.
    pub histogram: Histogram,
}
