//! Statistics of a split: counts per class, mean and deviation per channel.

use rayon::prelude::*;
use serde::Serialize;

use crate::{DataError, Normalization, PixelType, Source, Split};

/// Counts and colour statistics of one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statistics {
    /// The number of images.
    pub images: usize,
    /// The number of images of each class, in the order of [`Source::classes`].
    pub class_counts: Vec<usize>,
    /// Mean of each channel over all pixels of all images, on the scale where white is 1.
    pub mean: Vec<f64>,
    /// Standard deviation (of the population) of each channel over all pixels of all images, same scale.
    pub std: Vec<f64>,
}

impl Statistics {
    /// Reads every image of a split once, on all cores.
    ///
    /// The result does not depend on the order in which cores finish.
    ///
    /// # Errors
    /// [`DataError::EmptySplit`] for a split without images, and those of [`Source::read`].
    pub fn of(source: &dyn Source, split: Split) -> Result<Statistics, DataError> {
        let images = source.len(split);
        if images == 0 {
            return Err(DataError::EmptySplit { name: source.name().to_owned(), split });
        }
        let channels = source.channels();
        let mut class_counts = vec![0; source.classes().len()];
        for index in 0..images {
            class_counts[source.label(split, index)] += 1;
        }
        let [mean, std] = match source.pixel_type() {
            PixelType::U8 => of_bytes(source, split)?,
            PixelType::F32 => of_numbers(source, split)?,
        };
        debug_assert_eq!([mean.len(), std.len()], [channels; 2]);
        Ok(Statistics { images, class_counts, mean, std })
    }

    /// The scaling that gives these images mean 0 and deviation 1; a constant channel keeps its scale.
    pub fn normalization(&self) -> Normalization {
        // A constant channel has a deviation of rounding noise.
        let divisor = |std: f64| if std > 1e-6 { std as f32 } else { 1.0 };
        let mean = self.mean.iter().map(|&mean| mean as f32).collect();
        Normalization { mean, std: self.std.iter().copied().map(divisor).collect() }
    }
}

/// Mean and deviation of each channel of bytes. The sums are whole numbers.
fn of_bytes(source: &dyn Source, split: Split) -> Result<[Vec<f64>; 2], DataError> {
    let (images, channels) = (source.len(split), source.channels());
    let sums = (0..images)
        .into_par_iter()
        .map_init(
            || vec![0; source.image_len()],
            |pixels, index| {
                source.read(split, index, pixels)?;
                Ok::<_, DataError>(Sums::of(pixels, channels))
            },
        )
        .try_reduce(|| Sums::zero(channels), |a, b| Ok(a.plus(b)))?;
    let pixels = images as f64 * source.image_size().pixels() as f64;
    let mean: Vec<f64> = sums.plain.iter().map(|&sum| sum as f64 / pixels / 255.0).collect();
    let deviation = |(&square, mean): (&u64, &f64)| {
        let square = square as f64 / pixels / (255.0 * 255.0);
        (square - mean * mean).max(0.0).sqrt()
    };
    let std = sums.square.iter().zip(&mean).map(deviation).collect();
    Ok([mean, std])
}

/// Mean and deviation of each channel of numbers, by Welford's algorithm, image by image in order.
fn of_numbers(source: &dyn Source, split: Split) -> Result<[Vec<f64>; 2], DataError> {
    let (channels, plane) = (source.channels(), source.image_size().pixels());
    let mut planes = vec![0.0; source.image_len()];
    let (mut mean, mut squares) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
    let mut seen = 0.0;
    for index in 0..source.len(split) {
        source.read_f32(split, index, &mut planes)?;
        let more = plane as f64;
        for (channel, values) in planes.chunks_exact(plane.max(1)).enumerate() {
            let own = values.iter().map(|&value| f64::from(value)).sum::<f64>() / more;
            let spread = values.iter().map(|&value| (f64::from(value) - own).powi(2)).sum::<f64>();
            let apart = own - mean[channel];
            mean[channel] += apart * more / (seen + more);
            squares[channel] += spread + apart * apart * seen * more / (seen + more);
        }
        seen += more;
    }
    let std = squares.iter().map(|sum| (sum / seen).sqrt()).collect();
    Ok([mean, std])
}

struct Sums {
    plain: Vec<u64>,
    square: Vec<u64>,
}

impl Sums {
    fn zero(channels: usize) -> Sums {
        Sums { plain: vec![0; channels], square: vec![0; channels] }
    }

    fn of(pixels: &[u8], channels: usize) -> Sums {
        let mut sums = Sums::zero(channels);
        for pixel in pixels.chunks_exact(channels) {
            for ((plain, square), &byte) in sums.plain.iter_mut().zip(&mut sums.square).zip(pixel) {
                let value = u64::from(byte);
                *plain += value;
                *square += value * value;
            }
        }
        sums
    }

    fn plus(mut self, other: Sums) -> Sums {
        self.plain.iter_mut().zip(other.plain).for_each(|(sum, more)| *sum += more);
        self.square.iter_mut().zip(other.square).for_each(|(sum, more)| *sum += more);
        self
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
