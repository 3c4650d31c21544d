//! What holds for every operator of a network, whatever it computes: it runs in chunks, writes all it must, and keeps to what it
//! says of itself.

use convscope_ops::*;
use convscope_testkit::assert_close;

use crate::common::{Run, array, parameters, slice};

fn operator(text: &str) -> Operator {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Operators with the shapes of inputs that they take.
fn examples() -> Vec<(Operator, Vec<Vec<usize>>)> {
    let image = || vec![6, 5, 4];
    let one = |text: &str| (operator(text), vec![image()]);
    let mut examples: Vec<(Operator, Vec<Vec<usize>>)> = [
        "op = 'adaptive_avg_pool2d'\noutput_size = [2, 3]",
        "op = 'adaptive_max_pool2d'\noutput_size = [2, 3]",
        "op = 'avg_pool2d'\nkernel_size = 2",
        "op = 'batch_norm'",
        "op = 'channel_shuffle'\ngroups = 3",
        "op = 'conv2d'\nout_channels = 4\nkernel_size = [3, 2]\npadding = { top = 1, right = 2 }",
        "op = 'conv_transpose2d'\nout_channels = 4\nkernel_size = 2",
        "op = 'dropout'\np = 0.3",
        "op = 'dropout2d'\np = 0.3",
        "op = 'elu'\nalpha = 0.7",
        "op = 'flatten'\nstart_dim = 2",
        "op = 'gelu'",
        "op = 'gelu'\napproximate = 'tanh'",
        "op = 'group_norm'\nnum_groups = 3",
        "op = 'hardsigmoid'",
        "op = 'hardswish'",
        "op = 'hardtanh'",
        "op = 'instance_norm'\naffine = true",
        "op = 'interpolate'\nsize = [7, 3]\nmode = 'bilinear'",
        "op = 'interpolate'\nscale_factor = 1.5\nmode = 'nearest-exact'",
        "op = 'layer_norm'\nnormalized_shape = [5, 4]",
        "op = 'layer_norm'\nnormalized_shape = [6]\ndata_format = 'channels_first'",
        "op = 'leaky_relu'",
        "op = 'linear'\nout_features = 3",
        "op = 'local_response_norm'\nsize = 3\nalpha = 0.5",
        "op = 'log_softmax'",
        "op = 'max_pool2d'\nkernel_size = 2",
        "op = 'mean'\ndim = [1, -1]",
        "op = 'mean'\ndim = [2, 3]\nkeepdim = true",
        "op = 'mish'",
        "op = 'pad'\npad = [1, 2, -1, 0]\nvalue = 0.5",
        "op = 'pad'\npad = [1, 2, 3, 0]\nmode = 'reflect'",
        "op = 'permute'\ndims = [0, 3, 1, 2]",
        "op = 'prelu'",
        "op = 'prelu'\nnum_parameters = 6",
        "op = 'relu'",
        "op = 'relu6'",
        "op = 'reshape'\nshape = [10, -1]",
        "op = 'sigmoid'",
        "op = 'silu'",
        "op = 'slice'\ndim = 2\nstart = 1\nstep = 2",
        "op = 'softmax'",
        "op = 'softplus'",
        "op = 'stochastic_depth'\np = 0.4\nmode = 'row'",
        "op = 'stochastic_depth'\np = 0.4\nmode = 'batch'",
        "op = 'tanh'",
    ]
    .map(one)
    .into();
    let scale = || vec![6, 1, 1];
    examples.extend([
        (operator("op = 'add'"), vec![image(), image()]),
        (operator("op = 'add'"), vec![scale(), image(), vec![6, 5, 1]]),
        (operator("op = 'concat'"), vec![image(), vec![2, 5, 4]]),
        (operator("op = 'constant'\nshape = [3, 2]\ntrained = true"), vec![]),
        (operator("op = 'matmul'"), vec![vec![3, 5], vec![5, 2]]),
        (operator("op = 'mul'"), vec![image(), scale()]),
        (operator("op = 'mul'"), vec![vec![1, 5, 1], image()]),
        (operator("op = 'pixel_shuffle'\nupscale_factor = 2"), vec![vec![8, 3, 2]]),
    ]);
    examples
}

#[test]
fn there_is_an_example_of_every_operator() {
    let examples = examples();
    for name in names().into_iter().filter(|name| *name != "twice") {
        assert!(examples.iter().any(|(operator, _)| operator.name() == name), "{name}");
    }
}

/// The same images in other chunks and with other instructions: the same outputs and gradients.
#[test]
fn chunks_and_instructions_change_nothing() {
    const IMAGES: usize = 5;
    for (operator, shapes) in examples() {
        let layer = operator.layer();
        let shapes: Vec<Shape> = shapes.iter().map(|axes| Shape::new(axes).unwrap()).collect();
        let output = layer.output_shape(&shapes).unwrap();
        let inputs: Vec<_> = shapes
            .iter()
            .enumerate()
            .map(|(index, shape)| array(index as u64, &[&[IMAGES], shape.axes()].concat()))
            .collect();
        let inputs: Vec<&[f32]> = inputs.iter().map(slice).collect();
        let d_output = array(9, &[&[IMAGES], output.axes()].concat());
        let given = parameters(layer, &shapes);
        for mode in [Mode::Training, Mode::Attribution] {
            let run = |chunk, isa| {
                let run = Run { layer, shapes: &shapes, images: IMAGES, chunk, mode, isa, seed: 4 };
                run.passes(&inputs, slice(&d_output), given.clone())
            };
            let whole = run(IMAGES, Isa::best());
            let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
            assert!(finite(&whole.output) && whole.d_inputs.iter().all(|d| finite(d)), "{operator:?}");
            for (chunk, isa) in [1, 2, 3]
                .into_iter()
                .flat_map(|chunk| Isa::available().into_iter().map(move |isa| (chunk, isa)))
            {
                let parts = run(chunk, isa);
                let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
                assert_close("output", &parts.output, &wide(&whole.output), 2e-6);
                for (part, whole) in parts.d_inputs.iter().zip(&whole.d_inputs) {
                    assert_close("d_input", part, &wide(whole), 2e-6);
                }
                for (part, whole) in parts.d_parameters.iter().zip(&whole.d_parameters) {
                    assert_close("d_parameter", part, &wide(whole), 2e-6);
                }
            }
        }
        let inference = layer.bind(&shapes, Mode::Inference.into());
        assert!(inference.coupled().is_none(), "{operator:?}");
    }
}

/// What is an identity in inference gives back its input, and nothing else does.
#[test]
fn an_identity_in_inference_changes_nothing() {
    for (operator, shapes) in examples().into_iter().filter(|(_, shapes)| shapes.len() == 1) {
        let layer = operator.layer();
        let x = array(3, &[&[2], shapes[0].as_slice()].concat()).mapv(|value| 4.0 * value);
        let shape = [Shape::new(&shapes[0]).unwrap()];
        let applied =
            apply(layer, &[x.view()], parameters(layer, &shape), Mode::Inference, Sample::default()).unwrap();
        assert_eq!(applied.output == x, layer.is_identity_in_inference(), "{operator:?}");
    }
}

/// Of many parts about the right share is set to zero, the others keep the expectation, and a part is zero as a whole.
#[test]
fn random_parts_are_dropped_as_often_as_they_should() {
    let x = ndarray::ArrayD::from_elem(vec![400, 5, 3, 2], 1.0_f32);
    let drawn = |text: &str, step| {
        let sample = Sample { seed: 7, step, ..Sample::default() };
        apply(operator(text).layer(), &[x.view()], Vec::new(), Mode::Training, sample).unwrap().output
    };
    for (text, scale) in [
        ("op = 'dropout2d'\np = 0.25", 1.0 / 0.75),
        ("op = 'stochastic_depth'\np = 0.25\nmode = 'row'", 1.0 / 0.75),
    ] {
        let y = drawn(text, 1);
        let per_image = text.contains("row");
        let mut parts = Vec::new();
        for image in y.outer_iter() {
            let channels: Vec<_> =
                image.outer_iter().map(|channel| channel.iter().copied().collect::<Vec<f32>>()).collect();
            for channel in &channels {
                assert!(channel.iter().all(|value| value == &channel[0]), "{text}");
            }
            let firsts: Vec<f32> = channels.iter().map(|channel| channel[0]).collect();
            if per_image {
                assert!(firsts.iter().all(|value| value == &firsts[0]), "{text}");
                parts.push(firsts[0]);
            } else {
                parts.extend(firsts);
            }
        }
        assert!(parts.iter().all(|&value| value == 0.0 || (value - scale).abs() < 1e-6), "{text}");
        let share = parts.iter().filter(|&&value| value == 0.0).count() as f64 / parts.len() as f64;
        assert!((share - 0.25).abs() < 0.08, "{text}: {share}");
        assert_ne!(y, drawn(text, 2), "{text}");
    }
    let batch = "op = 'stochastic_depth'\np = 0.5\nmode = 'batch'";
    let draws: Vec<f32> = (0..200)
        .map(|step| drawn(batch, step))
        .map(|y| {
            let first = *y.first().unwrap();
            assert!(y.iter().all(|&value| value == first));
            first
        })
        .collect();
    let dropped = draws.iter().filter(|&&value| value == 0.0).count();
    assert!((70..130).contains(&dropped), "{dropped}");
    for text in ["op = 'dropout2d'\np = 1.0", "op = 'stochastic_depth'\np = 1.0\nmode = 'row'"] {
        assert!(drawn(text, 1).iter().all(|&value| value == 0.0));
    }
    assert!(operator("op = 'dropout2d'\np = 1.5").layer().output_shape(&[Shape::vector(3)]).is_err());
}

#[test]
fn arguments_that_make_no_sense_are_named() {
    let image = [Shape::image(6, [5, 4])];
    for (text, expected) in [
        ("op = 'hardtanh'\nmin_val = 2.0", "hardtanh: min_val is 2, above max_val, which is 1"),
        ("op = 'softplus'\nbeta = 0.0", "softplus: beta is 0, must be a number above 0"),
        (
            "op = 'prelu'\nnum_parameters = 2",
            "prelu: num_parameters is 2, must be 1 or 6, the channels of [6, 5, 4]",
        ),
        ("op = 'group_norm'\nnum_groups = 4", "group_norm: num_groups is 4, it must divide 6 channels"),
        ("op = 'group_norm'\nnum_groups = 0", "group_norm: num_groups is 0"),
        (
            "op = 'layer_norm'\nnormalized_shape = [6]",
            "layer_norm: normalized_shape is [6], which are not the last axes of [6, 5, 4]",
        ),
        ("op = 'layer_norm'\nnormalized_shape = []", "layer_norm: normalized_shape is []"),
        (
            "op = 'layer_norm'\nnormalized_shape = [5]\ndata_format = 'channels_first'",
            "which are not the channels of [6, 5, 4]",
        ),
        (
            "op = 'layer_norm'\nnormalized_shape = [4]\neps = -1.0",
            "layer_norm: eps is -1, must be at least 0",
        ),
        ("op = 'local_response_norm'\nsize = 0", "local_response_norm: size is 0"),
        ("op = 'mean'\ndim = [0]", "mean: dim has 0, the batch axis"),
        ("op = 'mean'\ndim = [1, -3]", "mean: dim is [1, -3], which has an axis twice"),
        ("op = 'mean'\ndim = []", "mean: dim is []"),
        (
            "op = 'pad'\npad = [-2, -2, 0, 0]",
            "pad: pad is [-2, -2, 0, 0], which leaves nothing of 4 rows or columns",
        ),
        (
            "op = 'pad'\npad = [4, 0, 0, 0]\nmode = 'reflect'",
            "this mode can add at most 3 to 4 rows or columns",
        ),
        ("op = 'pad'\npad = [99999999, 0, 0, 0]", "each number must be from"),
        ("op = 'pad'\npad = [100000, 0, 100000, 0]", "more than 4194304 pixels"),
        ("op = 'interpolate'", "interpolate: size or scale_factor is needed, and not both"),
        ("op = 'interpolate'\nsize = 2\nscale_factor = 2.0", "interpolate: size or scale_factor"),
        ("op = 'interpolate'\nscale_factor = 0.1", "interpolate: scale_factor makes [0, 0] pixels of [5, 4]"),
        ("op = 'interpolate'\nscale_factor = -1.0", "must be above 0"),
        (
            "op = 'interpolate'\nsize = 2\nalign_corners = true",
            "align_corners is an argument of the mode bilinear only",
        ),
        ("op = 'interpolate'\nsize = 100000", "more than 4194304 pixels"),
        (
            "op = 'pixel_shuffle'\nupscale_factor = 2",
            "pixel_shuffle: upscale_factor is 2, and its square must divide 6 channels",
        ),
        ("op = 'channel_shuffle'\ngroups = 4", "channel_shuffle: groups is 4, it must divide 6 channels"),
        ("op = 'matmul'", "matmul: takes two inputs [T, K] and [K, M], not [6, 5, 4]"),
        ("op = 'mul'", "mul: takes two inputs, not 1"),
    ] {
        let message = operator(text).layer().output_shape(&image).unwrap_err().to_string();
        assert!(message.contains(expected), "'{message}' lacks '{expected}'");
    }
    let shapes = [Shape::image(6, [5, 4]), Shape::image(3, [1, 1])];
    let message = operator("op = 'mul'").layer().output_shape(&shapes).unwrap_err().to_string();
    assert_eq!(message, "mul: input 0 has shape [6, 5, 4], input 1 [3, 1, 1]");
    let shapes = [Shape::image(6, [5, 4]), Shape::vector(4)];
    let message = operator("op = 'add'").layer().output_shape(&shapes).unwrap_err().to_string();
    assert!(message.contains("both need as many axes"), "{message}");
}
