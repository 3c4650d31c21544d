//! Every convolution kernel that this processor can run, against the naive oracle.

use convscope_kernels::conv::{
    Algorithm, Conv, ConvPass, ConvSize, Epilogue, Onto, Padding, PaddingMode, Precision,
};
use convscope_kernels::{Isa, layout};
use convscope_testkit::{Convolution, PadWith, assert_close, random};
use proptest::prelude::*;

const TOLERANCE: f64 = 1e-6;

fn channels_last(planes: &[f32], channels: usize, image_len: usize) -> Vec<f32> {
    let mut out = vec![0.0; planes.len()];
    layout::to_channels_last(planes, channels, image_len, &mut out);
    out
}

fn planes(values: &[f32], channels: usize, image_len: usize) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    layout::to_planes(values, channels, image_len, &mut out);
    out
}

fn size_of(case: &Convolution) -> ConvSize {
    ConvSize {
        in_channels: case.in_channels,
        out_channels: case.out_channels,
        groups: case.groups,
        input: case.input,
        kernel: case.kernel,
        stride: case.stride,
        dilation: case.dilation,
        padding: Padding {
            top: case.padding[0],
            bottom: case.padding[1],
            left: case.padding[2],
            right: case.padding[3],
        },
        padding_mode: match case.pad_with {
            PadWith::Zeros => PaddingMode::Zeros,
            PadWith::Reflect => PaddingMode::Reflect,
            PadWith::Replicate => PaddingMode::Replicate,
            PadWith::Circular => PaddingMode::Circular,
        },
    }
}

fn check(case: Convolution) {
    let size = size_of(&case);
    for algorithm in [Algorithm::Direct, Algorithm::Winograd, Algorithm::Depthwise] {
        let conv = Conv::with_algorithm(size, algorithm, Precision::F32);
        if conv.algorithm() == algorithm {
            check_algorithm(&case, &conv);
        }
    }
}

fn check_algorithm(case: &Convolution, conv: &Conv) {
    let (size, way) = (*conv.size(), conv.algorithm());
    // The depthwise way adds the products of a group one after another, and rounding grows with their number.
    let terms = (size.weight_len() / case.out_channels) as f64;
    let tolerance =
        if way == Algorithm::Depthwise { TOLERANCE * (terms / 100.0).max(1.0) } else { TOLERANCE };
    let (input_len, output_len) = (size.input_len(), size.output_len());
    let scale = 1.0 / ((size.weight_len() / case.out_channels) as f32).sqrt();
    let x = random(1, case.batch * input_len);
    let w: Vec<f32> = random(2, size.weight_len()).iter().map(|w| w * scale).collect();
    let bias = random(3, case.out_channels);
    let dy = random(4, case.batch * output_len);

    let x_last = channels_last(&x, case.in_channels, input_len);
    let dy_last = channels_last(&dy, case.out_channels, output_len);
    let mut packed = vec![f32::NAN; conv.forward_len()];
    conv.pack_forward(&w, Some(&bias), &mut packed);
    let mut turned = vec![f32::NAN; conv.backward_len()];
    conv.pack_backward(&w, None, &mut turned);
    for isa in Isa::available() {
        // NaN in every buffer, so that elements left unwritten show up.
        let mut scratch = vec![f32::NAN; conv.scratch_len()];
        let mut y = vec![f32::NAN; dy.len()];
        conv.forward(
            ConvPass { isa, images: case.batch, scratch: &mut scratch },
            &x_last,
            &packed,
            Epilogue::Linear,
            &mut y,
        );
        let expected = case.forward(&x, &w, &bias);
        assert_close(
            &format!("{isa} {way:?} output"),
            &planes(&y, case.out_channels, output_len),
            &expected,
            tolerance,
        );
        conv.forward(
            ConvPass { isa, images: case.batch, scratch: &mut scratch },
            &x_last,
            &packed,
            Epilogue::Relu,
            &mut y,
        );
        let expected: Vec<f64> = expected.iter().map(|y| y.max(0.0)).collect();
        assert_close(
            &format!("{isa} {way:?} relu"),
            &planes(&y, case.out_channels, output_len),
            &expected,
            tolerance,
        );

        let mut dx = vec![f32::NAN; x.len()];
        scratch.fill(f32::NAN);
        conv.backward_input(
            ConvPass { isa, images: case.batch, scratch: &mut scratch },
            &dy_last,
            &turned,
            &mut dx,
        );
        let dx = planes(&dx, case.in_channels, input_len);
        assert_close(&format!("{isa} {way:?} d_input"), &dx, &case.d_input(&w, &dy), tolerance);

        let mut d_packed = vec![f32::NAN; conv.gradient_len()];
        scratch.fill(f32::NAN);
        // Twice: gradients are added up, the first ones onto anything.
        for onto in [Onto::Nothing, Onto::Sum] {
            conv.backward_weight(
                ConvPass { isa, images: case.batch, scratch: &mut scratch },
                &x_last,
                &dy_last,
                onto,
                &mut d_packed,
            );
            conv.backward_bias(isa, case.batch, &dy_last, &mut d_packed);
        }
        let (mut d_weight, mut d_bias) = (vec![f32::NAN; w.len()], vec![f32::NAN; bias.len()]);
        conv.unpack_gradient(&d_packed, &mut d_weight, Some(&mut d_bias));
        let twice = |values: Vec<f64>| values.iter().map(|v| v * 2.0).collect::<Vec<_>>();
        assert_close(
            &format!("{isa} {way:?} d_weight"),
            &d_weight,
            &twice(case.d_weight(&x, &dy)),
            tolerance,
        );
        assert_close(&format!("{isa} {way:?} d_bias"), &d_bias, &twice(case.d_bias(&dy)), tolerance);
    }
}

