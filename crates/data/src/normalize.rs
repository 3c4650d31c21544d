//! Scaling of colour values before they enter a network.

use serde::{Deserialize, Serialize};

use crate::{DataError, Normalization, Source, Split, Statistics};

/// How the numbers of a [`Normalization`] are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// Only to the range 0 to 1: byte / 255.
    Unit,
    /// By the mean and standard deviation of each channel over the training images.
    #[default]
    Standard,
    /// By the mean and standard deviation of the channels of ImageNet's photographs, for networks that were trained on them.
    Imagenet,
    /// To the range -1 to 1: byte / 127.5 - 1, as many of TensorFlow's networks have it.
    Tf,
}

impl Normalize {
    /// The normalisation for a source.
    ///
    /// # Errors
    /// Those of [`Statistics::of`] on the training images; only `Standard` has errors.
    pub fn fit(self, source: &dyn Source) -> Result<Normalization, DataError> {
        match self {
            Normalize::Unit => Ok(Normalization::unit(source.channels())),
            Normalize::Standard => Ok(Statistics::of(source, Split::Train)?.normalization()),
            Normalize::Imagenet | Normalize::Tf => {
                Ok(self.fixed(source.channels()).unwrap_or_else(|| Normalization::unit(source.channels())))
            }
        }
    }

    /// The normalisation of images of so many channels, if it does not depend on them.
    pub fn fixed(self, channels: usize) -> Option<Normalization> {
        let (mean, std) = match self {
            Normalize::Standard => return None,
            Normalize::Unit => return Some(Normalization::unit(channels)),
            Normalize::Imagenet if channels == 3 => (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]),
            // The means of the three channels.
            Normalize::Imagenet => (vec![0.449; channels], vec![0.226; channels]),
            Normalize::Tf => (vec![0.5; channels], vec![0.5; channels]),
        };
        Some(Normalization { mean, std })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_become_planes_with_their_own_scale() {
        let normalization = Normalization { mean: vec![0.0, 0.5, 1.0], std: vec![1.0, 0.5, 0.25] };
        let mut planes = [f32::NAN; 6];
        normalization.apply(&[0, 255, 255, 51, 0, 0], &mut planes).unwrap();
        assert_eq!(planes, [0.0, 0.2, 1.0, -1.0, 0.0, -4.0]);
    }

    #[test]
    fn refuses_to_divide_by_zero_or_nan() {
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let normalization = Normalization { mean: vec![0.0; 3], std: vec![1.0, bad, 1.0] };
            let refused = normalization.apply(&[0; 3], &mut [0.0; 3]);
            assert!(matches!(refused, Err(DataError::Normalization { .. })), "std {bad}");
        }
    }
}
