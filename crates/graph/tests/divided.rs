//! A body and a head together are the network that they were divided from, to the last bit.

use convscope_ops::Precision;
use std::sync::Arc;

use convscope_graph::{Divided, Graph, ModelFile, Parameters, Predictor, preset};
use ndarray::Array4;

fn images(count: usize, [channels, height, width]: [usize; 3]) -> Array4<f32> {
    Array4::from_shape_fn([count, channels, height, width], |(n, c, y, x)| {
        ((n * 31 + c * 17 + y * y * 3 + x * 5) % 23) as f32 / 11.0 - 1.0
    })
}

/// The logits of the whole network, and those of its head from the features of its body.
fn both(graph: &Graph, node: usize, images: &Array4<f32>) -> [Vec<f32>; 2] {
    let parameters = Parameters::new(graph, 3).unwrap();
    let divided = Divided::new(graph, node).unwrap();
    let mut whole = Predictor::new(Arc::new(graph.clone()), Precision::F32, 5).unwrap();
    whole.load(&parameters);
    let mut body = Predictor::new(Arc::new(divided.body.clone()), Precision::F32, 3).unwrap();
    body.load(&divided.body_parameters(&parameters));
    let mut head = Predictor::new(Arc::new(divided.head.clone()), Precision::F32, 4).unwrap();
    head.load(&divided.head_parameters(&parameters));
    let features = body.logits(images.view()).unwrap();
    let [channels, height, width] = divided.head.image();
    let features = features.into_shape_with_order([images.dim().0, channels, height, width]).unwrap();
    [whole.logits(images.view()).unwrap(), head.logits(features.view()).unwrap()]
        .map(|logits| logits.into_raw_vec_and_offset().0)
}

#[test]
fn body_and_head_compute_what_the_network_computes() {
    for name in ["plain8-bn", "resnet8", "efficientnet_lite0", "mobilenet_v3_small", "squeezenet1_1"] {
        let shape = [3, 40, 48];
        let graph = Graph::new(preset(name, shape, 7).unwrap()).unwrap();
        let images = images(11, shape);
        let last = graph.last_before_classifier().unwrap();
        let [whole, parts] = both(&graph, last, &images);
        assert!(whole.iter().any(|value| *value != whole[0]), "{name}");
        assert_eq!(whole, parts, "{name} after {}", graph.nodes()[last].name);
    }
}

#[test]
fn a_dropout_belongs_to_the_classifier() {
    let graph = Graph::new(preset("efficientnet_lite0", [3, 64, 64], 5).unwrap()).unwrap();
    let last = graph.last_before_classifier().unwrap();
    let divided = Divided::new(&graph, last).unwrap();
    let names: Vec<&str> = divided.head.nodes().iter().map(|node| node.operator.name()).collect();
    assert_eq!(names, ["reshape", "dropout", "linear"]);
    assert_eq!(divided.body.classes(), 1280);
    assert_eq!(divided.head.trained_parameters(), 1280 * 5 + 5);
    let arrays = divided.body_arrays.len() + divided.head_arrays.len();
    assert_eq!(arrays, Parameters::new(&graph, 0).unwrap().tensors().len());
}

#[test]
fn features_with_rows_and_columns_keep_them() {
    let graph = Graph::new(preset("resnet8", [3, 20, 12], 4).unwrap()).unwrap();
    let cuts: Vec<usize> = graph.dominators().collect();
    let node = cuts[cuts.len() / 2];
    assert!(graph.nodes()[node].shape.is_image());
    let divided = Divided::new(&graph, node).unwrap();
    let axes = graph.nodes()[node].shape;
    assert_eq!(divided.head.image(), <[usize; 3]>::try_from(axes.axes()).unwrap());
    let [whole, parts] = both(&graph, node, &images(6, [3, 20, 12]));
    for (whole, part) in whole.iter().zip(&parts) {
        assert!((whole - part).abs() <= 1e-5 * whole.abs().max(1.0), "{whole} is not {part}");
    }
}

#[test]
fn a_node_beside_another_path_is_refused_with_one_that_fits() {
    let graph = Graph::new(preset("resnet8", [3, 16, 16], 4).unwrap()).unwrap();
    let cuts: Vec<usize> = graph.dominators().collect();
    let beside = (0..graph.nodes().len()).find(|node| !cuts.contains(node)).unwrap();
    let error = Divided::new(&graph, beside).unwrap_err().to_string();
    let next = cuts.iter().find(|&&cut| cut > beside).unwrap();
    assert!(error.starts_with(&graph.nodes()[beside].name), "{error}");
    assert!(error.contains(&format!("'{}'", graph.nodes()[*next].name)), "{error}");
    let output = graph.outputs()[0];
    assert!(Divided::new(&graph, output).is_err());
}

#[test]
fn shared_weights_on_both_sides_are_refused() {
    let text = r#"
        name = "shared"
        [[node]]
        name = "one"
        op = "conv2d"
        out_channels = 3
        kernel_size = 1
        [[node]]
        name = "two"
        op = "conv2d"
        out_channels = 3
        kernel_size = 1
        weights_of = "one"
        [[node]]
        op = "flatten"
        [[node]]
        op = "linear"
        out_features = "classes"
    "#;
    let model = ModelFile::parse("shared.toml", text).unwrap().resolve([3, 4, 4], 2).unwrap();
    let graph = Graph::new(model).unwrap();
    let error = Divided::new(&graph, 0).unwrap_err().to_string();
    assert_eq!(error, "two: cannot be apart from 'one', which is on the other side of 'one'");
    assert!(Divided::new(&graph, 1).is_ok());
}
