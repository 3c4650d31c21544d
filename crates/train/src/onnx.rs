//! Networks from ONNX files.

use std::path::Path;

use convscope_graph::{Graph, InputDescription, ModelDescription, NodeDescription, Parameters, WeightsFile};
use convscope_onnx::{OnnxFile, OnnxNetwork, OnnxOptions};
use convscope_ops::{Concat, Slice};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// Rows and columns of the images of a network that takes any size.
const DEFAULT_SIDE: usize = 224;

/// What an ONNX file does not say of the network in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnnxUse {
    /// Rows and columns of the images, where the file leaves them open; default 224.
    pub size: Option<[usize; 2]>,
    /// The output that classifies; default the first.
    pub output: Option<String>,
    /// Names of the classes; default those in the file's metadata, otherwise `class 0` and so on.
    pub classes: Option<Vec<String>>,
    /// How pictures are prepared; default as the file's metadata says, otherwise as they are, from 0 to 1.
    pub treatment: Option<InputTreatment>,
    /// The order in which the network takes red, green and blue.
    pub channel_order: ChannelOrder,
}

/// How pictures are prepared for a network.
#[derive(Clone, Debug, PartialEq)]
pub struct InputTreatment {
    /// What happens to other aspect ratios: `squash`, `pad`, `crop`, or the shorter side in pixels.
    pub resize: String,
    /// Colour of transparent pixels and added borders.
    pub background: String,
    /// Subtracted from each channel, whose values are from 0 to 1.
    pub mean: Vec<f32>,
    /// Divides the difference.
    pub std: Vec<f32>,
}

impl InputTreatment {
    /// Squashed, on white, values from 0 to 1.
    fn unit(channels: usize) -> InputTreatment {
        let (resize, background) = ("squash".to_owned(), "white".to_owned());
        InputTreatment { resize, background, mean: vec![0.0; channels], std: vec![1.0; channels] }
    }
}

/// The order of an image's channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelOrder {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

impl ChannelOrder {
    /// Whether red comes first.
    pub fn is_rgb(&self) -> bool {
        *self == ChannelOrder::Rgb
    }
}

/// Whether a model is an ONNX file, by its name.
pub fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// The network in an ONNX file with its weights.
///
/// # Errors
/// [`TrainError::Onnx`]; a network that does not classify images, names of another number of classes, a treatment of other
/// channels.
pub fn read_onnx(path: &Path, how: &OnnxUse) -> Result<WeightsFile, TrainError> {
    let network = open(path, how)?;
    let graph = Graph::new(network.description().clone())?;
    graph.check_classifier()?;
    let [channels, height, width] = graph.image();
    let outputs = graph.classes();
    let own = network.classes().filter(|classes| classes.len() == outputs).map(<[String]>::to_vec);
    let classes = match &how.classes {
        Some(classes) if classes.len() != outputs => {
            return Err(TrainError::OnnxClasses { path: path.to_owned(), outputs, names: classes.len() });
        }
        Some(classes) => classes.clone(),
        None => own.unwrap_or_else(|| (0..outputs).map(|class| format!("class {class}")).collect()),
    };
    let size = [height, width];
    let own = network.input().filter(|own| own.mean.len() == channels);
    let input = match (&how.treatment, own) {
        (None, Some(own)) => InputDescription { size, ..own.clone() },
        (given, _) => {
            let given = given.clone().unwrap_or_else(|| InputTreatment::unit(channels));
            let InputTreatment { resize, background, mean, std } = given;
            InputDescription { size, resize, background, scale: 1.0 / 255.0, mean, std }
        }
    };
    if [input.mean.len(), input.std.len()] != [channels; 2] {
        return Err(TrainError::OnnxChannels { path: path.to_owned(), channels, found: input.mean.len() });
    }
    let parameters = network.parameters(&graph)?;
    if how.channel_order.is_rgb() || channels != 3 {
        let model = network.description().clone();
        return Ok(WeightsFile { model, classes, input, data: None, parameters });
    }
    let model = reversed(network.description());
    let graph = Graph::new(model.clone())?;
    let (parameters, _) = taken_over(&graph, &parameters, 0)?;
    Ok(WeightsFile { model, classes, input, data: None, parameters })
}

/// Rows and columns of the images of the network in an ONNX file, if they are fixed.
pub(crate) fn image_size(path: &Path) -> Result<Option<[usize; 2]>, TrainError> {
    let [_, height, width] = OnnxFile::read(path)?.image()?;
    Ok(height.zip(width).map(|(height, width)| [height, width]))
}

/// The network in an ONNX file, with as many classes: its classifier gets that many features. Names of classes and the
/// treatment of pictures do not matter.
///
/// # Errors
/// As for [`read_onnx`].
pub fn describe_onnx(
    path: &Path,
    how: &OnnxUse,
    classes: Option<usize>,
) -> Result<ModelDescription, TrainError> {
    let mut model = open(path, how)?.description().clone();
    let graph = Graph::new(model.clone())?;
    if let Some(classes) = classes.filter(|&classes| classes != graph.classes()) {
        // Without a node that says it, the number of classes is found to be another one.
        model = graph.with_classes(classes).unwrap_or(model);
    }
    let is_coloured = model.image().is_some_and(|[channels, ..]| channels == 3);
    Ok(if how.channel_order.is_rgb() || !is_coloured { model } else { reversed(&model) })
}

