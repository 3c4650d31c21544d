//! The executor on small networks: gradients, determinism, inference against training.

use convscope_graph::{Executor, Graph, ModelFile, Observation, Observer, Parameters, TrainingBatch, preset};
use convscope_ops::{BindOptions, Labels, Loss, Mode, Precision, Sample};
use convscope_testkit::random;
use ndarray::Array4;
use std::sync::{Arc, Mutex};

/// The network of `fixtures/networks`, with its dropout switched on.
const EVERY_OPERATOR: &str = include_str!("../../../fixtures/networks/every_operator.toml");

fn every_operator() -> Arc<Graph> {
    let model = ModelFile::parse("every_operator.toml", &EVERY_OPERATOR.replace("p = 0.0", "p = 0.25"))
        .unwrap()
        .resolve([3, 9, 7], 5)
        .unwrap();
    Arc::new(Graph::new(model).unwrap())
}

struct Task {
    images: Array4<f32>,
    labels: Vec<usize>,
}

impl Task {
    fn new(graph: &Graph, images: usize) -> Task {
        let [c, h, w] = graph.image();
        let values = random(11, images * c * h * w);
        Task {
            images: Array4::from_shape_vec((images, c, h, w), values).unwrap(),
            labels: (0..images).map(|i| i * 7 % graph.classes()).collect(),
        }
    }

    fn batch(&self) -> TrainingBatch<'_> {
        let sample = Sample { seed: 3, step: 5, ..Sample::default() };
        TrainingBatch { images: self.images.view(), labels: Labels::new(&self.labels), sample }
    }
}

fn loss_of(executor: &mut Executor, parameters: &Parameters, task: &Task, loss: &Loss) -> f64 {
    executor.train_step(&mut parameters.clone(), task.batch(), loss, None).unwrap().loss
}

/// Along a random direction in each array, the loss changes as the gradient predicts.
#[test]
fn gradients_agree_with_finite_differences() {
    let graph = every_operator();
    let mut executor = Executor::new(Arc::clone(&graph), Mode::Training, 19).unwrap();
    let task = Task::new(&graph, 19);
    let parameters = Parameters::new(&graph, 1).unwrap();
    for loss in [Loss::CrossEntropy { label_smoothing: 0.1 }, Loss::MeanSquaredError] {
        executor.train_step(&mut parameters.clone(), task.batch(), &loss, None).unwrap();
        let gradients = executor.gradients().to_vec();
        let mut seen = 0;
        for (index, tensor) in
            parameters.tensors().iter().enumerate().filter(|(_, tensor)| tensor.role.is_trained())
        {
            let direction = random(index as u64 + 1, tensor.values.len());
            let length = direction.iter().map(|d| d * d).sum::<f32>().sqrt();
            // Small, because ReLU and maxima have corners.
            let step = 1e-3 / length;
            let at = |sign: f32| {
                let mut moved = parameters.clone();
                let values = moved.tensors_mut()[index].slice_mut();
                values.iter_mut().zip(&direction).for_each(|(v, d)| *v += sign * step * d);
                moved
            };
            let plus = loss_of(&mut executor, &at(1.0), &task, &loss);
            let minus = loss_of(&mut executor, &at(-1.0), &task, &loss);
            let slope = (plus - minus) / (2.0 * f64::from(step));
            let expected: f64 =
                gradients[index].iter().zip(&direction).map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
            let norm = gradients[index].iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
            let allowed = 0.05 * norm + 1e-4;
            assert!((slope - expected).abs() < allowed, "{}: slope {slope}, gradient {expected}", tensor.key);
            seen += usize::from(norm > 1e-6);
        }
        assert!(seen >= 10, "only {seen} arrays have a gradient");
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let small = |name: &str| Arc::new(Graph::new(preset(name, [3, 12, 8], 4).unwrap()).unwrap());
    let f32_of = |graph| (graph, Precision::F32);
    let depthwise = Arc::new(Graph::new(preset("mobilenet_v2", [3, 32, 32], 4).unwrap()).unwrap());
    let graphs =
        [every_operator(), small("plain8"), small("plain8-bn"), small("resnet8"), depthwise].map(f32_of);
    for (graph, precision) in graphs.into_iter().chain([(small("plain8-bn"), Precision::Bf16)]) {
        let task = Task::new(&graph, 61);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut executor =
                    Executor::new(Arc::clone(&graph), BindOptions { mode: Mode::Training, precision }, 64)
                        .unwrap();
                let mut parameters = Parameters::new(&graph, 1).unwrap();
                let outcome =
                    executor.train_step(&mut parameters, task.batch(), &Loss::CROSS_ENTROPY, None).unwrap();
                (outcome, executor.gradients().to_vec(), parameters)
            })
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            assert!(run(threads) == one, "{} with {threads} threads", graph.name());
        }
    }
}

