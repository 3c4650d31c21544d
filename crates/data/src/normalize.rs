//! Scaling of colour values before they enter a network.

use serde::{Deserialize, Serialize};

use crate::CHANNELS;
use crate::{DataError, Source, Split, Statistics};

/// How the numbers of a [`Normalization`] are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// Only to the range 0 to 1: byte / 255.
    Unit,
    /// By mean and standard deviation of each channel over the training images.
    #[default]
    Standard,
}

impl Normalize {
    /// The numbers for a source.
    ///
    /// # Errors
    /// Those of [`Statistics::of`] on the training images; `Unit` has none.
    pub fn fit(self, source: &dyn Source) -> Result<Normalization, DataError> {
        match self {
            Normalize::Unit => Ok(Normalization::UNIT),
            Normalize::Standard => Ok(Statistics::of(source, Split::Train)?.normalization()),
        }
    }
}

/// Per-channel scaling: `y[c] = (byte / 255 - mean[c]) / std[c]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// Subtracted from each channel, on the scale where white is 1.
    pub mean: [f32; CHANNELS],
    /// Divides each channel, on the same scale; positive.
    pub std: [f32; CHANNELS],
}

impl Normalization {
    /// Mean 0 and deviation 1: byte / 255.
    pub const UNIT: Normalization = Normalization { mean: [0.0; CHANNELS], std: [1.0; CHANNELS] };

    /// Scales one image from rows of interleaved RGB bytes (height, width, 3) to planes (3, height, width).
    ///
    /// # Errors
    /// [`DataError::Normalization`] for a deviation that is not positive or numbers that are not finite,
    /// [`DataError::Buffer`] when `planes` has another length than `pixels`.
    pub fn apply(&self, pixels: &[u8], planes: &mut [f32]) -> Result<(), DataError> {
        if pixels.len() != planes.len() || !pixels.len().is_multiple_of(CHANNELS) {
            return Err(DataError::Buffer { found: planes.len(), expected: pixels.len() });
        }
        self.table()?.apply(pixels, planes);
        Ok(())
    }

    /// The scaled value of every byte.
    pub(crate) fn table(&self) -> Result<Table, DataError> {
        let sound = |std: &f32| std.is_finite() && *std > 0.0;
        if !self.std.iter().all(sound) || !self.mean.iter().all(|mean| mean.is_finite()) {
            return Err(DataError::Normalization { mean: self.mean, std: self.std });
        }
        let scaled =
            |channel: usize, byte: usize| (byte as f32 / 255.0 - self.mean[channel]) / self.std[channel];
        let channel = |channel| Box::new(std::array::from_fn(|byte| scaled(channel, byte)));
        Ok(Table { channels: std::array::from_fn(channel) })
    }
}

/// A [`Normalization`] worked out for all 256 values of each channel.
#[derive(Clone)]
pub(crate) struct Table {
    channels: [Box<[f32; 256]>; CHANNELS],
}

impl Table {
    /// See [`Normalization::apply`]; the lengths are equal.
    pub(crate) fn apply(&self, pixels: &[u8], planes: &mut [f32]) {
        let plane_len = planes.len() / CHANNELS;
        if plane_len == 0 {
            return;
        }
        for ((channel, plane), table) in planes.chunks_exact_mut(plane_len).enumerate().zip(&self.channels) {
            for (value, pixel) in plane.iter_mut().zip(pixels.chunks_exact(CHANNELS)) {
                *value = table[usize::from(pixel[channel])];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_planes_with_their_own_scale() {
        let normalization = Normalization { mean: [0.0, 0.5, 1.0], std: [1.0, 0.5, 0.25] };
        let mut planes = [f32::NAN; 6];
        normalization.apply(&[0, 255, 255, 51, 0, 0], &mut planes).unwrap();
        assert_eq!(planes, [0.0, 0.2, 1.0, -1.0, 0.0, -4.0]);
    }

    #[test]
    fn refuses_to_divide_by_zero_or_nan() {
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let normalization = Normalization { mean: [0.0; 3], std: [1.0, bad, 1.0] };
            let refused = normalization.apply(&[0; 3], &mut [0.0; 3]);
            assert!(matches!(refused, Err(DataError::Normalization { .. })), "std {bad}");
        }
    }
}
