//! From the bytes of a picture file to RGB.

use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, GenericImageView, ImageDecoder, ImageFormat, ImageReader};

use crate::{Background, ImageSize, Picture, PictureError, PixelLimit, content, cost, webp};

/// See [`Picture::decode`].
pub(crate) fn decode(
    bytes: Vec<u8>,
    path: &Path,
    background: Background,
    limit: PixelLimit,
) -> Result<Picture, PictureError> {
    let (decoder, orientation) = decoder(bytes, path, limit)?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    let (width, height) = image.dimensions();
    let size = ImageSize { height: height as usize, width: width as usize };
    Ok(Picture { size, rgb: to_rgb(image, background) })
}

/// What a decoder may allocate in addition to the picture, for example for a colour profile.
const MOST_BESIDE: u64 = 64 << 20;

/// A decoder for a picture within the limit, for which nothing has been allocated yet.
fn decoder(
    bytes: Vec<u8>,
    path: &Path,
    limit: PixelLimit,
) -> Result<(impl ImageDecoder, Orientation), PictureError> {
    let format = content::format_of(&bytes, path)?;
    if format == ImageFormat::Jpeg && !jpeg_ends(&bytes) {
        return Err(PictureError::Truncated { format: "JPEG" });
    }
    if format == ImageFormat::WebP {
        webp::check(&bytes, limit).map_err(|fault| match fault {
            webp::Fault::Truncated => PictureError::Truncated { format: "WebP" },
            webp::Fault::TooLarge(too_large) => too_large.into(),
        })?;
    }
    // The extension does not matter: many .png files are JPEGs.
    let mut reader = ImageReader::with_format(std::io::Cursor::new(bytes), format);
    let mut limits = image::Limits::no_limits();
    // The TIFF decoder counts the picture itself.
    limits.max_alloc = Some(if format == ImageFormat::Tiff { limit.bytes() } else { MOST_BESIDE });
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(PictureError::NoPixels { width, height });
    }
    // A damaged EXIF block does not make the picture unreadable.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    cost::check(limit, &decoder, format, orientation)?;
    Ok((decoder, orientation))
}

/// Whether a JPEG file is complete; the decoder would fill missing parts with grey.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
    // Segments are skipped, since a thumbnail within one has its own end marker.
    let mut at = 2;
    while let Some(&[0xFF, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == START_OF_SCAN {
            return bytes[at..].windows(2).any(|pair| pair == END_OF_IMAGE);
        }
        // Any number of fill bytes may precede a marker.
        at += if marker == 0xFF { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
    }
    false
}

fn to_rgb(image: DynamicImage, background: Background) -> Vec<u8> {
    if !image.color().has_alpha() {
        return image.into_rgb8().into_raw();
    }
    let over = |colour: u8, alpha: u8, behind: u8| {
        let [colour, alpha, behind] = [colour, alpha, behind].map(u32::from);
        ((colour * alpha + behind * (255 - alpha) + 127) / 255) as u8
    };
    let behind = background.rgb();
    let rgba = image.into_rgba8().into_raw();
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for &[red, green, blue, alpha] in rgba.as_chunks::<4>().0 {
        let colour = [red, green, blue];
        rgb.extend((0..3).map(|channel| over(colour[channel], alpha, behind[channel])));
    }
    rgb
}
