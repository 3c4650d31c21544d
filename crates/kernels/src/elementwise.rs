//! Loops over single values and over rows: activations and sums.

use crate::Isa;
use crate::simd::{Kernel, Simd, dispatch};

/// A loop that the compiler vectorises with the features of the selected instruction set.
pub(crate) struct Loop<F>(pub(crate) F);

impl<F: FnOnce()> Kernel for Loop<F> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        (self.0)();
    }
}

/// `x = max(0, x)`; NaN stays NaN.
pub fn relu(isa: Isa, x: &mut [f32]) {
    dispatch(isa, Loop(|| x.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x })));
}

/// `d = 0` where the output of [`relu`] is zero.
pub fn relu_backward(isa: Isa, output: &[f32], d: &mut [f32]) {
    assert_eq!(output.len(), d.len());
    let run = || d.iter_mut().zip(output).for_each(|(d, &y)| *d = if y <= 0.0 { 0.0 } else { *d });
    dispatch(isa, Loop(run));
}

/// `d = d * y * (1 - y)` for an output `y` of the sigmoid.
pub fn sigmoid_backward(isa: Isa, output: &[f32], d: &mut [f32]) {
    assert_eq!(output.len(), d.len());
    dispatch(isa, Loop(|| d.iter_mut().zip(output).for_each(|(d, &y)| *d *= y * (1.0 - y))));
}

/// Softmax of each row of `len` values: `exp(x - max) / sum of exp(x - max)`.
pub fn softmax(x: &mut [f32], len: usize) {
    for row in x.chunks_exact_mut(len) {
        let Exponentials { sum, .. } = exponentials(row);
        row.iter_mut().for_each(|value| *value = (f64::from(*value) / sum) as f32);
    }
}

/// What is left of a row whose values became `exp(x - max)`.
pub(crate) struct Exponentials {
    /// The largest value before.
    pub(crate) largest: f32,
    /// The sum of all values now.
    pub(crate) sum: f64,
}

/// `x = exp(x - max)`, which no large value makes infinite.
pub(crate) fn exponentials(row: &mut [f32]) -> Exponentials {
    let largest = largest(row);
    let mut sum = 0.0f64;
    for value in row.iter_mut() {
        *value = (*value - largest).exp();
        sum += f64::from(*value);
    }
    Exponentials { largest, sum }
}

pub(crate) fn largest(row: &[f32]) -> f32 {
    row.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// `d = y * (d - sum of d * y)` for each row of an output `y` of [`softmax`].
pub fn softmax_backward(output: &[f32], d: &mut [f32], len: usize) {
    for (row, d) in output.chunks_exact(len).zip(d.chunks_exact_mut(len)) {
        let sum: f64 = row.iter().zip(d.iter()).map(|(&y, &d)| f64::from(y) * f64::from(d)).sum();
        d.iter_mut().zip(row).for_each(|(d, &y)| *d = (f64::from(y) * (f64::from(*d) - sum)) as f32);
    }
}

/// Logarithm of [`softmax`]: `x - max - log(sum of exp(x - max))` for each row of `len` values.
pub fn log_softmax(x: &mut [f32], len: usize) {
    for row in x.chunks_exact_mut(len) {
        let largest = largest(row);
        let sum: f64 = row.iter().map(|&value| f64::from((value - largest).exp())).sum();
        // In this order, so that a large maximum does not swallow the logarithm.
        let (log, largest) = (sum.ln(), f64::from(largest));
        row.iter_mut().for_each(|value| *value = (f64::from(*value) - largest - log) as f32);
    }
}

/// `d = d - exp(y) * sum of d` for each row of an output `y` of [`log_softmax`].
pub fn log_softmax_backward(output: &[f32], d: &mut [f32], len: usize) {
    for (row, d) in output.chunks_exact(len).zip(d.chunks_exact_mut(len)) {
        let sum: f64 = d.iter().map(|&d| f64::from(d)).sum();
        d.iter_mut().zip(row).for_each(|(d, &y)| *d = (f64::from(*d) - f64::from(y).exp() * sum) as f32);
    }
}

/// `output = input * factor`.
pub fn scale(isa: Isa, input: &[f32], factor: f32, output: &mut [f32]) {
    assert_eq!(input.len(), output.len());
    dispatch(isa, Loop(|| output.iter_mut().zip(input).for_each(|(y, &x)| *y = x * factor)));
}

/// `into += from`.
pub fn add_assign(isa: Isa, into: &mut [f32], from: &[f32]) {
    assert_eq!(into.len(), from.len());
    dispatch(isa, Loop(|| into.iter_mut().zip(from).for_each(|(sum, &value)| *sum += value)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relu_keeps_nan_and_stops_gradients_at_zero() {
        for isa in Isa::available() {
            let mut x = [-1.0, 0.0, 2.0, f32::NAN];
            relu(isa, &mut x);
            assert_eq!(x[..3], [0.0, 0.0, 2.0]);
            assert!(x[3].is_nan());
            let mut d = [5.0; 4];
            relu_backward(isa, &x, &mut d);
            assert_eq!(d, [0.0, 0.0, 5.0, 5.0]);
        }
    }

    #[test]
    fn softmax_bears_large_inputs() {
        let mut x = [1e4, 1e4, -1e4, 0.0, 0.0, 0.0];
        softmax(&mut x, 3);
        assert_eq!(x[..3], [0.5, 0.5, 0.0]);
        assert!(x[3..].iter().all(|value| (value - 1.0 / 3.0).abs() < 1e-7));
    }
}
