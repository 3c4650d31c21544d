//! The presets against torchvision's networks: outputs, gradients and running statistics for the same weights, as
//! `fixtures/presets.py` recorded them.

use std::path::Path;
use std::sync::Arc;

use convscope_graph::{Executor, Graph, Parameters, TrainingBatch, preset};
use convscope_ops::{Labels, Loss, Mode, Operator, Role, Sample};
use ndarray::Array4;
use serde_json::Value;

const CLASSES: usize = 10;
const IMAGES: usize = 3;

/// Numbers from 0 to 1 that follow from a name, as in the script.
fn hashed(name: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    let key =
        name.bytes().fold(0x811C_9DC5_u32, |key, byte| (key ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (0..count)
        .map(move |place| f64::from(mixed(mixed(place as u32 ^ key).wrapping_add(key))) / 4_294_967_296.0)
}

fn mixed(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7FEB_352D);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846C_A68B);
    x ^ x >> 16
}

fn value(key: &str, shape: &[usize], u: f64) -> f64 {
    if key.ends_with("running_var") || shape.len() == 3 || (key.ends_with("weight") && shape.len() == 1) {
        0.5 + u
    } else if shape.len() < 2 {
        0.2 * (u - 0.5)
    } else {
        let fan_in: usize = shape[1..].iter().product();
        (u - 0.5) * 2.0 * (3.0 / fan_in as f64).sqrt()
    }
}

fn recorded(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/presets.json");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all[name].clone()
}

/// The preset with nothing at random.
fn quiet(name: &str, side: usize) -> Arc<Graph> {
    let mut model = preset(name, [3, side, side], CLASSES).unwrap();
    for node in &mut model.nodes {
        if ["dropout", "stochastic_depth"].contains(&node.operator.name()) {
            let mut arguments = node.operator.arguments().clone();
            arguments.insert("p".to_owned(), 0.0.into());
            node.operator = Operator::parse(node.operator.name(), arguments).unwrap();
        }
    }
    Arc::new(Graph::new(model).unwrap())
}

/// Sum, norm and projections as the script has them.
fn compare(what: &str, values: &[f32], expected: &Value, floor: f64, worst: &mut (f64, String)) {
    let expected: Vec<f64> = expected
        .as_array()
        .unwrap_or_else(|| panic!("{what} was not recorded"))
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect();
    let wide = || values.iter().map(|&value| f64::from(value));
    let norm = wide().map(|value| value * value).sum::<f64>().sqrt();
    let mut found = vec![wide().sum::<f64>(), norm];
    for number in 0..16 {
        let signs = hashed(&format!("projection {number}"), values.len());
        found.push(signs.zip(wide()).map(|(u, value)| if u < 0.5 { -value } else { value }).sum());
    }
    // A sum of n values of random sign has the size of the norm. A gradient that cancels out is rounding alone.
    let scale = expected[1].max(floor);
    for (ours, theirs) in found.iter().zip(&expected) {
        let off = (ours - theirs).abs() / scale;
        if off.is_nan() || off > worst.0 {
            *worst = (if off.is_nan() { f64::INFINITY } else { off }, what.to_owned());
        }
    }
}

