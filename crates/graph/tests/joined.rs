//! Training steps in which nodes do the work of others give what every node by itself gives.

use std::sync::Arc;

use convscope_graph::{
    Action, Executor, Graph, ModelFile, Observation, Observer, Parameters, TrainingBatch, preset,
};
use convscope_ops::{Labels, Loss, Mode, Sample};
use convscope_testkit::random;
use ndarray::Array4;

/// Makes the executor compute every node's value.
struct Watching;

impl Observer for Watching {
    fn observe(&self, _: &Observation<'_>) {}
}

fn graph(text: &str, input: [usize; 3]) -> Arc<Graph> {
    let model = ModelFile::parse("net.toml", text).unwrap().resolve(input, 4).unwrap();
    Arc::new(Graph::new(model).unwrap())
}

/// Gradients, and parameters with their running statistics.
type Results = (Vec<Vec<f32>>, Parameters);

/// The results with nodes joined and of every node by itself, and how many nodes are run in the forward direction.
fn both(graph: &Arc<Graph>) -> ([Results; 2], usize) {
    let [channels, height, width] = graph.image();
    let images = random(5, 6 * channels * height * width);
    let images = Array4::from_shape_vec((6, channels, height, width), images).unwrap();
    let labels: Vec<usize> = (0..6).map(|image| image % graph.classes()).collect();
    let sample = Sample { seed: 3, step: 5, ..Sample::default() };
    let batch = TrainingBatch { images: images.view(), labels: Labels::new(&labels), sample };
    let mut executor = Executor::new(Arc::clone(graph), Mode::Training, 6).unwrap();
    let mut initial = Parameters::new(graph, 2).unwrap();
    // Values that a limit cuts off, and biases that matter.
    for (seed, tensor) in (1..).zip(initial.tensors_mut()).filter(|(_, tensor)| tensor.role.is_trained()) {
        let values = random(seed, tensor.slice().len());
        tensor.values.iter_mut().zip(values).for_each(|(value, random)| *value = 1.7 * *value + 0.4 * random);
    }
    let mut step = |observer: Option<&dyn Observer>| {
        let mut parameters = initial.clone();
        executor.train_step(&mut parameters, batch, &Loss::CROSS_ENTROPY, observer).unwrap();
        (executor.gradients().to_vec(), parameters)
    };
    let results = [step(None), step(Some(&Watching))];
    let steps = &executor.plan().steps;
    (results, steps.iter().filter(|step| matches!(step.action, Action::Forward { .. })).count())
}

/// A rectifier, limits and a function that is not joined, after normalisations: nodes and an activation.
const NORMALISED: &str = r#"
name = "normalised"
[[node]]
op = "conv2d"
out_channels = 20
kernel_size = 3
[[node]]
name = "first"
op = "batch_norm"
[[node]]
op = "relu6"
[[node]]
op = "conv2d"
out_channels = 9
kernel_size = 3
[[node]]
op = "batch_norm"
activation = "relu"
[[node]]
op = "conv2d"
out_channels = 7
kernel_size = 1
[[node]]
name = "third"
op = "batch_norm"
[[node]]
name = "silu"
op = "silu"
[[node]]
op = "conv2d"
out_channels = 20
kernel_size = 1
[[node]]
name = "seen"
op = "batch_norm"
[[node]]
name = "limited"
op = "relu6"
[[node]]
op = "add"
inputs = ["limited", "seen"]
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

#[test]
fn normalisations_and_limits_have_the_same_bits_as_one() {
    let graph = graph(NORMALISED, [3, 11, 9]);
    let ([joined, single], forwards) = both(&graph);
    assert_eq!(joined.0, single.0);
    assert_eq!(joined.1, single.1);
    // Only the first is left out: others are activations, have another function, or are read twice.
    assert_eq!(forwards, graph.nodes().len() - 1);
    let graph = Arc::new(Graph::new(preset("mobilenet_v2", [3, 32, 32], 4).unwrap()).unwrap());
    let ([joined, single], forwards) = both(&graph);
    assert_eq!(joined, single);
    assert_eq!(forwards, graph.nodes().len() - 35);
}

/// Channels that come back after a normalisation, a linear map and a function; some that somebody sees on the way; and some
/// whose rows are normalised.
const MOVED: &str = r#"
name = "moved"
[[node]]
op = "conv2d"
out_channels = 12
kernel_size = 3
[[node]]
op = "permute"
dims = [0, 2, 3, 1]
[[node]]
op = "layer_norm"
normalized_shape = [12]
[[node]]
op = "linear"
out_features = 20
[[node]]
op = "gelu"
[[node]]
op = "linear"
out_features = 9
bias = false
[[node]]
op = "permute"
dims = [0, 3, 1, 2]
[[node]]
name = "image"
op = "conv2d"
out_channels = 9
kernel_size = 3
[[node]]
op = "permute"
dims = [0, 2, 3, 1]
[[node]]
name = "once"
op = "linear"
out_features = 9
[[node]]
name = "twice"
op = "linear"
out_features = 9
[[node]]
op = "add"
inputs = ["once", "twice"]
[[node]]
name = "back"
op = "permute"
dims = [0, 3, 1, 2]
[[node]]
op = "permute"
dims = [0, 2, 3, 1]
[[node]]
op = "layer_norm"
normalized_shape = [5, 9]
[[node]]
op = "permute"
dims = [0, 3, 1, 2]
[[node]]
op = "flatten"
[[node]]
op = "linear"
out_features = "classes"
activation = "softmax"
"#;

#[test]
fn channels_stay_where_they_are_until_they_come_back() {
    let graph = graph(MOVED, [3, 11, 9]);
    let ([joined, single], forwards) = both(&graph);
    assert_eq!(forwards, graph.nodes().len() - 2);
    for (joined, single) in joined.0.iter().zip(&single.0) {
        let largest = single.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        assert!(!single.is_empty() && joined.len() == single.len());
        for (joined, single) in joined.iter().zip(single) {
            assert!((joined - single).abs() <= 2e-5 * largest, "{joined}, not {single}");
        }
    }
}
