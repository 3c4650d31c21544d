//! Takes validation and test images from the training images where a folder has none.

use super::scan::{Entry, Listing};
use crate::Split;
use crate::random::{Stream, generator, shuffle};

/// The validating share where there is a test folder.
const VAL_FRACTION_BESIDE_TEST: f64 = 0.2;
/// The validating and testing shares where there is neither folder.
const VAL_FRACTION: f64 = 0.1;
const TEST_FRACTION: f64 = 0.1;

/// Distributes images, each with a value, over the splits in the order of [`Split::ALL`].
pub(super) fn assign<T>(
    images: Vec<(Split, Entry)>,
    values: Vec<T>,
    listing: &Listing,
    val_fraction: Option<f64>,
    seed: u64,
) -> [Vec<(Entry, T)>; 3] {
    let (val_share, test_share) = match (listing.has_val, listing.has_test) {
        (true, _) => (0.0, 0.0),
        (false, true) => (val_fraction.unwrap_or(VAL_FRACTION_BESIDE_TEST), 0.0),
        (false, false) => (val_fraction.unwrap_or(VAL_FRACTION), TEST_FRACTION),
    };
    let mut splits: Vec<Split> = images.iter().map(|(split, _)| *split).collect();
    for label in 0..listing.classes.len() {
        let mut of_class: Vec<usize> = (0..images.len())
            .filter(|&image| images[image].0 == Split::Train && images[image].1.label == label)
            .collect();
        shuffle(&mut generator(seed, Stream::FolderSplit, label as u64), &mut of_class);
        let val = taken(of_class.len(), val_share, of_class.len());
        let test = taken(of_class.len(), test_share, of_class.len() - val);
        for &image in &of_class[..val] {
            splits[image] = Split::Val;
        }
        for &image in &of_class[val..val + test] {
            splits[image] = Split::Test;
        }
    }
    let mut assigned = [const { Vec::new() }; 3];
    for (((_, entry), value), split) in images.into_iter().zip(values).zip(splits) {
        assigned[split as usize].push((entry, value));
    }
    assigned
}

/// The share of `images`, at least one, and at least one fewer than `available`.
fn taken(images: usize, share: f64, available: usize) -> usize {
    if share == 0.0 {
        return 0;
    }
    let wanted = (images as f64 * share).round() as usize;
    wanted.max(1).min(available.saturating_sub(1))
}