const PLAIN: Convolution = Convolution {
    batch: 3,
    in_channels: 3,
    out_channels: 5,
    groups: 1,
    input: [7, 6],
    kernel: [3, 3],
    stride: [1, 1],
    dilation: [1, 1],
    padding: [1, 1, 1, 1],
    pad_with: PadWith::Zeros,
};

/// The layers of the reference network, and panels of 1, 2 and 3 vectors with remainders.
#[test]
fn shapes_that_networks_use() {
    for (in_channels, out_channels, side) in
        [(3, 16, 32), (16, 32, 16), (64, 64, 8), (64, 128, 4), (20, 49, 5)]
    {
        check(Convolution { in_channels, out_channels, input: [side, side], ..PLAIN });
    }
}

/// Stretches that extend beyond the image's end, asymmetric padding, more and fewer channels than a panel, and enough
/// stretches for several blocks.
#[test]
fn winograd_shapes() {
    check(Convolution { input: [4, 9], padding: [0, 2, 1, 0], in_channels: 17, out_channels: 33, ..PLAIN });
    check(Convolution { input: [5, 3], padding: [2, 0, 0, 2], in_channels: 2, out_channels: 100, ..PLAIN });
    check(Convolution { input: [3, 4], padding: [0; 4], in_channels: 130, out_channels: 16, ..PLAIN });
    check(Convolution { batch: 1, input: [1, 2], padding: [2; 4], ..PLAIN });
    check(Convolution { batch: 7, input: [19, 22], in_channels: 16, out_channels: 16, ..PLAIN });
}

