//! Gradients from finite differences.

/// Half the distance of a central difference; in double precision its error is far below that of single precision.
const STEP: f64 = 1e-5;

/// The gradient with respect to `at` of `sum of forward(at) * d_output`, by central differences.
pub fn numeric_gradient(at: &[f32], d_output: &[f32], forward: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let mut at = to_f64(at);
    let weighted = |at: &[f64]| -> f64 {
        let output = forward(at);
        assert_eq!(output.len(), d_output.len(), "the oracle's output has a different length");
        output.iter().zip(d_output).map(|(y, &d)| y * f64::from(d)).sum()
    };
    (0..at.len())
        .map(|i| {
            let middle = at[i];
            at[i] = middle + STEP;
            let above = weighted(&at);
            at[i] = middle - STEP;
            let below = weighted(&at);
            at[i] = middle;
            (above - below) / (2.0 * STEP)
        })
        .collect()
}

/// The values in double precision.
pub fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}
