//! What each layer makes of one image.

use serde::Serialize;

/// Every node's channels for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureMaps {
    /// The image.
    pub image: ExampleImage,
    /// One for each node, in the network's order.
    pub layers: Vec<LayerMaps>,
    /// The kernels of the first convolution, where it reads the image's colours.
    pub filters: Option<Filters>,
}

/// A picture and what the network says of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExampleImage {
    /// Where it is from: `test image 12`, or the file's name.
    pub name: String,
    /// Its position in the split, where it is from one.
    pub index: Option<usize>,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Interleaved red, green and blue, row by row, at the network's input size.
    pub rgb: Vec<u8>,
    /// Its true class, where it is known.
    pub label: Option<usize>,
    /// The most probable class.
    pub prediction: usize,
    /// The probability of each class.
    pub probabilities: Vec<f32>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

/// The channels of one node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerMaps {
    /// The node's name.
    pub name: String,
    /// Keras' name of the operator.
    #[serde(rename = "type")]
    pub kind: String,
    /// Rows of a channel; 1 of a vector.
    pub height: usize,
    /// Columns of a channel; 1 of a vector.
    pub width: usize,
    /// Whether the node puts out a vector: each channel is then one number, and all are on one scale.
    pub is_vector: bool,
    /// The channels in order.
    pub channels: Vec<ChannelMap>,
}

/// One channel for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelMap {
    /// The values as they are, row by row: `height * width`.
    pub values: Vec<f32>,
    /// What 0 stands for in [`ChannelMap::normalized`]: the smallest finite value of the channel, of a vector that
    /// of all channels.
    pub min: f32,
    /// What 1 stands for: the largest finite value.
    pub max: f32,
    /// Whether there is nothing to see: all values of the channel are equal. Never set for a vector.
    pub is_constant: bool,
}

impl ChannelMap {
    /// `(value - min) / (max - min)`, 0 to 1, row by row; all 0 where the two are equal, NaN where a value is.
    pub fn normalized(&self) -> Vec<f32> {
        let range = f64::from(self.max) - f64::from(self.min);
        let scaled = |&value: &f32| match value {
            value if value.is_nan() => f32::NAN,
            _ if range <= 0.0 => 0.0,
            value => (((f64::from(value) - f64::from(self.min)) / range) as f32).clamp(0.0, 1.0),
        };
        self.values.iter().map(scaled).collect()
    }
}

/// The kernels of the first convolution as small colour pictures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Filters {
    /// The node's name.
    pub name: String,
    /// Rows of a kernel.
    pub height: usize,
    /// Columns of a kernel.
    pub width: usize,
    /// The largest |weight| of all kernels: a weight `w` is shown as `128 + 127 * w / max_abs`, so grey is zero and
    /// all kernels share one scale.
    pub max_abs: f32,
    /// For each output channel, interleaved red, green and blue, row by row.
    pub rgb: Vec<Vec<u8>>,
}
