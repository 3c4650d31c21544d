//! Whole networks against PyTorch: every node's value and gradient, as `fixtures/networks.py` recorded them.

use convscope_graph::{Executor, Graph, ModelFile, Observation, Observer, Parameters, TrainingBatch};
use convscope_ops::{Labels, Loss, Mode, Role, Sample};
use convscope_testkit::assert_close;
use ndarray::Array4;
use safetensors::SafeTensors;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The tolerance where PyTorch's own single-precision error is below it. A network's errors add up over its layers.
const LEAST_TOLERANCE: f64 = 2e-6;

struct Recording(Vec<u8>);

impl Recording {
    /// Twice PyTorch's own error in single precision.
    fn tolerance(&self) -> f64 {
        let (_, header) = SafeTensors::read_metadata(&self.0).unwrap();
        let recorded: f64 = header.metadata().as_ref().unwrap()["tolerance"].parse().unwrap();
        recorded.max(LEAST_TOLERANCE)
    }

    fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.0).unwrap().tensor(name).is_ok()
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap_or_else(|_| panic!("{name} was not recorded"));
        let data = tensor.data();
        match tensor.dtype() {
            safetensors::Dtype::F32 => {
                data.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect()
            }
            safetensors::Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            safetensors::Dtype::I64 => {
                data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect()
            }
            other => panic!("{name} has type {other:?}"),
        }
    }
}

/// Every node's value and gradient, as planes (channels first).
struct Everything {
    values: Mutex<Vec<Vec<f32>>>,
    gradients: Mutex<Vec<Vec<f32>>>,
}

impl Everything {
    fn keep(into: &Mutex<Vec<Vec<f32>>>, seen: &Observation<'_>) {
        let len = seen.shape.len();
        let mut planes = vec![0.0; seen.values.len()];
        convscope_kernels::layout::to_planes(seen.values, seen.shape.channels(), len, &mut planes);
        let node = &mut into.lock().unwrap()[seen.node];
        node.resize(node.len().max((seen.first_image + seen.images) * len), f32::NAN);
        node[seen.first_image * len..][..planes.len()].copy_from_slice(&planes);
    }
}

impl Observer for Everything {
    fn observe(&self, seen: &Observation<'_>) {
        Everything::keep(&self.values, seen);
    }
    fn observe_gradient(&self, seen: &Observation<'_>) {
        Everything::keep(&self.gradients, seen);
    }
}

/// A recorded network, before its training step.
struct Recorded {
    recording: Recording,
    graph: Arc<Graph>,
    parameters: Parameters,
    images: Array4<f32>,
    labels: Vec<usize>,
}

