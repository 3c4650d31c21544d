//! Random masks that depend only on a key and a position, so that any part can be recomputed.

use crate::Isa;
use crate::simd::{Kernel, Simd, dispatch};

/// `output[i] = input[i] * scale`, or zero where the hash of `key` and `i` is below `threshold` of 2^32.
pub fn mask(isa: Isa, key: u64, threshold: u64, scale: f32, input: &[f32], output: &mut [f32]) {
    assert_eq!(input.len(), output.len());
    dispatch(isa, Mask { key, threshold, scale, input, output });
}

struct Mask<'a> {
    key: u64,
    threshold: u64,
    scale: f32,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl Kernel for Mask<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (low, high) = (self.key as u32, (self.key >> 32) as u32);
        // No hash reaches 2^32, so all are below it; other thresholds fit in 32 bits.
        let (threshold, scale) = match u32::try_from(self.threshold) {
            Ok(threshold) => (threshold, self.scale),
            Err(_) => (0, 0.0),
        };
        for (position, (&x, y)) in self.input.iter().zip(self.output).enumerate() {
            let hash = mixed(mixed(position as u32 ^ low).wrapping_add(high));
            *y = x * if hash < threshold { 0.0 } else { scale };
        }
    }
}

/// The 32-bit mixing function `lowbias32` of <https://github.com/skeeto/hash-prospector>.
#[inline(always)]
fn mixed(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7FEB_352D);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846C_A68B);
    x ^ x >> 16
}

/// A key from numbers that identify a position: the SplitMix64 mixing (Steele, Lea and Flood 2014) of one after
/// another.
pub fn key(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |key, &number| {
        let mut z = (key ^ number).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(isa: Isa, key: u64, threshold: u64) -> Vec<bool> {
        let mut output = vec![0.0; 100_003];
        mask(isa, key, threshold, 1.0, &vec![1.0; output.len()], &mut output);
        output.iter().map(|&y| y == 1.0).collect()
    }

    #[test]
    fn every_instruction_set_draws_the_same_mask_of_the_asked_density() {
        let expected = kept(Isa::best(), 7, 1 << 30);
        for isa in Isa::available() {
            assert_eq!(kept(isa, 7, 1 << 30), expected);
            assert_eq!(kept(isa, 7, 0), vec![true; 100_003]);
            assert_eq!(kept(isa, 7, 1 << 32), vec![false; 100_003]);
        }
        let count = expected.iter().filter(|&&kept| kept).count();
        // Four standard deviations of a binomial with 100,003 draws at 3/4.
        assert!((count as f64 - 75_002.25).abs() < 548.0, "{count} kept");
    }

    /// Two masks with probability one half agree in half of their positions, even if their keys differ in only one
    /// number.
    #[test]
    fn masks_of_different_keys_are_independent() {
        let first = kept(Isa::best(), key(&[1, 2, 3]), 1 << 31);
        for other in [[2, 2, 3], [1, 3, 3], [1, 2, 4], [2, 1, 3]] {
            let second = kept(Isa::best(), key(&other), 1 << 31);
            let same = first.iter().zip(&second).filter(|(a, b)| a == b).count();
            assert!((same as f64 - 50_001.5).abs() < 633.0, "{same} agree");
        }
    }
}
