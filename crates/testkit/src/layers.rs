//! Dense layers, activations, normalisation and losses, written like their formulas.

/// `y[r, o] = b[o] + sum over i of x[r, i] * w[o, i]`.
pub fn linear(x: &[f64], w: &[f64], b: &[f64], in_features: usize) -> Vec<f64> {
    let mut y = Vec::new();
    for row in x.chunks_exact(in_features) {
        for (o, weights) in w.chunks_exact(in_features).enumerate() {
            let sum: f64 = row.iter().zip(weights).map(|(x, w)| x * w).sum();
            y.push(sum + b.get(o).unwrap_or(&0.0));
        }
    }
    y
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid(x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect()
}

/// `log(exp(x) / sum of exp(x))` along the middle axis of `[outer, len, inner]`.
pub fn log_softmax(x: &[f64], len: usize, inner: usize) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for outer in 0..x.len() / (len * inner) {
        for i in 0..inner {
            let at = |k: usize| (outer * len + k) * inner + i;
            let largest = (0..len).map(|k| x[at(k)]).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = (0..len).map(|k| (x[at(k)] - largest).exp()).sum();
            (0..len).for_each(|k| y[at(k)] = x[at(k)] - largest - sum.ln());
        }
    }
    y
}

/// `exp` of [`log_softmax`].
pub fn softmax(x: &[f64], len: usize, inner: usize) -> Vec<f64> {
    log_softmax(x, len, inner).into_iter().map(f64::exp).collect()
}

/// Mean and variance (divided by the number of values) of each channel of `[batch, channels, pixels]`.
pub fn channel_moments(x: &[f64], channels: usize, pixels: usize) -> Vec<(f64, f64)> {
    (0..channels)
        .map(|c| {
            let planes = x.chunks_exact(pixels).skip(c).step_by(channels);
            let values: Vec<f64> = planes.flatten().copied().collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let var = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len() as f64;
            (mean, var)
        })
        .collect()
}

/// `(x - mean) / sqrt(var + eps) * weight + bias` per channel of `[batch, channels, pixels]`.
pub fn normalize(
    x: &[f64],
    moments: &[(f64, f64)],
    weight: &[f64],
    bias: &[f64],
    eps: f64,
    pixels: usize,
) -> Vec<f64> {
    let value = |(i, x): (usize, &f64)| {
        let c = i / pixels % moments.len();
        (x - moments[c].0) / (moments[c].1 + eps).sqrt() * weight[c] + bias[c]
    };
    x.iter().enumerate().map(value).collect()
}

/// The cross entropy of each row of `classes` logits against target weights of the same shape.
pub fn cross_entropy_rows(logits: &[f64], targets: &[f64], classes: usize) -> Vec<f64> {
    let log = log_softmax(logits, classes, 1);
    let rows = log.chunks_exact(classes).zip(targets.chunks_exact(classes));
    rows.map(|(log, target)| -log.iter().zip(target).map(|(log, target)| log * target).sum::<f64>()).collect()
}
