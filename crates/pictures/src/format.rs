//! The names of picture files.

use std::ffi::OsStr;
use std::path::Path;

/// The readable formats, for messages.
pub(crate) const FORMATS: &str = "PNG, JPEG, WebP, BMP, GIF, TIFF, PNM, TGA, ICO or QOI";

/// Extensions of picture files, whether or not they can be read.
const EXTENSIONS: [&str; 22] = [
    "png", "jpg", "jpeg", "jfif", "webp", "bmp", "gif", "tif", "tiff", "pnm", "pbm", "pgm", "ppm", "pam",
    "tga", "ico", "qoi", "avif", "heic", "heif", "jxl", "jp2",
];

/// Whether a file is meant to be a picture, by its name.
pub fn has_picture_extension(path: &Path) -> bool {
    EXTENSIONS.iter().any(|known| has_extension(path, known))
}

pub(crate) fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

/// Without decoders, a file's name decides whether it is a picture.
#[cfg(not(feature = "decode"))]
pub fn looks_like_picture(_path: &Path) -> bool {
    false
}

/// Without decoders, no format can be read.
#[cfg(not(feature = "decode"))]
pub fn has_readable_format(_path: &Path) -> bool {
    false
}
