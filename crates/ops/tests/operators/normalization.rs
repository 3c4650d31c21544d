//! batch_norm.

use crate::common::{Run, array, parameters, slice};
use convscope_ops::*;
use convscope_testkit::{assert_close, layers, numeric_gradient, to_f64};
use ndarray::{Array1, ArrayD, Ix1, arr1};
use proptest::prelude::*;

const TOLERANCE: f64 = 1e-6;
const EPS: f64 = 1e-3;

struct Case {
    shape: Vec<usize>,
    /// Added to the input.
    offset: f32,
    mode: Mode,
    affine: bool,
    momentum: Momentum,
}

fn vector(parameter: &Parameter) -> Array1<f32> {
    parameter.values.clone().into_dimensionality::<Ix1>().unwrap()
}

fn check(case: &Case) {
    let Case { ref shape, offset, mode, affine, momentum } = *case;
    let (count, channels, pixels) = (shape[0], shape[1], shape[2..].iter().product::<usize>());
    let x = array(1, shape).mapv(|x| x + offset);
    let dy = array(2, shape);
    let layer = BatchNorm { eps: EPS, momentum, affine };
    let shapes = [Shape::image(channels, [pixels, 1])];
    let mut given = parameters(&layer, &shapes);
    given.last_mut().unwrap().batches = 3;
    let first = if affine { 2 } else { 0 };
    let (mut running_mean, mut running_var) = (vector(&given[first]), vector(&given[first + 1]));
    let ones = Array1::ones(channels);
    let zeros = Array1::zeros(channels);
    let (weight, bias) =
        if affine { (vector(&given[0]), vector(&given[1])) } else { (ones.clone(), zeros.clone()) };

    // The oracle; gradients are its finite differences.
    let (w64, b64) = (to_f64(slice(&weight)), to_f64(slice(&bias)));
    let running: Vec<(f64, f64)> =
        running_mean.iter().zip(&running_var).map(|(&mean, &var)| (mean.into(), var.into())).collect();
    let forward = |x: &[f64], w: &[f64], b: &[f64]| {
        let moments = match mode {
            Mode::Training => layers::channel_moments(x, channels, pixels),
            Mode::Inference | Mode::Attribution => running.clone(),
        };
        layers::normalize(x, &moments, w, b, EPS, pixels)
    };
    let x64 = to_f64(slice(&x));
    let expected = forward(&x64, &w64, &b64);
    let by_x = numeric_gradient(slice(&x), slice(&dy), |x| forward(x, &w64, &b64));
    let by_w = numeric_gradient(slice(&weight), slice(&dy), |w| forward(&x64, w, &b64));
    let by_b = numeric_gradient(slice(&bias), slice(&dy), |b| forward(&x64, &w64, b));
    let share = if momentum == Momentum::Cumulative { 0.25 } else { 0.1 };
    let n = (count * pixels) as f64;
    let follow = |(&(batch_mean, batch_var), (mean, var)): (&(f64, f64), &(f64, f64))| match mode {
        Mode::Training => (
            mean * (1.0 - share) + batch_mean * share,
            var * (1.0 - share) + batch_var * n / (n - 1.0) * share,
        ),
        Mode::Inference | Mode::Attribution => (*mean, *var),
    };
    let moments = layers::channel_moments(&x64, channels, pixels);
    let (mean_after, var_after): (Vec<f64>, Vec<f64>) = moments.iter().zip(&running).map(follow).unzip();

    let arguments = BatchNormArguments { mode, momentum: momentum.share(4), eps: EPS };
    let (w, b) = if affine { (Some(weight.view()), Some(bias.view())) } else { (None, None) };
    let (mean, var) = (running_mean.clone(), running_var.clone());
    let d =
        batch_norm_backward(dy.view(), x.view(), Some(mean.view()), Some(var.view()), w, &arguments).unwrap();
    let (mean, var) = (Some(running_mean.view_mut()), Some(running_var.view_mut()));
    let y = batch_norm(x.view(), mean, var, w, b, &arguments).unwrap();
    assert_eq!(y.shape(), x.shape());
    assert_close("output", slice(&y), &expected, TOLERANCE);
    assert_close("running_mean", slice(&running_mean), &mean_after, TOLERANCE);
    assert_close("running_var", slice(&running_var), &var_after, TOLERANCE);
    assert_close("d_input", slice(&d.d_input), &by_x, TOLERANCE);
    assert_close("d_weight", slice(&d.d_weight), &by_w, TOLERANCE);
    assert_close("d_bias", slice(&d.d_bias), &by_b, TOLERANCE);

    for isa in Isa::available() {
        let run = Run { layer: &layer, shapes: &shapes, images: count, chunk: 2, mode, isa, seed: 0 };
        let passed = run.passes(&[slice(&x)], slice(&dy), given.clone());
        assert_close("bound output", &passed.output, &expected, TOLERANCE);
        assert_close("bound d_input", &passed.d_inputs[0], &by_x, TOLERANCE);
        if affine {
            assert_close("bound d_weight", &passed.d_parameters[0], &by_w, TOLERANCE);
            assert_close("bound d_bias", &passed.d_parameters[1], &by_b, TOLERANCE);
        }
        let after = &passed.parameters[first..];
        assert_close("bound running_mean", after[0].slice(), &mean_after, TOLERANCE);
        assert_close("bound running_var", after[1].slice(), &var_after, TOLERANCE);
        assert_eq!(after[2].batches, if mode == Mode::Training { 4 } else { 3 });
    }
}

