//! From a picture file to an image of a given size.

use std::cell::RefCell;
use std::path::Path;

use convscope_pictures::{Framing, Picture, PictureError, Resizer};

use crate::options::check_image_size;
use crate::{DataError, ImageSize, PixelLimit};

/// Reads a picture file as rows of interleaved RGB bytes, shape (height, width, 3).
///
/// Formats are told apart by their content. The picture is turned as its EXIF orientation says; grey becomes three equal
/// channels, 16 bits become 8, transparent pixels lie on the background; then it is resized to `size`, framed as `framing`
/// says, with the triangle filter (Pillow's and torchvision's `BILINEAR`).
///
/// # Errors
/// [`DataError::Image`] with what is wrong: not an image, another format, truncated, without pixels.
/// [`DataError::TooLarge`] when the picture is beyond `limit`. [`DataError::Option`] when `size` is out of range.
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
    /// Keeps its working memory from image to image.
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

/// What is wrong with the file at this path.
pub(crate) fn at(path: &Path, error: PictureError) -> DataError {
    let path = path.to_owned();
    match error {
        PictureError::TooLarge(source) => DataError::TooLarge { path, source },
        source => DataError::Image { path, source },
    }
}
