//! Pictures in memory.

use std::fmt;

use crate::{Framing, ImageSize, Resizer};

/// A picture as displayed: upright, opaque, with 8 bits per channel.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub(crate) size: ImageSize,
    pub(crate) rgb: Vec<u8>,
}

impl Picture {
    /// Its size.
    pub fn size(&self) -> ImageSize {
        self.size
    }

    /// Its rows of interleaved RGB bytes, shape (height, width, 3).
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The bytes of [`rgb`](Self::rgb).
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// Writes the picture as an image of a different size.
    ///
    /// # Panics
    /// If `size` has no pixels, or `pixels` does not have its number of [bytes](ImageSize::bytes).
    pub fn resize(&self, size: ImageSize, framing: Framing, resizer: &mut Resizer, pixels: &mut [u8]) {
        resizer.resize(&self.rgb, self.size, pixels, size, framing);
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture").field("size", &self.size).finish_non_exhaustive()
    }
}
