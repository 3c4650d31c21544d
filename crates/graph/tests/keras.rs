//! Weights of Keras give Keras' logits. `fixtures/keras_weights.py` writes the files.

use convscope_ops::Precision;
use std::sync::Arc;

use convscope_graph::{ArraysFile, Graph, GraphError, KeyMap, ModelFile, Predictor};
use ndarray::Array4;

const WEIGHTS: &[u8] = include_bytes!("../../keras/tests/files/network.weights.h5");
const MODEL: &[u8] = include_bytes!("../../keras/tests/files/model.h5");
const RECORDED: &str = include_str!("../../keras/tests/files/network.json");

const NETWORK: &str = r#"
name = "small"
node = [
    { name = "stem", op = "conv2d", out_channels = 4, kernel_size = [3, 2], padding = "same", activation = "relu" },
    { op = "batch_norm", eps = 0.001 },
    { name = "each", op = "conv2d", out_channels = 8, kernel_size = [2, 3], groups = 4 },
    { name = "up", op = "conv_transpose2d", out_channels = 3, kernel_size = [2, 3], stride = 2, bias = false },
    { op = "max_pool2d", kernel_size = [2, 3] },
    { op = "flatten" },
    { name = "flat", op = "batch_norm", eps = 0.001 },
    { op = "dropout", p = 0.5 },
    { name = "wide", op = "linear", out_features = 36, activation = "relu" },
    { name = "head", op = "linear", out_features = "classes" },
]
"#;

fn graph(text: &str) -> Arc<Graph> {
    let model = ModelFile::parse("small.toml", text).unwrap().resolve([3, 5, 6], 4).unwrap();
    Arc::new(Graph::new(model).unwrap())
}

#[test]
fn a_network_has_keras_logits_from_both_forms() {
    let recorded: serde_json::Value = serde_json::from_str(RECORDED).unwrap();
    let numbers = |key: &str| -> Vec<f32> {
        recorded[key].as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
    };
    let image = Array4::from_shape_vec((1, 3, 5, 6), numbers("image")).unwrap();
    let expected = numbers("logits");
    let graph = graph(NETWORK);
    for (name, bytes) in [("network.weights.h5", WEIGHTS), ("model.h5", MODEL)] {
        let file = ArraysFile::from_bytes(name, bytes.to_vec()).unwrap();
        let loaded = file.load(&graph, &KeyMap::default()).unwrap();
        assert_eq!(loaded.surplus, [""; 0]);
        let mut predictor = Predictor::new(Arc::clone(&graph), Precision::F32, 1).unwrap();
        predictor.load(&loaded.parameters);
        let found = predictor.logits(image.view()).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{name}: {found}, not {expected}");
        }
    }
}

#[test]
fn what_does_not_fit_is_named_in_pytorchs_order() {
    let file = ArraysFile::from_bytes("w.h5", WEIGHTS.to_vec()).unwrap();
    let other =
        graph(&NETWORK.replace("out_channels = 8", "out_channels = 12").replace("\"head\"", "\"top\""));
    let error = file.load(&other, &KeyMap::default()).unwrap_err();
    let GraphError::Mismatch { mismatch, .. } = error else { panic!("{error}") };
    assert_eq!(mismatch.missing, ["top.weight", "top.bias"]);
    assert_eq!(mismatch.surplus, ["head.bias", "head.weight"]);
    let shapes: Vec<_> = mismatch.shapes.iter().map(|(key, ..)| key.as_str()).collect();
    assert_eq!(shapes, ["each.weight", "each.bias", "up.weight"]);
    assert_eq!(mismatch.shapes[2].2, [8, 3, 2, 3]);
    let names = KeyMap::parse("top = head").unwrap();
    let renamed = graph(&NETWORK.replace("\"head\"", "\"top\""));
    assert!(file.load(&renamed, &names).unwrap().surplus.is_empty());
}

#[test]
fn a_damaged_file_is_named() {
    let Err(error) = ArraysFile::from_bytes("w.h5", WEIGHTS[..4000].to_vec()) else { panic!("was read") };
    assert!(error.to_string().starts_with("w.h5: is not a whole HDF5 file of Keras"), "{error}");
}
