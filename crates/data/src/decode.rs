//! Reads a picture file as an image of a given size.

use std::cell::RefCell;
use std::path::Path;

use convscope_pictures::{Framing, Picture, PictureError, Resizer};

use crate::options::check_image_size;
use crate::{DataError, ImageSize, PixelLimit};

/// Reads a picture file as rows of interleaved RGB bytes, shape (height, width, 3).
///
/// Formats are recognised by their content. The picture is rotated according to its EXIF orientation; grey becomes
/// three equal channels, 16 bits become 8, and transparent pixels show the background; then it is resized to `size`
/// according to `framing`, with the triangle filter (Pillow's and torchvision's `BILINEAR`).
///
/// # Errors
/// [`DataError::Image`] with what is wrong: not an image, an unsupported format, truncated, without pixels.
/// [`DataError::TooLarge`] if the picture exceeds `limit`. [`DataError::Option`] if `size` is out of range.
pub fn decode_image(
    path: impl AsRef<Path>,
    size: ImageSize,
    framing: Framing,
    limit: PixelLimit,
) -> Result<Vec<u8>, DataError> {
    check_image_size(size)?;
    let mut pixels = vec![0; size.bytes()];
    decode_into(path.as_ref(), size, framing, limit, &mut pixels)?;
    Ok(pixels)
}

thread_local! {
    /// Reuses its working memory for every image.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// [`decode_image`] into a buffer of `size.bytes()`.
pub(crate) fn decode_into(
    path: &Path,
    size: ImageSize,
    framing: Framing,
    limit: PixelLimit,
    pixels: &mut [u8],
) -> Result<(), DataError> {
    let picture = Picture::read(path, framing.background, limit).map_err(|error| at(path, error))?;
    RESIZER.with_borrow_mut(|resizer| picture.resize(size, framing, resizer, pixels));
    Ok(())
}

/// The error for the file at this path.
pub(crate) fn at(path: &Path, error: PictureError) -> DataError {
    let path = path.to_owned();
    match error {
        PictureError::TooLarge(source) => DataError::TooLarge { path, source },
        source => DataError::Image { path, source },
    }
}
