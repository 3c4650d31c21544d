//! The losses as training evaluates them.

use convscope_ops::Loss;
use convscope_testkit::{assert_close, layers, numeric_gradient, random, to_f64};

const LABELS: [usize; 4] = [2, 0, 4, 2];
const CLASSES: usize = 5;

/// Evaluates the four images in two chunks of a batch of `batch`.
fn evaluate(loss: Loss, logits: &[f32], batch: usize) -> (f64, Vec<f32>) {
    let mut d = vec![f32::NAN; logits.len()];
    let mut sum = 0.0;
    for (first, count) in [(0, 3), (3, 1)] {
        let range = first * CLASSES..(first + count) * CLASSES;
        let labels = &LABELS[first..first + count];
        sum += loss.evaluate(&logits[range.clone()], labels, CLASSES, batch, &mut d[range]);
    }
    (sum, d)
}

fn one_hot(hit: f64, everywhere: f64) -> Vec<f64> {
    let target = |i: usize| everywhere + if i % CLASSES == LABELS[i / CLASSES] { hit } else { 0.0 };
    (0..LABELS.len() * CLASSES).map(target).collect()
}

#[test]
fn cross_entropy_equals_its_formula() {
    let logits: Vec<f32> = random(1, 20).iter().map(|x| x * 20.0).collect();
    for label_smoothing in [0.0, 0.3] {
        let targets = one_hot(1.0 - label_smoothing, label_smoothing / CLASSES as f64);
        let forward = |x: &[f64]| vec![layers::cross_entropy_rows(x, &targets, CLASSES).iter().sum()];
        let (sum, d) = evaluate(Loss::CrossEntropy { label_smoothing }, &logits, 7);
        assert_close("loss", &[sum as f32], &forward(&to_f64(&logits)), 1e-6);
        assert_close("d_logits", &d, &numeric_gradient(&logits, &[1.0 / 7.0], forward), 1e-6);
    }
}

#[test]
fn mean_squared_error_equals_its_formula() {
    let logits = random(2, 20);
    let targets = one_hot(1.0, 0.0);
    let forward = |x: &[f64]| {
        vec![x.iter().zip(&targets).map(|(x, t)| (x - t) * (x - t)).sum::<f64>() / CLASSES as f64]
    };
    let (sum, d) = evaluate(Loss::MeanSquaredError, &logits, 4);
    assert_close("loss", &[sum as f32], &forward(&to_f64(&logits)), 1e-6);
    assert_close("d_logits", &d, &numeric_gradient(&logits, &[0.25], forward), 1e-6);
}

#[test]
fn large_and_infinite_logits_are_borne() {
    let mut d = [f32::NAN; 3];
    let sum = Loss::CROSS_ENTROPY.evaluate(&[1e5, -1e5, f32::NEG_INFINITY], &[1], 3, 1, &mut d);
    assert_eq!((sum, d), (2e5, [1.0, -1.0, 0.0]));
    assert!(Loss::CROSS_ENTROPY.evaluate(&[f32::NAN, 0.0, 0.0], &[1], 3, 1, &mut d).is_nan());
}

#[test]
fn smoothing_is_a_share() {
    assert!(Loss::CrossEntropy { label_smoothing: 1.0 }.check().is_ok());
    let message = Loss::CrossEntropy { label_smoothing: -0.1 }.check().unwrap_err().to_string();
    assert_eq!(message, "cross_entropy: label_smoothing is -0.1, must be from 0 to 1");
    assert!(Loss::CrossEntropy { label_smoothing: f64::NAN }.check().is_err());
}