/// The weights in an ONNX file for a network that was [described](describe_onnx) from it. An array of another shape, that of
/// the classes, starts at random; as does what the file does not have.
///
/// # Errors
/// As for [`read_onnx`].
pub(crate) fn start_from_onnx(
    path: &Path,
    output: Option<&str>,
    graph: &Graph,
    seed: u64,
) -> Result<(Parameters, Vec<String>), TrainError> {
    let [_, height, width] = graph.image();
    let how =
        OnnxUse { size: Some([height, width]), output: output.map(str::to_owned), ..OnnxUse::default() };
    let network = open(path, &how)?;
    let own = Graph::new(network.description().clone())?;
    taken_over(graph, &network.parameters(&own)?, seed)
}

fn open(path: &Path, how: &OnnxUse) -> Result<OnnxNetwork, TrainError> {
    let file = OnnxFile::read(path)?;
    let is_open = matches!(file.image()?, [_, None, _] | [_, _, None]);
    let size = how.size.or(is_open.then_some([DEFAULT_SIDE; 2]));
    let output = how.output.clone();
    Ok(file.network(&OnnxOptions { size, output, ..OnnxOptions::default() })?)
}

/// Parameters for a graph with the arrays of another one that have the same key and shape, and the keys of those that it lacks.
fn taken_over(graph: &Graph, from: &Parameters, seed: u64) -> Result<(Parameters, Vec<String>), TrainError> {
    let mut kept = Vec::new();
    let mut parameters = Parameters::new(graph, seed)?;
    let known: std::collections::HashMap<&str, &convscope_ops::Parameter> =
        from.tensors().iter().map(|tensor| (tensor.key.as_str(), tensor)).collect();
    for tensor in parameters.tensors_mut() {
        if let Some(other) = known.get(tensor.key.as_str())
            && other.values.shape() == tensor.values.shape()
        {
            tensor.slice_mut().copy_from_slice(other.slice());
        } else {
            kept.push(tensor.key.clone());
        }
    }
    Ok((parameters, kept))
}

/// The same network with the channels of the image in the opposite order.
fn reversed(model: &ModelDescription) -> ModelDescription {
    let input = model.inputs[0].name.clone();
    let channel = |index: isize, name: &str| {
        let slice = Slice { start: index, end: Some(index + 1), ..Slice::new(1) };
        NodeDescription::new(slice.into()).named(name).with_inputs(&[&input])
    };
    let mut nodes = vec![
        channel(2, "bgr.blue"),
        channel(1, "bgr.green"),
        channel(0, "bgr.red"),
        NodeDescription::new(Concat::default().into()).named("bgr").with_inputs(&[
            "bgr.blue",
            "bgr.green",
            "bgr.red",
        ]),
    ];
    let turned = model.nodes.iter().cloned().map(|mut node| {
        for name in node.inputs.iter_mut().flatten().filter(|name| **name == input) {
            *name = "bgr".to_owned();
        }
        node
    });
    nodes.extend(turned);
    ModelDescription { nodes, ..model.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convscope_graph::Executor;
    use convscope_ops::Mode;
    use std::path::PathBuf;

    /// The recorded network for images of 3 x 12 x 10, with six classes in its metadata.
    fn recorded() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../onnx/tests/recorded/small.onnx")
    }

    #[test]
    fn blue_comes_first_where_the_network_wants_it() {
        let logits = |channel_order, image: &ndarray::Array4<f32>| {
            let how = OnnxUse { channel_order, ..OnnxUse::default() };
            let weights = read_onnx(&recorded(), &how).unwrap();
            let graph = std::sync::Arc::new(Graph::new(weights.model).unwrap());
            let mut executor = Executor::new(graph, Mode::Inference, 2).unwrap();
            executor.load(&weights.parameters);
            executor.logits(image.view(), None).unwrap()
        };
        let image =
            ndarray::Array4::from_shape_fn([2, 3, 12, 10], |(n, c, y, x)| ((n + 3 * c + y * x) % 7) as f32);
        let turned = image.slice(ndarray::s![.., ..;-1, .., ..]).as_standard_layout().into_owned();
        assert_ne!(logits(ChannelOrder::Rgb, &image), logits(ChannelOrder::Rgb, &turned));
        assert_eq!(logits(ChannelOrder::Bgr, &image), logits(ChannelOrder::Rgb, &turned));
    }

    #[test]
    fn another_number_of_classes_changes_the_last_layer_alone() {
        let path = recorded();
        let own = read_onnx(&path, &OnnxUse::default()).unwrap();
        assert_eq!(own.classes.len(), 6);
        let how = OnnxUse { channel_order: ChannelOrder::Bgr, ..OnnxUse::default() };
        let model = describe_onnx(&path, &how, Some(4)).unwrap();
        let graph = Graph::new(model).unwrap();
        assert_eq!(graph.classes(), 4);
        let (started, kept) = start_from_onnx(&path, None, &graph, 1).unwrap();
        assert_eq!(kept.len(), 2);
        let equal = started
            .tensors()
            .iter()
            .filter(|tensor| own.parameters.get(&tensor.key).is_some_and(|own| own.values == tensor.values));
        assert_eq!(equal.count(), started.tensors().len() - 2);
    }

    #[test]
    fn names_are_counted() {
        let how = OnnxUse { classes: Some(vec!["a".into(), "b".into()]), ..OnnxUse::default() };
        let error = read_onnx(&recorded(), &how).unwrap_err().to_string();
        assert!(error.contains("6 outputs") && error.contains("2 names"), "{error}");
    }
}
