//! Comparison of our values with the expected ones.

use crate::Tensor;
use serde::Serialize;

/// How far a tensor is from what was expected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// `output`, `grad.weight`, ...
    pub tensor: String,
    /// `max |ours - expected| / max(1, max |expected|)` over the finite values; infinite if a NaN, an infinity or an
    /// integer differs.
    pub error: f64,
    /// The values that are farthest apart; `None` if all are equal.
    pub worst: Option<Worst>,
    /// Whether the error is within the case's tolerance.
    pub passed: bool,
}

/// The values of a tensor that are farthest apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worst {
    /// Index along each axis.
    pub position: Vec<usize>,
    /// Our value.
    pub ours: f64,
    /// The expected value.
    pub expected: f64,
}

impl Comparison {
    /// Compares two tensors of the same shape and type; fails, with the reason, if they differ in either.
    pub(crate) fn new(
        tensor: &str,
        ours: &Tensor,
        expected: &Tensor,
        tolerance: f64,
    ) -> Result<Comparison, String> {
        if ours.shape() != expected.shape() {
            return Err(format!("has shape {:?}, expected {:?}", ours.shape(), expected.shape()));
        }
        let integers = matches!(ours, Tensor::I64(_));
        if integers != matches!(expected, Tensor::I64(_)) {
            return Err(format!("has type {}, expected {}", ours.dtype(), expected.dtype()));
        }
        let (values, wanted) = (numbers(ours), numbers(expected));
        let finite = wanted.iter().filter(|value| value.is_finite());
        let size = finite.fold(1.0f64, |size, value| size.max(value.abs()));
        let distance = |(&ours, &expected): (&f64, &f64)| {
            if ours == expected || ours.is_nan() && expected.is_nan() {
                0.0
            } else if integers || !ours.is_finite() || !expected.is_finite() {
                f64::INFINITY
            } else {
                (ours - expected).abs() / size
            }
        };
        let mut worst = (0, 0.0);
        for (at, distance) in values.iter().zip(&wanted).map(distance).enumerate() {
            if distance > worst.1 {
                worst = (at, distance);
            }
        }
        let (at, error) = worst;
        Ok(Comparison {
            tensor: tensor.to_owned(),
            error,
            worst: (error > 0.0).then(|| Worst {
                position: position(at, ours.shape()),
                ours: values[at],
                expected: wanted[at],
            }),
            passed: error <= tolerance,
        })
    }

    /// Whether it compares a gradient.
    pub fn is_backward(&self) -> bool {
        self.tensor.starts_with("grad.")
    }
}

/// Values in double precision, which represents every index of an image exactly.
fn numbers(tensor: &Tensor) -> Vec<f64> {
    match tensor {
        Tensor::F32(array) => array.iter().map(|&value| f64::from(value)).collect(),
        Tensor::F64(array) => array.iter().copied().collect(),
        Tensor::I64(array) => array.iter().map(|&value| value as f64).collect(),
    }
}

fn position(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut position = vec![0; shape.len()];
    for (index, &len) in position.iter_mut().zip(shape).rev() {
        *index = at % len;
        at /= len;
    }
    position
}
