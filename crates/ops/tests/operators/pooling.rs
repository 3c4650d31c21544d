//! The pooling operators against naive loops and differences, on every instruction set.

use crate::common::{Run, images, slice};
use convscope_ops::*;
use convscope_testkit::{Pooling, adaptive_mean, assert_close, numeric_gradient, random, to_f64};
use ndarray::Array4;
use proptest::prelude::*;

const TOLERANCE: f64 = 1e-6;

/// Compares a layer's bound form on every instruction set with the function's result.
fn check_bound(layer: &dyn Layer, x: &Array4<f32>, dy: &Array4<f32>, dx: &Array4<f32>, y: &Array4<f32>) {
    let (count, channels, height, width) = x.dim();
    let shapes = [Shape::image(channels, [height, width])];
    for isa in Isa::available() {
        let run = Run { layer, shapes: &shapes, images: count, chunk: 2, mode: Mode::Training, isa, seed: 0 };
        let passed = run.passes(&[slice(x)], slice(dy), Vec::new());
        assert_close(&format!("{isa} output"), &passed.output, &to_f64(slice(y)), TOLERANCE);
        assert_close(&format!("{isa} d_input"), &passed.d_inputs[0], &to_f64(slice(dx)), TOLERANCE);
    }
}

fn check_max(batch: usize, channels: usize, case: Pooling) {
    let [height, width] = case.input;
    let case = Pooling { planes: batch * channels, ..case };
    // Only a few different values, so that there are ties.
    let x = images(1, [batch, channels, height, width]).mapv(|value| (value * 4.0).round());
    let arguments = MaxPool2d {
        kernel_size: case.kernel.into(),
        stride: Some(case.stride.into()),
        padding: case.padding.into(),
        dilation: case.dilation.into(),
        ceil_mode: case.ceil_mode,
    };
    let (y, indices) = max_pool2d_with_indices(x.view(), &arguments).unwrap();
    let (expected, places) = case.max(&to_f64(slice(&x)));
    let [rows, columns] = case.output();
    assert_eq!(y.shape(), [batch, channels, rows, columns]);
    assert_close("output", slice(&y), &expected, 0.0);
    assert_eq!(indices.as_slice().unwrap(), places);

    let dy = images(2, [batch, channels, rows, columns]);
    let mut expected = vec![0.0; x.len()];
    for (at, (&place, &d)) in places.iter().zip(&dy).enumerate() {
        expected[at / (rows * columns) * height * width + place as usize] += f64::from(d);
    }
    let dx = max_pool2d_backward(dy.view(), x.view(), &arguments).unwrap();
    assert_close("d_input", slice(&dx), &expected, TOLERANCE);
    check_bound(&arguments, &x, &dy, &dx, &y);
}

fn check_mean(batch: usize, channels: usize, case: Pooling, count_include_pad: bool, divisor: Option<i64>) {
    let [height, width] = case.input;
    let case = Pooling { planes: batch * channels, dilation: [1, 1], ..case };
    let x = images(3, [batch, channels, height, width]);
    let arguments = AvgPool2d {
        kernel_size: case.kernel.into(),
        stride: Some(case.stride.into()),
        padding: case.padding.into(),
        ceil_mode: case.ceil_mode,
        count_include_pad,
        divisor_override: divisor,
    };
    let y = avg_pool2d(x.view(), &arguments).unwrap();
    let forward = |x: &[f64]| case.mean(x, count_include_pad, divisor);
    let [rows, columns] = case.output();
    assert_eq!(y.shape(), [batch, channels, rows, columns]);
    assert_close("output", slice(&y), &forward(&to_f64(slice(&x))), TOLERANCE);
    let dy = images(4, [batch, channels, rows, columns]);
    let dx = avg_pool2d_backward(dy.view(), [batch, channels, height, width], &arguments).unwrap();
    assert_close("d_input", slice(&dx), &numeric_gradient(slice(&x), slice(&dy), forward), TOLERANCE);
    check_bound(&arguments, &x, &dy, &dx, &y);
}

const PLAIN: Pooling = Pooling {
    planes: 0,
    input: [7, 6],
    kernel: [3, 2],
    stride: [2, 1],
    padding: [0, 0],
    dilation: [1, 1],
    ceil_mode: false,
};

#[test]
fn lopsided_windows() {
    for ceil_mode in [false, true] {
        let plain = Pooling { ceil_mode, ..PLAIN };
        for case in [
            plain,
            Pooling { input: [1, 1], kernel: [1, 1], ..plain },
            Pooling { padding: [1, 0], stride: [3, 4], ..plain },
            Pooling { padding: [1, 1], stride: [3, 3], kernel: [2, 3], ..plain },
            Pooling { kernel: [5, 4], padding: [2, 2], stride: [1, 5], input: [4, 5], ..plain },
        ] {
            check_max(3, 2, case);
            check_max(1, 19, Pooling { dilation: [2, 1], ..case }.with_room());
            check_mean(3, 2, case, true, None);
            check_mean(1, 19, case, false, None);
            check_mean(2, 1, case, true, Some(-3));
        }
    }
}

trait WithRoom {
    fn with_room(self) -> Self;
}

