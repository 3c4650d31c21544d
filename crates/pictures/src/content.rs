//! The formats of picture files, by their first bytes.

use std::io::Read;
use std::path::Path;

use image::ImageFormat;

use crate::PictureError;
use crate::format::has_extension;

/// Whether a file's first bytes are those of a readable picture format. Formats with a signature too short to be unique
/// are left to the name.
pub fn looks_like_picture(path: &Path) -> bool {
    let format = start(path).ok().and_then(|start| image::guess_format(&start).ok());
    format.is_some_and(|format| {
        is_readable(format) && !matches!(format, ImageFormat::Pnm | ImageFormat::Ico | ImageFormat::Tiff)
    })
}

/// Whether a file is in a readable format, by its first bytes or, if they are not conclusive, its name.
pub fn has_readable_format(path: &Path) -> bool {
    start(path).is_ok_and(|start| format_of(&start, path).is_ok())
}

fn start(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    convscope_files::open(path)?.take(32).read_to_end(&mut start)?;
    Ok(start)
}

/// Extensions of raw camera files, which begin like TIFF files.
const RAW: [&str; 8] = ["arw", "cr2", "dng", "nef", "orf", "pef", "rw2", "srw"];

/// The format of these bytes; the name matters only for TGA and raw camera files.
pub(crate) fn format_of(bytes: &[u8], path: &Path) -> Result<ImageFormat, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    let unsupported = |format: &str| Err(PictureError::Unsupported { format: format.to_owned() });
    if let Some(format) = unreadable(bytes) {
        return unsupported(format);
    }
    match image::guess_format(bytes) {
        Ok(ImageFormat::Tiff) if RAW.iter().any(|raw| has_extension(path, raw)) => unsupported("camera raw"),
        Ok(format) if is_readable(format) => Ok(format),
        Ok(format) => unsupported(&format!("{format:?}")),
        Err(_) if has_extension(path, "tga") => Ok(ImageFormat::Tga),
        Err(_) => Err(PictureError::NotAPicture),
    }
}

fn is_readable(format: ImageFormat) -> bool {
    use ImageFormat::{Bmp, Gif, Ico, Jpeg, Png, Pnm, Qoi, Tga, Tiff, WebP};
    matches!(format, Bmp | Gif | Ico | Jpeg | Png | Pnm | Qoi | Tga | Tiff | WebP)
}

/// The name of a format that phones and browsers write but that is not supported.
fn unreadable(bytes: &[u8]) -> Option<&'static str> {
    const JPEG_XL: &[u8] = b"\0\0\0\x0cJXL ";
    const JPEG_2000: &[u8] = b"\0\0\0\x0cjP  ";
    match bytes.get(4..12).unwrap_or_default() {
        [b'f', b't', b'y', b'p', brand @ ..] => match brand {
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => Some("HEIC"),
            b"avif" | b"avis" => Some("AVIF"),
            _ => None,
        },
        _ if bytes.starts_with(JPEG_XL) || bytes.starts_with(&[0xFF, 0x0A]) => Some("JPEG XL"),
        _ if bytes.starts_with(JPEG_2000) => Some("JPEG 2000"),
        _ => None,
    }
}
