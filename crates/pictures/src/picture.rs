//! Pictures in memory.

use std::fmt;
use std::io::Read;
use std::path::Path;

#[cfg(feature = "decode")]
use crate::decode::decode;
use crate::{Background, Framing, ImageSize, PictureError, PixelLimit, Resizer, TooLarge};

/// A picture as displayed: upright, opaque, with 8 bits per channel.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub(crate) size: ImageSize,
    pub(crate) rgb: Vec<u8>,
}

impl Picture {
    /// Decodes the bytes of a picture file.
    ///
    /// Formats are recognised by their content; `path` matters only for TGA, which has no signature. An animation gives
    /// its first frame. The picture is rotated according to its EXIF orientation; grey becomes three equal channels, 16
    /// bits become 8, and transparent pixels show the `background`.
    ///
    /// # Errors
    /// What is wrong with the file: not a picture, an unsupported format, truncated, without pixels, beyond the limit.
    pub fn decode(
        bytes: Vec<u8>,
        path: &Path,
        background: Background,
        limit: PixelLimit,
    ) -> Result<Picture, PictureError> {
        decode(bytes, path, background, limit)
    }

    /// Reads and decodes a picture file; see [`decode`](Self::decode).
    ///
    /// # Errors
    /// Those of [`read_file`] and [`decode`](Self::decode).
    pub fn read(path: &Path, background: Background, limit: PixelLimit) -> Result<Picture, PictureError> {
        Picture::decode(read_file(path, limit)?, path, background, limit)
    }

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

/// The contents of a picture file that is not longer than decoding may take.
///
/// # Errors
/// [`PictureError::Io`], and [`PictureError::TooLarge`] for a longer file.
pub fn read_file(path: &Path, limit: PixelLimit) -> Result<Vec<u8>, PictureError> {
    let (file, most) = (convscope_files::open(path)?, limit.bytes());
    let mut bytes = file.metadata()?.len();
    let mut contents = Vec::new();
    if bytes <= most {
        bytes = file.take(most + 1).read_to_end(&mut contents)? as u64;
    }
    if bytes > most { Err(TooLarge::File { bytes, most }.into()) } else { Ok(contents) }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture").field("size", &self.size).finish_non_exhaustive()
    }
}

#[cfg(not(feature = "decode"))]
fn decode(
    _bytes: Vec<u8>,
    _path: &Path,
    _background: Background,
    _limit: PixelLimit,
) -> Result<Picture, PictureError> {
    Err(PictureError::NoDecoder)
}