fn check(name: &str) {
    let recorded = recorded(name);
    let side = recorded["side"].as_u64().unwrap() as usize;
    let graph = quiet(name, side);
    assert_eq!(graph.trained_parameters() as u64, recorded["parameters"].as_u64().unwrap(), "{name}");
    let mut parameters = Parameters::new(&graph, 0).unwrap();
    for tensor in parameters.tensors_mut().iter_mut().filter(|tensor| tensor.role != Role::BatchesTracked) {
        let (key, shape) = (tensor.key.clone(), tensor.values.shape().to_vec());
        for (v, u) in tensor.slice_mut().iter_mut().zip(hashed(&key, shape.iter().product())) {
            *v = value(&key, &shape, u) as f32;
        }
    }
    let len = IMAGES * 3 * side * side;
    let images: Vec<f32> =
        hashed(recorded["images"].as_str().unwrap(), len).map(|u| (2.0 * u - 1.0) as f32).collect();
    let images = Array4::from_shape_vec((IMAGES, 3, side, side), images).unwrap();
    let labels: Vec<usize> = (0..IMAGES).map(|image| image * 3 % CLASSES).collect();
    let arrays = &recorded["arrays"];
    let (mut worst, mut worst_gradient) = ((0.0, String::new()), (0.0, String::new()));

    let mut executor = Executor::new(Arc::clone(&graph), Mode::Inference, IMAGES).unwrap();
    executor.load(&parameters);
    let logits = executor.logits(images.view(), None).unwrap();
    compare("logits", logits.as_slice().unwrap(), &arrays["logits"], 0.0, &mut worst);
    drop(executor);

    let mut executor = Executor::new(Arc::clone(&graph), Mode::Training, IMAGES).unwrap();
    let batch =
        TrainingBatch { images: images.view(), labels: Labels::new(&labels), sample: Sample::default() };
    executor.train_step(&mut parameters, batch, &Loss::CROSS_ENTROPY, None).unwrap();
    let norms = arrays.as_object().unwrap().iter().filter(|(what, _)| what.starts_with("gradient"));
    let floor = 0.01 * norms.map(|(_, array)| array[1].as_f64().unwrap()).fold(0.0, f64::max);
    let mut compared = 1;
    for (tensor, gradient) in parameters.tensors().iter().zip(executor.gradients()) {
        match tensor.role {
            Role::BatchesTracked => continue,
            role if role.is_trained() => {
                let what = format!("gradient {}", tensor.key);
                compare(&what, gradient, &arrays[&what], floor, &mut worst_gradient);
            }
            _ => {
                let what = format!("after {}", tensor.key);
                compare(&what, tensor.slice(), &arrays[&what], 0.0, &mut worst);
            }
        }
        compared += 1;
    }
    assert_eq!(compared, arrays.as_object().unwrap().len(), "{name}");
    eprintln!("{name}: {compared} arrays, at most {:.1e}, gradients {:.1e} off", worst.0, worst_gradient.0);
    // A value beside the bend of a rectifier may fall on its other side, which changes gradients, in PyTorch too.
    let of_gradients = recorded["tolerance"].as_f64().unwrap();
    for ((off, what), tolerance) in [(worst, 2e-4), (worst_gradient, of_gradients)] {
        assert!(
            off < tolerance,
            "{name}: {what} is off by {off:.1e} of its norm, {tolerance:.1e} is allowed"
        );
    }
}

macro_rules! checked {
    ($($name:ident,)*) => {$(
        #[test]
        fn $name() {
            check(stringify!($name));
        }
    )*};
}

checked! {
    resnet18,
    resnet34,
    resnet50,
    mobilenet_v2,
    mobilenet_v3_small,
    mobilenet_v3_large,
    efficientnet_b0,
    efficientnet_lite0,
    squeezenet1_1,
    densenet121,
    shufflenet_v2_x1_0,
    regnet_y_400mf,
    mnasnet1_0,
    convnext_tiny,
}

/// Those that are too large for a training step in a test have torchvision's keys and sizes.
#[test]
fn the_vgg_networks_have_torchvisions_parameters() {
    for (name, parameters, layers) in [("vgg11_bn", 132_868_840, [0, 25]), ("vgg16", 138_357_544, [0, 28])] {
        let graph = Graph::new(preset(name, [3, 224, 224], 1000).unwrap()).unwrap();
        assert_eq!(graph.trained_parameters(), parameters, "{name}");
        for layer in layers {
            let name = format!("features.{layer}");
            assert!(
                graph.nodes().iter().any(|node| node.name == name && node.operator.name() == "conv2d"),
                "{name}"
            );
        }
    }
}
