//! Functions of single values, as loops that are vectorised for each instruction set.
//!
//! They are made of additions, multiplications, divisions and comparisons, each rounded by itself, so a function has the
//! same bits with every instruction set. The stated errors are relative to the result, or absolute where it is below 1.

mod approximate;

use crate::Isa;
use crate::elementwise::Loop;
use crate::simd::dispatch;
use crate::threads::{FEWEST_OF_PART, both};
use approximate::{exp, expm1, ln_1p, normal, sigmoid, tanh};
use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// A function of single values. NaN stays NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// `min(max(x, low), high)`.
    Clamp {
        /// The smallest result.
        low: f32,
        /// The largest result.
        high: f32,
    },
    /// `x` above zero, else `slope * x`.
    LeakyRelu {
        /// The factor of negative values.
        slope: f32,
    },
    /// `x` above zero, else `alpha * (exp(x) - 1)`, to 2e-7 of `alpha`.
    Elu {
        /// What it falls to, with its sign changed.
        alpha: f32,
    },
    /// `min(max(x + 3, 0), 6) / 6`.
    Hardsigmoid,
    /// `x * min(max(x + 3, 0), 6) / 6`.
    Hardswish,
    /// `1 / (1 + exp(-x))`, to 2e-7.
    Sigmoid,
    /// `x / (1 + exp(-x))`, to 3e-7.
    Silu,
    /// The hyperbolic tangent, to 2e-7.
    Tanh,
    /// `x * (1 + erf(x / sqrt(2))) / 2`, to 6e-7.
    Gelu,
    /// `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2`, to 6e-7.
    GeluTanh,
    /// `x * tanh(ln(1 + exp(x)))`, to 6e-7.
    Mish,
    /// `ln(1 + exp(beta * x)) / beta`, or `x` where `beta * x` exceeds the threshold; to 3e-7 of `1 / beta`.
    Softplus {
        /// How sharp the bend is.
        beta: f32,
        /// From where on it is a straight line.
        threshold: f32,
    },
}

/// A task for the formulas of a function.
trait Task {
    /// `value` maps an input to its output, `slope` to the derivative.
    fn run(self, value: impl Fn(f32) -> f32, slope: impl Fn(f32) -> f32);
}

impl Function {
    /// `y = f(x)`.
    pub fn apply(self, isa: Isa, x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), y.len());
        self.with_formulas(Apply { isa, x, y });
    }

    /// `x = f(x)`.
    pub fn apply_in_place(self, isa: Isa, x: &mut [f32]) {
        self.with_formulas(ApplyInPlace { isa, x });
    }

    /// [`Function::apply_in_place`] with the values in `parts`, on as many threads as are free.
    pub fn apply_in_parts(self, isa: Isa, x: &mut [f32], parts: usize) {
        if parts < 2 || x.len() < 2 * FEWEST_OF_PART {
            return self.apply_in_place(isa, x);
        }
        let (left, right) = x.split_at_mut((x.len() / 2).next_multiple_of(16));
        both(
            || self.apply_in_parts(isa, left, parts / 2),
            || self.apply_in_parts(isa, right, parts - parts / 2),
        );
    }

    /// `d_input = d_output * f'(x)`; where `f` has no derivative, PyTorch's convention applies.
    pub fn backward(self, isa: Isa, x: &[f32], d_output: &[f32], d_input: &mut [f32]) {
        assert!(x.len() == d_input.len() && d_output.len() == d_input.len());
        self.with_formulas(BackwardTask { isa, x, d_output, d_input });
    }

    fn with_formulas(self, task: impl Task) {
        match self {
            Function::Clamp { low, high } => {
                task.run(|x| clamp(x, low, high), |x| if x <= low || x >= high { 0.0 } else { 1.0 })
            }
            Function::LeakyRelu { slope } => {
                task.run(|x| if x > 0.0 { x } else { x * slope }, |x| if x > 0.0 { 1.0 } else { slope })
            }
            Function::Elu { alpha } => task.run(
                |x| if x > 0.0 { x } else { alpha * expm1(x) },
                |x| if x > 0.0 { 1.0 } else { alpha * exp(x) },
            ),
            Function::Hardsigmoid => task.run(
                |x| clamp(x + 3.0, 0.0, 6.0) / 6.0,
                |x| if x <= -3.0 || x >= 3.0 { 0.0 } else { 1.0 / 6.0 },
            ),
            Function::Hardswish => task.run(
                |x| x * clamp(x + 3.0, 0.0, 6.0) / 6.0,
                |x| {
                    let inside = if x < 3.0 { x / 3.0 + 0.5 } else { 1.0 };
                    if x <= -3.0 { 0.0 } else { inside }
                },
            ),
            Function::Sigmoid => task.run(sigmoid, |x| {
                let s = sigmoid(x);
                s * (1.0 - s)
            }),
            Function::Silu => task.run(
                |x| x * sigmoid(x),
                |x| {
                    let e = exp(-x);
                    let s = 1.0 / (1.0 + e);
                    // `e * s` is `1 - s` without its cancellation.
                    s * (1.0 + x * (e * s))
                },
            ),
            Function::Tanh => task.run(tanh, |x| {
                let y = tanh(x);
                1.0 - y * y
            }),
            Function::Gelu => task.run(
                |x| x * normal(x).0,
                |x| {
                    let (below, density) = normal(x);
                    below + x * (0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI * density)
                },
            ),
            Function::GeluTanh => task.run(
                |x| 0.5 * x * (1.0 + tanh(gelu_inner(x).0)),
                |x| {
                    // Beyond, it is straight, and powers would overflow.
                    let x = clamp(x, -10.0, 10.0);
                    let (inner, slope) = gelu_inner(x);
                    let t = tanh(inner);
                    0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope
                },
            ),
            Function::Mish => task.run(
                |x| x * tanh_of_softplus(x).0,
                |x| {
                    let (t, rest) = tanh_of_softplus(x);
                    let bend = t + x * sigmoid(x) * rest;
                    if x > 20.0 { 1.0 } else { bend }
                },
            ),
            Function::Softplus { beta, threshold } => task.run(
                |x| {
                    let scaled = beta * x;
                    let bend = (clamp(scaled, 0.0, f32::INFINITY) + ln_1p(exp(-scaled.abs()))) / beta;
                    if scaled > threshold { x } else { bend }
                },
                |x| {
                    let scaled = beta * x;
                    if scaled > threshold { 1.0 } else { sigmoid(scaled) }
                },
            ),
        }
    }
}

