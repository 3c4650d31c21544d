//! The layer that Grad-CAM chooses, and captum's maps at it.

use convscope_graph::{Graph, ModelFile, Parameters, preset};
use convscope_inspect::{ExampleImage, HeatMapMethod, Inspector, Question};
use ndarray::Array3;
use safetensors::SafeTensors;

use crate::common::{classes, fixture, fresh, inspector, weights};

/// An image of interleaved RGB bytes.
fn image(inspector: &mut Inspector, [height, width]: [usize; 2], rgb: &[u8]) -> ExampleImage {
    let value = |(channel, y, x)| f32::from(rgb[(y * width + x) * 3 + channel]) / 255.0;
    let image = Array3::from_shape_fn([3, height, width], value);
    inspector.example_of("recorded", image.view()).unwrap()
}

/// The default layer of each map, and the map itself, are captum's.
#[test]
fn the_chosen_layers_map_is_captums() {
    for name in ["residual", "concat", "one_pixel"] {
        let text = std::fs::read_to_string(fixture(&format!("grad_cam/{name}.toml"))).unwrap();
        let bytes = std::fs::read(fixture(&format!("grad_cam/{name}.safetensors"))).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = metadata.metadata().clone().unwrap();
        let tolerance: f64 = metadata["tolerance"].parse().unwrap();
        let recorded = SafeTensors::deserialize(&bytes).unwrap();
        let file = ModelFile::parse(name, &text).unwrap();
        let model = file.resolve(file.input().unwrap(), 0).unwrap();
        let mut parameters = Parameters::new(&Graph::new(model.clone()).unwrap(), 0).unwrap();
        let arrays = parameters.tensors_mut().iter_mut().filter(|tensor| !tensor.values.is_empty());
        for tensor in arrays {
            let values = recorded.tensor(&format!("parameter.{}", tensor.key)).unwrap();
            let values = values.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
            tensor.slice_mut().iter_mut().zip(values).for_each(|(ours, value)| *ours = value);
        }
        let mut inspector = inspector(weights(model, parameters));
        let (images, maps) = (recorded.tensor("images").unwrap(), recorded.tensor("map").unwrap());
        let &[count, height, width, _] = images.shape() else { panic!("{name}: images") };
        let expected: Vec<f64> =
            maps.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
        let largest = expected.iter().copied().fold(0.0, f64::max);
        let classes = maps.shape()[1];
        let size = maps.shape()[2] * maps.shape()[3];
        for (index, rgb) in images.data().chunks_exact(height * width * 3).enumerate() {
            for class in 0..classes {
                let question = Question { class: Some(class), node: None };
                let image = image(&mut inspector, [height, width], rgb);
                let map = inspector.attention(&image, HeatMapMethod::GradCam, &question).unwrap();
                assert_eq!(map.node.as_ref(), Some(&metadata["layer"]), "{name}");
                assert_eq!([map.height, map.width], maps.shape()[2..], "{name}");
                let expected = &expected[(index * classes + class) * size..][..size];
                for (ours, expected) in map.values.iter().zip(expected) {
                    let error = (f64::from(*ours) - expected).abs() / largest;
                    assert!(error <= tolerance.max(1e-6), "{name}, image {index}, class {class}: {error:e}");
                }
            }
        }
        assert_eq!(count, 5);
    }
}

fn layer_of(weights: convscope_graph::WeightsFile) -> Option<String> {
    let [_, height, width] = weights.model.image().unwrap();
    let mut inspector = inspector(weights);
    let image = image(&mut inspector, [height, width], &vec![90; 3 * height * width]);
    inspector.attention(&image, HeatMapMethod::GradCam, &Question::default()).unwrap().node
}

#[test]
fn the_layer_is_one_that_everything_passes_through() {
    let of_preset = |name: &str| {
        let model = preset(name, [3, 32, 32], 10).unwrap();
        let parameters = Parameters::new(&Graph::new(model.clone()).unwrap(), 1).unwrap();
        layer_of(weights(model, parameters)).unwrap()
    };
    assert_eq!(of_preset("plain8"), "conv2d_7");
    assert_eq!(of_preset("plain8-bn"), "batch_normalization_7");
    assert_eq!(of_preset("resnet8"), "block3");
    let end = "[[node]]\nop = 'linear'\nout_features = 'classes'\n";
    let conv = |name: &str, rest: &str| {
        format!("[[node]]\nname = '{name}'\nop = 'conv2d'\nout_channels = 4\nkernel_size = 3\n{rest}")
    };
    let flatten =
        |name: &str, from: &str| format!("[[node]]\nname = '{name}'\nop = 'flatten'\ninputs = ['{from}']\n");
    let net = |nodes: String| fresh(&format!("name = 'net'\n{nodes}{end}"), [3, 6, 7], 3);
    // Two branches that only meet in a vector: no map has seen everything, so the last one is used.
    let joined = "[[node]]\nop = 'concat'\ninputs = ['one', 'two']\n";
    let (left, right) = (conv("left", ""), conv("right", "inputs = ['input']\n"));
    let apart = format!("{left}{right}{}{}{joined}", flatten("one", "left"), flatten("two", "right"));
    assert_eq!(layer_of(net(apart)).as_deref(), Some("right"));
    // A path around the convolution, from the image itself.
    let around = "[[node]]\nname = 'sum'\nop = 'concat'\ninputs = ['inner', 'input']\n";
    let skipped = format!("{}{around}[[node]]\nop = 'flatten'\n", conv("inner", "padding = 1\n"));
    assert_eq!(layer_of(net(skipped)).as_deref(), Some("sum"));
    // Only single pixels.
    let small = "[[node]]\nop = 'adaptive_avg_pool2d'\noutput_size = 1\n[[node]]\nop = 'flatten'\n";
    assert_eq!(layer_of(net(small.to_owned())).as_deref(), Some("average_pooling2d"));
}

#[test]
fn all_maps_of_one_pass_are_those_of_each_layer() {
    let model = preset("resnet8", [3, 16, 24], 4).unwrap();
    let parameters = Parameters::new(&Graph::new(model.clone()).unwrap(), 5).unwrap();
    let mut inspector = inspector(weights(model, parameters));
    let known = classes(inspector.graph());
    let pixels: Vec<u8> = (0..3 * 16 * 24).map(|at| (at * 37 % 251) as u8).collect();
    let image = image(&mut inspector, [16, 24], &pixels);
    let all = inspector.grad_cams(&image, 2).unwrap();
    let names: Vec<&str> = all.iter().filter_map(|map| map.node.as_deref()).collect();
    let nodes = inspector.graph().nodes().iter();
    let expected: Vec<String> =
        nodes.filter(|node| node.shape.size() != [1, 1]).map(|node| node.name.clone()).collect();
    assert_eq!(names, expected);
    assert!(names.len() > 10 && names.contains(&"block3_shortcut"));
    for map in &all {
        let question = Question { class: Some(2), node: map.node.clone() };
        assert_eq!(&inspector.attention(&image, HeatMapMethod::GradCam, &question).unwrap(), map);
        assert_eq!(map.class_name, known[2]);
    }
    assert!(inspector.grad_cams(&image, 4).unwrap_err().to_string().contains("class 4 is out of range"));
}
