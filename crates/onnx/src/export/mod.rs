//! A trained network as an ONNX file.

mod error;
mod writer;

pub use error::ExportError;

use convscope_graph::{Graph, WeightsFile};
use convscope_ops::{Activation, OnnxInput};
use prost::Message;

use crate::proto::{DataType, ModelProto, OperatorSetIdProto, StringStringEntryProto};
use writer::Writer;

/// What an exported network does beside its nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// It takes bytes from 0 to 255 and normalises them itself. Default no: it takes normalised values.
    pub normalization: bool,
    /// It gives probabilities. Default no: it gives the values before the softmax.
    pub softmax: bool,
}

/// The version of ONNX's operators.
const OPERATORS: i64 = 20;

/// The version of the file format that came with them.
const FORMAT: i64 = 9;

/// The name of the batch axis.
const BATCH: &str = "batch";

/// The most bytes that a message can have.
const MOST_BYTES: usize = (1 << 31) - 1;

/// The bytes of an ONNX file with the network of `weights` in inference.
///
/// Values and nodes have the names of our nodes, arrays those of PyTorch's keys. The batch axis may have any length. Model, classes
/// and the treatment of pictures are in `metadata_props`, under the keys of our weights files.
///
/// # Errors
/// An operator without counterpart in ONNX, a network of 2 GiB or more.
pub fn export(weights: &WeightsFile, options: ExportOptions) -> Result<Vec<u8>, ExportError> {
    let graph = Graph::new(weights.model.clone())?;
    let arrays: usize = weights.parameters.tensors().iter().map(|tensor| tensor.values.len()).sum();
    if arrays.saturating_mul(size_of::<f32>()) > MOST_BYTES {
        return Err(ExportError::TooLarge { bytes: arrays * size_of::<f32>() });
    }
    let mut writer = Writer::new(&graph);
    for (index, (name, shape)) in graph.inputs().enumerate() {
        if options.normalization && index == 0 {
            let pixels = writer.free("pixels");
            writer.input(&pixels, shape.axes());
            normalize(&mut writer, &pixels, name, weights);
        } else {
            writer.input(name, shape.axes());
        }
    }
    for (index, node) in graph.nodes().iter().enumerate() {
        let form = node.operator.layer().onnx(&node.input_shapes).ok_or_else(|| ExportError::Operator {
            node: node.name.clone(),
            operator: node.operator.name().to_owned(),
        })?;
        let is_logits = index == graph.outputs()[0];
        let activation =
            node.activation.filter(|activation| !(is_logits && *activation == Activation::Softmax));
        let inputs: Vec<String> =
            node.inputs.iter().map(|&input| graph.value_name(input).to_owned()).collect();
        let rows = form.nodes.len();
        let mut results: Vec<String> = Vec::new();
        for (row, operator) in form.nodes.into_iter().enumerate() {
            let is_last = row + 1 == rows;
            let result = if is_last && activation.is_none() {
                node.name.clone()
            } else {
                writer.free(&format!("{}/{}", node.name, operator.operator.to_lowercase()))
            };
            let name = if is_last { node.name.clone() } else { result.clone() };
            let taken = operator.inputs.iter().map(|input| match input {
                OnnxInput::Input(at) => Taken::Value(inputs[*at].clone()),
                OnnxInput::Node(at) => Taken::Value(results[*at].clone()),
                OnnxInput::Image => {
                    Taken::Value(graph.value_name(convscope_graph::ValueId::Input(0)).to_owned())
                }
                OnnxInput::Parameter(parameter) => Taken::Array(parameter),
                OnnxInput::Integers(values) => Taken::Integers(values),
                OnnxInput::Numbers(axes, values) => Taken::Numbers(axes, values),
                OnnxInput::Nothing => Taken::Value(String::new()),
            });
            let mut names = Vec::new();
            for taken in taken {
                names.push(match taken {
                    Taken::Value(name) => name,
                    Taken::Array(name) => {
                        let place = node.parameters.iter().position(|spec| spec.name == name);
                        let parameter = place.and_then(|place| weights.parameters.of_node(index).get(place));
                        writer.array(parameter.ok_or_else(|| ExportError::Operator {
                            node: node.name.clone(),
                            operator: node.operator.name().to_owned(),
                        })?)
                    }
                    Taken::Integers(values) => writer.integers(&result, values),
                    Taken::Numbers(axes, values) => writer.numbers(&result, axes, values),
                });
            }
            writer.node(&name, operator.operator, names, &result, operator.attributes);
            results.push(result);
        }
        if let (Some(activation), Some(last)) = (activation, results.last()) {
            let operator = activation.onnx();
            let name = writer.free(&format!("{}/{}", node.name, activation.name()));
            writer.node(&name, operator.operator, vec![last.clone()], &node.name, operator.attributes);
        }
    }
    for (index, &output) in graph.outputs().iter().enumerate() {
        let node = &graph.nodes()[output];
        if options.softmax && index == 0 {
            let softmax = Activation::Softmax.onnx();
            let name = writer.free("probabilities");
            writer.node(&name, softmax.operator, vec![node.name.clone()], &name, softmax.attributes);
            writer.output(&name, node.shape.axes());
        } else {
            writer.output(&node.name, node.shape.axes());
        }
    }
    let model = ModelProto {
        ir_version: FORMAT,
        producer_name: "convscope".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(writer.finish()),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPERATORS }],
        metadata_props: metadata(weights, options),
        ..Default::default()
    };
    let bytes = model.encoded_len();
    if bytes > MOST_BYTES {
        return Err(ExportError::TooLarge { bytes });
    }
    Ok(model.encode_to_vec())
}

/// An input of an operator, before it has a name.
enum Taken<'a> {
    Value(String),
    Array(&'static str),
    Integers(&'a [i64]),
    Numbers(&'a [usize], &'a [f32]),
}

/// `(pixel * scale - mean) / std` for each channel.
fn normalize(writer: &mut Writer<'_>, from: &str, to: &str, weights: &WeightsFile) {
    let input = &weights.input;
    let axes = [input.mean.len(), 1, 1];
    let [scaled, centred] = ["scaled", "centred"].map(|name| writer.free(name));
    let scale = writer.numbers("scale", &[], &[(1.0 / input.scale) as f32]);
    writer.node(&scaled, "Div", vec![from.to_owned(), scale], &scaled, Vec::new());
    let mean = writer.numbers("mean", &axes, &input.mean);
    writer.node(&centred, "Sub", vec![scaled.clone(), mean], &centred, Vec::new());
    let std = writer.numbers("std", &axes, &input.std);
    writer.node(to, "Div", vec![centred.clone(), std], to, Vec::new());
}

/// What a program needs to know to use the network, under the keys of our weights files.
fn metadata(weights: &WeightsFile, options: ExportOptions) -> Vec<StringStringEntryProto> {
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    let input = json(serde_json::to_string(&weights.input));
    let takes = if options.normalization { "bytes" } else { "normalised values" };
    [
        ("convscope.model", weights.model.to_toml()),
        ("convscope.classes", json(serde_json::to_string(&weights.classes))),
        ("convscope.input", input),
        ("convscope.takes", takes.to_owned()),
        ("convscope.gives", if options.softmax { "probabilities" } else { "logits" }.to_owned()),
    ]
    .map(|(key, value)| StringStringEntryProto { key: key.to_owned(), value })
    .into()
}

/// The only type of values.
const FLOAT: i32 = DataType::Float as i32;