/// With bfloat16 products, every gradient keeps its direction about as well as with PyTorch's autocast; ReLUs and
/// maxima near a tie may flip.
#[test]
fn bf16_gradients_point_the_same_way() {
    let graph = Arc::new(Graph::new(preset("plain8", [3, 16, 12], 4).unwrap()).unwrap());
    let task = Task::new(&graph, 24);
    let parameters = Parameters::new(&graph, 1).unwrap();
    let [exact, rounded] = [Precision::F32, Precision::Bf16].map(|precision| {
        let mut executor =
            Executor::new(Arc::clone(&graph), BindOptions { mode: Mode::Training, precision }, 24).unwrap();
        executor.train_step(&mut parameters.clone(), task.batch(), &Loss::CROSS_ENTROPY, None).unwrap();
        executor.gradients().to_vec()
    });
    assert!(exact != rounded);
    for (tensor, (exact, rounded)) in parameters.tensors().iter().zip(exact.iter().zip(&rounded)) {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let cosine = dot(exact, rounded) / (dot(exact, exact) * dot(rounded, rounded)).sqrt();
        assert!(cosine > 0.9, "{}: {cosine}", tensor.key);
    }
}

/// Timing does not change a single bit. A clock may be too coarse for one short step, but not for all of them.
#[test]
fn step_times_are_measured_only_when_asked_for() {
    let graph = every_operator();
    let task = Task::new(&graph, 19);
    let mut executor = Executor::new(Arc::clone(&graph), Mode::Training, 19).unwrap();
    let run = |executor: &mut Executor| {
        executor
            .train_step(&mut Parameters::new(&graph, 1).unwrap(), task.batch(), &Loss::CROSS_ENTROPY, None)
            .unwrap();
        executor.gradients().to_vec()
    };
    let is_zero = |executor: &Executor| executor.step_times().iter().all(|time| time.is_zero());
    let unmeasured = run(&mut executor);
    assert!(is_zero(&executor));
    executor.start_timing();
    assert!(is_zero(&executor));
    assert_eq!(run(&mut executor), unmeasured);
    let times = executor.step_times();
    assert_eq!(times.len(), executor.plan().steps.len());
    assert!(!is_zero(&executor));
    run(&mut executor);
    assert!(executor.step_times().iter().zip(&times).all(|(twice, once)| twice >= once));
    executor.stop_timing();
    run(&mut executor);
    assert!(is_zero(&executor));
}

struct Recorder(Mutex<Vec<Vec<f32>>>);

impl Observer for Recorder {
    fn observe(&self, seen: &Observation<'_>) {
        let mut nodes = self.0.lock().unwrap();
        let len = seen.shape.len();
        let needed = (seen.first_image + seen.images) * len;
        let values = &mut nodes[seen.node];
        values.resize(values.len().max(needed), f32::NAN);
        values[seen.first_image * len..][..seen.images * len].copy_from_slice(seen.values);
    }
}

