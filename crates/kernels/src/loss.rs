//! Losses of one row of values at a time.

use crate::elementwise::{Exponentials, exponentials, largest};

/// Cross entropy of the softmax of a row: `-sum of target(c) * log p(c)`, where `target` gives the weight of a class in
/// the sum. Writes `scale` times its gradient, `p(c) * sum of target - target(c)`, to `d_row`.
///
/// A class with target 0 is ignored, even if its value is minus infinity.
pub fn cross_entropy(row: &[f32], target: impl Fn(usize) -> f64, scale: f64, d_row: &mut [f32]) -> f64 {
    assert_eq!(row.len(), d_row.len());
    d_row.copy_from_slice(row);
    let Exponentials { largest, sum } = exponentials(d_row);
    let (log_sum, mut loss, mut weights) = (sum.ln(), 0.0, 0.0);
    for (class, &value) in row.iter().enumerate() {
        let weight = target(class);
        if weight != 0.0 {
            loss += weight * (log_sum - (f64::from(value) - f64::from(largest)));
            weights += weight;
        }
    }
    for (class, d) in d_row.iter_mut().enumerate() {
        *d = (scale * (f64::from(*d) / sum * weights - target(class))) as f32;
    }
    loss
}

/// The divergence between the probabilities `target` and the softmax of a row divided by `temperature`, times the
/// temperature squared: `T^2 * sum of target(c) * (log target(c) - log p(c))`. Adds `scale` times its gradient, `T *
/// (p(c) * sum of target - target(c))`, to `d_row`.
///
/// A class with target 0 is ignored, even if its value is minus infinity.
pub fn divergence(row: &[f32], target: &[f32], temperature: f64, scale: f64, d_row: &mut [f32]) -> f64 {
    assert!(row.len() == target.len() && row.len() == d_row.len());
    let largest = f64::from(largest(row));
    let cooled = |value: f32| (f64::from(value) - largest) / temperature;
    let sum: f64 = row.iter().map(|&value| cooled(value).exp()).sum();
    let (log_sum, mut divergence, mut weights) = (sum.ln(), 0.0, 0.0);
    for (&value, &target) in row.iter().zip(target) {
        let target = f64::from(target);
        if target != 0.0 {
            divergence += target * (target.ln() - cooled(value) + log_sum);
            weights += target;
        }
    }
    for ((&value, &target), d) in row.iter().zip(target).zip(d_row) {
        let p = cooled(value).exp() / sum;
        *d += (scale * temperature * (p * weights - f64::from(target))) as f32;
    }
    temperature * temperature * divergence
}

/// The sum of `(row(c) - target(c))^2`. Writes `scale` times its gradient, `2 * (row(c) - target(c))`, to `d_row`.
pub fn squared_error(row: &[f32], target: impl Fn(usize) -> f32, scale: f64, d_row: &mut [f32]) -> f64 {
    assert_eq!(row.len(), d_row.len());
    let mut loss = 0.0;
    for (class, (&value, d)) in row.iter().zip(d_row).enumerate() {
        let error = f64::from(value) - f64::from(target(class));
        loss += error * error;
        *d = (scale * 2.0 * error) as f32;
    }
    loss
}
