//! Splits drawn class by class from a shuffled list, for runs that do not record their images.

use super::split::Shares;
use crate::Split;
use crate::random::{Stream, generator, shuffle};

/// The split of each training image of these labels, in the order of the images.
pub(super) fn shuffled(labels: &[usize], classes: usize, shares: Shares, seed: u64) -> Vec<Split> {
    let mut splits = vec![Split::Train; labels.len()];
    for class in 0..classes {
        let mut of_class: Vec<usize> = (0..labels.len()).filter(|&image| labels[image] == class).collect();
        shuffle(&mut generator(seed, Stream::FolderSplit, class as u64), &mut of_class);
        let val = taken(of_class.len(), shares.val, of_class.len());
        let test = taken(of_class.len(), shares.test, of_class.len() - val);
        for &image in &of_class[..val] {
            splits[image] = Split::Val;
        }
        for &image in &of_class[val..val + test] {
            splits[image] = Split::Test;
        }
    }
    splits
}

/// The share of `images`, at least one, and at least one fewer than `available`.
fn taken(images: usize, share: f64, available: usize) -> usize {
    if share == 0.0 {
        return 0;
    }
    let wanted = (images as f64 * share).round() as usize;
    wanted.max(1).min(available.saturating_sub(1))
}
