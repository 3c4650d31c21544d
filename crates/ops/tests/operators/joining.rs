//! add and concat, and all operators by their names in files.

use crate::common::{Run, array, images, slice};
use convscope_ops::*;

#[test]
fn add_sums_its_inputs() {
    let shape = Shape::image(5, [2, 3]);
    let inputs: Vec<_> = (0..3).map(|seed| array(seed, &[3, 5, 2, 3])).collect();
    let dy = array(9, &[3, 5, 2, 3]);
    let sum = add(add(inputs[0].view(), inputs[1].view()).unwrap().view(), inputs[2].view()).unwrap();
    assert_eq!(sum, &inputs[0] + &inputs[1] + &inputs[2]);
    for isa in Isa::available() {
        let shapes = [shape; 3];
        let run =
            Run { layer: &Add {}, shapes: &shapes, images: 3, chunk: 2, mode: Mode::Training, isa, seed: 0 };
        let passed = run.passes(&inputs.iter().map(slice).collect::<Vec<_>>(), slice(&dy), Vec::new());
        assert_eq!(passed.output, slice(&sum));
        assert!(passed.d_inputs.iter().all(|d| d == slice(&dy)));
    }
    let shapes = [shape, Shape::image(5, [3, 2])];
    let message = Add {}.output_shape(&shapes).unwrap_err().to_string();
    assert_eq!(message, "add: input 0 has shape [5, 2, 3], input 1 [5, 3, 2]");
    assert!(Add {}.output_shape(&shapes[..1]).is_err());
    assert!(add(inputs[0].view(), array(1, &[3, 5, 3, 2]).view()).is_err());
}

#[test]
fn concat_puts_channels_side_by_side() {
    let (a, b) = (images(1, [3, 2, 4, 3]), images(2, [3, 5, 4, 3]));
    let y = concat(&[a.view(), b.view()]).unwrap();
    for ((n, c, i, j), &value) in y.indexed_iter() {
        assert_eq!(value, if c < 2 { a[[n, c, i, j]] } else { b[[n, c - 2, i, j]] });
    }
    let shapes = [Shape::image(2, [4, 3]), Shape::image(5, [4, 3])];
    assert_eq!(Concat::default().output_shape(&shapes).unwrap(), Shape::image(7, [4, 3]));
    for isa in Isa::available() {
        let run = Run {
            layer: &Concat::default(),
            shapes: &shapes,
            images: 3,
            chunk: 2,
            mode: Mode::Training,
            isa,
            seed: 0,
        };
        // With the output as its own gradient, each input's gradient is the input itself.
        let passed = run.passes(&[slice(&a), slice(&b)], slice(&y), Vec::new());
        assert_eq!(passed.output, slice(&y));
        assert_eq!(passed.d_inputs, [slice(&a), slice(&b)]);
    }
    let other = [shapes[0], Shape::image(5, [3, 4])];
    assert_eq!(
        Concat::default().output_shape(&other).unwrap_err().to_string(),
        "concat: input 0 has shape [2, 4, 3], input 1 [5, 3, 4]; only channels may differ"
    );
    let vectors = [Shape::vector(2), Shape::vector(3)];
    assert_eq!(Concat::default().output_shape(&vectors).unwrap(), Shape::vector(5));
    assert!(Concat::default().output_shape(&[shapes[0], vectors[0]]).is_err());
    assert!(concat(&[a.view(), images(3, [2, 5, 4, 3]).view()]).is_err());
}