/// The observer sees every node of every image, also when an executor runs several batches.
#[test]
fn observers_see_every_value() {
    let graph = every_operator();
    let parameters = Parameters::new(&graph, 1).unwrap();
    let task = Task::new(&graph, 23);
    let mut executor = Executor::new(Arc::clone(&graph), Mode::Inference, 10).unwrap();
    executor.load(&parameters);
    let recorder = Recorder(Mutex::new(vec![Vec::new(); graph.nodes().len()]));
    let logits = executor.logits(task.images.view(), Some(&recorder)).unwrap();
    let seen = recorder.0.into_inner().unwrap();
    for (node, values) in graph.nodes().iter().zip(&seen) {
        assert_eq!(values.len(), 23 * node.shape.len(), "{}", node.name);
        assert!(values.iter().all(|value| value.is_finite()), "{}", node.name);
    }
    let index = |name: &str| graph.nodes().iter().position(|node| node.name == name).unwrap();
    assert!(seen[index("stem")].iter().all(|&value| value >= 0.0), "an activation belongs to its node");
    for (probabilities, logits) in seen.last().unwrap().chunks(5).zip(logits.outer_iter()) {
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        let largest = |row: &[f32]| (0..5).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        assert_eq!(largest(probabilities), largest(logits.to_slice().unwrap()));
    }
}

/// Along a random direction the logit of an image's class changes as its gradient with respect to the image predicts,
/// whatever the other images are. Dropout is inactive here.
#[test]
fn class_gradients_agree_with_finite_differences() {
    let graph = every_operator();
    let task = Task::new(&graph, 5);
    let mut executor = Executor::new(Arc::clone(&graph), Mode::Attribution, 5).unwrap();
    // With freshly drawn weights the logits hardly depend on the image.
    let mut parameters = Parameters::new(&graph, 1).unwrap();
    let weights = parameters.tensors_mut().iter_mut().filter(|tensor| tensor.values.ndim() > 1);
    weights.for_each(|tensor| tensor.values.mapv_inplace(|value| 4.0 * value));
    executor.load(&parameters);
    let found = executor.class_gradients(task.images.view(), &task.labels, None).unwrap();
    let mut inference = Executor::new(Arc::clone(&graph), Mode::Inference, 5).unwrap();
    inference.load(&parameters);
    assert_eq!(inference.logits(task.images.view(), None).unwrap(), found.logits);
    let len = task.images.len() / 5;
    for image in 0..5 {
        let mut direction = vec![0.0; task.images.len()];
        direction[image * len..][..len].copy_from_slice(&random(image as u64 + 1, len));
        let mut logit = |sign: f32| {
            let mut moved = task.images.clone();
            moved.iter_mut().zip(&direction).for_each(|(value, d)| *value += sign * 1e-3 * d);
            f64::from(inference.logits(moved.view(), None).unwrap()[[image, task.labels[image]]])
        };
        let slope = (logit(1.0) - logit(-1.0)) / 2e-3;
        let pairs = found.d_images.iter().zip(&direction);
        let expected: f64 = pairs.map(|(&g, &d)| f64::from(g) * f64::from(d)).sum();
        let norm = found.d_images.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        assert!(norm > 1e-3 && (slope - expected).abs() < 0.03 * norm, "{image}: {slope} is not {expected}");
    }
}

#[test]
fn classes_that_the_network_does_not_have_are_refused() {
    let graph = every_operator();
    let task = Task::new(&graph, 2);
    let mut executor = Executor::new(Arc::clone(&graph), Mode::Attribution, 2).unwrap();
    let error = executor.class_gradients(task.images.view(), &[0, 5], None).unwrap_err().to_string();
    assert!(error.ends_with("got class 5, but its 5 classes are numbered from 0"), "{error}");
    let error = executor.class_gradients(task.images.view(), &[0], None).unwrap_err().to_string();
    assert!(error.contains("1 classes for 2 images"), "{error}");
}

/// Two consecutive dropouts drop different values: a quarter survive, not half.
#[test]
fn dropouts_draw_their_own_masks() {
    let text = "name = \"two\"\n[[node]]\nop = \"dropout\"\np = 0.5\n[[node]]\nop = \"dropout\"\np = 0.5\n\
                [[node]]\nop = \"flatten\"\n[[node]]\nop = \"linear\"\nout_features = 2\n";
    let model = ModelFile::parse("two", text).unwrap().resolve([3, 40, 40], 2).unwrap();
    let graph = Arc::new(Graph::new(model).unwrap());
    let mut executor = Executor::new(Arc::clone(&graph), Mode::Training, 1).unwrap();
    let recorder = Recorder(Mutex::new(vec![Vec::new(); graph.nodes().len()]));
    let task = Task::new(&graph, 1);
    let mut parameters = Parameters::new(&graph, 1).unwrap();
    executor.train_step(&mut parameters, task.batch(), &Loss::CROSS_ENTROPY, Some(&recorder)).unwrap();
    let seen = recorder.0.into_inner().unwrap();
    let kept = |values: &[f32]| values.iter().filter(|&&v| v != 0.0).count() as f64 / values.len() as f64;
    assert!((kept(&seen[0]) - 0.5).abs() < 0.03 && (kept(&seen[1]) - 0.25).abs() < 0.03);
}

