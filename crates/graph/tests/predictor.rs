//! What is fused and recomputed gives the same answers as every node by itself.

use std::sync::Arc;

use convscope_graph::{
    Action, Executor, Graph, ModelFile, Parameters, Plan, Predictor, Slot, ValueId, preset,
};
use convscope_ops::{Mode, Precision, Role};
use convscope_testkit::random;
use ndarray::Array4;

/// Parameters in which every array has its say: running statistics and scales that are not those of the start.
fn parameters(graph: &Graph) -> Parameters {
    let mut parameters = Parameters::new(graph, 3).unwrap();
    for (seed, tensor) in (1..).zip(parameters.tensors_mut()) {
        let values = random(seed, tensor.slice().len());
        let pairs = tensor.values.iter_mut().zip(values);
        match tensor.role {
            Role::RunningVar | Role::Scale => pairs.for_each(|(v, r)| *v = 1.0 + 0.7 * r),
            Role::RunningMean | Role::Shift | Role::Bias { .. } => pairs.for_each(|(v, r)| *v = 0.3 * r),
            _ => {}
        }
    }
    parameters
}

fn check(graph: Graph) -> usize {
    let graph = Arc::new(graph);
    let [channels, height, width] = graph.image();
    let images = random(9, 5 * channels * height * width);
    let images = Array4::from_shape_vec((5, channels, height, width), images).unwrap();
    let parameters = parameters(&graph);
    let mut executor = Executor::new(Arc::clone(&graph), Mode::Inference, 3).unwrap();
    executor.load(&parameters);
    let expected = executor.logits(images.view(), None).unwrap();
    let mut predictor = Predictor::new(Arc::clone(&graph), Precision::F32, 3).unwrap();
    predictor.load(&parameters);
    let found = predictor.logits(images.view()).unwrap();
    let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-4 * largest, "{}: {found}, not {expected}", graph.name());
    }
    let forwards =
        |plan: &Plan| plan.steps.iter().filter(|step| matches!(step.action, Action::Forward { .. })).count();
    forwards(executor.plan()) - forwards(predictor.plan())
}

#[test]
fn presets_predict_what_their_nodes_compute() {
    let joined =
        |name: &str, side: usize| check(Graph::new(preset(name, [3, side, side], 7).unwrap()).unwrap());
    // 52 batch normalisations, 35 rectifiers and a dropout, all after something that only they read.
    assert_eq!(joined("mobilenet_v2", 64), 52 + 35 + 1);
    // Its rectifiers are activations of normalisations and sums.
    assert_eq!(joined("resnet18", 64), 20);
    for name in
        ["mobilenet_v3_small", "efficientnet_b0", "densenet121", "convnext_tiny", "shufflenet_v2_x1_0"]
    {
        assert!(joined(name, 64) > 0, "{name}");
    }
    // Normalisations come after activations, which they cannot take over.
    assert_eq!(joined("plain8-bn", 32), 0);
}

/// A single image is divided among the threads, which must not be seen in its bits.
#[test]
fn one_image_has_the_same_bits_on_any_number_of_threads() {
    for (name, side) in [("mobilenet_v2", 96), ("resnet18", 80), ("efficientnet_b0", 96)] {
        let graph = Arc::new(Graph::new(preset(name, [3, side, side], 7).unwrap()).unwrap());
        let images = Array4::from_shape_vec((1, 3, side, side), random(9, 3 * side * side)).unwrap();
        let parameters = parameters(&graph);
        let run = |threads: usize, batch: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut predictor = Predictor::new(Arc::clone(&graph), Precision::F32, batch).unwrap();
                predictor.load(&parameters);
                predictor.logits(images.view()).unwrap().mapv(f32::to_bits)
            })
        };
        let whole = run(1, 2);
        for threads in [1, 2, 3, 8] {
            assert!(run(threads, 1) == whole, "{name} with {threads} threads");
        }
    }
}

/// Values that somebody else needs too stay: those with two readers, outputs, shared weights, activations before a
/// normalisation.
#[test]
fn what_others_need_is_not_joined() {
    let node = |text: &str| format!("[[node]]\n{text}\n");
    let conv = |name: &str| {
        node(&format!("name = \"{name}\"\nop = \"conv2d\"\nout_channels = 3\nkernel_size = 3\npadding = 1"))
    };
    let end = node("op = \"flatten\"") + &node("op = \"linear\"\nout_features = \"classes\"");
    let joined = |nodes: String, head: &str| {
        let text = format!("name = \"net\"\n{head}{nodes}{end}");
        let model = ModelFile::parse("net.toml", &text).unwrap().resolve([3, 9, 7], 4).unwrap();
        check(Graph::new(model).unwrap())
    };
    let norm = |from: &str| node(&format!("name = \"norm\"\nop = \"batch_norm\"\ninputs = [\"{from}\"]"));
    let relu = node("name = \"relu\"\nop = \"relu6\"");
    assert_eq!(joined(conv("a") + &norm("a") + &relu, ""), 2);
    let both = node("op = \"add\"\ninputs = [\"relu\", \"a\"]");
    assert_eq!(joined(conv("a") + &norm("a") + &relu + &both, ""), 1);
    let both = node("op = \"add\"\ninputs = [\"relu\", \"norm\"]");
    assert_eq!(joined(conv("a") + &norm("a") + &relu + &both, ""), 1);
    let active = conv("a") + "activation = \"relu\"\n";
    assert_eq!(joined(active + &norm("a") + &relu, ""), 1);
    let shared = node(
        "name = \"b\"\nop = \"conv2d\"\nout_channels = 3\nkernel_size = 3\npadding = 1\nweights_of = \"a\"",
    );
    assert_eq!(joined(conv("a") + &shared + &norm("b") + &relu, ""), 1);
    let pick = "outputs = [\"dense\", \"norm\"]\n";
    assert_eq!(joined(conv("a") + &norm("a") + &relu, pick), 1);
}

/// The outputs of normalisations and their activations are not kept from stage to stage.
#[test]
fn values_that_are_computed_again_take_no_memory() {
    let graph = Graph::new(preset("mobilenet_v2", [3, 64, 64], 10).unwrap()).unwrap();
    let plan = Plan::new(&graph, Mode::Training, 8);
    for step in &plan.steps {
        let Action::Forward { node } = step.action else { continue };
        let is_kept = matches!(step.writes.unwrap().slot, Slot::Kept(_));
        let name = graph.nodes()[node].operator.name();
        let renewed = plan.steps.iter().any(|other| other.action == Action::Recompute { node });
        match name {
            "batch_norm" | "relu6" => assert!(!is_kept, "{}", graph.nodes()[node].name),
            "conv2d" => assert!(is_kept && !renewed, "{}", graph.nodes()[node].name),
            _ => assert!(!renewed, "{}", graph.nodes()[node].name),
        }
        // The last one is read in its own stage, in which the way back begins.
        if name == "relu6" && !graph.nodes()[node].name.starts_with("features.18") {
            assert!(renewed, "{}", graph.nodes()[node].name);
        }
    }
    // A value is computed again once for each later stage that reads it.
    let mut seen = std::collections::HashSet::new();
    for step in &plan.steps {
        if let Action::Recompute { node } = step.action {
            assert!(seen.insert((node, step.stage)));
            assert!(graph.consumers(ValueId::Node(node)).count() > 0);
        }
    }
}
