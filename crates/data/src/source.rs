//! What every data set offers: classes, sizes, labels and pixels.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::manifest::ImageId;
use crate::remarks::NO_REMARKS;
use crate::{DataError, ImageSize, Manifest, Remarks};

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

    /// Writes an image as rows of interleaved RGB bytes, shape (height, width, 3).
    ///
    /// # Errors
    /// [`DataError::Index`] and [`DataError::Buffer`] for an index or a buffer that does not fit; from a
    /// source that streams from disk also [`DataError::Image`], when a file has changed since it was opened.
    fn read(&self, split: Split, index: usize, pixels: &mut [u8]) -> Result<(), DataError>;

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

/// Checks the arguments of [`Source::read`].
pub(crate) fn check_read(
    source: &dyn Source,
    split: Split,
    index: usize,
    buffer_bytes: usize,
) -> Result<(), DataError> {
    let len = source.len(split);
    if index >= len {
        return Err(DataError::Index { split, index, len });
    }
    let expected = source.image_size().bytes();
    if buffer_bytes != expected {
        return Err(DataError::Buffer { found: buffer_bytes, expected });
    }
    Ok(())
}
