//! Presets, model files, and the errors of bad ones.

use std::path::Path;
use std::sync::Arc;

use convscope_graph::{
    Executor, Graph, GraphError, ModelBuilder, ModelFile, ModelOptions, ModelSummary, PRESETS, Parameters,
    Plan, TrainingBatch, preset,
};
use convscope_ops::{
    BindOptions, Bound, Conv2d, Flatten, Labels, Layer, Loss, Mode, OpError, ParameterSpec, Relu, Role,
    Sample, Shape,
};
use ndarray::{Array, IxDyn};

fn graph(nodes: &str) -> Result<Graph, GraphError> {
    let text = format!("name = \"net\"\n{nodes}");
    Graph::new(ModelFile::parse("net.toml", &text)?.resolve([3, 8, 6], 4)?)
}

fn error(nodes: &str) -> String {
    graph(nodes).unwrap_err().to_string()
}

const CONV: &str = "[[node]]\nop = \"conv2d\"\nout_channels = 5\nkernel_size = 3\n";
const END: &str = "[[node]]\nop = \"flatten\"\n[[node]]\nop = \"linear\"\nout_features = \"classes\"\n";

#[test]
fn the_reference_networks_have_their_sizes() {
    let parameters =
        |name: &str| Graph::new(preset(name, [3, 32, 32], 10).unwrap()).unwrap().trained_parameters();
    assert_eq!(parameters("plain8"), 294_810);
    assert_eq!(parameters("plain8-bn"), 295_770);
    // From torchvision's documentation of resnet18.
    let resnet18 = Graph::new(preset("resnet18", [3, 224, 224], 1000).unwrap()).unwrap();
    assert_eq!(resnet18.trained_parameters(), 11_689_512);
    let summary = ModelSummary::new(&resnet18);
    assert_eq!(summary.multiply_adds, 1_814_073_344);
    assert_eq!(summary.layers.iter().map(|layer| layer.parameters).sum::<usize>(), 11_689_512);
    assert_eq!(summary.running_statistics, 9_600);
    let plain8 = Graph::new(preset("plain8", [3, 32, 32], 10).unwrap()).unwrap();
    let names: Vec<&str> = plain8.nodes().iter().map(|node| node.name.as_str()).collect();
    let expected = "conv2d conv2d_1 max_pooling2d conv2d_2 conv2d_3 max_pooling2d_1 conv2d_4 conv2d_5 \
                    max_pooling2d_2 conv2d_6 conv2d_7 average_pooling2d flatten dense";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    let summary = ModelSummary::new(&plain8);
    // 3x3 taps, inputs, outputs and pixels of each convolution, and the last layer.
    let convolutions = [(3, 16, 1024), (16, 16, 1024), (16, 32, 256), (32, 32, 256)];
    let more = [(32, 64, 64), (64, 64, 64), (64, 128, 16), (128, 128, 16)];
    let expected: u64 = convolutions.iter().chain(&more).map(|(i, o, p)| 9 * i * o * p).sum::<u64>() + 1280;
    assert_eq!(summary.multiply_adds, expected);
    assert_eq!(summary.layers[0].activation_bytes, 16 * 32 * 32 * 4);
}

#[test]
fn a_preset_written_as_a_file_is_the_same_network() {
    for name in PRESETS {
        let description = preset(name, [3, 32, 32], 10).unwrap();
        let again =
            ModelFile::parse("again.toml", &description.to_toml()).unwrap().resolve([3, 32, 32], 10).unwrap();
        assert_eq!(again, description);
    }
}

#[test]
fn names_are_keras_and_unique() {
    let graph =
        graph(&format!("{CONV}{CONV}[[node]]\nname = \"conv2d_2\"\nop = \"relu\"\n{CONV}padding = 1\n{END}"));
    let names: Vec<String> = graph.unwrap().nodes().iter().map(|node| node.name.clone()).collect();
    assert_eq!(names, ["conv2d", "conv2d_1", "conv2d_2", "conv2d_3", "flatten", "dense"]);
}