struct Apply<'a> {
    isa: Isa,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Task for Apply<'_> {
    fn run(self, value: impl Fn(f32) -> f32, _: impl Fn(f32) -> f32) {
        dispatch(self.isa, Loop(|| self.y.iter_mut().zip(self.x).for_each(|(y, &x)| *y = value(x))));
    }
}

struct ApplyInPlace<'a> {
    isa: Isa,
    x: &'a mut [f32],
}

impl Task for ApplyInPlace<'_> {
    fn run(self, value: impl Fn(f32) -> f32, _: impl Fn(f32) -> f32) {
        dispatch(self.isa, Loop(|| self.x.iter_mut().for_each(|x| *x = value(*x))));
    }
}

struct BackwardTask<'a> {
    isa: Isa,
    x: &'a [f32],
    d_output: &'a [f32],
    d_input: &'a mut [f32],
}

impl Task for BackwardTask<'_> {
    fn run(self, _: impl Fn(f32) -> f32, slope: impl Fn(f32) -> f32) {
        let BackwardTask { isa, x, d_output, d_input } = self;
        let run = || {
            let given = x.iter().zip(d_output);
            d_input.iter_mut().zip(given).for_each(|(d, (&x, &d_output))| *d = d_output * slope(x));
        };
        dispatch(isa, Loop(run));
    }
}

/// As `f32::clamp`, without a check of the limits.
#[inline(always)]
fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// The argument of the hyperbolic tangent in the approximation of gelu, and its derivative.
#[inline(always)]
fn gelu_inner(x: f32) -> (f32, f32) {
    const CUBIC: f32 = 0.044_715;
    // sqrt(2 / pi)
    let factor = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
    (factor * (x + CUBIC * x * x * x), factor * (1.0 + 3.0 * CUBIC * x * x))
}

/// `t = tanh(ln(1 + e)) = e (e + 2) / (e (e + 2) + 2)` with `e = exp(x)`, and `1 - t^2`.
#[inline(always)]
fn tanh_of_softplus(x: f32) -> (f32, f32) {
    let e = exp(clamp(x, f32::NEG_INFINITY, 20.0));
    let product = e * (e + 2.0);
    let inverse = 1.0 / (product + 2.0);
    (product * inverse, 4.0 * (product + 1.0) * inverse * inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All instruction sets have the same bits, from the smallest numbers to the largest.
    #[test]
    fn bits_do_not_depend_on_the_instruction_set() {
        let x: Vec<f32> = (0..40_000u32)
            .map(|i| f32::from_bits(i.wrapping_mul(0x9E37_79B9)))
            .chain((-4000..4000).map(|i| i as f32 / 100.0))
            .filter(|x| !x.is_nan())
            .collect();
        let all = [
            Function::Elu { alpha: 1.5 },
            Function::Hardswish,
            Function::Silu,
            Function::Tanh,
            Function::Gelu,
            Function::Mish,
            Function::Softplus { beta: 2.0, threshold: 15.0 },
        ];
        for function in all {
            let results = Isa::available().into_iter().map(|isa| {
                let (mut y, mut d) = (vec![0.0; x.len()], vec![0.0; x.len()]);
                function.apply(isa, &x, &mut y);
                function.backward(isa, &x, &vec![1.5; x.len()], &mut d);
                y.iter().chain(&d).map(|v| v.to_bits()).collect::<Vec<_>>()
            });
            let results: Vec<_> = results.collect();
            assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{function:?}");
        }
    }

    #[test]
    fn nan_stays_nan() {
        for function in
            [Function::Clamp { low: 0.0, high: 6.0 }, Function::Gelu, Function::Tanh, Function::Mish]
        {
            let mut y = [0.0; 3];
            function.apply(Isa::best(), &[f32::NAN, 1.0, f32::NAN], &mut y);
            assert!(y[0].is_nan() && !y[1].is_nan() && y[2].is_nan(), "{function:?}");
        }
    }
}