/// Small whole numbers, and weights whose transforms are whole: products of bfloat16 are exact.
#[test]
fn bf16_is_exact_where_it_can_be() {
    for (input, in_channels, out_channels) in [([7, 4], 19, 33), ([4, 6], 16, 5), ([9, 9], 32, 64)] {
        let case = Convolution { batch: 3, input, in_channels, out_channels, ..PLAIN };
        let size = size_of(&case);
        let whole = |seed, len| -> Vec<f32> {
            random(seed, len).iter().map(|value: &f32| (value * 3.0).round().clamp(-6.0, 6.0)).collect()
        };
        let (x, dy) = (whole(1, case.batch * size.input_len()), whole(4, case.batch * size.output_len()));
        let w: Vec<f32> = whole(2, size.weight_len()).iter().map(|value| value * 4.0).collect();
        let bias = whole(3, out_channels);
        let x_last = channels_last(&x, in_channels, size.input_len());
        let dy_last = channels_last(&dy, out_channels, size.output_len());
        let conv = Conv::with_algorithm(size, Algorithm::Winograd, Precision::Bf16);
        let (mut packed, mut turned) =
            (vec![f32::NAN; conv.forward_len()], vec![f32::NAN; conv.backward_len()]);
        conv.pack_forward(&w, Some(&bias), &mut packed);
        conv.pack_backward(&w, None, &mut turned);
        for isa in Isa::available() {
            let mut scratch = vec![f32::NAN; conv.scratch_len()];
            let (mut y, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
            conv.forward(
                ConvPass { isa, images: case.batch, scratch: &mut scratch },
                &x_last,
                &packed,
                Epilogue::Linear,
                &mut y,
            );
            let y = planes(&y, out_channels, size.output_len());
            assert_close(&format!("{isa} output"), &y, &case.forward(&x, &w, &bias), 0.0);
            scratch.fill(f32::NAN);
            conv.backward_input(
                ConvPass { isa, images: case.batch, scratch: &mut scratch },
                &dy_last,
                &turned,
                &mut dx,
            );
            let dx = planes(&dx, in_channels, size.input_len());
            assert_close(&format!("{isa} d_input"), &dx, &case.d_input(&w, &dy), 0.0);
            let mut d_packed = vec![0.0; conv.gradient_len()];
            scratch.fill(f32::NAN);
            conv.backward_weight(
                ConvPass { isa, images: case.batch, scratch: &mut scratch },
                &x_last,
                &dy_last,
                Onto::Sum,
                &mut d_packed,
            );
            conv.backward_bias(isa, case.batch, &dy_last, &mut d_packed);
            let (mut d_weight, mut d_bias) = (vec![f32::NAN; w.len()], vec![f32::NAN; bias.len()]);
            conv.unpack_gradient(&d_packed, &mut d_weight, Some(&mut d_bias));
            assert_close(&format!("{isa} d_weight"), &d_weight, &case.d_weight(&x, &dy), 0.0);
            assert_close(&format!("{isa} d_bias"), &d_bias, &case.d_bias(&dy), 0.0);
        }
    }
}

/// Arbitrary numbers: bfloat16 keeps eight bits of each factor.
#[test]
fn bf16_is_near() {
    let case = Convolution { batch: 2, input: [8, 6], in_channels: 24, out_channels: 40, ..PLAIN };
    let size = size_of(&case);
    let (x, w) = (random(1, case.batch * size.input_len()), random(2, size.weight_len()));
    let conv = Conv::new(size, Precision::Bf16);
    let mut packed = vec![0.0; conv.forward_len()];
    conv.pack_forward(&w, None, &mut packed);
    let expected = case.forward(&x, &w, &[0.0; 40]);
    let largest = expected.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    for isa in Isa::available() {
        let (mut y, mut scratch) = (vec![0.0; expected.len()], vec![0.0; conv.scratch_len()]);
        let x_last = channels_last(&x, 24, size.input_len());
        conv.forward(
            ConvPass { isa, images: case.batch, scratch: &mut scratch },
            &x_last,
            &packed,
            Epilogue::Linear,
            &mut y,
        );
        let y = planes(&y, 40, size.output_len());
        let error = y.iter().zip(&expected).fold(0.0f64, |most, (&y, e)| most.max((f64::from(y) - e).abs()));
        assert!(error > 0.0 && error < largest / 100.0, "{isa}: {error} of {largest}");
    }
}

#[test]
fn lopsided_shapes() {
    check(PLAIN);
    check(Convolution { kernel: [3, 2], stride: [2, 1], padding: [0, 2, 1, 0], ..PLAIN });
    check(Convolution { kernel: [1, 1], padding: [0; 4], stride: [1, 2], ..PLAIN });
    check(Convolution { kernel: [2, 3], stride: [3, 4], padding: [0; 4], input: [11, 9], ..PLAIN });
    check(Convolution { dilation: [2, 3], input: [9, 10], padding: [2, 1, 0, 4], ..PLAIN });
    check(Convolution { batch: 1, input: [1, 1], in_channels: 1, out_channels: 1, ..PLAIN });
    check(Convolution {
        batch: 200,
        input: [1, 1],
        kernel: [1, 1],
        padding: [0; 4],
        in_channels: 33,
        ..PLAIN
    });
    check(Convolution { stride: [3, 3], kernel: [1, 1], padding: [0; 4], ..PLAIN });
}

#[test]
fn groups_and_padding_modes() {
    check(Convolution { in_channels: 6, out_channels: 4, groups: 2, ..PLAIN });
    check(Convolution { in_channels: 40, out_channels: 40, groups: 2, stride: [2, 1], ..PLAIN });
    check(Convolution { in_channels: 6, out_channels: 6, groups: 6, kernel: [3, 2], ..PLAIN });
    for pad_with in [PadWith::Reflect, PadWith::Replicate, PadWith::Circular] {
        check(Convolution { pad_with, padding: [2, 1, 0, 3], kernel: [2, 3], stride: [1, 2], ..PLAIN });
    }
}

/// Channels of less than a vector and of several with a rest; maps that are narrower than a tile, and wider.
#[test]
fn depthwise_shapes() {
    let depthwise = |channels: usize| Convolution {
        in_channels: channels,
        out_channels: channels,
        groups: channels,
        ..PLAIN
    };
    for kernel in [3, 5, 7] {
        for stride in [1, 2] {
            for (channels, input) in [(2, [7, 7]), (16, [14, 13]), (37, [9, 40])] {
                let (kernel, stride) = ([kernel; 2], [stride; 2]);
                let padding = [kernel[0] / 2; 4];
                check(Convolution { batch: 2, input, kernel, stride, padding, ..depthwise(channels) });
            }
        }
    }
    let wide = Convolution { input: [8, 70], ..depthwise(20) };
    check(Convolution { kernel: [5, 3], stride: [1, 2], padding: [0, 2, 1, 0], ..wide });
    check(Convolution { kernel: [3, 5], stride: [3, 1], dilation: [2, 3], padding: [4, 0, 3, 9], ..wide });
    check(Convolution { kernel: [1, 2], stride: [3, 4], padding: [0; 4], ..wide });
    check(Convolution { kernel: [8, 9], padding: [6, 5, 8, 1], ..wide });
    check(Convolution { input: [1, 1], padding: [2, 2, 2, 2], kernel: [5, 5], ..wide });
    for pad_with in [PadWith::Reflect, PadWith::Replicate, PadWith::Circular] {
        check(Convolution { pad_with, padding: [2, 1, 0, 3], kernel: [2, 3], stride: [1, 2], ..wide });
    }
}

/// Vectors with several groups, with a rest of them, and of less than sixteen channels.
#[test]
fn small_groups() {
    for (group, groups, kernel, stride) in [
        (2, 3, 3, 1),
        (2, 17, 3, 2),
        (4, 9, 3, 1),
        (4, 2, 5, 2),
        (8, 5, 3, 1),
        (8, 3, 3, 2),
        (8, 2, 1, 1),
        (4, 4, 2, 1),
    ] {
        let channels = group * groups;
        let case = Convolution {
            batch: 2,
            in_channels: channels,
            out_channels: channels,
            groups,
            input: [9, 22],
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [kernel / 2, 0, 1, kernel / 2],
            ..PLAIN
        };
        assert_eq!(Conv::new(size_of(&case), Precision::F32).algorithm(), Algorithm::Depthwise);
        check(case);
        check(Convolution { dilation: [1, 2], pad_with: PadWith::Reflect, padding: [1, 1, 2, 1], ..case });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_depthwise_shape(
        batch in 1usize..4, channels in 2usize..40, group in 0u32..4, input in [1usize..14, 1usize..24],
        kernel in [1usize..8, 1usize..8], stride in [1usize..4, 1usize..4], dilation in [1usize..4, 1usize..4],
        padding in [0usize..6, 0usize..6, 0usize..6, 0usize..6],
    ) {
        let padded = [input[0] + padding[0] + padding[1], input[1] + padding[2] + padding[3]];
        prop_assume!((0..2).all(|i| padded[i] > dilation[i] * (kernel[i] - 1)));
        let groups = channels.div_ceil(1 << group).max(2);
        let channels = groups << group;
        check(Convolution {
            batch, in_channels: channels, out_channels: channels, groups, input, kernel, stride, dilation,
            padding, pad_with: PadWith::Zeros,
        });
    }

    #[test]
    fn any_shape(
        batch in 1usize..4, groups in 1usize..4, inner in 1usize..19, outer in 1usize..35,
        input in [1usize..12, 1usize..12], kernel in [1usize..5, 1usize..5],
        stride in [1usize..4, 1usize..4], dilation in [1usize..4, 1usize..4], padding in [0usize..4, 0usize..4, 0usize..4, 0usize..4],
    ) {
        let padded = [input[0] + padding[0] + padding[1], input[1] + padding[2] + padding[3]];
        prop_assume!((0..2).all(|i| padded[i] > dilation[i] * (kernel[i] - 1)));
        check(Convolution {
            batch, in_channels: groups * inner, out_channels: groups * outer, groups, input, kernel, stride, dilation,
            padding, pad_with: PadWith::Zeros,
        });
    }
}
