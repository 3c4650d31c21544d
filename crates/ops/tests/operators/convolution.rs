//! conv2d and conv_transpose2d.

use crate::common::{Run, images, parameters, slice};
use convscope_ops::*;
use convscope_testkit::{Convolution, PadWith, assert_close, to_f64};
use ndarray::{Array1, Array4, Ix1, Ix4};
use proptest::prelude::*;

const TOLERANCE: f64 = 1e-6;

/// A transposed convolution of `[2, in, rows, columns]`.
#[derive(Clone, Copy, Debug)]
struct Case {
    channels: [usize; 2],
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    extra: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
}

const PLAIN: Case = Case {
    channels: [4, 6],
    input: [3, 5],
    kernel: [3, 2],
    stride: [2, 1],
    padding: [0, 0],
    extra: [0, 0],
    dilation: [1, 1],
    groups: 1,
};

/// Output, d_input and d_weight, summed term by term from the formula.
fn oracle(case: &Case, x: &[f32], w: &[f32], b: &[f32], dy: &[f32], output: [usize; 2]) -> [Vec<f64>; 3] {
    let [ins, outs] = case.channels;
    let (inner, outer) = (ins / case.groups, outs / case.groups);
    let pixels = output[0] * output[1];
    let mut y: Vec<f64> = (0..2 * outs * pixels).map(|i| f64::from(b[i / pixels % outs])).collect();
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
    for (xi, &value) in x.iter().enumerate() {
        let (n, c) = (xi / (ins * case.input[0] * case.input[1]), xi / (case.input[0] * case.input[1]) % ins);
        let at = [xi / case.input[1] % case.input[0], xi % case.input[1]];
        for o in 0..outer {
            for (r, s) in (0..case.kernel[0]).flat_map(|r| (0..case.kernel[1]).map(move |s| (r, s))) {
                let tap = [r, s];
                let to = [0, 1].map(|i| at[i] * case.stride[i] + tap[i] * case.dilation[i]);
                let to = [0, 1].map(|i| to[i].wrapping_sub(case.padding[i]));
                if to[0] >= output[0] || to[1] >= output[1] {
                    continue;
                }
                let channel = c / inner * outer + o;
                let yi = ((n * outs + channel) * output[0] + to[0]) * output[1] + to[1];
                let wi = ((c * outer + o) * case.kernel[0] + r) * case.kernel[1] + s;
                y[yi] += f64::from(value) * f64::from(w[wi]);
                dx[xi] += f64::from(dy[yi]) * f64::from(w[wi]);
                dw[wi] += f64::from(dy[yi]) * f64::from(value);
            }
        }
    }
    [y, dx, dw]
}

fn check(case: Case) {
    let [ins, outs] = case.channels;
    let layer = ConvTranspose2d {
        stride: case.stride.into(),
        padding: case.padding.into(),
        output_padding: case.extra.into(),
        groups: case.groups,
        dilation: case.dilation.into(),
        ..ConvTranspose2d::new(outs, case.kernel)
    };
    let shapes = [Shape::image(ins, case.input)];
    let output = layer.output_shape(&shapes).unwrap().size();
    let expected = [0, 1].map(|i| {
        (case.input[i] - 1) * case.stride[i] + case.dilation[i] * (case.kernel[i] - 1) + case.extra[i] + 1
            - 2 * case.padding[i]
    });
    assert_eq!(output, expected);
    let given = parameters(&layer, &shapes);
    let weight: Array4<f32> = given[0].values.clone().into_dimensionality::<Ix4>().unwrap();
    let bias: Array1<f32> = given[1].values.clone().into_dimensionality::<Ix1>().unwrap();
    let x = images(1, [2, ins, case.input[0], case.input[1]]);
    let dy = images(2, [2, outs, output[0], output[1]]);
    let [y, dx, dw] = oracle(&case, slice(&x), slice(&weight), slice(&bias), slice(&dy), output);
    let db: Vec<f64> =
        (0..outs).map(|o| dy.index_axis(ndarray::Axis(1), o).iter().map(|&d| f64::from(d)).sum()).collect();

    let arguments = ConvTranspose2dArguments {
        stride: layer.stride,
        padding: layer.padding,
        output_padding: layer.output_padding,
        groups: layer.groups,
        dilation: layer.dilation,
    };
    let ours = conv_transpose2d(x.view(), weight.view(), Some(bias.view()), &arguments).unwrap();
    assert_close("output", slice(&ours), &y, TOLERANCE);
    let d = conv_transpose2d_backward(dy.view(), x.view(), weight.view(), &arguments).unwrap();
    assert_close("d_input", slice(&d.d_input), &dx, TOLERANCE);
    assert_close("d_weight", slice(&d.d_weight), &dw, TOLERANCE);
    assert_close("d_bias", slice(&d.d_bias), &db, TOLERANCE);
    for isa in Isa::available() {
        for chunk in [1, 2] {
            let run =
                Run { layer: &layer, shapes: &shapes, images: 2, chunk, mode: Mode::Training, isa, seed: 0 };
            let passed = run.passes(&[slice(&x)], slice(&dy), given.clone());
            assert_close("bound output", &passed.output, &y, TOLERANCE);
            assert_close("bound d_input", &passed.d_inputs[0], &dx, TOLERANCE);
            assert_close("bound d_weight", &passed.d_parameters[0], &dw, TOLERANCE);
            assert_close("bound d_bias", &passed.d_parameters[1], &db, TOLERANCE);
        }
    }
}