fn fixture(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

fn recorded(name: &str) -> Recorded {
    let text = std::fs::read_to_string(fixture(&format!("networks/{name}.toml"))).unwrap();
    let recording = Recording(std::fs::read(fixture(&format!("networks/{name}.safetensors"))).unwrap());
    let file = ModelFile::parse(name, &text).unwrap();
    let graph = Arc::new(Graph::new(file.resolve(file.input().unwrap(), 0).unwrap()).unwrap());
    let mut parameters = Parameters::new(&graph, 0).unwrap();
    for tensor in parameters.tensors_mut().iter_mut().filter(|tensor| tensor.role != Role::BatchesTracked) {
        let recorded = recording.numbers(&format!("parameter.{}", tensor.key));
        assert_eq!(recorded.len(), tensor.values.len(), "{}", tensor.key);
        tensor.slice_mut().iter_mut().zip(recorded).for_each(|(value, recorded)| *value = recorded as f32);
    }
    let labels: Vec<usize> = recording.numbers("labels").iter().map(|&label| label as usize).collect();
    let [c, h, w] = graph.image();
    let images: Vec<f32> = recording.numbers("images").iter().map(|&value| value as f32).collect();
    let images = Array4::from_shape_vec((labels.len(), c, h, w), images).unwrap();
    Recorded { recording, graph, parameters, images, labels }
}

fn check(name: &str) {
    let Recorded { recording, graph, mut parameters, images, labels } = recorded(name);
    let tolerance = recording.tolerance();
    let mut executor = Executor::new(Arc::clone(&graph), Mode::Training, labels.len()).unwrap();
    let nodes = graph.nodes();
    let empty = || Mutex::new(vec![Vec::new(); nodes.len()]);
    let everything = Everything { values: empty(), gradients: empty() };
    let batch =
        TrainingBatch { images: images.view(), labels: Labels::new(&labels), sample: Sample::default() };
    executor.train_step(&mut parameters, batch, &Loss::CROSS_ENTROPY, Some(&everything)).unwrap();

    let (values, gradients) =
        (everything.values.into_inner().unwrap(), everything.gradients.into_inner().unwrap());
    for (index, node) in nodes.iter().enumerate() {
        let close = |what: &str, ours: &[f32]| {
            let expected = recording.numbers(&format!("{what}.{}", node.name));
            assert_close(&format!("{name}: {what} of {}", node.name), ours, &expected, tolerance);
        };
        close("value", &values[index]);
        // Nothing is trained before the first node that has parameters; the loss does not depend on every node.
        if !gradients[index].is_empty() {
            close("gradient", &gradients[index]);
        }
        let has_gradient = recording.has(&format!("gradient.{}", node.name));
        assert!(gradients[index].is_empty() != has_gradient || index == 0, "{name}: {}", node.name);
    }
    for (tensor, gradient) in parameters.tensors().iter().zip(executor.gradients()) {
        if tensor.role == Role::BatchesTracked {
            assert_eq!(tensor.batches as f64, recording.numbers(&format!("after.{}", tensor.key))[0]);
            continue;
        }
        let (what, ours) = if tensor.role.is_trained() {
            ("gradient_by", gradient.as_slice())
        } else {
            ("after", tensor.slice())
        };
        let expected = recording.numbers(&format!("{what}.{}", tensor.key));
        assert_close(&format!("{name}: {what} {}", tensor.key), ours, &expected, tolerance);
    }

    let mut executor = Executor::new(Arc::clone(&graph), Mode::Inference, 2).unwrap();
    executor.load(&parameters);
    let logits = executor.logits(images.view(), None).unwrap();
    let (expected, logits) = (recording.numbers("inference"), logits.into_raw_vec_and_offset().0);
    assert_close(&format!("{name}: inference"), &logits, &expected, tolerance);
    assert!(graph.output().shape.is_vector());
}

/// Gradients of one class's logit after the training step, with the updated running statistics.
fn check_attribution(name: &str) {
    let Recorded { recording, graph, mut parameters, images, labels } = recorded(name);
    for tensor in parameters.tensors_mut().iter_mut().filter(|tensor| !tensor.role.is_trained()) {
        let after = recording.numbers(&format!("after.{}", tensor.key));
        tensor.slice_mut().iter_mut().zip(after).for_each(|(value, after)| *value = after as f32);
    }
    let recording = Recording(std::fs::read(fixture(&format!("attribution/{name}.safetensors"))).unwrap());
    let mut executor = Executor::new(Arc::clone(&graph), Mode::Attribution, labels.len()).unwrap();
    executor.load(&parameters);
    let empty = || Mutex::new(vec![Vec::new(); graph.nodes().len()]);
    let everything = Everything { values: empty(), gradients: empty() };
    let found = executor.class_gradients(images.view(), &labels, Some(&everything)).unwrap();
    // Gradients are far below 1, so errors are relative to the largest value of each array.
    let close = |what: &str, ours: &[f32]| {
        let expected = recording.numbers(what);
        let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        assert!(largest > 0.0, "{name}: {what}");
        let scale = |value: f64| value / largest;
        let ours: Vec<f32> = ours.iter().map(|&value| scale(f64::from(value)) as f32).collect();
        let expected: Vec<f64> = expected.into_iter().map(scale).collect();
        assert_close(&format!("{name}: {what}"), &ours, &expected, 1e-5);
    };
    close("logits", found.logits.as_slice().unwrap());
    close("d_images", found.d_images.as_slice().unwrap());
    for (node, gradient) in graph.nodes().iter().zip(everything.gradients.into_inner().unwrap()) {
        close(&format!("gradient.{}", node.name), &gradient);
    }
}

#[test]
fn gradients_of_a_class() {
    for name in ["every_operator", "narrow8_bn", "narrow_residual"] {
        check_attribution(name);
    }
}

#[test]
fn every_operator() {
    check("every_operator");
}

#[test]
fn reference_network_with_batch_norm() {
    check("narrow8_bn");
}

#[test]
fn values_of_any_rank_shared_weights_and_two_outputs() {
    check("open");
}

#[test]
fn residual_network() {
    check("narrow_residual");
}
