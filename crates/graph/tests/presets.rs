//! The presets against torchvision's networks: outputs, gradients and running statistics for the same weights, as
//! `fixtures/presets.py` recorded them.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use convscope_graph::{Executor, Graph, PRESETS, Parameters, TrainingBatch, preset};
use convscope_ops::{Labels, Loss, Mode, Operator, Role, Sample};
use ndarray::Array4;
use safetensors::SafeTensors;
use serde_json::Value;

/// How far arrays may be off: of their norm, and single numbers of the largest in the array.
const TOLERANCE: f64 = 5e-4;
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
        0.2 * (u - 0.5) + if key.ends_with("bias") { 2.0 } else { 0.0 }
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

/// Arrays under the names that the script gives them: `logits`, `gradient KEY`, `after KEY`.
type Arrays = Vec<(String, Vec<f32>)>;

/// The preset's answers to the same weights and images, and the number of trained parameters.
fn answers(name: &str, side: usize) -> (Arrays, usize) {
    let graph = quiet(name, side);
    let mut parameters = Parameters::new(&graph, 0).unwrap();
    for tensor in parameters.tensors_mut().iter_mut().filter(|tensor| tensor.role != Role::BatchesTracked) {
        let (key, shape) = (tensor.key.clone(), tensor.values.shape().to_vec());
        for (v, u) in tensor.slice_mut().iter_mut().zip(hashed(&key, shape.iter().product())) {
            *v = value(&key, &shape, u) as f32;
        }
    }
    let len = IMAGES * 3 * side * side;
    let images: Vec<f32> = hashed("images", len).map(|u| (2.0 * u - 1.0) as f32).collect();
    let images = Array4::from_shape_vec((IMAGES, 3, side, side), images).unwrap();
    let labels: Vec<usize> = (0..IMAGES).map(|image| image * 3 % CLASSES).collect();

    let mut executor = Executor::new(Arc::clone(&graph), Mode::Inference, IMAGES).unwrap();
    executor.load(&parameters);
    let logits = executor.logits(images.view(), None).unwrap();
    let mut arrays = vec![("logits".to_owned(), logits.as_slice().unwrap().to_vec())];
    drop(executor);

    let mut executor = Executor::new(Arc::clone(&graph), Mode::Training, IMAGES).unwrap();
    let batch =
        TrainingBatch { images: images.view(), labels: Labels::new(&labels), sample: Sample::default() };
    executor.train_step(&mut parameters, batch, &Loss::CROSS_ENTROPY, None).unwrap();
    for (tensor, gradient) in parameters.tensors().iter().zip(executor.gradients()) {
        match tensor.role {
            Role::BatchesTracked => {}
            role if role.is_trained() => {
                arrays.push((format!("gradient {}", tensor.key), gradient.to_vec()));
            }
            _ => arrays.push((format!("after {}", tensor.key), tensor.slice().to_vec())),
        }
    }
    (arrays, graph.trained_parameters())
}

/// Sum, norm and projections as the script has them.
fn summary(values: &[f32]) -> Vec<f64> {
    let wide = || values.iter().map(|&value| f64::from(value));
    let norm = wide().map(|value| value * value).sum::<f64>().sqrt();
    let mut summary = vec![wide().sum::<f64>(), norm];
    for number in 0..16 {
        let signs = hashed(&format!("projection {number}"), values.len());
        summary.push(signs.zip(wide()).map(|(u, value)| if u < 0.5 { -value } else { value }).sum());
    }
    summary
}

/// The largest difference in units of `scale`, infinite for what is not a number.
fn difference(ours: &[f64], theirs: &[f64], scale: f64) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let off = ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs() / scale);
    off.fold(0.0, |most, off| if off.is_nan() { f64::INFINITY } else { most.max(off) })
}

/// Compares each array with `expected`, in units of `size(expected)`. A gradient that cancels out is rounding alone, so
/// the unit is at least a hundredth of that of the largest gradient.
fn compare(
    name: &str,
    arrays: &[(String, Vec<f64>)],
    expected: impl Fn(&str) -> Vec<f64>,
    size: impl Fn(&[f64]) -> f64,
) {
    let expected: Vec<Vec<f64>> = arrays.iter().map(|(what, _)| expected(what)).collect();
    let is_gradient = |what: &str| what.starts_with("gradient");
    let gradients = arrays.iter().zip(&expected).filter(|((what, _), _)| is_gradient(what));
    let floor = 0.01 * gradients.map(|(_, values)| size(values)).fold(0.0, f64::max);
    let mut worst = (0.0, "");
    for ((what, ours), theirs) in arrays.iter().zip(&expected) {
        let scale = size(theirs).max(if is_gradient(what) { floor } else { 0.0 });
        let off = difference(ours, theirs, scale);
        if off > worst.0 {
            worst = (off, what);
        }
    }
    let (off, what) = worst;
    eprintln!("{name}: {} arrays, at most {off:.1e} off ({what})", arrays.len());
    assert!(off < TOLERANCE, "{name}: {what} is off by {off:.1e} of its size, {TOLERANCE:.1e} is allowed");
}

fn check(name: &str) {
    let recorded = recorded(name);
    let (arrays, parameters) = answers(name, recorded["side"].as_u64().unwrap() as usize);
    assert_eq!(parameters as u64, recorded["parameters"].as_u64().unwrap(), "{name}");
    assert_eq!(arrays.len(), recorded["arrays"].as_object().unwrap().len(), "{name}");
    let arrays: Vec<_> = arrays.into_iter().map(|(what, values)| (what, summary(&values))).collect();
    let expected = |what: &str| {
        let numbers = recorded["arrays"][what].as_array();
        let numbers = numbers.unwrap_or_else(|| panic!("{name}: {what} was not recorded"));
        numbers.iter().map(|number| number.as_f64().unwrap()).collect()
    };
    // A sum of values of random sign has the size of their norm, which is the second number.
    compare(name, &arrays, expected, |summary| summary[1]);
}

/// All numbers of a network, as PyTorch computes them now, with those that are too large to record.
fn check_every_number(name: &str, side: usize) {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/presets.py");
    let mut python = Command::new("python3");
    let status = python.arg(script).arg("--arrays").arg(folder.path()).arg(name).status().unwrap();
    assert!(status.success());
    let bytes = std::fs::read(folder.path().join(format!("{name}.safetensors"))).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (arrays, _) = answers(name, side);
    assert_eq!(arrays.len(), file.len(), "{name}");
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    let arrays: Vec<_> = arrays.into_iter().map(|(what, values)| (what, wide(values))).collect();
    let expected = |what: &str| {
        let tensor = file.tensor(what).unwrap();
        let numbers = tensor.data().as_chunks::<4>().0;
        numbers.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect()
    };
    compare(name, &arrays, expected, |values| values.iter().fold(0.0, |most, v| most.max(v.abs())));
}

#[test]
#[ignore = "needs a python3 with PyTorch, torchvision and efficientnet_lite_pytorch, and 8 GB of memory"]
fn every_number() {
    for name in &PRESETS[3..] {
        check_every_number(name, if *name == "squeezenet1_1" { 48 } else { 64 });
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