#[test]
fn operators_are_read_as_pytorch_names_them() {
    let read = |text: &str| toml::from_str::<Operator>(text);
    for (text, expected) in [
        ("op = \"max_pool2d\"\nkernel_size = [3, 2]\nceil_mode = true", {
            MaxPool2d { ceil_mode: true, ..MaxPool2d::new([3, 2]) }.into()
        }),
        ("op = \"avg_pool2d\"\nkernel_size = 2\ndivisor_override = 3", {
            AvgPool2d { divisor_override: Some(3), ..AvgPool2d::new(2) }.into()
        }),
        ("op = \"adaptive_avg_pool2d\"\noutput_size = [2, \"none\"]", {
            let output_size = OutputSize { rows: Some(2), columns: None };
            AdaptiveAvgPool2d { output_size }.into()
        }),
        ("op = \"batch_norm\"\nmomentum = \"cumulative\"", {
            BatchNorm { momentum: Momentum::Cumulative, ..Default::default() }.into()
        }),
        ("op = \"conv_transpose2d\"\nout_channels = 3\nkernel_size = 2\noutput_padding = [1, 0]", {
            let output_padding = [1, 0].into();
            ConvTranspose2d { output_padding, ..ConvTranspose2d::new(3, 2) }.into()
        }),
        (
            "op = 'conv2d'\nout_channels = 3\nkernel_size = 2\npadding = { bottom = 1, right = 2 }",
            Conv2d { padding: Sides { bottom: 1, right: 2, ..Sides::default() }.into(), ..Conv2d::new(3, 2) }
                .into(),
        ),
        ("op = \"log_softmax\"", LogSoftmax::default().into()),
        ("op = \"dropout\"", Dropout { p: 0.5 }.into()),
        ("op = \"flatten\"", Flatten::default().into()),
        ("op = \"linear\"\nout_features = 7", Linear::new(7).into()),
        ("op = \"relu\"", Relu {}.into()),
        ("op = \"sigmoid\"", Sigmoid {}.into()),
        ("op = \"softmax\"", Softmax::default().into()),
        ("op = \"add\"", Add {}.into()),
        ("op = \"concat\"", Concat::default().into()),
    ] {
        assert_eq!(read(text).unwrap(), expected, "{text}");
        assert_eq!(read(&toml::to_string(&expected).unwrap()).unwrap(), expected, "{text}");
        let message = read(&format!("{text}\nwindow = 3")).unwrap_err().to_string();
        assert!(message.contains("window"), "{message}");
    }
}

/// A module written by hand uses PyTorch's axes.
#[test]
fn pytorchs_axes_are_taken_where_they_are_the_networks() {
    let image = Shape::image(4, [5, 3]);
    let vector = Shape::vector(6);
    let shape = |text: &str, inputs: &[Shape]| {
        let operator: Operator = toml::from_str(text).unwrap();
        operator.layer().output_shape(inputs).map_err(|error| error.to_string())
    };
    for op in ["softmax", "log_softmax"] {
        assert_eq!(shape(&format!("op = '{op}'\ndim = 1"), &[image]), Ok(image));
        assert_eq!(shape(&format!("op = '{op}'\ndim = -3"), &[image]), Ok(image));
        assert_eq!(shape(&format!("op = '{op}'\ndim = -1"), &[vector]), Ok(vector));
        let expected = format!("{op}: dim is 2, must be 1 or -3, the axis of the channels of [4, 5, 3]");
        assert_eq!(shape(&format!("op = '{op}'\ndim = 2"), &[image]), Err(expected));
        assert!(shape(&format!("op = '{op}'\ndim = 0"), &[vector]).is_err());
    }
    assert_eq!(shape("op = 'concat'\ndim = 1", &[image, image]), Ok(Shape::image(8, [5, 3])));
    assert!(shape("op = 'concat'\ndim = 3", &[image, image]).unwrap_err().contains("dim is 3"));
    let flat = Shape::vector(60);
    assert_eq!(shape("op = 'flatten'\nstart_dim = 1\nend_dim = -1", &[image]), Ok(flat));
    assert_eq!(shape("op = 'flatten'\nend_dim = 3", &[image]), Ok(flat));
    assert_eq!(
        shape("op = 'flatten'\nstart_dim = 2", &[image]),
        Shape::new(&[4, 15]).map_err(|_| String::new())
    );
    assert_eq!(
        shape("op = 'flatten'\nend_dim = -2", &[image]),
        Shape::new(&[20, 3]).map_err(|_| String::new())
    );
    assert!(
        shape("op = 'flatten'\nstart_dim = 0", &[image]).unwrap_err().contains("start_dim is 0, the batch")
    );
    assert!(shape("op = 'flatten'\nend_dim = 4", &[image]).unwrap_err().contains("end_dim is 4"));
}
