//! How many directions the channels of a layer actually use.

/// Most channels in a covariance; if there are more, this many evenly spaced ones are used.
pub(crate) const MOST_CHANNELS: usize = 256;
/// Fewest positions per channel, if there are that many.
const POSITIONS_PER_CHANNEL: usize = 64;
/// Fewest positions, if there are that many.
const FEWEST_POSITIONS: usize = 16_384;

/// Which positions of which images go into a covariance and the histograms of channels: an even selection that bounds
/// their cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    channels: usize,
    positions: usize,
    /// Positions per sampled image.
    per_image: usize,
    /// One in this many images is sampled.
    every: usize,
}

impl Sampling {
    pub(crate) fn new(channels: usize, positions: usize, images: usize) -> Sampling {
        let wanted = (POSITIONS_PER_CHANNEL * channels.min(MOST_CHANNELS)).max(FEWEST_POSITIONS);
        Sampling {
            channels,
            positions,
            per_image: wanted.div_ceil(images.max(1)).min(positions),
            every: (images / wanted).max(1),
        }
    }

    pub(crate) fn kept_channels(&self) -> usize {
        self.channels.min(MOST_CHANNELS)
    }

    /// The chosen positions of a channels-last image, each with the values of all channels.
    pub(crate) fn positions<'a>(
        &self,
        image_index: usize,
        image: &'a [f32],
    ) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let Sampling { channels, positions, per_image, every } = *self;
        let chosen = if image_index.is_multiple_of(every) { per_image } else { 0 };
        // A different start in each image, so that all positions are used.
        let start = (image_index / every).wrapping_mul(61) % positions;
        let stride = positions / per_image;
        (0..chosen).map(move |index| {
            let position = (start + index * stride) % positions;
            &image[position * channels..][..channels]
        })
    }

    /// The channels of a position that are used in the covariance.
    pub(crate) fn kept(&self, position: &[f32]) -> impl Iterator<Item = f32> {
        let (channels, kept) = (self.channels, self.kept_channels());
        (0..kept).map(move |channel| position[channel * channels / kept])
    }
}

/// The covariance of the channels over the positions that were added.
#[derive(Clone, Debug)]
pub(crate) struct Covariance {
    channels: usize,
    rows: u64,
    sums: Vec<f64>,
    /// The upper triangle of the sums of products, row by row in a full matrix.
    products: Vec<f64>,
}

impl Covariance {
    pub(crate) fn new(channels: usize) -> Covariance {
        Covariance { channels, rows: 0, sums: vec![0.0; channels], products: vec![0.0; channels * channels] }
    }

    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// Adds positions, `channels` values each; those with a value that is not finite are skipped.
    pub(crate) fn add(&mut self, samples: &[f32]) {
        let mut wide = vec![0.0; self.channels];
        for sample in samples.chunks_exact(self.channels) {
            if !sample.iter().all(|value| value.is_finite()) {
                continue;
            }
            self.rows += 1;
            wide.iter_mut().zip(sample).for_each(|(wide, &value)| *wide = f64::from(value));
            self.sums.iter_mut().zip(&wide).for_each(|(sum, value)| *sum += value);
            for (first, row) in self.products.chunks_exact_mut(self.channels).enumerate() {
                let value = wide[first];
                // Half of what a ReLU outputs is zero.
                if value != 0.0 {
                    row[first..]
                        .iter_mut()
                        .zip(&wide[first..])
                        .for_each(|(sum, other)| *sum += value * other);
                }
            }
        }
    }

    /// The participation ratio `(sum of e)^2 / sum of e^2` of the covariance's eigenvalues `e`, computed from its trace
    /// and its Frobenius norm, which give these sums. `None` if nothing varies.
    pub(crate) fn effective_rank(&self) -> Option<f64> {
        let count = self.rows as f64;
        let mean = |channel: usize| self.sums[channel] / count;
        let (mut trace, mut squares, mut size) = (0.0, 0.0, 0.0);
        for first in 0..self.channels {
            for second in first..self.channels {
                let product = self.products[first * self.channels + second] / count;
                let entry = product - mean(first) * mean(second);
                squares += entry * entry * if first == second { 1.0 } else { 2.0 };
                if first == second {
                    trace += entry;
                    size += product;
                }
            }
        }
        // Below this the entries are rounding errors of the means.
        (trace > 1e-10 * size).then(|| trace * trace / squares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_is_that_of_known_covariances() {
        let rank = |rows: &[[f32; 3]]| {
            let mut covariance = Covariance::new(3);
            rows.iter().for_each(|row| covariance.add(row));
            covariance.effective_rank()
        };
        // One direction, far from the origin.
        assert!((rank(&[[9.0, 5.0, 1.0], [11.0, 6.0, 1.0], [7.0, 4.0, 1.0]]).unwrap() - 1.0).abs() < 1e-9);
        // Two equal directions.
        let rows = [[1.0, 0.0, 2.0], [-1.0, 0.0, 2.0], [0.0, 1.0, 2.0], [0.0, -1.0, 2.0]];
        assert!((rank(&rows).unwrap() - 2.0).abs() < 1e-9);
        // Variances 4 and 1: 5^2 / 17.
        let rows = [[2.0, 0.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]];
        assert!((rank(&rows).unwrap() - 25.0 / 17.0).abs() < 1e-9);
        assert_eq!(rank(&[[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [f32::NAN, 0.0, 0.0]]), None);
        assert_eq!(rank(&[]), None);
    }

    #[test]
    fn samples_reach_every_position_and_stay_within_their_bound() {
        for (channels, positions, images) in
            [(2, 7, 3), (3, 1024, 40_000), (128, 16, 40_000), (1000, 1, 90_000)]
        {
            let sampling = Sampling::new(channels, positions, images);
            let image: Vec<f32> = (0..channels * positions).map(|index| (index / channels) as f32).collect();
            let mut samples = Vec::new();
            for index in 0..images {
                sampling
                    .positions(index, &image)
                    .for_each(|position| samples.extend(sampling.kept(position)));
            }
            let kept = sampling.kept_channels();
            let rows = samples.len() / kept;
            assert!(rows <= 2 * FEWEST_POSITIONS.max(POSITIONS_PER_CHANNEL * kept) + images, "{rows}");
            let mut seen = vec![false; positions];
            samples.chunks_exact(kept).for_each(|row| seen[row[0] as usize] = true);
            assert!(seen.iter().all(|&seen| seen), "{channels} channels, {positions} positions");
        }
    }
}
