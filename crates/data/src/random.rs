//! Random numbers that depend only on a seed, a stream and an index.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The purpose of a sequence of random numbers; each purpose has its own numbers.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Shuffle = 1,
    FolderSplit = 2,
    ShapesTrain = 3,
    ShapesVal = 4,
    ShapesTest = 5,
    Augment = 6,
    Mix = 7,
    ArraySplit = 8,
    Folds = 9,
}

/// The generator of item `index` of a stream.
pub(crate) fn generator(seed: u64, stream: Stream, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(stream as u64).to_le_bytes());
    key[16..24].copy_from_slice(&index.to_le_bytes());
    key[24..].copy_from_slice(b"cs-data1");
    ChaCha8Rng::from_seed(key)
}

/// A number in `0..bound`; the bias of `bound / 2^64` is negligible.
pub(crate) fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    ((u128::from(random.next_u64()) * bound as u128) >> 64) as usize
}

/// A number in `low..high`.
pub(crate) fn uniform(random: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    let unit = (random.next_u32() >> 8) as f32 / (1 << 24) as f32;
    low + (high - low) * unit
}

/// Fisher-Yates.
pub(crate) fn shuffle<T>(random: &mut ChaCha8Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(random, last + 1));
    }
}
