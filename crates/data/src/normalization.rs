//! Scaling by mean and deviation.

use serde::{Deserialize, Serialize};

use crate::{CHANNELS, DataError};

/// Per-channel scaling: `y[c] = (value - mean[c]) / std[c]`, where the value of a byte is byte / 255, and a number is its own value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// Subtracted from each channel, on the scale where white is 1.
    pub mean: Vec<f32>,
    /// Divides each channel, on the same scale; positive.
    pub std: Vec<f32>,
}

impl Normalization {
    /// Mean 0 and deviation 1: byte / 255, or the number itself.
    pub fn unit(channels: usize) -> Normalization {
        Normalization { mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.mean.len()
    }

    /// Scales one image from rows of interleaved bytes (height, width, channels) to planes (channels, height, width).
    ///
    /// # Errors
    /// [`DataError::Normalization`] for a deviation that is not positive or numbers that are not finite,
    /// [`DataError::Buffer`] if `planes` and `pixels` differ in length.
    pub fn apply(&self, pixels: &[u8], planes: &mut [f32]) -> Result<(), DataError> {
        self.check_planes(pixels.len(), planes.len())?;
        self.table()?.apply(pixels, planes);
        Ok(())
    }

    /// Scales one image in place, planes (channels, height, width) of numbers.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_f32(&self, planes: &mut [f32]) -> Result<(), DataError> {
        self.check_planes(planes.len(), planes.len())?;
        self.check()?;
        self.scale(planes);
        Ok(())
    }

    /// As [`apply_f32`](Self::apply_f32), for checked lengths and numbers.
    pub(crate) fn scale(&self, planes: &mut [f32]) {
        let plane_len = (planes.len() / self.channels()).max(1);
        let of_channels = self.mean.iter().zip(&self.std);
        for (plane, (mean, std)) in planes.chunks_exact_mut(plane_len).zip(of_channels) {
            plane.iter_mut().for_each(|value| *value = (*value - mean) / std);
        }
    }

    fn check_planes(&self, pixels: usize, planes: usize) -> Result<(), DataError> {
        if pixels == planes && self.channels() > 0 && pixels.is_multiple_of(self.channels()) {
            Ok(())
        } else {
            Err(DataError::Buffer { found: planes, expected: pixels })
        }
    }

    pub(crate) fn check(&self) -> Result<(), DataError> {
        let sound = |std: &f32| std.is_finite() && *std > 0.0;
        let is_sound = self.mean.len() == self.std.len()
            && self.std.iter().all(sound)
            && self.mean.iter().all(|mean| mean.is_finite());
        if is_sound {
            Ok(())
        } else {
            Err(DataError::Normalization { mean: self.mean.clone(), std: self.std.clone() })
        }
    }

    /// The scaled value of every byte.
    pub(crate) fn table(&self) -> Result<ByteScaling, DataError> {
        self.check()?;
        let of_channel =
            |(mean, std): (&f32, &f32)| std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std);
        Ok(ByteScaling { channels: self.mean.iter().zip(&self.std).map(of_channel).collect() })
    }
}

/// A [`Normalization`] precomputed for all 256 values of each channel.
#[derive(Clone)]
pub(crate) struct ByteScaling {
    channels: Vec<[f32; 256]>,
}

impl ByteScaling {
    /// See [`Normalization::apply`]; the lengths are equal.
    pub(crate) fn apply(&self, pixels: &[u8], planes: &mut [f32]) {
        let channels = self.channels.len();
        let plane_len = planes.len() / channels;
        if plane_len == 0 {
            return;
        }
        for ((channel, plane), table) in planes.chunks_exact_mut(plane_len).enumerate().zip(&self.channels) {
            for (value, pixel) in plane.iter_mut().zip(pixels.chunks_exact(channels)) {
                *value = table[usize::from(pixel[channel])];
            }
        }
    }

    /// The scaled value of every byte of the first channel, from interleaved RGB bytes whose channels are equal.
    pub(crate) fn apply_grey(&self, rgb: &[u8], plane: &mut [f32]) {
        for (value, pixel) in plane.iter_mut().zip(rgb.chunks_exact(CHANNELS)) {
            *value = self.channels[0][usize::from(pixel[0])];
        }
    }
}