#[test]
fn a_name_is_any_text_and_a_value_may_go_unused() {
    let graph = graph(&format!(
        "{CONV}name = \"features.0\"\n{CONV}name = \"Größe / 大きさ\"\n{CONV}inputs = [\"input\"]\nname = \"classes\"\n{END}"
    ))
    .unwrap();
    let names: Vec<&str> = graph.nodes().iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["features.0", "Größe / 大きさ", "classes", "flatten", "dense"]);
    let unused: Vec<&str> = graph.unused().map(|node| node.name.as_str()).collect();
    assert_eq!(unused, ["Größe / 大きさ"]);
    assert_eq!([0, 1, 2, 3].map(|node| graph.is_needed(node)), [false, false, true, true]);
    let text = graph.description().to_toml();
    assert_eq!(
        ModelFile::parse("again", &text).unwrap().resolve([3, 8, 6], 4).unwrap(),
        *graph.description()
    );
}

/// An operator whose array has a name with a dot, as a library user may bring it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Dotted {}

impl Layer for Dotted {
    fn name() -> &'static str {
        "dotted"
    }
    fn keras_name(&self) -> &'static str {
        "dotted"
    }
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        Ok(inputs[0])
    }
    fn parameters(&self, _inputs: &[Shape]) -> Vec<ParameterSpec> {
        vec![ParameterSpec { name: "b.weight", shape: vec![1], role: Role::Scale }]
    }
    fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound> {
        Flatten::default().bind(inputs, options)
    }
}

#[test]
fn two_arrays_of_one_key_are_refused_with_both_nodes() {
    let model = ModelBuilder::new("net", [3, 8, 6])
        .add(Dotted {})
        .named("a")
        .add(Conv2d::new(4, 3))
        .named("a.b")
        .add(Flatten::default());
    let message = model.build().unwrap_err().to_string();
    assert_eq!(message, "a.b: its array 'a.b.weight' has the name of an array of node 'a'");
}

#[test]
fn outputs_are_chosen_by_name() {
    let two = graph(&format!(
        "outputs = [\"flatten\", \"dense\"]\n{CONV}{END}[[node]]\nname = \"other\"\nop = \"relu\"\n"
    ))
    .unwrap();
    assert_eq!((two.output().name.as_str(), two.classes(), two.outputs()), ("flatten", 120, &[1, 2][..]));
    assert!(!two.is_needed(2) && two.check_classifier().is_ok());
    let chosen = two.with_output("other").unwrap();
    assert_eq!((chosen.output().name.as_str(), chosen.outputs().len()), ("other", 3));
    assert!(
        two.with_output("nothing").unwrap_err().to_string().starts_with("nothing: is named as an output")
    );
    let message = graph(CONV).unwrap().check_classifier().unwrap_err().to_string();
    assert!(message.starts_with("conv2d: is the output and has the shape [5, 6, 4]"), "{message}");
}

#[test]
fn inputs_have_names_and_any_shape() {
    let text = "name = 'two'\noutputs = ['sum']\n[[input]]\nname = 'left'\nshape = [4, 5]\n[[input]]\nname = 'right'\nshape = [2, 10]\n\
                [[node]]\nop = 'reshape'\nshape = [4, 5]\ninputs = ['right']\n\
                [[node]]\nname = 'sum'\nop = 'add'\ninputs = ['left', 'reshape']\n";
    let file = ModelFile::parse("two.toml", text).unwrap();
    assert_eq!(file.input(), None);
    let description = file.resolve([3, 32, 32], 10).unwrap();
    let again = ModelFile::parse("again", &description.to_toml()).unwrap().resolve([3, 32, 32], 10).unwrap();
    assert_eq!(again, description);
    let graph = Graph::new(description).unwrap();
    let inputs: Vec<_> = graph.inputs().map(|(name, shape)| format!("{name} {shape}")).collect();
    assert_eq!(inputs, ["left [4, 5]", "right [2, 10]"]);
    assert!(graph.check_classifier().unwrap_err().to_string().starts_with("right: is one of 2 inputs"));

    let mut executor = Executor::new(Arc::new(graph), Mode::Inference, 2).unwrap();
    let left = Array::from_shape_fn(IxDyn(&[3, 4, 5]), |i| (i[0] * 100 + i[1] * 5 + i[2]) as f32);
    let right = Array::from_shape_fn(IxDyn(&[3, 2, 10]), |i| (i[0] * 1000 + i[1] * 10 + i[2]) as f32);
    let outputs = executor.outputs(&[left.view(), right.view()], None).unwrap();
    let expected = Array::from_shape_fn(IxDyn(&[3, 4, 5]), |i| (i[0] * 1100 + 2 * (i[1] * 5 + i[2])) as f32);
    assert_eq!(outputs, [expected]);
    let error = |inputs: &[ndarray::ArrayViewD<'_, f32>], executor: &mut Executor| {
        executor.outputs(inputs, None).unwrap_err().to_string()
    };
    assert_eq!(error(&[left.view()], &mut executor), "two: takes 2 inputs, not 1");
    let message = error(&[left.view(), left.view()], &mut executor);
    assert_eq!(message, "right: has the shape [3, 4, 5], the network takes [images], then [2, 10]");
}

