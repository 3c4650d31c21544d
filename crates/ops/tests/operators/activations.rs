//! relu, sigmoid and softmax.

use crate::common::{Run, array, slice};
use convscope_ops::*;
use convscope_testkit::{assert_close, layers, numeric_gradient, to_f64};
use ndarray::ArrayD;
use proptest::prelude::*;

const TOLERANCE: f64 = 1e-6;

/// Compares the bound form on every instruction set with the function's result for `[N, C, H, W]`.
fn check_bound(layer: &dyn Layer, x: &ArrayD<f32>, y: &ArrayD<f32>, dy: &ArrayD<f32>, dx: &ArrayD<f32>) {
    let &[images, channels, height, width] = x.shape() else { panic!("four axes") };
    let shapes = [Shape::image(channels, [height, width])];
    for isa in Isa::available() {
        let run = Run { layer, shapes: &shapes, images, chunk: 2, mode: Mode::Training, isa, seed: 0 };
        let passed = run.passes(&[slice(x)], slice(dy), Vec::new());
        assert_close(&format!("{isa} output"), &passed.output, &to_f64(slice(y)), TOLERANCE);
        assert_close(&format!("{isa} d_input"), &passed.d_inputs[0], &to_f64(slice(dx)), TOLERANCE);
    }
}

#[test]
fn relu_equals_its_formula() {
    let x = array(1, &[3, 19, 2, 5]);
    let (y, dy) = (relu(x.view()), array(2, &[3, 19, 2, 5]));
    let dx = relu_backward(dy.view(), y.view()).unwrap();
    for ((&x, &y), (&dy, &dx)) in x.iter().zip(&y).zip(dy.iter().zip(&dx)) {
        assert_eq!((y, dx), if x > 0.0 { (x, dy) } else { (0.0, 0.0) });
    }
    check_bound(&Relu {}, &x, &y, &dy, &dx);
}

#[test]
fn sigmoid_equals_its_formula() {
    let x = array(3, &[3, 19, 2, 5]).mapv(|x| x * 9.0);
    let (y, dy) = (sigmoid(x.view()), array(4, &[3, 19, 2, 5]));
    assert_close("output", slice(&y), &layers::sigmoid(&to_f64(slice(&x))), TOLERANCE);
    let dx = sigmoid_backward(dy.view(), y.view()).unwrap();
    let expected = numeric_gradient(slice(&x), slice(&dy), layers::sigmoid);
    assert_close("d_input", slice(&dx), &expected, TOLERANCE);
    check_bound(&Sigmoid {}, &x, &y, &dy, &dx);
}

#[test]
fn softmax_equals_its_formula_along_every_axis() {
    let shape = [3, 5, 2, 4];
    for axis in 0..4 {
        let (len, inner) = (shape[axis], shape[axis + 1..].iter().product());
        let x = array(5, &shape).mapv(|x| x * 30.0);
        let dim = if axis == 2 { -2 } else { axis as isize };
        let (y, dy) = (softmax(x.view(), dim).unwrap(), array(6, &shape));
        let forward = |x: &[f64]| layers::softmax(x, len, inner);
        assert_close("output", slice(&y), &forward(&to_f64(slice(&x))), TOLERANCE);
        let dx = softmax_backward(dy.view(), y.view(), dim).unwrap();
        let expected = numeric_gradient(slice(&x), slice(&dy), forward);
        assert_close("d_input", slice(&dx), &expected, TOLERANCE);
        if axis == 1 {
            check_bound(&Softmax::default(), &x, &y, &dy, &dx);
        }
    }
}

#[test]
fn log_softmax_equals_its_formula_along_every_axis() {
    let shape = [3, 5, 2, 4];
    for axis in 0..4 {
        let (len, inner) = (shape[axis], shape[axis + 1..].iter().product());
        let x = array(5, &shape).mapv(|x| x * 30.0);
        let dim = if axis == 2 { -2 } else { axis as isize };
        let (y, dy) = (log_softmax(x.view(), dim).unwrap(), array(6, &shape));
        let forward = |x: &[f64]| layers::log_softmax(x, len, inner);
        assert_close("output", slice(&y), &forward(&to_f64(slice(&x))), TOLERANCE);
        let dx = log_softmax_backward(dy.view(), y.view(), dim).unwrap();
        let expected = numeric_gradient(slice(&x), slice(&dy), forward);
        assert_close("d_input", slice(&dx), &expected, TOLERANCE);
        if axis == 1 {
            check_bound(&LogSoftmax::default(), &x, &y, &dy, &dx);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_shape_along_any_axis(outer in 1usize..4, len in 1usize..20, inner in 1usize..4, size in 0.1f32..50.0) {
        let x = array(1, &[outer, len, inner]).mapv(|x| x * size);
        let dy = array(2, &[outer, len, inner]);
        let log = |x: &[f64]| layers::log_softmax(x, len, inner);
        let y = log_softmax(x.view(), 1).unwrap();
        assert_close("log_softmax", slice(&y), &log(&to_f64(slice(&x))), TOLERANCE);
        let d = log_softmax_backward(dy.view(), y.view(), -2).unwrap();
        assert_close("its gradient", slice(&d), &numeric_gradient(slice(&x), slice(&dy), log), TOLERANCE);
        let plain = |x: &[f64]| layers::softmax(x, len, inner);
        let y = softmax(x.view(), 1).unwrap();
        assert_close("softmax", slice(&y), &plain(&to_f64(slice(&x))), TOLERANCE);
        let d = softmax_backward(dy.view(), y.view(), 1).unwrap();
        assert_close("its gradient", slice(&d), &numeric_gradient(slice(&x), slice(&dy), plain), TOLERANCE);
        assert_close("sigmoid", slice(&sigmoid(x.view())), &layers::sigmoid(&to_f64(slice(&x))), TOLERANCE);
    }
}

#[test]
fn axes_that_are_not_there_are_errors() {
    let x = array(7, &[2, 3]);
    assert_eq!(
        softmax(x.view(), 2).unwrap_err().to_string(),
        "softmax: dim is 2, an input of 2 axes takes -2 to 1"
    );
    assert!(softmax(x.view(), -3).is_err());
    assert_eq!(softmax(array(8, &[]).view(), -1).unwrap(), ArrayD::<f32>::ones(vec![]));
    assert_eq!(softmax(array(8, &[0, 3]).view(), 0).unwrap().shape(), [0, 3]);
}
