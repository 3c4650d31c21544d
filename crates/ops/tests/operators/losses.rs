//! The losses as training evaluates them, and with all of PyTorch's arguments.

use crate::common::{array, slice};
use convscope_ops::*;
use convscope_testkit::{assert_close, layers, numeric_gradient, random, to_f64};
use ndarray::{Array1, ArrayD, IxDyn};

const LABELS: [usize; 4] = [2, 0, 4, 2];
const CLASSES: usize = 5;

/// Evaluates the four images in two chunks of a batch of `batch`.
fn evaluate(loss: Loss, logits: &[f32], batch: usize) -> (f64, Vec<f32>) {
    let mut d = vec![f32::NAN; logits.len()];
    let mut sum = 0.0;
    for (first, count) in [(0, 3), (3, 1)] {
        let range = first * CLASSES..(first + count) * CLASSES;
        let labels = Labels::new(&LABELS).part(first..first + count);
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

/// Against class probabilities, as recorded by `fixtures/mixed_labels.py`.
#[test]
fn mixed_labels_are_pytorchs_class_probabilities() {
    let recorded = include_str!("../../../../fixtures/mixed_labels.json");
    let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let whole = |name: &str| -> Vec<usize> { numbers(&recorded[name]).iter().map(|&n| n as usize).collect() };
    let single = |name: &str| -> Vec<f32> { numbers(&recorded[name]).iter().map(|&n| n as f32).collect() };
    let (labels, others, shares) = (whole("labels"), whole("others"), single("shares"));
    let (logits, classes) = (single("logits"), recorded["classes"].as_u64().unwrap() as usize);
    let images = labels.len();
    let cases = recorded["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let loss = Loss::CrossEntropy { label_smoothing: case["label_smoothing"].as_f64().unwrap() };
        let mut d_logits = vec![f32::NAN; logits.len()];
        let mut sum = 0.0;
        for part in [0..2, 2..images] {
            let range = part.start * classes..part.end * classes;
            let labels = Labels::mixed(&labels, &others, &shares).part(part);
            sum += loss.evaluate(&logits[range.clone()], labels, classes, images, &mut d_logits[range]);
        }
        assert_close("loss", &[(sum / images as f64) as f32], &[case["loss"].as_f64().unwrap()], 1e-6);
        assert_close("d_logits", &d_logits, &numbers(&case["d_logits"]), 1e-6);
    }
}

#[test]
fn soft_targets_add_their_divergence() {
    let logits: Vec<f32> = random(3, 20).iter().map(|x| x * 20.0).collect();
    let soft: Vec<f32> = random(4, 20)
        .chunks(CLASSES)
        .flat_map(|row| row.iter().map(|x| x.abs() / row.iter().map(|x| x.abs()).sum::<f32>()))
        .collect();
    let (share, temperature) = (0.625, 3.0);
    let labels =
        Labels::new(&LABELS).with_soft_targets(SoftTargets { probabilities: &soft, share, temperature });
    let hard = one_hot(1.0, 0.0);
    let entropy: f64 = soft.iter().map(|&q| f64::from(q) * f64::from(q).ln()).sum();
    let forward = |x: &[f64]| {
        let cooled: Vec<f64> = x.iter().map(|x| x / temperature).collect();
        let of_labels: f64 = layers::cross_entropy_rows(x, &hard, CLASSES).iter().sum();
        let of_soft: f64 = layers::cross_entropy_rows(&cooled, &to_f64(&soft), CLASSES).iter().sum();
        vec![(1.0 - share) * of_labels + share * temperature * temperature * (of_soft + entropy)]
    };
    let mut d = vec![f32::NAN; 20];
    let mut sum = 0.0;
    for part in [0..3, 3..4] {
        let range = part.start * CLASSES..part.end * CLASSES;
        let rows = &logits[range.clone()];
        sum += Loss::CROSS_ENTROPY.evaluate(rows, labels.part(part), CLASSES, 7, &mut d[range]);
    }
    assert_close("loss", &[sum as f32], &forward(&to_f64(&logits)), 1e-6);
    assert_close("d_logits", &d, &numeric_gradient(&logits, &[1.0 / 7.0], forward), 1e-6);
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
    let sum = Loss::CROSS_ENTROPY.evaluate(&[1e5, -1e5, f32::NEG_INFINITY], Labels::new(&[1]), 3, 1, &mut d);
    assert_eq!((sum, d), (2e5, [1.0, -1.0, 0.0]));
    assert!(Loss::CROSS_ENTROPY.evaluate(&[f32::NAN, 0.0, 0.0], Labels::new(&[1]), 3, 1, &mut d).is_nan());
}

#[test]
fn smoothing_is_a_share() {
    assert!(Loss::CrossEntropy { label_smoothing: 1.0 }.check().is_ok());
    let message = Loss::CrossEntropy { label_smoothing: -0.1 }.check().unwrap_err().to_string();
    assert_eq!(message, "cross_entropy: label_smoothing is -0.1, must be from 0 to 1");
    assert!(Loss::CrossEntropy { label_smoothing: f64::NAN }.check().is_err());
}

/// Reduces as PyTorch does; `divisor` is that of the mean.
fn reduced(losses: Vec<f64>, reduction: Reduction, divisor: f64) -> Vec<f64> {
    match reduction {
        Reduction::None => losses,
        Reduction::Sum => vec![losses.iter().sum()],
        Reduction::Mean => vec![losses.iter().sum::<f64>() / divisor],
    }
}

const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Mean, Reduction::Sum];

/// All of cross entropy's arguments on logits `[3, 5, 2, 4]`, whose classes are not the last axis.
#[test]
fn cross_entropy_with_every_argument() {
    let x = array(1, &[3, CLASSES, 2, 4]).mapv(|x| x * 9.0);
    let classes = ArrayD::from_shape_fn(IxDyn(&[3, 2, 4]), |at| (at[0] * 3 + at[1] * 2 + at[2]) as i64 % 5);
    let probabilities = softmax(array(2, &[3, CLASSES, 2, 4]).view(), 1).unwrap();
    let weight: Array1<f32> = (0..CLASSES).map(|c| 0.25 + c as f32).collect();
    for reduction in REDUCTIONS {
        for label_smoothing in [0.0, 0.3] {
            for weighted in [false, true] {
                for as_classes in [false, true] {
                    let arguments = CrossEntropyArguments { ignore_index: 2, reduction, label_smoothing };
                    let w = |c: usize| if weighted { f64::from(weight[c]) } else { 1.0 };
                    // One row of target weights for each pixel, straight from the formulas.
                    let mut targets = Vec::new();
                    let mut divisor = 0.0;
                    for (at, &class) in classes.indexed_iter() {
                        let ignored = as_classes && class == 2;
                        divisor += match (as_classes, ignored) {
                            (true, true) => 0.0,
                            (true, false) => w(class as usize),
                            (false, _) => 1.0,
                        };
                        for c in 0..CLASSES {
                            let share = if as_classes {
                                if c as i64 == class { 1.0 } else { 0.0 }
                            } else {
                                f64::from(probabilities[[at[0], c, at[1], at[2]].as_slice()])
                            };
                            let smooth = (1.0 - label_smoothing) * share + label_smoothing / CLASSES as f64;
                            targets.push(if ignored { 0.0 } else { w(c) * smooth });
                        }
                    }
                    let forward = |x: &[f64]| {
                        // Classes side by side.
                        let logits: Vec<f64> = (0..x.len())
                            .map(|i| x[(i / 40 * CLASSES + i % CLASSES) * 8 + i / CLASSES % 8])
                            .collect();
                        reduced(layers::cross_entropy_rows(&logits, &targets, CLASSES), reduction, divisor)
                    };
                    let target = || match as_classes {
                        true => Target::Classes(classes.view()),
                        false => Target::Probabilities(probabilities.view()),
                    };
                    let given = weighted.then(|| weight.view());
                    let y = cross_entropy(x.view(), target(), given, &arguments).unwrap();
                    let shape: &[usize] = if reduction == Reduction::None { &[3, 2, 4] } else { &[] };
                    assert_eq!(y.shape(), shape);
                    assert_close("loss", slice(&y), &forward(&to_f64(slice(&x))), 1e-6);
                    let dy = array(3, shape);
                    let d = cross_entropy_backward(dy.view(), x.view(), target(), given, &arguments).unwrap();
                    let expected = numeric_gradient(slice(&x), slice(&dy), forward);
                    assert_close("d_input", slice(&d), &expected, 1e-6);
                }
            }
        }
    }
}

#[test]
fn cross_entropy_of_one_image_and_of_nothing_but_ignored_ones() {
    let x = array(1, &[4]);
    let class = ndarray::arr0(2i64).into_dyn();
    let arguments = CrossEntropyArguments::default();
    let one = cross_entropy(x.view(), Target::Classes(class.view()), None, &arguments).unwrap();
    let log = layers::log_softmax(&to_f64(slice(&x)), 4, 1);
    assert_close("loss", slice(&one), &[-log[2]], 1e-6);
    let ignored = ndarray::arr0(-100i64).into_dyn();
    let nan = cross_entropy(x.view(), Target::Classes(ignored.view()), None, &arguments).unwrap();
    assert!(nan.sum().is_nan());
    let dy = ArrayD::<f32>::ones(vec![]);
    let target = Target::Classes(ignored.view());
    let d = cross_entropy_backward(dy.view(), x.view(), target, None, &arguments).unwrap();
    assert_eq!(slice(&d), [0.0; 4]);
}

#[test]
fn cross_entropy_names_what_does_not_fit() {
    let x = array(1, &[2, 3]);
    let arguments = CrossEntropyArguments::default();
    let message = |target: &ArrayD<i64>| {
        let target = Target::Classes(target.view());
        cross_entropy(x.view(), target, None, &arguments).unwrap_err().to_string()
    };
    let classes = |values: &[i64]| Array1::from(values.to_vec()).into_dyn();
    assert_eq!(message(&classes(&[0, 3])), "cross_entropy: target has class 3, input has classes 0 to 2");
    assert_eq!(message(&classes(&[0, -1])), "cross_entropy: target has class -1, input has classes 0 to 2");
    assert_eq!(
        message(&classes(&[0])),
        "cross_entropy: input has shape [2, 3], which needs a target [2], not [1]"
    );
    let (target, weight) = (classes(&[0, 1]), Array1::ones(2));
    let target = || Target::Classes(target.view());
    assert_eq!(
        cross_entropy(x.view(), target(), Some(weight.view()), &arguments).unwrap_err().to_string(),
        "cross_entropy: input has 3 classes, weight has 2"
    );
    let smooth = CrossEntropyArguments { label_smoothing: 1.5, ..arguments };
    assert!(cross_entropy(x.view(), target(), None, &smooth).is_err());
    let dy = array(1, &[2]);
    assert!(cross_entropy_backward(dy.view(), x.view(), target(), None, &arguments).is_err());
}

#[test]
fn mse_loss_with_every_reduction() {
    let (x, t) = (array(1, &[3, 4, 2]), array(2, &[3, 4, 2]));
    for reduction in REDUCTIONS {
        let t64 = to_f64(slice(&t));
        let forward = |x: &[f64]| {
            let losses = x.iter().zip(&t64).map(|(x, t)| (x - t) * (x - t)).collect();
            reduced(losses, reduction, 24.0)
        };
        let y = mse_loss(x.view(), t.view(), reduction).unwrap();
        assert_close("loss", slice(&y), &forward(&to_f64(slice(&x))), 1e-6);
        let dy = array(3, y.shape());
        let d = mse_loss_backward(dy.view(), x.view(), t.view(), reduction).unwrap();
        let expected = numeric_gradient(slice(&x), slice(&dy), forward);
        assert_close("d_input", slice(&d), &expected, 1e-6);
    }
    let other = array(4, &[3, 2, 4]);
    let message = mse_loss(x.view(), other.view(), Reduction::Sum).unwrap_err().to_string();
    assert_eq!(message, "mse_loss: input has shape [3, 4, 2], target [3, 2, 4]");
}