#[test]
fn wrong_images_are_refused() {
    let graph = every_operator();
    let mut executor = Executor::new(Arc::clone(&graph), Mode::Training, 4).unwrap();
    let mut parameters = Parameters::new(&graph, 1).unwrap();
    let too_many = Task::new(&graph, 5);
    let error =
        executor.train_step(&mut parameters, too_many.batch(), &Loss::CROSS_ENTROPY, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the network takes images of shape [1 to 4, 3, 9, 7], but these have [5, 3, 9, 7]"
    );
}

/// The loss against a blend is the blend of the losses, and likewise the gradients; each image keeps its own share.
#[test]
fn mixed_labels_blend_losses_and_gradients() {
    let graph = Arc::new(Graph::new(preset("plain8-bn", [3, 12, 8], 4).unwrap()).unwrap());
    let task = Task::new(&graph, 29);
    let others: Vec<usize> = (0..29).map(|image| (image * image + 1) % 4).collect();
    let parameters = Parameters::new(&graph, 1).unwrap();
    let loss = Loss::CrossEntropy { label_smoothing: 0.1 };
    let step = |labels: Labels<'_>| {
        let mut executor = Executor::new(Arc::clone(&graph), Mode::Training, 29).unwrap();
        let batch = TrainingBatch { labels, ..task.batch() };
        let outcome = executor.train_step(&mut parameters.clone(), batch, &loss, None).unwrap();
        (outcome, executor.gradients().concat())
    };
    let (own, own_gradients) = step(Labels::new(&task.labels));
    let (other, other_gradients) = step(Labels::new(&others));
    let (mixed, gradients) = step(Labels::mixed(&task.labels, &others, &[0.25; 29]));
    assert!((mixed.loss - (0.75 * own.loss + 0.25 * other.loss)).abs() < 1e-9);
    assert_eq!(mixed.correct, own.correct);
    for ((mixed, own), other) in gradients.iter().zip(&own_gradients).zip(&other_gradients) {
        assert!((mixed - (0.75 * own + 0.25 * other)).abs() < 1e-5, "{mixed} of {own} and {other}");
    }
    // The other label of every third image counts, and its share is whole.
    let shares: Vec<f32> = (0..29).map(|image| if image % 3 == 0 { 1.0 } else { 0.0 }).collect();
    let chosen: Vec<usize> =
        (0..29).map(|image| if image % 3 == 0 { others[image] } else { task.labels[image] }).collect();
    assert_eq!(step(Labels::mixed(&task.labels, &others, &shares)), step(Labels::new(&chosen)));
}

/// Statistics updated without gradients equal those of a training step, also with dropout and a shortcut.
#[test]
fn statistics_follow_as_in_training() {
    let small = |name| Arc::new(Graph::new(preset(name, [3, 12, 8], 4).unwrap()).unwrap());
    for graph in [every_operator(), small("plain8"), small("plain8-bn"), small("resnet8")] {
        let mut executor = Executor::new(Arc::clone(&graph), Mode::Training, 19).unwrap();
        let task = Task::new(&graph, 19);
        let mut trained = Parameters::new(&graph, 1).unwrap();
        let mut followed = trained.clone();
        for _ in 0..2 {
            let batch = task.batch();
            executor.train_step(&mut trained, batch, &Loss::CROSS_ENTROPY, None).unwrap();
            executor.follow_statistics(&mut followed, batch.images, batch.sample).unwrap();
        }
        assert_eq!(followed, trained, "{}", graph.name());
    }
}
