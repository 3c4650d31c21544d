//! reshape, permute, slice, flatten of some axes, constants, and the affine map of rows: values of one to four axes.

use crate::common::{Passed, Run, array, parameters, slice};
use convscope_ops::*;
use convscope_testkit::assert_close;
use ndarray::{ArrayD, Axis, IxDyn, Slice as Stretch};

const IMAGES: usize = 3;

fn shape(axes: &[usize]) -> Shape {
    Shape::new(axes).unwrap()
}

fn passes(layer: &dyn Layer, inputs: &[Shape], x: &[&[f32]], dy: &[f32]) -> Vec<Passed> {
    let given = parameters(layer, inputs);
    let run =
        |isa| Run { layer, shapes: inputs, images: IMAGES, chunk: 2, mode: Mode::Training, isa, seed: 0 };
    Isa::available().into_iter().map(|isa| run(isa).passes(x, dy, given.clone())).collect()
}

/// Runs a layer that moves values against what `expected` makes of an array, forward and backward: the gradient of each element
/// goes to where it came from, and the others get none.
fn check(layer: &dyn Layer, input: &[usize], expected: impl Fn(&ArrayD<f32>) -> ArrayD<f32>) {
    let with_batch = [&[IMAGES], input].concat();
    let len: usize = with_batch.iter().product();
    // Each element is its own place, so that a wrong one shows.
    let places = ArrayD::from_shape_vec(IxDyn(&with_batch), (0..len).map(|i| i as f32).collect()).unwrap();
    let moved = expected(&places);
    let output = layer.output_shape(&[shape(input)]).unwrap();
    assert_eq!([&[IMAGES], output.axes()].concat(), moved.shape(), "{layer:?} of {input:?}");
    let dy = array(2, moved.shape());
    let mut dx = vec![0.0; len];
    moved.iter().zip(dy.iter()).for_each(|(&place, &d)| dx[place as usize] += d);
    for passed in passes(layer, &[shape(input)], &[slice(&places)], slice(&dy)) {
        assert_eq!(passed.output, moved.iter().copied().collect::<Vec<_>>(), "{layer:?} of {input:?}");
        assert_eq!(passed.d_inputs[0], dx, "{layer:?} of {input:?}");
    }
}

#[test]
fn reshaping_keeps_pytorchs_order() {
    for (input, asked) in [
        (&[6, 2, 5][..], &[4, 15][..]),
        (&[6, 2, 5], &[-1]),
        (&[6, 2, 5], &[2, 3, 2, 5]),
        (&[6, 2, 5], &[3, 4, 5]),
        (&[12], &[3, 4]),
        (&[4, 3], &[2, -1, 2]),
        (&[2, 3, 2, 5], &[6, 2, 5]),
        (&[1], &[]),
        (&[], &[1, 1]),
        (&[1, 7, 2], &[14]),
    ] {
        let layer = Reshape { shape: asked.to_vec() };
        let output = layer.output_shape(&[shape(input)]).unwrap();
        let axes = [&[IMAGES], output.axes()].concat();
        check(&layer, input, |x| x.clone().into_shape_with_order(IxDyn(&axes)).unwrap());
    }
    let error = |asked: &[isize]| {
        Reshape { shape: asked.to_vec() }.output_shape(&[shape(&[6, 2, 5])]).unwrap_err().to_string()
    };
    assert_eq!(error(&[7, -1]), "reshape: shape is [7, -1], the input [6, 2, 5] has 60 elements");
    assert!(error(&[-1, -1]).contains("only one axis can be -1"));
    assert!(error(&[-2]).contains("has -2"));
    assert!(error(&[0, -1]).contains("60 elements"));
    assert!(error(&[isize::MAX, 3]).contains("60 elements"));
    assert!(error(&[60, 1, 1, 1, 1]).contains("5 axes"));
}

#[test]
fn some_axes_are_flattened() {
    for (input, start_dim, end_dim) in [
        (&[6, 2, 5][..], 1, -1),
        (&[6, 2, 5], 2, -1),
        (&[6, 2, 5], 1, 2),
        (&[2, 3, 2, 5], 2, 3),
        (&[4, 3], -1, -1),
    ] {
        let layer = Flatten { start_dim, end_dim };
        check(&layer, input, |x| flatten(x.view(), start_dim, end_dim).unwrap());
    }
}

