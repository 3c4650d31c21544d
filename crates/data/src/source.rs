//! What every data set offers: classes, sizes, labels and pixels.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::manifest::ImageId;
use crate::remarks::NO_REMARKS;
use crate::{CHANNELS, DataError, ImageSize, Manifest, Remarks};

/// The part of a data set that an image belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Images that the weights are fitted to.
    Train,
    /// Images that choose among epochs and settings.
    Val,
    /// Images that are looked at once, at the end.
    Test,
}

impl Split {
    /// The three splits in the order of use.
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        }
    }

    /// The word before "images" in a sentence: `training`, `validation` or `test`.
    pub fn adjective(self) -> &'static str {
        match self {
            Split::Train => "training",
            Split::Val => "validation",
            Split::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a channel of a pixel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelType {
    /// A byte, of which 255 is white.
    U8,
    /// A number, which is taken as it is.
    F32,
}

impl fmt::Display for PixelType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            PixelType::U8 => "u8",
            PixelType::F32 => "f32",
        })
    }
}

/// A data set: images of one size with one label each, in three splits.
///
/// A source is opened once (see [`open`](crate::open())), does not change afterwards, and gives the same bytes
/// for the same split and index from any thread.
pub trait Source: Send + Sync {
    /// What the source is called in reports: `shapes`, or the folder.
    fn name(&self) -> &str;

    /// Whether the images were made by a program rather than taken from the world.
    fn is_synthetic(&self) -> bool {
        false
    }

    /// Whether reading an image is a copy from memory; otherwise it decodes a file.
    fn is_resident(&self) -> bool {
        true
    }

    /// The class names; a label is an index into them.
    fn classes(&self) -> &[String];

    /// The size of every image.
    fn image_size(&self) -> ImageSize;

    /// The channels of every image: 3 for colours.
    fn channels(&self) -> usize {
        CHANNELS
    }

    /// What a channel of a pixel is.
    fn pixel_type(&self) -> PixelType {
        PixelType::U8
    }

    /// The values of an image: height x width x channels.
    fn image_len(&self) -> usize {
        self.image_size().pixels() * self.channels()
    }

    /// The number of images in a split, which may be 0 for `Val` and `Test`.
    fn len(&self, split: Split) -> usize;

    /// Whether a split has no image.
    fn is_empty(&self, split: Split) -> bool {
        self.len(split) == 0
    }

    /// The class of an image.
    ///
    /// # Panics
    /// Where `index` is not below `len(split)`, as indexing a slice does.
    fn label(&self, split: Split, index: usize) -> usize;

    /// Writes an image as rows of interleaved bytes, shape (height, width, channels).
    ///
    /// # Errors
    /// [`DataError::Index`] and [`DataError::Buffer`] for an index or a buffer that does not fit, [`DataError::PixelType`] where
    /// pixels are not bytes; from a source that streams from disk also [`DataError::Image`], when a file has changed since it was
    /// opened.
    fn read(&self, split: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError>;

    /// Writes an image whose pixels are numbers as planes, shape (channels, height, width).
    ///
    /// # Errors
    /// As [`read`](Self::read); [`DataError::PixelType`] where pixels are bytes.
    fn read_f32(&self, _split: Split, _index: usize, _planes: &mut [f32]) -> Result<(), DataError> {
        Err(DataError::PixelType { name: self.name().to_owned(), pixels: self.pixel_type() })
    }

    /// Writes an image for people, as rows of interleaved RGB bytes. Images with three or more channels show the first three,
    /// others the first in grey; numbers are spread from the smallest (black) to the largest (white).
    ///
    /// # Errors
    /// As [`read`](Self::read); `rgb` has the [bytes](ImageSize::bytes) of an RGB image.
    fn read_rgb(&self, split: Split, index: usize, rgb: &mut [u8]) -> Result<(), DataError> {
        let channels = self.channels();
        match self.pixel_type() {
            PixelType::U8 if channels == CHANNELS => self.read(split, index, rgb),
            PixelType::U8 => {
                let mut pixels = vec![0; self.image_len()];
                self.read(split, index, &mut pixels)?;
                show(rgb, channels, |pixel, channel| pixels[pixel * channels + channel])
            }
            PixelType::F32 => {
                let mut planes = vec![0.0; self.image_len()];
                self.read_f32(split, index, &mut planes)?;
                let plane = self.image_size().pixels();
                let bytes = spread(&planes);
                show(rgb, channels, |pixel, channel| bytes[channel * plane + pixel])
            }
        }
    }

    /// The file an image comes from, where it has one of its own.
    fn path(&self, _split: Split, _index: usize) -> Option<&Path> {
        None
    }

    /// What there is to say about the data set.
    fn remarks(&self) -> &Remarks {
        &NO_REMARKS
    }

    /// Which images are in which split, with what tells them from others; none where the source cannot say.
    fn manifest(&self) -> Option<&Manifest> {
        None
    }

    /// What identifies each image of a split, in the order of their indices; none where the source cannot say.
    fn image_ids(&self, split: Split) -> Option<Vec<ImageId>> {
        self.manifest().map(|manifest| manifest.image_ids(split))
    }
}

/// Bytes for people of numbers: from 0 for the smallest to 255 for the largest; what is not finite is 0.
pub fn spread(values: &[f32]) -> Vec<u8> {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let smallest = finite().fold(f32::INFINITY, f32::min);
    let span = finite().fold(f32::NEG_INFINITY, f32::max) - smallest;
    let byte = |value: &f32| if span > 0.0 { ((value - smallest) / span * 255.0).round() as u8 } else { 0 };
    values.iter().map(byte).collect()
}

/// Fills RGB pixels from the first three channels, or the first one where there are fewer.
fn show(rgb: &mut [u8], channels: usize, value: impl Fn(usize, usize) -> u8) -> Result<(), DataError> {
    for (index, pixel) in rgb.chunks_exact_mut(CHANNELS).enumerate() {
        for (channel, byte) in pixel.iter_mut().enumerate() {
            *byte = value(index, if channels < CHANNELS { 0 } else { channel });
        }
    }
    Ok(())
}

/// Checks the arguments of [`Source::read`] and [`Source::read_f32`].
pub(crate) fn check_read(
    source: &dyn Source,
    split: Split,
    index: usize,
    buffer_len: usize,
) -> Result<(), DataError> {
    let len = source.len(split);
    if index >= len {
        return Err(DataError::Index { split, index, len });
    }
    let expected = source.image_len();
    if buffer_len != expected {
        return Err(DataError::Buffer { found: buffer_len, expected });
    }
    Ok(())
}