#[test]
fn lopsided_transposed_convolutions() {
    check(PLAIN);
    check(Case { padding: [1, 0], extra: [1, 0], ..PLAIN });
    check(Case { groups: 2, dilation: [1, 3], padding: [2, 1], ..PLAIN });
    check(Case { input: [1, 1], kernel: [1, 1], channels: [1, 1], ..PLAIN });
    check(Case { channels: [19, 34], kernel: [2, 3], stride: [3, 2], ..PLAIN });
    check(Case { stride: [4, 3], kernel: [2, 1], extra: [3, 2], ..PLAIN });
}

/// PyTorch allows an output padding up to the dilation, where the underlying convolution would have a larger input.
#[test]
fn an_output_padding_above_the_stride() {
    check(Case { stride: [1, 2], dilation: [3, 1], extra: [2, 0], ..PLAIN });
    check(Case { stride: [1, 1], dilation: [2, 4], extra: [1, 3], groups: 2, ..PLAIN });
    check(Case { stride: [2, 1], dilation: [5, 2], extra: [4, 1], padding: [1, 0], ..PLAIN });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn any_transposed_convolution(
        groups in 1usize..3, inner in 1usize..5, outer in 1usize..19, input in [1usize..6, 1usize..6],
        kernel in [1usize..4, 1usize..4], stride in [1usize..4, 1usize..4], padding in [0usize..3, 0usize..3],
        extra in [0usize..4, 0usize..4], dilation in [1usize..4, 1usize..4],
    ) {
        prop_assume!((0..2).all(|i| extra[i] < stride[i].max(dilation[i])));
        prop_assume!((0..2).all(|i| {
            (input[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + extra[i] + 1 > 2 * padding[i]
        }));
        let channels = [groups * inner, groups * outer];
        check(Case { channels, input, kernel, stride, padding, extra, dilation, groups });
    }
}

/// The kernels have their own tests; this checks the path through arrays, arguments and the bound form.
#[test]
fn conv2d_equals_its_formula() {
    let even = ([1, 1, 2, 2], ConvPadding::Size([1, 2].into()));
    let uneven = ([1, 2, 0, 3], Sides { top: 1, bottom: 2, left: 0, right: 3 }.into());
    for ((padding, sides), (pad_with, padding_mode)) in [even, uneven].into_iter().flat_map(|padding| {
        let modes = [(PadWith::Zeros, PaddingMode::Zeros), (PadWith::Reflect, PaddingMode::Reflect)];
        modes.map(|mode| (padding, mode))
    }) {
        let case = Convolution {
            batch: 3,
            in_channels: 4,
            out_channels: 6,
            groups: 2,
            input: [7, 5],
            kernel: [3, 2],
            stride: [2, 1],
            dilation: [1, 2],
            padding,
            pad_with,
        };
        let layer = Conv2d {
            stride: [2, 1].into(),
            padding: sides,
            dilation: [1, 2].into(),
            groups: 2,
            padding_mode,
            ..Conv2d::new(6, [3, 2])
        };
        let shapes = [Shape::image(4, [7, 5])];
        let given = parameters(&layer, &shapes);
        let weight: Array4<f32> = given[0].values.clone().into_dimensionality::<Ix4>().unwrap();
        let bias: Array1<f32> = given[1].values.clone().into_dimensionality::<Ix1>().unwrap();
        let [rows, columns] = case.output();
        let (x, dy) = (images(1, [3, 4, 7, 5]), images(2, [3, 6, rows, columns]));
        let y = case.forward(slice(&x), slice(&weight), slice(&bias));
        let dx = case.d_input(slice(&weight), slice(&dy));
        let (dw, db) = (case.d_weight(slice(&x), slice(&dy)), case.d_bias(slice(&dy)));
        let Conv2d { stride, padding, dilation, groups, .. } = layer;
        let arguments = Conv2dArguments { stride, padding, dilation, groups, padding_mode };
        let ours = conv2d(x.view(), weight.view(), Some(bias.view()), &arguments).unwrap();
        assert_close("output", slice(&ours), &y, TOLERANCE);
        let d = conv2d_backward(dy.view(), x.view(), weight.view(), &arguments).unwrap();
        assert_close("d_input", slice(&d.d_input), &dx, TOLERANCE);
        assert_close("d_weight", slice(&d.d_weight), &dw, TOLERANCE);
        assert_close("d_bias", slice(&d.d_bias), &db, TOLERANCE);
        for isa in Isa::available() {
            let run = Run {
                layer: &layer,
                shapes: &shapes,
                images: 3,
                chunk: 2,
                mode: Mode::Training,
                isa,
                seed: 0,
            };
            let passed = run.passes(&[slice(&x)], slice(&dy), given.clone());
            assert_close("bound output", &passed.output, &to_f64(slice(&ours)), TOLERANCE);
            assert_close("bound d_input", &passed.d_inputs[0], &dx, TOLERANCE);
            assert_close("bound d_weight", &passed.d_parameters[0], &dw, TOLERANCE);
            assert_close("bound d_bias", &passed.d_parameters[1], &db, TOLERANCE);
        }
    }
}

/// TensorFlow's rule: `ceil(input / stride)` rows and columns, an odd one of padding at the bottom and the right.
#[test]
fn same_upper_pads_as_the_input_needs() {
    let sides = |top, bottom, left, right| Sides { top, bottom, left, right };
    for (input, kernel, stride, dilation, expected) in [
        ([8, 5], [3, 4], [2, 3], [1, 1], sides(0, 1, 1, 1)),
        ([7, 6], [3, 5], [2, 1], [1, 2], sides(1, 1, 4, 4)),
        ([8, 7], [1, 2], [2, 3], [1, 1], sides(0, 0, 0, 1)),
        ([1, 1], [1, 3], [3, 2], [1, 1], sides(0, 0, 1, 1)),
    ] {
        let (x, weight) = (images(1, [2, 3, input[0], input[1]]), images(2, [4, 3, kernel[0], kernel[1]]));
        let result = |padding| {
            let arguments = Conv2dArguments {
                stride: stride.into(),
                dilation: dilation.into(),
                padding,
                ..Conv2dArguments::default()
            };
            conv2d(x.view(), weight.view(), None, &arguments).unwrap()
        };
        let output = result(ConvPadding::SAME_UPPER);
        assert_eq!(output.shape()[2..], [0, 1].map(|axis| input[axis].div_ceil(stride[axis])));
        assert_eq!(output, result(expected.into()), "{input:?} {kernel:?}");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let (x, weight) = (images(1, [1, 4, 3, 3]), images(2, [4, 2, 2, 2]));
    let message = |arguments: ConvTranspose2dArguments| {
        conv_transpose2d(x.view(), weight.view(), None, &arguments).unwrap_err().to_string()
    };
    let plain = ConvTranspose2dArguments::default();
    assert_eq!(
        message(ConvTranspose2dArguments { output_padding: [0, 1].into(), ..plain }),
        "conv_transpose2d: output_padding is [0, 1], must be below stride or dilation, here 1"
    );
    assert_eq!(
        message(ConvTranspose2dArguments { groups: 3, ..plain }),
        "conv_transpose2d: groups is 3, it must divide 4 input channels and 6 output channels"
    );
    assert_eq!(
        message(ConvTranspose2dArguments { padding: [0, 2].into(), ..plain }),
        "conv_transpose2d: padding is [0, 2] at each side, which leaves nothing of [4, 4] pixels"
    );
    assert!(message(ConvTranspose2dArguments { groups: 0, ..plain }).contains("groups is 0"));
    assert!(message(ConvTranspose2dArguments { groups: usize::MAX, ..plain }).contains("groups"));
    let far = message(ConvTranspose2dArguments { stride: (1 << 24).into(), ..plain });
    assert_eq!(
        far,
        "conv_transpose2d: a plane of the output with its padding would be [33554434, 33554434], more than 4194304 pixels"
    );
    let padding = ConvPadding::Size((1 << 24).into());
    let padded = Conv2dArguments { padding, ..Conv2dArguments::default() };
    let message = conv2d(x.view(), images(3, [2, 4, 2, 2]).view(), None, &padded).unwrap_err().to_string();
    assert!(message.starts_with("conv2d: a padded plane would be [33554435, "), "{message}");
    let padded = Conv2dArguments { padding: ConvPadding::Size(usize::MAX.into()), ..padded };
    assert!(conv2d(x.view(), images(3, [2, 4, 2, 2]).view(), None, &padded).is_err());
    let other = images(2, [3, 2, 2, 2]);
    assert_eq!(
        conv_transpose2d(x.view(), other.view(), None, &plain).unwrap_err().to_string(),
        "conv_transpose2d: input has 4 channels, weight expects 3"
    );
    let message = conv2d(x.view(), weight.view(), None, &Conv2dArguments::default()).unwrap_err().to_string();
    assert_eq!(message, "conv2d: input has 4 channels, weight expects 2 x 1 groups");
}