#[test]
fn axes_change_places() {
    for (input, dims) in [
        (&[6, 2, 5][..], &[0, 2, 3, 1][..]),
        (&[6, 2, 5], &[0, -1, 1, 2]),
        (&[4, 7], &[0, 2, 1]),
        (&[2, 3, 4, 5], &[0, 2, 1, 3, 4]),
        (&[2, 3, 4, 5], &[0, 4, 3, 2, 1]),
        (&[9], &[0, 1]),
    ] {
        let order: Vec<usize> =
            dims.iter().map(|dim: &isize| dim.rem_euclid(dims.len() as isize) as usize).collect();
        check(&Permute { dims: dims.to_vec() }, input, |x| x.clone().permuted_axes(IxDyn(&order)));
    }
    let error = |dims: &[isize]| {
        Permute { dims: dims.to_vec() }.output_shape(&[shape(&[4, 7])]).unwrap_err().to_string()
    };
    assert_eq!(error(&[0, 1]), "permute: dims is [0, 1], must have each of the 3 axes once");
    assert!(error(&[1, 0, 2]).contains("the batch axis 0 must stay the first"));
    assert!(error(&[0, 1, 5]).contains("dims is 5"));
}

#[test]
fn a_slice_is_pythons() {
    for (input, dim, start, end, step) in [
        (&[7, 2, 5][..], 1, 2, Some(5), 1),
        (&[7, 2, 5], 1, 0, None, 3),
        (&[7, 2, 5], -1, -4, Some(-1), 2),
        (&[7, 2, 5], 2, 1, Some(99), 1),
        (&[9], 1, 4, None, 2),
        (&[4, 6], 2, -99, Some(3), 1),
        (&[2, 3, 4, 5], 3, 1, Some(4), 2),
    ] {
        let layer = Slice { dim, start, end, step };
        let axis = Axis(dim.rem_euclid(input.len() as isize + 1) as usize);
        let len = input[axis.0 - 1] as isize;
        check(&layer, input, |x| {
            x.slice_axis(axis, Stretch::new(start.max(-len), end.map(|end| end.min(len)), step as isize))
                .to_owned()
        });
    }
    let error = |slice: Slice| slice.output_shape(&[shape(&[7, 2])]).unwrap_err().to_string();
    assert!(error(Slice::new(0)).contains("dim is 0, the batch axis"));
    assert!(error(Slice { step: 0, ..Slice::new(1) }).contains("step is 0"));
    let empty = Slice { start: 5, end: Some(3), ..Slice::new(1) };
    assert_eq!(error(empty), "slice: start is 5, and no element of axis 1 of [7, 2] lies between it and 3");
    assert!(error(Slice { start: 7, ..Slice::new(1) }).contains("and the end"));
    assert!(error(Slice::new(3)).contains("dim is 3"));
}

#[test]
fn rows_are_mapped_as_by_the_function() {
    for (input, out_features) in [(&[5, 7][..], 3), (&[2, 3, 4], 9), (&[1, 17], 1), (&[2, 3, 2, 5], 6)] {
        let layer = Linear::new(out_features);
        let given = parameters(&layer, &[shape(input)]);
        let x = array(1, &[&[IMAGES], input].concat());
        let weight = given[0].values.clone().into_dimensionality().unwrap();
        let bias: ndarray::Array1<f32> = given[1].values.clone().into_dimensionality().unwrap();
        let y = linear(x.view(), weight.view(), Some(bias.view())).unwrap();
        let dy = array(2, y.shape());
        let d = linear_backward(dy.view(), x.view(), weight.view()).unwrap();
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        for passed in passes(&layer, &[shape(input)], &[slice(&x)], slice(&dy)) {
            assert_close("output", &passed.output, &wide(slice(&y)), 1e-6);
            assert_close("d_input", &passed.d_inputs[0], &wide(slice(&d.d_input)), 1e-6);
            assert_close("d_weight", &passed.d_parameters[0], &wide(slice(&d.d_weight)), 1e-6);
            assert_close("d_bias", &passed.d_parameters[1], &wide(slice(&d.d_bias)), 1e-6);
        }
        let shape = layer.output_shape(&[shape(input)]).unwrap();
        assert_eq!([&[IMAGES], shape.axes()].concat(), y.shape());
    }
}

