//! linear and flatten.

use crate::common::{Run, array, parameters, slice};
use convscope_ops::*;
use convscope_testkit::{assert_close, layers, numeric_gradient, to_f64};
use ndarray::{Array1, Ix1, Ix2};
use proptest::prelude::*;

const TOLERANCE: f64 = 1e-6;

fn check_linear(images: usize, in_features: usize, out_features: usize, bias: bool) {
    let layer = Linear { out_features, bias };
    let shapes = [Shape::vector(in_features)];
    let mut given = parameters(&layer, &shapes);
    // Scaled as in networks; otherwise the sums grow with the square root of their length.
    let scale = 1.0 / (in_features as f32).sqrt();
    given[0].values.mapv_inplace(|w| w * scale);
    let (x, dy) = (array(1, &[images, in_features]), array(2, &[images, out_features]));
    let weight = given[0].values.clone().into_dimensionality::<Ix2>().unwrap();
    let b: Option<Array1<f32>> = given.get(1).map(|b| b.values.clone().into_dimensionality::<Ix1>().unwrap());
    let y = linear(x.view(), weight.view(), b.as_ref().map(|b| b.view())).unwrap();
    let d = linear_backward(dy.view(), x.view(), weight.view()).unwrap();

    let (x64, w64) = (to_f64(slice(&x)), to_f64(slice(&weight)));
    let b64 = b.as_ref().map_or(vec![0.0; out_features], |b| to_f64(slice(b)));
    let expected = layers::linear(&x64, &w64, &b64, in_features);
    assert_close("output", slice(&y), &expected, TOLERANCE);
    let by_x = numeric_gradient(slice(&x), slice(&dy), |x| layers::linear(x, &w64, &b64, in_features));
    assert_close("d_input", slice(&d.d_input), &by_x, TOLERANCE);
    let by_w = numeric_gradient(slice(&weight), slice(&dy), |w| layers::linear(&x64, w, &b64, in_features));
    assert_close("d_weight", slice(&d.d_weight), &by_w, TOLERANCE);
    let zeros = vec![0.0; out_features];
    let by_b = numeric_gradient(&zeros, slice(&dy), |b| layers::linear(&x64, &w64, b, in_features));
    assert_close("d_bias", slice(&d.d_bias), &by_b, TOLERANCE);

    let modes = [Mode::Training, Mode::Attribution];
    for (isa, mode) in Isa::available().into_iter().flat_map(|isa| modes.map(|mode| (isa, mode))) {
        let run = Run { layer: &layer, shapes: &shapes, images, chunk: 2, mode, isa, seed: 0 };
        let passed = run.passes(&[slice(&x)], slice(&dy), given.clone());
        assert_close("bound output", &passed.output, &expected, TOLERANCE);
        assert_close("bound d_input", &passed.d_inputs[0], &by_x, TOLERANCE);
        assert_close("bound d_weight", &passed.d_parameters[0], &by_w, TOLERANCE);
        assert_eq!(passed.d_parameters.len(), if bias { 2 } else { 1 });
        if bias {
            assert_close("bound d_bias", &passed.d_parameters[1], &by_b, TOLERANCE);
        }
    }
}

#[test]
fn linear_equals_its_formula() {
    check_linear(1, 1, 1, true);
    check_linear(3, 7, 5, true);
    check_linear(5, 33, 17, false);
    check_linear(2, 300, 10, true);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_linear_map(images in 1usize..7, in_features in 1usize..40, out_features in 1usize..36, bias: bool) {
        check_linear(images, in_features, out_features, bias);
    }
}

#[test]
fn linear_takes_any_leading_axes() {
    let (x, weight) = (array(3, &[2, 3, 4]), array(4, &[5, 4]).into_dimensionality::<Ix2>().unwrap());
    let y = linear(x.view(), weight.view(), None).unwrap();
    assert_eq!(y.shape(), [2, 3, 5]);
    let rows = x.view().into_shape_with_order((6, 4)).unwrap();
    assert_eq!(slice(&y), slice(&linear(rows.into_dyn(), weight.view(), None).unwrap()));
    let row = array(5, &[4]);
    assert_eq!(linear(row.view(), weight.view(), None).unwrap().shape(), [5]);
    assert_eq!(linear(array(6, &[0, 4]).view(), weight.view(), None).unwrap().shape(), [0, 5]);
}

#[test]
fn linear_names_what_does_not_fit() {
    let weight = array(4, &[5, 4]).into_dimensionality::<Ix2>().unwrap();
    let message = linear(array(3, &[2, 3]).view(), weight.view(), None).unwrap_err().to_string();
    assert_eq!(message, "linear: input has 3 features, weight expects 4");
    let none = Linear::new(3).output_shape(&[Shape::new(&[]).unwrap()]).unwrap_err().to_string();
    assert_eq!(none, "linear: input is a single number, not [..., in_features]");
    assert!(linear(array(3, &[]).view(), weight.view(), None).is_err());
}

#[test]
fn flatten_keeps_pytorchs_order() {
    for shape in [Shape::image(3, [2, 5]), Shape::image(7, [1, 1]), Shape::vector(4)] {
        let (x, dy) = (array(1, &[3, shape.len()]), array(2, &[3, shape.len()]));
        for isa in Isa::available() {
            let layer = Flatten::default();
            let run = Run {
                layer: &layer,
                shapes: &[shape],
                images: 3,
                chunk: 2,
                mode: Mode::Training,
                isa,
                seed: 0,
            };
            let passed = run.passes(&[slice(&x)], slice(&dy), Vec::new());
            assert_eq!(passed.output, slice(&x));
            assert_eq!(passed.d_inputs[0], slice(&dy));
        }
    }
}

#[test]
fn flatten_joins_the_axes_that_are_asked_for() {
    let x = array(1, &[2, 3, 4, 5]);
    for (start, end, expected) in
        [(0, -1, vec![120]), (1, -1, vec![2, 60]), (-3, -2, vec![2, 12, 5]), (2, 2, vec![2, 3, 4, 5])]
    {
        let y = flatten(x.view(), start, end).unwrap();
        assert_eq!((y.shape(), slice(&y)), (expected.as_slice(), slice(&x)));
        assert_eq!(flatten_backward(y.view(), x.shape(), start, end).unwrap(), x);
    }
    assert_eq!(
        flatten(x.view(), 2, 1).unwrap_err().to_string(),
        "flatten: start_dim is 2, which comes after end_dim 1 of 4 axes"
    );
    assert_eq!(
        flatten(x.view(), 0, 4).unwrap_err().to_string(),
        "flatten: end_dim is 4, an input of 4 axes takes -4 to 3"
    );
    assert_eq!(flatten(array(1, &[]).view(), 0, -1).unwrap().shape(), [1]);
}
