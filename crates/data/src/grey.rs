//! Converts colour pictures to grey.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::manifest::ImageId;
use crate::source::check_read;
use crate::{CHANNELS, DataError, ImageSize, Manifest, PixelType, Remarks, Source, Split};

/// The number of channels of pictures in a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub enum Channels {
    /// One: see [`grey`].
    Grey,
    /// Three: red, green, blue.
    #[default]
    Rgb,
}

/// A number of channels that pictures cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} is not a number of channels; it must be 1 (grey) or 3 (red, green, blue)")]
pub struct NotChannels {
    /// The number.
    pub count: String,
}

impl Channels {
    /// These interleaved RGB bytes with this number of channels.
    pub fn of_rgb(self, rgb: Vec<u8>) -> Vec<u8> {
        match self {
            Channels::Grey => rgb.as_chunks().0.iter().map(|&colour| grey(colour)).collect(),
            Channels::Rgb => rgb,
        }
    }

    /// The number of channels.
    pub fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::Rgb => CHANNELS,
        }
    }
}

impl TryFrom<usize> for Channels {
    type Error = NotChannels;

    fn try_from(count: usize) -> Result<Channels, NotChannels> {
        match count {
            1 => Ok(Channels::Grey),
            CHANNELS => Ok(Channels::Rgb),
            _ => Err(NotChannels { count: count.to_string() }),
        }
    }
}

impl From<Channels> for usize {
    fn from(channels: Channels) -> usize {
        channels.count()
    }
}

impl std::str::FromStr for Channels {
    type Err = NotChannels;

    fn from_str(text: &str) -> Result<Channels, NotChannels> {
        let count = text.parse::<usize>().ok().and_then(|count| Channels::try_from(count).ok());
        count.ok_or_else(|| NotChannels { count: text.to_owned() })
    }
}

/// The brightness of a colour, `0.299 red + 0.587 green + 0.114 blue`, rounded (ITU-R BT.601, as in Pillow's mode `L`).
/// Grey stays unchanged.
pub fn grey([red, green, blue]: [u8; CHANNELS]) -> u8 {
    let sum = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    ((sum + 500) / 1000) as u8
}

/// The source with one channel instead of red, green and blue.
///
/// # Errors
/// [`DataError::PixelType`] for a source with other pixels.
pub fn in_grey(source: Arc<dyn Source>) -> Result<Arc<dyn Source>, DataError> {
    if source.pixel_type() != PixelType::U8 || source.channels() != CHANNELS {
        return Err(DataError::PixelType { name: source.name().to_owned(), pixels: source.pixel_type() });
    }
    Ok(Arc::new(InGrey(source)))
}

struct InGrey(Arc<dyn Source>);

impl Source for InGrey {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn is_synthetic(&self) -> bool {
        self.0.is_synthetic()
    }

    fn is_resident(&self) -> bool {
        self.0.is_resident()
    }

    fn classes(&self) -> &[String] {
        self.0.classes()
    }

    fn image_size(&self) -> ImageSize {
        self.0.image_size()
    }

    fn channels(&self) -> usize {
        1
    }

    fn len(&self, split: Split) -> usize {
        self.0.len(split)
    }

    fn label(&self, split: Split, index: usize) -> usize {
        self.0.label(split, index)
    }

    fn read(&self, split: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError> {
        check_read(self, split, index, pixels.len())?;
        let mut rgb = vec![0; self.0.image_len()];
        self.0.read(split, index, &mut rgb)?;
        pixels.iter_mut().zip(rgb.as_chunks().0).for_each(|(pixel, &colour)| *pixel = grey(colour));
        Ok(())
    }

    fn path(&self, split: Split, index: usize) -> Option<&Path> {
        self.0.path(split, index)
    }

    fn remarks(&self) -> &Remarks {
        self.0.remarks()
    }

    fn manifest(&self) -> Option<&Manifest> {
        self.0.manifest()
    }

    fn image_ids(&self, split: Split) -> Option<Vec<ImageId>> {
        self.0.image_ids(split)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SourceOptions, SplitCounts, open};

    #[test]
    fn grey_is_the_brightness_and_grey_pictures_keep_theirs() {
        assert_eq!([[255, 0, 0], [0, 255, 0], [0, 0, 255]].map(grey), [76, 150, 29]);
        assert!((0..=255).all(|level| grey([level; 3]) == level));
    }

    #[test]
    fn pictures_have_one_channel_where_it_is_asked_for() {
        let shapes = SplitCounts { train: 4, val: 2, test: 2 };
        let options = SourceOptions { shapes, train_on_val: true, ..SourceOptions::default() };
        let colour = open("shapes", &options).unwrap();
        let found = open("shapes", &SourceOptions { channels: Channels::Grey, ..options }).unwrap();
        assert_eq!((found.channels(), found.image_len(), found.len(Split::Train)), (1, 1024, 6));
        let (mut rgb, mut pixels, mut shown) = (vec![0; 3072], vec![0; 1024], vec![0; 3072]);
        colour.read(Split::Train, 5, &mut rgb).unwrap();
        found.read(Split::Train, 5, &mut pixels).unwrap();
        found.read_rgb(Split::Train, 5, &mut shown).unwrap();
        let expected: Vec<u8> = rgb.as_chunks().0.iter().map(|&colour| grey(colour)).collect();
        assert_eq!(pixels, expected);
        assert!(shown.as_chunks::<3>().0.iter().zip(&pixels).all(|(shown, &grey)| *shown == [grey; 3]));
    }
}