#[test]
fn batch_norm_equals_its_formula() {
    for mode in [Mode::Training, Mode::Inference, Mode::Attribution] {
        for affine in [true, false] {
            for (shape, momentum) in [
                (vec![3, 2, 4, 5], Momentum::DEFAULT),
                (vec![5, 19], Momentum::Cumulative),
                (vec![1, 3, 2, 1], Momentum::DEFAULT),
                (vec![5, 1, 7], Momentum::DEFAULT),
            ] {
                check(&Case { shape, offset: 0.0, mode, affine, momentum });
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_batch(
        images in 4usize..8, channels in 1usize..36, height in 1usize..4, width in 1usize..4, offset in -3f32..3.0,
        training: bool, affine: bool, cumulative: bool,
    ) {
        let mode = if training { Mode::Training } else { Mode::Inference };
        let momentum = if cumulative { Momentum::Cumulative } else { Momentum::DEFAULT };
        // Many values of few channels, or few of many: the finite differences are slow.
        let channels = if height * width > 2 { channels % 3 + 1 } else { channels };
        check(&Case { shape: vec![images, channels, height, width], offset, mode, affine, momentum });
    }
}

#[test]
fn a_large_mean_costs_no_precision() {
    let (affine, momentum) = (true, Momentum::DEFAULT);
    check(&Case { shape: vec![3, 2, 4, 5], offset: 1000.3, mode: Mode::Training, affine, momentum });
}

#[test]
fn a_single_value_per_channel_is_an_error_of_the_function_and_safe_in_the_executor() {
    let arguments = BatchNormArguments { mode: Mode::Training, ..Default::default() };
    let message = batch_norm(array(1, &[1, 3, 1, 1]).view(), None, None, None, None, &arguments)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "batch_norm: input has shape [1, 3, 1, 1]; training needs two values per channel or more"
    );
    let (layer, shapes) = (BatchNorm::default(), [Shape::image(3, [1, 1])]);
    let given = parameters(&layer, &shapes);
    let isa = Isa::best();
    let run = Run { layer: &layer, shapes: &shapes, images: 1, chunk: 1, mode: Mode::Training, isa, seed: 0 };
    let passed = run.passes(&[&[0.5, -1.0, 2.0]], &[1.0, 2.0, 3.0], given.clone());
    assert_eq!(passed.output, given[1].slice());
    assert_eq!(passed.d_inputs[0], [0.0; 3]);
    assert_eq!(passed.parameters[2..4], given[2..4]);
}

#[test]
fn what_does_not_fit_is_named() {
    let x = array(1, &[4, 3]);
    let inference = BatchNormArguments::default();
    assert_eq!(
        batch_norm(x.view(), None, None, None, None, &inference).unwrap_err().to_string(),
        "batch_norm: running_mean is missing; inference needs it and running_var"
    );
    let training = BatchNormArguments { mode: Mode::Training, ..inference };
    let weight = arr1(&[1.0, 2.0]);
    assert_eq!(
        batch_norm(x.view(), None, None, Some(weight.view()), None, &training).unwrap_err().to_string(),
        "batch_norm: input has 3 channels, weight has 2"
    );
    let negative = BatchNormArguments { eps: -1.0, ..training };
    assert!(batch_norm(x.view(), None, None, None, None, &negative).is_err());
    assert!(batch_norm(ArrayD::zeros(vec![4]).view(), None, None, None, None, &training).is_err());
    assert!(batch_norm(ArrayD::zeros(vec![4, 0]).view(), None, None, None, None, &training).is_err());
}

/// Single precision cannot count beyond 2^24.
#[test]
fn batches_are_counted_beyond_single_precision() {
    let (layer, shapes) = (BatchNorm::default(), [Shape::image(3, [2, 2])]);
    let mut given = parameters(&layer, &shapes);
    given[4].batches = 1 << 24;
    let isa = Isa::best();
    let run = Run { layer: &layer, shapes: &shapes, images: 2, chunk: 1, mode: Mode::Training, isa, seed: 0 };
    let x = array(3, &[2, 3, 2, 2]);
    let passed = run.passes(&[slice(&x)], slice(&x), given);
    assert_eq!(passed.parameters[4].batches, (1 << 24) + 1);
}

/// A network rejects before training exactly what the function rejects.
#[test]
fn one_value_per_channel_cannot_be_trained_on() {
    let layer = BatchNorm::default();
    let small = [Shape::image(3, [1, 1])];
    assert_eq!(
        layer.check_batch(&small, 1).unwrap_err().to_string(),
        "batch_norm: a batch of one image of shape [3, 1, 1] has one value per channel; training needs two or more"
    );
    assert!(layer.check_batch(&[Shape::vector(5)], 1).is_err());
    assert_eq!(layer.check_batch(&small, 2), Ok(()));
    assert_eq!(layer.check_batch(&[Shape::image(3, [1, 2])], 1), Ok(()));
    let training = BatchNormArguments { mode: Mode::Training, ..BatchNormArguments::default() };
    let one = array(1, &[1, 3, 1, 1]);
    let refused = batch_norm(one.view(), None, None, None, None, &training).unwrap_err().to_string();
    assert!(refused.contains("training needs two values per channel or more"), "{refused}");
}
