//! Measures the most multiply-adds that this machine can do.

use crate::Isa;
use crate::conv::Precision;
use crate::conv::words::{Pairs, Singles, Words};
use crate::simd::{Kernel, LANES, Simd, dispatch};
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Multiply-adds per second that all threads of a rayon pool reach together with vectors that stay in registers. No
/// kernel can exceed it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Peak {
    /// With products of `f32`.
    pub f32: f64,
    /// With products of bfloat16 and sums of `f32`; below the other one if the processor has no such instruction.
    pub bf16: f64,
}

impl Peak {
    /// Measures the threads of the current rayon pool and returns the best of several measurements. Takes about a fifth
    /// of a second.
    ///
    /// ```
    /// let peak = convscope_kernels::peak::Peak::measure(convscope_kernels::Isa::best());
    /// assert!(peak.f32 > 1e6);
    /// ```
    pub fn measure(isa: Isa) -> Peak {
        Peak { f32: rate::<Singles>(isa), bf16: rate::<Pairs>(isa) }
    }

    /// The peak for a precision.
    pub fn of(&self, precision: Precision) -> f64 {
        match precision {
            Precision::F32 => self.f32,
            Precision::Bf16 => self.bf16,
        }
    }
}

fn rate<W: Words>(isa: Isa) -> f64 {
    const MEASUREMENTS: usize = 8;
    const TARGET: Duration = Duration::from_millis(10);
    let mut rounds = 1;
    while timed::<W>(isa, rounds).1 < TARGET {
        rounds *= 2;
    }
    let together = |_| -> f64 {
        let of_threads = rayon::broadcast(|_| {
            let (multiply_adds, time) = timed::<W>(isa, rounds);
            multiply_adds as f64 / time.as_secs_f64()
        });
        of_threads.iter().sum()
    };
    (0..MEASUREMENTS).map(together).fold(0.0, f64::max)
}

/// Runs the loop; returns the multiply-adds it did and the time they took.
fn timed<W: Words>(isa: Isa, rounds: u64) -> (u64, Duration) {
    let mut result = Chained::default();
    let started = Instant::now();
    dispatch(isa, Chains::<W> { rounds, result: &mut result, words: std::marker::PhantomData });
    let time = started.elapsed();
    black_box(result.sum);
    (result.multiply_adds, time)
}

/// Chains of multiply-adds on vectors in registers, enough of them to hide the latency of one.
struct Chains<'a, W> {
    rounds: u64,
    result: &'a mut Chained,
    words: std::marker::PhantomData<W>,
}

/// The result of the chains.
#[derive(Default)]
struct Chained {
    multiply_adds: u64,
    sum: f64,
}

impl<W: Words> Kernel for Chains<'_, W> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::REGISTERS >= 32 { self.chains::<S, 12>(simd) } else { self.chains::<S, 4>(simd) }
    }
}

const UNROLLED: u64 = 64;
const FACTOR: f32 = 0.5;

impl<W: Words> Chains<'_, W> {
    #[inline(always)]
    fn chains<S: Simd, const CHAINS: usize>(self, simd: S) {
        // The compiler must not know the factors, or it would work out the sums itself.
        let factor = simd.splat(black_box(FACTOR));
        let (left, right) = (W::join(simd, factor, factor), W::join(simd, factor, factor));
        let mut chains = [simd.splat(black_box(0.0)); CHAINS];
        for _ in 0..self.rounds {
            for _ in 0..UNROLLED {
                for chain in &mut chains {
                    *chain = W::multiply_add(simd, left, right, *chain);
                }
            }
        }
        let lanes = CHAINS * LANES * W::PRECISION.values();
        self.result.multiply_adds = self.rounds * UNROLLED * lanes as u64;
        self.result.sum = chains.iter().flat_map(|&chain| simd.wide_lanes(simd.widen(chain))).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<W: Words>(isa: Isa) {
        let mut result = Chained::default();
        dispatch(isa, Chains::<W> { rounds: 3, result: &mut result, words: std::marker::PhantomData });
        assert!(result.multiply_adds >= 3 * UNROLLED * LANES as u64, "{isa}");
        // The sums contain as many products as were counted.
        assert_eq!(result.sum, result.multiply_adds as f64 * f64::from(FACTOR * FACTOR), "{isa}");
    }

    #[test]
    fn every_product_that_is_counted_is_made() {
        for isa in Isa::available() {
            check::<Singles>(isa);
            check::<Pairs>(isa);
        }
    }
}