#[test]
fn a_constant_is_the_same_for_each_image() {
    for axes in [&[4, 2, 3][..], &[5], &[2, 3, 2, 2], &[6, 5]] {
        for trained in [false, true] {
            let layer = Constant { trained, ..Constant::new(axes) };
            let value = parameters(&layer, &[])[0].values.clone();
            let dy = array(2, &[&[IMAGES], axes].concat());
            let sum = dy.sum_axis(Axis(0));
            for passed in passes(&layer, &[], &[], slice(&dy)) {
                assert_eq!(passed.output, slice(&value).repeat(IMAGES));
                let expected: Vec<f64> = sum.iter().map(|&d| f64::from(d)).collect();
                match trained {
                    true => assert_close("d_value", &passed.d_parameters[0], &expected, 1e-6),
                    false => assert!(passed.d_parameters.is_empty()),
                }
            }
        }
    }
    assert!(Constant::new([3, 0]).output_shape(&[]).is_err());
    assert!(Constant::new([1 << 40]).output_shape(&[]).is_err());
    assert!(Constant::new([3]).output_shape(&[shape(&[3])]).is_err());
}

/// A program's own operator is read by its name once it is registered, and a built-in one keeps its name.
#[test]
fn an_own_operator_is_found_by_its_name() {
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Twice {
        times: u32,
    }
    impl Layer for Twice {
        fn name() -> &'static str {
            "twice"
        }
        fn keras_name(&self) -> &'static str {
            "twice"
        }
        fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
            Ok(inputs[0])
        }
        fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound> {
            Relu {}.bind(inputs, options)
        }
    }
    let text = r#"{"op": "twice", "times": 3}"#;
    let unknown = serde_json::from_str::<Operator>(text).unwrap_err().to_string();
    assert!(
        unknown.starts_with(
            "unknown operator `twice`, expected one of `adaptive_avg_pool2d`, `adaptive_max_pool2d`"
        ),
        "{unknown}"
    );
    register::<Twice>().unwrap();
    let operator: Operator = serde_json::from_str(text).unwrap();
    assert_eq!((operator.name(), format!("{operator:?}").as_str()), ("twice", "Twice { times: 3 }"));
    assert_eq!(serde_json::to_string(&operator).unwrap(), r#"{"op":"twice","times":3}"#);
    let message = serde_json::from_str::<Operator>(r#"{"op": "twice", "often": 3}"#).unwrap_err().to_string();
    assert!(message.contains("unknown field `often`"), "{message}");
    assert!(names().contains(&"twice"));

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Taken {}
    impl Layer for Taken {
        fn name() -> &'static str {
            "conv2d"
        }
        fn keras_name(&self) -> &'static str {
            "conv2d"
        }
        fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
            Ok(inputs[0])
        }
        fn bind(&self, inputs: &[Shape], options: BindOptions) -> Box<dyn Bound> {
            Relu {}.bind(inputs, options)
        }
    }
    assert_eq!(register::<Taken>().unwrap_err().to_string(), "'conv2d' is the name of a built-in operator");
}

/// PyTorch looks at the sizes before it looks at the factor; these values are its own.
#[test]
fn interpolate_copies_or_doubles_if_the_sizes_say_so() {
    use InterpolateMode::{Bilinear, Nearest, NearestExact};
    for (mode, factor, expected) in [
        (Nearest, 1.3, &[0.0, 1.0, 2.0][..]),
        (NearestExact, 1.3, &[0.0, 1.0, 1.0]),
        (Bilinear, 1.3, &[0.0, 1.0, 2.0]),
        (Nearest, 2.3, &[0.0, 0.0, 1.0, 1.0, 2.0, 2.0]),
        (NearestExact, 2.3, &[0.0, 0.0, 1.0, 1.0, 1.0, 2.0]),
    ] {
        let layer = Interpolate {
            mode,
            scale_factor: Some(ScaleFactor::Each([1.0, factor])),
            ..Interpolate::default()
        };
        let x = [0.0, 1.0, 2.0].repeat(IMAGES);
        let dy = vec![1.0; expected.len() * IMAGES];
        for passed in passes(&layer, &[shape(&[1, 1, 3])], &[&x], &dy) {
            assert_eq!(passed.output, expected.repeat(IMAGES), "{mode:?} {factor}");
        }
    }
}