impl WithRoom for Pooling {
    /// Adds the rows that dilation needs.
    fn with_room(mut self) -> Pooling {
        self.input[0] += self.dilation[0] * self.kernel[0];
        self
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn any_window(
        channels in 1usize..34, input in [1usize..9, 1usize..9], kernel in [1usize..5, 1usize..5],
        stride in [1usize..4, 1usize..4], padding in [0usize..3, 0usize..3], dilation in [1usize..4, 1usize..4],
        ceil_mode: bool, count_include_pad: bool,
    ) {
        let case = Pooling { planes: 0, input, kernel, stride, padding, dilation, ceil_mode };
        prop_assume!((0..2).all(|i| padding[i] <= kernel[i] / 2));
        let flat = Pooling { dilation: [1, 1], ..case };
        if !flat.output().contains(&0) {
            check_mean(1, channels % 3 + 1, flat, count_include_pad, None);
        }
        prop_assume!(!case.output().contains(&0));
        let pixels = [1, channels, input[0], input[1]];
        let arguments = MaxPool2d {
            kernel_size: kernel.into(), stride: Some(stride.into()), padding: padding.into(),
            dilation: dilation.into(), ceil_mode,
        };
        if case.max(&vec![0.0; input[0] * input[1] * case.planes]).1.contains(&-1) {
            prop_assert!(max_pool2d(images(1, pixels).view(), &arguments).is_err());
        } else if max_pool2d(images(1, pixels).view(), &arguments).is_ok() {
            check_max(1, channels, case);
        }
    }

    #[test]
    fn any_adaptive_size(input in [1usize..12, 1usize..9], output in [1usize..10, 1usize..13], channels in 1usize..20) {
        let x = images(5, [2, channels, input[0], input[1]]);
        let y = adaptive_avg_pool2d(x.view(), output).unwrap();
        let forward = |x: &[f64]| adaptive_mean(x, input, output);
        assert_close("output", slice(&y), &forward(&to_f64(slice(&x))), TOLERANCE);
        let dy = images(6, [2, channels, output[0], output[1]]);
        let dx = adaptive_avg_pool2d_backward(dy.view(), [2, channels, input[0], input[1]], output).unwrap();
        if channels < 3 {
            let expected = numeric_gradient(slice(&x), slice(&dy), forward);
            assert_close("d_input", slice(&dx), &expected, TOLERANCE);
        }
        check_bound(&AdaptiveAvgPool2d::new(output), &x, &dy, &dx, &y);
    }
}

#[test]
fn sums_over_large_windows_stay_exact() {
    let x = images(7, [1, 3, 200, 150]).mapv(|value| value + 100.0);
    let y = adaptive_avg_pool2d(x.view(), 1).unwrap();
    let expected = adaptive_mean(&to_f64(slice(&x)), [200, 150], [1, 1]);
    assert_close("output", slice(&y), &expected, TOLERANCE);
}

#[test]
fn nan_and_minus_infinity_pass_through_a_maximum() {
    let mut x = Array4::from_elem((1, 1, 2, 4), f32::NEG_INFINITY);
    x[[0, 0, 0, 2]] = f32::NAN;
    x[[0, 0, 1, 2]] = 3.0;
    let (y, indices) = max_pool2d_with_indices(x.view(), &MaxPool2d::new(2)).unwrap();
    assert_eq!(y[[0, 0, 0, 0]], f32::NEG_INFINITY);
    assert!(y[[0, 0, 0, 1]].is_nan());
    assert_eq!(indices.as_slice().unwrap(), [0, 2]);
}

#[test]
fn a_missing_output_size_is_the_inputs() {
    let x = images(8, [1, 2, 5, 4]);
    let y = adaptive_avg_pool2d(x.view(), OutputSize { rows: Some(2), columns: None }).unwrap();
    assert_eq!(y, adaptive_avg_pool2d(x.view(), [2, 4]).unwrap());
}

#[test]
fn wrong_arguments_are_named_with_their_numbers() {
    let x = Array4::from_shape_vec((1, 1, 3, 4), random(9, 12)).unwrap();
    let message = |arguments: &MaxPool2d| max_pool2d(x.view(), arguments).unwrap_err().to_string();
    assert_eq!(
        message(&MaxPool2d { padding: [0, 2].into(), ..MaxPool2d::new(3) }),
        "max_pool2d: padding is [0, 2], at most half of kernel_size [3, 3] is allowed"
    );
    assert_eq!(
        message(&MaxPool2d::new([4, 3])),
        "max_pool2d: a window covers [4, 3] pixels, the padded input has [3, 4]"
    );
    assert_eq!(
        message(&MaxPool2d { stride: Some([1, 0].into()), ..MaxPool2d::new(2) }),
        "max_pool2d: stride is [1, 0], each number must be at least 1"
    );
    let huge = MaxPool2d { dilation: usize::MAX.into(), ..MaxPool2d::new(2) };
    assert!(message(&huge).starts_with("max_pool2d: dilation is ["), "{}", message(&huge));
    let zero = AvgPool2d { divisor_override: Some(0), ..AvgPool2d::new(2) };
    assert_eq!(
        avg_pool2d(x.view(), &zero).unwrap_err().to_string(),
        "avg_pool2d: divisor_override is 0, sums cannot be divided by it"
    );
    assert!(adaptive_avg_pool2d(x.view(), [2, 0]).is_err());
    let dy = Array4::zeros((1, 1, 2, 2));
    assert_eq!(
        max_pool2d_backward(dy.view(), x.view(), &MaxPool2d::new(2)).unwrap_err().to_string(),
        "max_pool2d: output has shape [1, 1, 1, 2], its gradient [1, 1, 2, 2]"
    );
    let empty = Array4::<f32>::zeros((2, 0, 3, 3));
    assert!(max_pool2d(empty.view(), &MaxPool2d::new(2)).is_err());
    assert!(avg_pool2d(empty.view(), &AvgPool2d::new(2)).is_err());
    let no_images = Array4::<f32>::zeros((0, 2, 3, 3));
    assert_eq!(max_pool2d(no_images.view(), &MaxPool2d::new(2)).unwrap().shape(), [0, 2, 1, 1]);
}
