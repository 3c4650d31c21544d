//! The weight of each class in the loss.

use convscope_data::{Source, Split};
use serde::{Deserialize, Serialize};

/// How much the images of a class count in the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// Every image counts as much as any other.
    #[default]
    None,
    /// Every class counts as much as any other: its images have the weight `N / (C n)`, with `n` of the `N` training images
    /// and `C` classes, so that the mean weight of all images is 1. scikit-learn's `class_weight="balanced"`; unlike PyTorch's
    /// `weight`, the mean over a batch divides by its images, not by their weights.
    Balanced,
}

impl ClassWeights {
    /// The weight of each class of a source; empty where all are 1.
    pub fn of(self, source: &dyn Source) -> Vec<f64> {
        if self == ClassWeights::None {
            return Vec::new();
        }
        let images = source.len(Split::Train);
        let mut counts = vec![0_usize; source.classes().len()];
        (0..images).for_each(|index| counts[source.label(Split::Train, index)] += 1);
        let classes = counts.len() as f64;
        // The weight of a class without images does not matter.
        counts.iter().map(|&count| images as f64 / (classes * count.max(1) as f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use convscope_data::{SourceOptions, SplitCounts, only, open};

    use super::*;

    #[test]
    fn balanced_weights_are_the_inverse_of_the_counts_with_mean_1() {
        let shapes = SplitCounts { train: 200, val: 10, test: 10 };
        let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap();
        let labels: Vec<usize> = (0..200).map(|index| source.label(Split::Train, index)).collect();
        // Of class 3 only every fourth image.
        let mut of_3 = 0;
        let kept: Vec<bool> = labels
            .iter()
            .map(|&label| {
                of_3 += usize::from(label == 3);
                label != 3 || of_3 % 4 == 1
            })
            .collect();
        let uneven = only(source, Split::Train, |index| kept[index]);
        let weights = ClassWeights::Balanced.of(&*uneven);
        let counts = (0..uneven.len(Split::Train)).map(|index| weights[uneven.label(Split::Train, index)]);
        let mean = counts.sum::<f64>() / uneven.len(Split::Train) as f64;
        assert!((mean - 1.0).abs() < 1e-12, "{mean}");
        assert!(weights[3] > 3.0 * weights[0] && weights[3] < 6.0 * weights[0], "{weights:?}");
        assert!(ClassWeights::None.of(&*uneven).is_empty());
    }
}
