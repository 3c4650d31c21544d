//! Exponentials and their kin in single precision, in a form that compilers vectorise.
//!
//! Coefficients: `exp` and `tanh` from the Cephes library (Moshier, `expf.c` and `tanhf.c`), `normal` from Abramowitz and
//! Stegun, "Handbook of Mathematical Functions", 7.1.26.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

/// `ln(2)` in two parts, the first of few bits, so that whole multiples of it are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Adding it rounds to a whole number, which is then in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// `exp(x) - 1 - x` for small `x`, divided by `x^2`.
#[inline(always)]
fn exp_tail(x: f32) -> f32 {
    let p = 1.987_569_1e-4;
    let p = p * x + 1.398_2e-3;
    let p = p * x + 8.333_452e-3;
    let p = p * x + 4.166_579_6e-2;
    let p = p * x + 1.666_666_5e-1;
    p * x + 5e-1
}

/// `exp(x)`, to 1.2e-7 of it, between -87 and 88; beyond, the value at the nearer end.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = x - whole * LN_2[0] - whole * LN_2[1];
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    (exp_tail(rest) * rest * rest + rest + 1.0) * power
}

/// `exp(x) - 1`, also close to zero.
#[inline(always)]
pub(super) fn expm1(x: f32) -> f32 {
    let near = exp_tail(x) * x * x + x;
    if x.abs() < 0.34 { near } else { exp(x) - 1.0 }
}

/// `1 / (1 + exp(-x))`, zero where it is below the smallest normal number.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    if x < -87.0 { 0.0 } else { 1.0 / (1.0 + exp(-x)) }
}

/// The hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let square = x * x;
    let p = -5.704_988_7e-3;
    let p = p * square + 2.063_909e-2;
    let p = p * square - 5.373_971_6e-2;
    let p = p * square + 1.333_144_2e-1;
    let p = p * square - 3.333_328e-1;
    let near = p * square * x + x;
    let far = 1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0);
    if x.abs() < 0.625 { near } else { far.copysign(x) }
}

/// The share of the standard normal distribution below `x`, and `exp(-x^2 / 2)`.
#[inline(always)]
pub(super) fn normal(x: f32) -> (f32, f32) {
    let size = x.abs() * FRAC_1_SQRT_2;
    let density = exp(-size * size);
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152;
    let p = p * t + 1.421_413_7;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    let tail = 0.5 * p * t * density;
    (if x < 0.0 { tail } else { 1.0 - tail }, density)
}

/// `ln(1 + x)` between 0 and 1: twice the area tangent of `x / (2 + x)`, whose series ends early.
#[inline(always)]
pub(super) fn ln_1p(x: f32) -> f32 {
    let s = x / (2.0 + x);
    let square = s * s;
    let p = 1.0 / 13.0;
    let p = p * square + 1.0 / 11.0;
    let p = p * square + 1.0 / 9.0;
    let p = p * square + 1.0 / 7.0;
    let p = p * square + 1.0 / 5.0;
    let p = p * square + 1.0 / 3.0;
    2.0 * (p * square * s + s)
}
