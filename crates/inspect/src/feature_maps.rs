//! The output of each layer for one image.

use std::sync::{Mutex, PoisonError};

use convscope_graph::{Graph, Node, Observation, Observer, ValueId};
use convscope_kernels::{layout, memory};
use convscope_ops::{OutOfMemory, Parameter, Role};
use serde::Serialize;

use crate::{ExampleImage, InspectError, Inspector};

/// Every node's channels for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureMaps {
    /// The image.
    pub image: ExampleImage,
    /// One for each node, in the network's order.
    pub layers: Vec<LayerMaps>,
    /// The kernels of the first convolution, if it reads the image's colours.
    pub filters: Option<Filters>,
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
    /// Whether the node outputs a vector: each channel is then one number, and all share one scale.
    pub is_vector: bool,
    /// The channels in order.
    pub channels: Vec<ChannelMap>,
}

/// One channel for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelMap {
    /// The raw values, row by row: `height * width`.
    pub values: Vec<f32>,
    /// The value of 0 in [`ChannelMap::normalized`]: the smallest finite value of the channel or, for a vector, of all
    /// channels.
    pub min: f32,
    /// The value of 1: the largest finite value.
    pub max: f32,
    /// Whether there is nothing to see: all values of the channel are equal. Never set for a vector.
    pub is_constant: bool,
}

impl ChannelMap {
    /// `(value - min) / (max - min)`, 0 to 1, row by row; all 0 if the two are equal, NaN where a value is NaN.
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

impl Inspector {
    /// Every node's channels for one image.
    ///
    /// # Errors
    /// An image whose size is not the network's.
    pub fn feature_maps(&mut self, image: &ExampleImage) -> Result<FeatureMaps, InspectError> {
        let planes = self.planes(image)?;
        let nodes = self.graph().nodes().iter();
        let empty: Result<_, _> = nodes.map(|node| memory::zeros(node.shape.len())).collect();
        let recorder = Recorder(Mutex::new(empty?));
        self.executor_mut().logits(planes.view(), Some(&recorder))?;
        let values = recorder.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let nodes = self.graph().nodes().iter();
        let layers =
            nodes.zip(values).map(|(node, values)| layer_maps(node, values)).collect::<Result<_, _>>()?;
        Ok(FeatureMaps { image: image.clone(), layers, filters: self.filters() })
    }

    fn filters(&self) -> Option<Filters> {
        let graph = self.graph();
        let (index, node) = first_with_kernels(graph)?;
        let weight = self.parameters().of_node(index).iter().find(|parameter| is_weight(parameter))?;
        Some(filters(&node.name, weight))
    }
}

/// The first node that sums the image's colours with kernels of rows and columns.
fn first_with_kernels(graph: &Graph) -> Option<(usize, &Node)> {
    let colours = graph.shape(ValueId::Input(0)).channels();
    graph.nodes().iter().enumerate().find(|(_, node)| {
        let kernels = [node.shape.channels(), colours];
        let is_kernel = |shape: &[usize]| shape.len() == 4 && shape[..2] == kernels && colours == 3;
        node.inputs == [ValueId::Input(0)] && node.parameters.iter().any(|spec| is_kernel(&spec.shape))
    })
}

fn is_weight(parameter: &Parameter) -> bool {
    matches!(parameter.role, Role::Weight { .. })
}

/// `[out, 3, rows, columns]` as pictures.
fn filters(name: &str, weight: &Parameter) -> Filters {
    let &[_, _, height, width] = weight.values.shape() else { unreachable!("a kernel has rows and columns") };
    let finite = weight.slice().iter().filter(|value| value.is_finite());
    let max_abs = finite.fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let colour =
        |value: f32| if max_abs > 0.0 { (128.0 + 127.0 * value / max_abs).round() as u8 } else { 128 };
    let pixels = height * width;
    let kernel = |kernel: &[f32]| {
        (0..pixels)
            .flat_map(|pixel| [0, 1, 2].map(|channel| colour(kernel[channel * pixels + pixel])))
            .collect()
    };
    let rgb = weight.slice().chunks_exact((3 * pixels).max(1)).map(kernel).collect();
    Filters { name: name.to_string(), height, width, max_abs, rgb }
}

fn layer_maps(node: &Node, planes: Vec<f32>) -> Result<LayerMaps, OutOfMemory> {
    let [height, width] = node.shape.size();
    let is_vector = node.shape.positions() == 1;
    let whole = range(&planes);
    let channel = |values: &[f32]| {
        let (min, max) = if is_vector { whole } else { range(values) };
        let is_constant = !is_vector && values.iter().all(|value| *value == values[0]);
        Ok(ChannelMap { values: memory::copy(values)?, min, max, is_constant })
    };
    Ok(LayerMaps {
        name: node.name.clone(),
        kind: node.operator.layer().keras_name().to_string(),
        height,
        width,
        is_vector,
        channels: planes.chunks_exact(height * width).map(channel).collect::<Result<_, _>>()?,
    })
}

/// Smallest and largest finite value; zeros if there is none.
pub(crate) fn range(values: &[f32]) -> (f32, f32) {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let found = finite.fold(None, |range: Option<(f32, f32)>, value| match range {
        None => Some((value, value)),
        Some((min, max)) => Some((min.min(value), max.max(value))),
    });
    found.unwrap_or((0.0, 0.0))
}

/// Keeps every node's value of one image, as planes.
struct Recorder(Mutex<Vec<Vec<f32>>>);

impl Observer for Recorder {
    fn observe(&self, seen: &Observation<'_>) {
        let planes = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner)[seen.node];
        layout::to_planes(seen.values, seen.shape.channels(), seen.shape.len(), planes);
    }
}