/// The work grows with the nodes, not with their square: this many would take minutes.
#[test]
fn a_hundred_thousand_nodes_have_names() {
    let mut model = ModelBuilder::new("long", [2, 1, 1]);
    for _ in 0..99_999 {
        model = model.add(Relu {});
    }
    let graph = Graph::new(model.add(Flatten::default()).build().unwrap()).unwrap();
    assert_eq!((graph.nodes().len(), graph.nodes()[99_998].name.as_str()), (100_000, "re_lu_99998"));
    Plan::new(&graph, Mode::Training, 1);
}

/// Every model in the documentation is one, and trains.
#[test]
fn the_documented_models_are_networks() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/models.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let models: Vec<&str> =
        text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(models.len(), 5);
    let shared = [0, 0, 0, 1, 0];
    for (model, shared) in models.into_iter().zip(shared) {
        let file = ModelFile::parse("docs/models.md", model).unwrap();
        let graph = Arc::new(Graph::new(file.resolve([3, 32, 32], 5).unwrap()).unwrap());
        graph.check_classifier().unwrap();
        assert_eq!(graph.nodes().iter().filter(|node| node.weights_of.is_some()).count(), shared);
        assert_eq!(graph.unused().count(), 0);
        let mut parameters = Parameters::new(&graph, 3).unwrap();
        let mut executor = Executor::new(Arc::clone(&graph), Mode::Training, 4).unwrap();
        let images =
            Array::from_shape_fn([4, 3, 32, 32], |(n, c, y, x)| ((n + c * y + 2 * x) % 7) as f32 - 3.0);
        let batch = TrainingBatch {
            images: images.view(),
            labels: Labels::new(&[0, 4, 2, 1]),
            sample: Sample::default(),
        };
        executor.train_step(&mut parameters, batch, &Loss::CROSS_ENTROPY, None).unwrap();
        // Each array has a part in the loss.
        for (tensor, gradient) in parameters.tensors().iter().zip(executor.gradients()) {
            assert!(gradient.iter().any(|&value| value != 0.0), "{}: {}", graph.name(), tensor.key);
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_node_and_numbers() {
    let join = |inputs: &str| format!("[[node]]\nop = \"add\"\ninputs = {inputs}\n");
    for (nodes, expected) in [
        (
            format!("{CONV}{}{END}", join("[\"conv2d\", \"input\"]")),
            "add: input 0 has shape [5, 6, 4], input 1 [3, 8, 6]",
        ),
        (format!("{CONV}{CONV}{CONV}{CONV}{END}"), "conv2d_2: the kernel covers [3, 3] pixels"),
        (format!("{CONV}groups = 2\n{END}"), "conv2d: groups is 2, it must divide 3 input channels"),
        (format!("smallest_side = 0\n{CONV}{END}"), "smallest_side must be a number of pixels from 1"),
        (format!("smallest_side = \"64\"\n{CONV}{END}"), "smallest_side must be a number of pixels from 1"),
        (format!("{CONV}stride = [0, 1]\n{END}"), "conv2d: stride is [0, 1], each number must be at least 1"),
        (format!("{CONV}{END}{CONV}"), "conv2d_1: takes one input [C, H, W], not [4]"),
        (format!("{CONV}{}{END}", join("[\"conv2d\", \"later\"]")), "there is no node with that name"),
        (format!("{CONV}{}{CONV}{END}", join("[\"conv2d\", \"conv2d_1\"]")), "which comes after it"),
        (format!("{CONV}name = \"a\\tb\"\n{END}"), "'a\\tb': a name has no line breaks, tabs"),
        (format!("{CONV}name = \"\"\n{END}"), "'': a name has at least one character"),
        (format!("{CONV}name = \"{}\"\n{END}", "x".repeat(1001)), "this name has 1001 bytes, at most 1000"),
        (format!("{CONV}name = \"input\"\n{END}"), "input: an input and a node have this name"),
        (
            format!("{CONV}weights_of = \"b\"\n{END}"),
            "conv2d: shares the weights of 'b', but there is no node",
        ),
        (
            format!("{CONV}{CONV}weights_of = \"conv2d\"\n{END}"),
            "conv2d_1: shares the weights of 'conv2d', which has weight [5, 3, 3, 3], bias [5]; it needs weight [5, 5, 3, 3]",
        ),
        (
            format!("{CONV}{END}[[node]]\nop = \"relu\"\nweights_of = \"conv2d\"\n"),
            "re_lu: shares the weights of 'conv2d', but needs none",
        ),
        (format!("{CONV}weights_of = \"input\"\n{END}"), "which is an input"),
        (format!("outputs = [\"dens\"]\n{CONV}{END}"), "dens: is named as an output, but there is no node"),
        (format!("outputs = [\"dense\", \"dense\"]\n{CONV}{END}"), "dense: is named twice"),
        (format!("outputs = []\n{CONV}{END}"), "net: has 0 outputs"),
        (
            format!("outputs = [\"dense\"]\n{CONV}{END}activation = \"softmax\"\n[[node]]\nop = \"relu\"\n"),
            "dense: is the output that classifies, and 're_lu' uses it",
        ),
        (
            format!("input = [1, 2, 3, 4, 5]\n{CONV}{END}"),
            "input: a value of shape [1, 2, 3, 4, 5] has 5 axes",
        ),
        (format!("input = [3, 0]\n{CONV}{END}"), "input: has the empty shape [3, 0]"),
        (format!("input = \"image\"\n{CONV}{END}"), "'input' is a shape, such as [3, 32, 32]"),
        (
            "[[node]]\nname = \"a\"\nop = \"batch_norm\"\n[[node]]\nname = \"a.running\"\nop = \"flatten\"\n"
                .to_string()
                + "[[node]]\nname = \"a\"\nop = \"relu\"\n",
            "a: two nodes have this name",
        ),
        (format!("{CONV}name = \"x\"\n{CONV}name = \"x\"\n{END}"), "x: two nodes have this name"),
        (format!("{CONV}strides = 2\n{END}"), "net.toml: node 1: conv2d: unknown field `strides`"),
        (
            "[[node]]\nop = \"conv3d\"\n".to_string(),
            "net.toml: node 1: unknown operator `conv3d`, expected one of `adaptive_avg_pool2d`",
        ),
        (
            "[[node]]\nop = \"conv2d\"\nkernel_size = 3\n".to_string(),
            "net.toml: node 1: conv2d: out_channels is missing",
        ),
        (
            "[[node]]\nop = \"dropout\"\np = \"x\"\n".to_string() + END,
            "net.toml: node 1: dropout: p is \"x\", must be a number",
        ),
        (
            "[[node]]\nop = \"conv2d\"\nout_channels = 2\nkernel_size = 3\npadding = \"all\"\n".to_string()
                + END,
            "padding must be a number, two numbers",
        ),
        (String::new(), "net.toml: has no [[node]]"),
        (
            "input = [3, 9, 9]\n".to_string() + END,
            "net.toml: its input is [3, 9, 9], the images are [3, 8, 6]",
        ),
        ("[[node]\n".to_string(), "net.toml: is not TOML"),
        (
            format!("[[node]]\nop = \"sigmoid\"\nactivation = \"relu\"\n{END}"),
            "activation: is itself a function and takes no activation",
        ),
    ] {
        let message = error(&nodes);
        assert!(message.contains(expected), "'{message}' lacks '{expected}'");
    }
    assert!(
        preset("plain9", [3, 8, 8], 2)
            .unwrap_err()
            .to_string()
            .contains("presets are plain8, plain8-bn, resnet8, resnet18, resnet34")
    );
}

fn with_options(nodes: &str, options: &str) -> Result<Vec<usize>, GraphError> {
    let options: ModelOptions = toml::from_str(options).unwrap();
    let file = ModelFile::parse("net.toml", &format!("name = \"net\"\n{nodes}"))?.with_options(&options);
    let graph = Graph::new(file.resolve([3, 8, 6], 4)?)?;
    Ok(graph.nodes().iter().map(|node| node.shape.channels()).collect())
}

#[test]
fn width_scales_all_layers_but_the_classes_and_arguments_win() {
    let nodes =
        format!("{CONV}[[node]]\nop = \"conv2d\"\nout_channels = 5\ngroups = 5\nkernel_size = 1\n{END}");
    assert_eq!(with_options(&nodes, "").unwrap(), [5, 5, 120, 4]);
    assert_eq!(with_options(&nodes, "width = 1.5").unwrap(), [8, 8, 192, 4]);
    assert_eq!(with_options(&nodes, "width = 0.01").unwrap(), [1, 1, 24, 4]);
    assert_eq!(with_options(&nodes, "width = 2\nconv2d_1.out_channels = 30").unwrap(), [10, 30, 720, 4]);
    // A width in the options replaces the one in the file.
    let own = format!("width = 3\n{nodes}");
    assert_eq!(with_options(&own, "").unwrap(), [15, 15, 360, 4]);
    assert_eq!(with_options(&own, "width = 1").unwrap(), [5, 5, 120, 4]);
    // A number of classes written as a literal is not scaled by the width.
    let fixed = nodes.replace("\"classes\"", "4");
    assert_eq!(with_options(&fixed, "width = 2").unwrap(), [10, 10, 240, 4]);
}

/// The last layer starts small, whatever the other ones do, unless the options set a rule for all.
#[test]
fn a_node_may_have_an_initializer_of_its_own() {
    let largest = |options: &str| {
        let end = END.replace("op = \"linear\"", "op = \"linear\"\ninitializer = \"small_normal\"");
        assert_ne!(end, END);
        let options: ModelOptions = toml::from_str(options).unwrap();
        let file = ModelFile::parse(
            "net.toml",
            &format!("name = \"net\"\ninitializer = \"he_normal\"\n{CONV}{end}"),
        );
        let graph = Graph::new(file.unwrap().with_options(&options).resolve([3, 8, 6], 4).unwrap()).unwrap();
        let parameters = Parameters::new(&graph, 3).unwrap();
        [0, 2]
            .map(|index| parameters.tensors()[index].slice().iter().fold(0.0f32, |most, v| most.max(v.abs())))
    };
    let [conv, dense] = largest("");
    assert!(conv > 0.1 && dense < 0.05, "{conv} {dense}");
    let [conv, dense] = largest("initializer = 'he_normal'");
    assert!(conv > 0.1 && dense > 0.1, "{conv} {dense}");
}

#[test]
fn an_option_that_does_not_fit_the_model_is_named() {
    let nodes = format!("{CONV}{END}");
    for (options, expected) in [
        ("width = 0", "model option width is 0; it must be a number above 0"),
        ("width = 'wide'", "model option width is \"wide\"; it must be a number above 0"),
        ("depth = 3", "model option depth is not an option of a model; there are width, initializer"),
        (
            "dropout.p = 0.5",
            "model option dropout is not a node of the model; its nodes are conv2d, flatten, dense",
        ),
        (
            "conv2d.p = 0.5",
            "model option conv2d.p cannot be 0.5: conv2d: unknown field `p`, expected one of `out_channels`",
        ),
        ("flatten.p = 0.5", "model option flatten.p"),
        ("conv2d.kernel_size = 'big'", "model option conv2d.kernel_size cannot be \"big\": "),
    ] {
        let error = with_options(&nodes, options).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(ModelOptions::default().set("depth", 3).is_err());
}

#[test]
fn dominators_are_the_nodes_that_no_path_goes_around() {
    let names = |graph: &Graph| -> Vec<String> {
        graph.dominators().map(|node| graph.nodes()[node].name.clone()).collect()
    };
    // Two branches from the image, one of them longer, and a skip over their sum.
    let nodes = "[[node]]\nname = 'a'\nop = 'relu'\n[[node]]\nname = 'b'\nop = 'sigmoid'\n\
                 [[node]]\nname = 'c'\nop = 'relu'\ninputs = ['input']\n\
                 [[node]]\nname = 'sum'\nop = 'add'\ninputs = ['b', 'c']\n\
                 [[node]]\nname = 'again'\nop = 'relu'\n\
                 [[node]]\nname = 'skip'\nop = 'add'\ninputs = ['again', 'sum']\n";
    assert_eq!(names(&graph(&format!("{nodes}{END}")).unwrap()), ["sum", "skip", "flatten", "dense"]);
    let plain = graph(&format!("{CONV}{CONV}{END}")).unwrap();
    assert_eq!(names(&plain), ["conv2d", "conv2d_1", "flatten", "dense"]);
}
