//! Pictures from the bytes in results.

use std::path::Path;

use image::RgbImage;

use crate::ReportError;

/// The picture of interleaved bytes; `path` names it in an error.
pub(crate) fn picture(rgb: &[u8], height: usize, width: usize, path: &Path) -> Result<RgbImage, ReportError> {
    let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let (width, height) = (side(width), side(height));
    let image = RgbImage::from_raw(width, height, rgb.to_vec()).filter(|_| width > 0 && height > 0);
    image.ok_or_else(|| ReportError::NoPixels { path: path.to_owned(), width, height })
}
