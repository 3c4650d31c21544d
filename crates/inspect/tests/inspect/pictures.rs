//! Feature maps, heat maps and exported activations.

use std::sync::Arc;

use convscope_data::{ImageSize, Source, Split};
use convscope_graph::WeightsFile;
use convscope_inspect::{Choice, ExampleImage, HeatMapMethod, InspectError, Inspector, Question};
use ndarray::{Array1, Array4, ArrayD, Axis};
use ndarray_npy::NpzReader;

use crate::common::{Formula, MEAN, STD, fresh, inspector, recorded, with};

const METHODS: [HeatMapMethod; 3] =
    [HeatMapMethod::GradCam, HeatMapMethod::Saliency, HeatMapMethod::Occlusion];

fn example(inspector: &mut Inspector, index: usize) -> ExampleImage {
    let source = Formula::for_network(inspector.graph(), 40);
    inspector.example(Some(&source), &Choice::Index(Split::Test, index)).unwrap()
}

#[test]
fn the_default_image_is_one_that_the_network_gets_right() {
    let mut inspector = inspector(recorded("narrow8_bn"));
    let source = Formula::for_network(inspector.graph(), 40);
    let image = inspector.example(Some(&source), &Choice::default()).unwrap();
    assert_eq!(image.label, Some(image.prediction));
    let index = image.index.unwrap();
    for earlier in 0..index {
        let other = example(&mut inspector, earlier);
        assert_ne!(other.label, Some(other.prediction), "{earlier}");
    }
    assert_eq!(image.name, format!("test image {index}"));
    assert!((image.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    let missing = inspector.example(Some(&source), &Choice::Index(Split::Test, 40)).unwrap_err();
    assert_eq!(missing.to_string(), "there is no image 40; the test split has 40 images, counted from 0");
    assert!(matches!(inspector.example(None, &Choice::default()), Err(InspectError::NoData)));
}

#[test]
fn maps_are_the_values_that_the_export_holds() {
    let mut inspector = inspector(recorded("every_operator"));
    let source = Formula::for_network(inspector.graph(), 7);
    let folder = tempfile::tempdir().unwrap();
    let path = inspector.export_activations(&source, Split::Test, 5, &folder.path().join("new")).unwrap();
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    let mut npz = NpzReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let labels: Array1<i64> = npz.by_name("labels").unwrap();
    assert_eq!(
        labels.to_vec(),
        (0..5).map(|index| source.label(Split::Test, index) as i64).collect::<Vec<_>>()
    );
    let input: Array4<f32> = npz.by_name("input").unwrap();
    let image = example(&mut inspector, 3);
    // Row 2, column 5, green.
    let byte = image.rgb[(2 * image.width + 5) * 3 + 1];
    assert_eq!(input[[3, 1, 2, 5]], (f32::from(byte) / 255.0 - MEAN[1]) / STD[1]);
    let maps = inspector.feature_maps(&image).unwrap();
    assert_eq!(maps.layers.len(), inspector.graph().nodes().len());
    for (layer, node) in maps.layers.iter().zip(inspector.graph().nodes()) {
        let exported: ArrayD<f32> = npz.by_name(&layer.name).unwrap();
        assert_eq!(exported.shape(), [&[5], node.shape.axes()].concat());
        let values: Vec<f32> = layer.channels.iter().flat_map(|channel| channel.values.clone()).collect();
        assert_eq!(
            exported.index_axis(Axis(0), 3).iter().copied().collect::<Vec<_>>(),
            values,
            "{}",
            layer.name
        );
        assert_eq!([layer.height, layer.width], node.shape.size());
        assert_eq!(layer.channels.len(), node.shape.channels());
        for channel in &layer.channels {
            let shown = channel.normalized();
            assert!(shown.iter().all(|value| (0.0..=1.0).contains(value)));
            if !channel.is_constant && !layer.is_vector {
                assert_eq!(shown.iter().copied().fold(1.0, f32::min), 0.0);
                assert_eq!(shown.iter().copied().fold(0.0, f32::max), 1.0);
            }
        }
    }
    let stem = maps.layers.iter().find(|layer| layer.name == "stem").unwrap();
    assert_eq!((stem.height, stem.width, stem.channels.len()), (5, 6, 6));
}

#[test]
fn a_channel_that_is_the_same_everywhere_is_said_to_be_constant() {
    let dead = with(recorded("narrow8_bn"), "conv2d.bias", |index, bias| {
        if index == 2 {
            *bias = -1e3;
        }
    });
    let mut inspector = inspector(dead);
    let image = example(&mut inspector, 0);
    let maps = inspector.feature_maps(&image).unwrap();
    let constant: Vec<bool> = maps.layers[0].channels.iter().map(|channel| channel.is_constant).collect();
    assert_eq!(constant, [false, false, true, false]);
    assert_eq!(maps.layers[0].channels[2].normalized(), [0.0; 96]);
}

#[test]
fn filters_are_colours_on_one_scale() {
    let mut inspector = inspector(with(recorded("narrow8_bn"), "conv2d.weight", |index, weight| {
        // [4, 3, 3, 3]: channel 1 (green) of kernel 2, row 0, column 1.
        *weight = if index == (2 * 3 + 1) * 9 + 1 { -0.5 } else { 0.25 };
    }));
    let image = example(&mut inspector, 0);
    let filters = inspector.feature_maps(&image).unwrap().filters.unwrap();
    assert_eq!(
        (filters.name.as_str(), filters.height, filters.width, filters.rgb.len()),
        ("conv2d", 3, 3, 4)
    );
    assert_eq!(filters.max_abs, 0.5);
    assert_eq!(filters.rgb[2][..6], [192, 192, 192, 192, 1, 192]);
    assert_eq!(filters.rgb[1], [192; 27]);
}

/// A network whose last layers are set by hand: the class's logit is a known sum over the last convolution.
#[test]
fn grad_cam_weighs_channels_by_their_mean_gradient() {
    let text = r#"
name = "known"
initializer = "he_normal"
[[node]]
op = "conv2d"
out_channels = 4
kernel_size = 3
padding = "same"
activation = "relu"
[[node]]
op = "adaptive_avg_pool2d"
output_size = 1
[[node]]
op = "flatten"
[[node]]
op = "linear"
out_features = "classes"
activation = "softmax"
"#;
    let weights = fresh(text, [3, 6, 9], 3);
    let rows = weights.parameters.get("dense.weight").unwrap().slice().to_vec();
    let mut inspector = inspector(weights);
    let image = example(&mut inspector, 11);
    let mut positive = 0;
    for (class, row) in rows.chunks_exact(4).enumerate() {
        let question = Question { class: Some(class), node: Some("conv2d".to_string()) };
        let map = inspector.attention(&image, HeatMapMethod::GradCam, &question).unwrap();
        let default = Question { class: Some(class), node: None };
        assert_eq!(map, inspector.attention(&image, HeatMapMethod::GradCam, &default).unwrap());
        assert_eq!((map.node.as_deref(), map.height, map.width), (Some("conv2d"), 6, 9));
        // The logit is the mean over all 54 places of the weighted channels, so each gradient is weight / 54.
        let values = &inspector.feature_maps(&image).unwrap().layers[0];
        for place in 0..54 {
            let pairs = values.channels.iter().zip(row);
            let sum: f32 = pairs.map(|(channel, weight)| channel.values[place] * weight / 54.0).sum();
            assert!((map.values[place] - sum.max(0.0)).abs() < 1e-6, "{class} {place}");
        }
        positive += usize::from(map.max > 0.0);
    }
    assert!(positive > 0);
}

/// Where only the left half of the image reaches the class, only the left half matters.
#[test]
fn heat_maps_lie_where_the_class_comes_from() {
    let text = r#"
name = "left"
initializer = "he_normal"
[[node]]
op = "conv2d"
out_channels = 2
kernel_size = 1
[[node]]
op = "flatten"
[[node]]
op = "linear"
out_features = "classes"
activation = "softmax"
"#;
    let weights = with(fresh(text, [3, 4, 8], 2), "dense.weight", |index, weight| {
        // Features are [2 channels, 4 rows, 8 columns]; the right half is not used.
        let (class, column) = (index / 64, index % 8);
        *weight = match (column < 3, class) {
            (true, 0) => 0.3,
            (true, _) => -0.3,
            (false, _) => 0.0,
        };
    });
    // By colour, the same for both channels: green counts most, against the class.
    let weights = with(weights, "conv2d.weight", |index, weight| *weight = [0.1, -0.7, 0.4][index % 3]);
    let mut inspector = inspector(weights);
    let image = example(&mut inspector, 5);
    for method in [HeatMapMethod::Saliency, HeatMapMethod::Occlusion] {
        let map = inspector.attention(&image, method, &Question::default()).unwrap();
        assert_eq!((map.height, map.width, map.values.len()), (4, 8, 32));
        let half = |from: usize, to: usize| -> f32 {
            (0..32).filter(|at| (from..to).contains(&(at % 8))).map(|at| map.values[at].abs()).sum()
        };
        assert!(half(0, 3) > 0.0 && half(4, 8) < 1e-6, "{method:?}: {:?}", map.values);
        if method == HeatMapMethod::Saliency {
            // Two channels of -0.7 times 0.3 at every place.
            assert!(
                map.values.iter().enumerate().all(|(at, value)| at % 8 > 2 || (value - 0.42).abs() < 1e-6)
            );
        }
    }
}

#[test]
fn questions_that_have_no_answer_are_refused() {
    let mut inspector = inspector(recorded("narrow8_bn"));
    let image = example(&mut inspector, 0);
    let mut ask = |class: Option<usize>, node: Option<&str>| {
        let question = Question { class, node: node.map(str::to_string) };
        inspector.attention(&image, HeatMapMethod::GradCam, &question).unwrap_err().to_string()
    };
    assert!(ask(Some(99), None).starts_with("class 99 is out of range; the network has "));
    assert!(ask(None, Some("conv2d_99")).starts_with("there is no node conv2d_99; the network has conv2d, "));
    assert!(ask(None, Some("flatten")).starts_with("flatten outputs ["));
}

fn odd(text: &str, input: [usize; 3], classes: usize) -> (WeightsFile, Arc<dyn Source>) {
    let weights = fresh(text, input, classes);
    let size = ImageSize { height: input[1], width: input[2] };
    let source = Arc::new(Formula { size, classes: weights.classes.clone(), images: 3 });
    (weights, source)
}

/// 224x224 pixels, one class, one channel, a thousand channels, a single pixel, a network without feature maps.
#[test]
fn odd_networks_are_looked_at_like_any_other() {
    let net = |channels: usize| {
        format!(
            "name = 'odd'\ninitializer = 'he_normal'\n[[node]]\nop = 'conv2d'\nout_channels = {channels}\nkernel_size = 3\npadding = 1\nstride = 4\n\
             activation = 'relu'\n[[node]]\nop = 'adaptive_avg_pool2d'\noutput_size = 1\n[[node]]\nop = 'flatten'\n\
             [[node]]\nop = 'linear'\nout_features = 'classes'\nactivation = 'softmax'\n"
        )
    };
    let cases = [
        (net(2), [3, 224, 224], 5),
        (net(1), [3, 5, 11], 1),
        (net(1000), [3, 9, 6], 3),
        (net(4), [3, 1, 1], 2),
        ("name = 'flat'\ninitializer = 'he_normal'\n[[node]]\nop = 'flatten'\n[[node]]\nop = 'linear'\nout_features = 'classes'\n".to_string(), [3, 4, 2], 2),
    ];
    for (text, input, classes) in cases {
        let (weights, source) = odd(&text, input, classes);
        let mut inspector = inspector(weights);
        let options = convscope_inspect::SurveyOptions { split: Split::Test, ..Default::default() };
        let survey = inspector.survey(Arc::clone(&source), options, &mut |_| {}).unwrap();
        assert!(survey.layers.rows.iter().all(|row| row.mean_abs_activation.is_finite()));
        assert!(survey.layers.rows[0].rank_channels <= 256);
        let image = inspector.example(Some(&source), &Choice::default()).unwrap();
        let maps = inspector.feature_maps(&image).unwrap();
        assert_eq!(maps.filters.is_some(), text.contains("conv2d"));
        for method in METHODS {
            let found = inspector.attention(&image, method, &Question::default());
            if method == HeatMapMethod::GradCam && !text.contains("conv2d") {
                assert!(matches!(found, Err(InspectError::NoPictures)));
                continue;
            }
            let map = found.unwrap();
            assert_eq!(map.values.len(), map.height * map.width);
            assert!(map.values.iter().all(|value| value.is_finite()), "{method:?} {input:?}");
        }
    }
}

/// A grey picture whose size and shape differ from the network's input.
#[test]
fn a_picture_file_is_looked_at_in_the_networks_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grey.png");
    image::GrayImage::from_fn(31, 5, |x, y| image::Luma([(x * 8 + y) as u8])).save(&path).unwrap();
    let mut inspector = inspector(recorded("narrow8_bn"));
    let example = inspector.example(None, &Choice::File(path)).unwrap();
    assert_eq!((example.height, example.width, example.rgb.len()), (8, 12, 8 * 12 * 3));
    assert_eq!((example.name.as_str(), example.label, example.index), ("grey.png", None, None));
    assert!(example.rgb.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    assert!(inspector.example(None, &Choice::File(folder.path().join("none.png"))).is_err());
}
