//! Networks as ONNX files. `fixtures/exchange.py` compares what onnxruntime makes of them.

use std::collections::HashSet;

use convscope_graph::{
    Graph, InputDescription, ModelDescription, ModelFile, PRESETS, Parameters, WeightsFile, preset,
};
use convscope_onnx::export::{ExportOptions, export};
use convscope_onnx::proto::{DimensionValue, GraphProto, ModelProto, TypeValue, ValueInfoProto};
use prost::Message;

fn weights(model: ModelDescription) -> WeightsFile {
    let graph = Graph::new(model.clone()).unwrap();
    let [channels, height, width] = graph.image();
    WeightsFile {
        classes: (0..graph.classes()).map(|class| format!("class {class}")).collect(),
        input: InputDescription {
            size: [height, width],
            resize: "pad".into(),
            background: "#102030".into(),
            scale: 1.0 / 255.0,
            mean: vec![0.5; channels],
            std: vec![0.25; channels],
        },
        data: None,
        parameters: Parameters::new(&graph, 3).unwrap(),
        model,
    }
}

fn exported(weights: &WeightsFile, options: ExportOptions) -> (ModelProto, GraphProto) {
    let model = ModelProto::decode(export(weights, options).unwrap().as_slice()).unwrap();
    let graph = model.graph.clone().unwrap();
    (model, graph)
}

fn axes(value: &ValueInfoProto) -> Vec<String> {
    let Some(TypeValue::TensorType(tensor)) = value.r#type.clone().unwrap().value else {
        panic!("{value:?}")
    };
    let dimensions = tensor.shape.unwrap().dim.into_iter().map(|dimension| match dimension.value.unwrap() {
        DimensionValue::DimValue(length) => length.to_string(),
        DimensionValue::DimParam(name) => name,
    });
    dimensions.collect()
}

const SMALL: &str = r#"
name = "small"
node = [
    { name = "stem.conv", op = "conv2d", out_channels = 4, kernel_size = 3, padding = "same", activation = "relu" },
    { name = "norm", op = "batch_norm" },
    { name = "act", op = "silu" },
    { name = "twice", op = "add", inputs = ["act", "act"] },
    { op = "flatten" },
    { name = "head", op = "linear", out_features = "classes", activation = "softmax" },
]
"#;

#[test]
fn nodes_arrays_and_metadata_have_our_names() {
    let model = ModelFile::parse("small.toml", SMALL).unwrap().resolve([3, 5, 6], 2).unwrap();
    let weights = weights(model);
    let (file, graph) = exported(&weights, ExportOptions::default());
    let operators: Vec<(&str, &str, &str)> = graph
        .node
        .iter()
        .map(|node| (node.op_type.as_str(), node.name.as_str(), node.output[0].as_str()))
        .collect();
    assert_eq!(
        operators,
        [
            ("Conv", "stem.conv", "stem.conv/conv"),
            ("Relu", "stem.conv/relu", "stem.conv"),
            ("BatchNormalization", "norm", "norm"),
            ("Sigmoid", "act/sigmoid", "act/sigmoid"),
            ("Mul", "act", "act"),
            ("Add", "twice", "twice"),
            ("Flatten", "flatten", "flatten"),
            ("Gemm", "head", "head"),
        ]
    );
    let arrays: Vec<&str> = graph.initializer.iter().map(|array| array.name.as_str()).collect();
    let norm = ["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"];
    assert_eq!(
        arrays,
        [&["stem.conv.weight", "stem.conv.bias"][..], &norm, &["head.weight", "head.bias"]].concat()
    );
    let stored: Vec<u8> =
        weights.parameters.get("head.weight").unwrap().slice().iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(graph.initializer[6].raw_data, stored);
    assert_eq!(axes(&graph.input[0]), ["batch", "3", "5", "6"]);
    assert_eq!(axes(&graph.output[0]), ["batch", "2"]);
    let metadata = |key: &str| {
        let found = file.metadata_props.iter().find(|entry| entry.key == key);
        found.unwrap_or_else(|| panic!("{key}")).value.clone()
    };
    assert_eq!(metadata("convscope.classes"), r#"["class 0","class 1"]"#);
    assert!(metadata("convscope.input").contains(r##""background":"#102030""##));
    assert_eq!(metadata("convscope.gives"), "logits");
}

#[test]
fn a_file_can_normalise_pixels_and_give_probabilities() {
    let model = ModelFile::parse("small.toml", SMALL).unwrap().resolve([3, 5, 6], 2).unwrap();
    let (file, graph) = exported(&weights(model), ExportOptions { normalization: true, softmax: true });
    assert_eq!((graph.input[0].name.as_str(), graph.output[0].name.as_str()), ("pixels", "probabilities"));
    let first: Vec<&str> = graph.node.iter().take(3).map(|node| node.op_type.as_str()).collect();
    assert_eq!(first, ["Div", "Sub", "Div"]);
    assert_eq!(graph.node[2].output, ["input"]);
    assert_eq!(graph.node.last().unwrap().op_type, "Softmax");
    assert!(file.metadata_props.iter().any(|entry| entry.key == "convscope.takes" && entry.value == "bytes"));
}

#[test]
fn every_preset_is_a_graph_of_values_that_exist() {
    for name in PRESETS.into_iter().filter(|name| !name.starts_with("vgg")) {
        let weights = weights(preset(name, [3, 64, 64], 5).unwrap());
        let (_, graph) = exported(&weights, ExportOptions::default());
        let mut known: HashSet<&str> = graph.input.iter().map(|value| value.name.as_str()).collect();
        for array in &graph.initializer {
            assert!(known.insert(&array.name), "{name}: {} twice", array.name);
        }
        for node in &graph.node {
            for input in node.input.iter().filter(|input| !input.is_empty()) {
                assert!(known.contains(input.as_str()), "{name}: {} takes {input}", node.name);
            }
            assert!(known.insert(&node.output[0]), "{name}: {} twice", node.output[0]);
        }
        assert!(known.contains(graph.output[0].name.as_str()), "{name}");
    }
}

#[test]
fn what_onnx_does_not_have_is_named() {
    let text = "name = 'odd'\nnode = [{ name = 'pool', op = 'adaptive_max_pool2d', output_size = 2 }, { op = 'flatten' },\n\
                { op = 'linear', out_features = 'classes' }]\n";
    let model = ModelFile::parse("odd.toml", text).unwrap().resolve([3, 5, 6], 2).unwrap();
    let error = export(&weights(model), ExportOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("pool: adaptive_max_pool2d"), "{error}");
}
