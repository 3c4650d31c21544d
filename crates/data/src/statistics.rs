//! What a split holds: counts per class, mean and deviation per channel.

use rayon::prelude::*;
use serde::Serialize;

use crate::CHANNELS;
use crate::{DataError, Normalization, Source, Split};

/// Counts and colour statistics of one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statistics {
    /// The number of images.
    pub images: usize,
    /// The number of images of each class, in the order of [`Source::classes`].
    pub class_counts: Vec<usize>,
    /// Mean of each channel over all pixels of all images, on the scale where white is 1.
    pub mean: [f64; CHANNELS],
    /// Standard deviation (of the population) of each channel over all pixels of all images, same scale.
    pub std: [f64; CHANNELS],
}

impl Statistics {
    /// Reads every image of a split once, on all cores.
    ///
    /// The sums are whole numbers, so the result does not depend on the order in which cores finish.
    ///
    /// # Errors
    /// [`DataError::EmptySplit`] for a split without images, and those of [`Source::read`].
    pub fn of(source: &dyn Source, split: Split) -> Result<Statistics, DataError> {
        let images = source.len(split);
        if images == 0 {
            return Err(DataError::EmptySplit { name: source.name().to_owned(), split });
        }
        let size = source.image_size();
        let mut class_counts = vec![0; source.classes().len()];
        for index in 0..images {
            class_counts[source.label(split, index)] += 1;
        }
        let sums = (0..images)
            .into_par_iter()
            .map_init(
                || vec![0; size.bytes()],
                |pixels, index| {
                    source.read(split, index, pixels)?;
                    Ok::<_, DataError>(Sums::of(pixels))
                },
            )
            .try_reduce(Sums::default, |a, b| Ok(a.plus(b)))?;
        let pixels = images as f64 * size.pixels() as f64;
        let mean = sums.plain.map(|sum| sum as f64 / pixels / 255.0);
        let std = std::array::from_fn(|channel| {
            let square = sums.square[channel] as f64 / pixels / (255.0 * 255.0);
            (square - mean[channel] * mean[channel]).max(0.0).sqrt()
        });
        Ok(Statistics { images, class_counts, mean, std })
    }

    /// The scaling that gives these images mean 0 and deviation 1; a channel that never changes keeps its
    /// scale.
    pub fn normalization(&self) -> Normalization {
        // A channel of one single value has a deviation of rounding noise.
        let divisor = |std: f64| if std > 1e-6 { std as f32 } else { 1.0 };
        Normalization { mean: self.mean.map(|mean| mean as f32), std: self.std.map(divisor) }
    }
}

#[derive(Clone, Copy, Default)]
struct Sums {
    plain: [u64; CHANNELS],
    square: [u64; CHANNELS],
}

impl Sums {
    fn of(pixels: &[u8]) -> Sums {
        let mut sums = Sums::default();
        for pixel in pixels.chunks_exact(CHANNELS) {
            for (channel, &byte) in pixel.iter().enumerate() {
                let value = u64::from(byte);
                sums.plain[channel] += value;
                sums.square[channel] += value * value;
            }
        }
        sums
    }

    fn plus(self, other: Sums) -> Sums {
        Sums {
            plain: std::array::from_fn(|c| self.plain[c] + other.plain[c]),
            square: std::array::from_fn(|c| self.square[c] + other.square[c]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ImageSize;
    use crate::resident::{Resident, ResidentSplit};

    fn two_images(pixels: [u8; 12]) -> Resident {
        let train = ResidentSplit { pixels: pixels.to_vec(), labels: vec![2, 0], paths: vec![] };
        Resident {
            name: "two".into(),
            synthetic: true,
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            size: ImageSize { height: 1, width: 2 },
            splits: [train, ResidentSplit::default(), ResidentSplit::default()],
            remarks: crate::Remarks::default(),
            manifest: None,
        }
    }

    #[test]
    fn mean_and_deviation_are_per_channel_over_all_images() {
        let source = two_images([0, 51, 255, 0, 51, 255, 255, 51, 255, 255, 51, 0]);
        let found = Statistics::of(&source, Split::Train).unwrap();
        assert_eq!(found.class_counts, [1, 0, 1]);
        for (found, expected) in found.mean.iter().zip([0.5, 0.2, 0.75]) {
            assert!((found - expected).abs() < 1e-12);
        }
        for (found, expected) in found.std.iter().zip([0.5, 0.0, 0.1875_f64.sqrt()]) {
            assert!((found - expected).abs() < 1e-7);
        }
    }

    #[test]
    fn a_channel_that_never_changes_is_not_divided_by_zero() {
        let source = two_images([7, 51, 255, 0, 51, 255, 255, 51, 255, 255, 51, 0]);
        let normalization = crate::Normalize::Standard.fit(&source).unwrap();
        let mut planes = [0.0; 6];
        normalization.apply(&[0, 51, 0, 255, 102, 0], &mut planes).unwrap();
        assert!(planes[2].abs() < 1e-6 && (planes[3] - 0.2).abs() < 1e-6);
        assert!(planes.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn an_empty_split_has_no_statistics() {
        let refused = Statistics::of(&two_images([0; 12]), Split::Test);
        assert!(matches!(refused, Err(DataError::EmptySplit { split: Split::Test, .. })));
    }
}
