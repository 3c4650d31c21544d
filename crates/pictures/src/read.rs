//! Pictures from bytes and files.

use std::io::Read;
use std::path::Path;

#[cfg(feature = "decode")]
use crate::decode::decode;
use crate::{Background, Picture, PictureError, PixelLimit, TooLarge};

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

#[cfg(not(feature = "decode"))]
fn decode(
    _bytes: Vec<u8>,
    _path: &Path,
    _background: Background,
    _limit: PixelLimit,
) -> Result<Picture, PictureError> {
    Err(PictureError::NoDecoder)
}
