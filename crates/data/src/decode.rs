//! From an image file to RGB bytes of a given size.

use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, GenericImageView, ImageDecoder, ImageFormat, ImageReader};

use crate::resize::Resizer;
use crate::{DataError, ImageSize};

/// Reads an image file as rows of interleaved RGB bytes, shape (height, width, 3).
///
/// PNG, JPEG, WebP and BMP are told apart by their content. The picture is turned as its EXIF orientation
/// says; grey becomes three equal channels, 16 bits become 8, transparent pixels lie on black; then it is
/// resized to `size` with the triangle filter (Pillow's and torchvision's `BILINEAR`), without keeping the
/// aspect ratio.
///
/// # Errors
/// [`DataError::Image`] with what is wrong: not an image, another format, truncated, without pixels.
/// [`DataError::Option`] when `size` has no pixels.
pub fn decode_image(path: impl AsRef<Path>, size: ImageSize) -> Result<Vec<u8>, DataError> {
    if size.pixels() == 0 {
        return Err(DataError::Option {
            name: "image size",
            value: size.to_string(),
            expected: "both sides must be at least 1",
        });
    }
    let mut pixels = vec![0; size.bytes()];
    decode_into(path.as_ref(), size, &mut Resizer::new(), &mut pixels)?;
    Ok(pixels)
}

/// [`decode_image`] into a buffer of `size.bytes()`.
pub(crate) fn decode_into(
    path: &Path,
    size: ImageSize,
    resizer: &mut Resizer,
    pixels: &mut [u8],
) -> Result<(), DataError> {
    let decoded = read_file(path).and_then(|bytes| decode_bytes(bytes, size, resizer, pixels));
    decoded.map_err(|reason| DataError::Image { path: path.to_owned(), reason })
}

/// The bytes of an image file, or what is wrong with it.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| error.to_string())
}

/// [`decode_image`] of a file's bytes into a buffer of `size.bytes()`, or what is wrong with them.
pub(crate) fn decode_bytes(
    bytes: Vec<u8>,
    size: ImageSize,
    resizer: &mut Resizer,
    pixels: &mut [u8],
) -> Result<(), String> {
    let (mut decoder, orientation) = decoder(bytes)?;
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    decoder.set_limits(limits).map_err(|error| readable(&error))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| readable(&error))?;
    image.apply_orientation(orientation);
    let (width, height) = image.dimensions();
    let rgb = to_rgb(image);
    let from = ImageSize { height: height as usize, width: width as usize };
    resizer.resize(&rgb, from, pixels, size);
    Ok(())
}

/// An image's size as it is shown, from its header alone, or what is wrong with it.
pub(crate) fn probe(path: &Path) -> Result<ImageSize, String> {
    probe_bytes(read_file(path)?)
}

/// [`probe`] of a file's bytes.
pub(crate) fn probe_bytes(bytes: Vec<u8>) -> Result<ImageSize, String> {
    let (decoder, orientation) = decoder(bytes)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    };
    Ok(ImageSize { height: height as usize, width: width as usize })
}

/// Whether a file's first bytes are those of an image format that can be read.
pub(crate) fn looks_like_image(path: &Path) -> bool {
    ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .is_ok_and(|reader| reader.format().is_some_and(supported))
}

/// A picture that needs more than this is taken for a broken header.
const MAX_DECODED_BYTES: u64 = 1 << 30;

fn supported(format: ImageFormat) -> bool {
    matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Bmp)
}

fn decoder(bytes: Vec<u8>) -> Result<(impl ImageDecoder, Orientation), String> {
    let is_jpeg = matches!(image::guess_format(&bytes), Ok(ImageFormat::Jpeg));
    let truncated = is_jpeg && !jpeg_ends(&bytes);
    // The name's extension plays no part: many a .png is a JPEG.
    let reader = ImageReader::new(std::io::Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| error.to_string())?;
    match reader.format() {
        None => return Err("not a PNG, JPEG, WebP or BMP image".into()),
        Some(format) if !supported(format) => {
            return Err(format!("{format:?} images are not supported, only PNG, JPEG, WebP and BMP"));
        }
        Some(_) if truncated => return Err("the JPEG image is truncated".into()),
        Some(_) => {}
    }
    let mut decoder = reader.into_decoder().map_err(|error| readable(&error))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(format!("the image has no pixels ({width} x {height})"));
    }
    // A damaged EXIF block does not make the picture unreadable.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((decoder, orientation))
}

/// Whether a JPEG file's picture has an end; the decoder would fill what is missing with grey.
fn jpeg_ends(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    const END_OF_IMAGE: [u8; 2] = [0xFF, 0xD9];
    // Segments are stepped over, since a thumbnail within one has an end of its own.
    let mut at = 2;
    while let Some(&[0xFF, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == START_OF_SCAN {
            return bytes[at..].windows(2).any(|pair| pair == END_OF_IMAGE);
        }
        // Any number of fill bytes may stand before a marker.
        at += if marker == 0xFF { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
    }
    false
}

/// The error on one line.
fn readable(error: &image::ImageError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn to_rgb(image: DynamicImage) -> Vec<u8> {
    if !image.color().has_alpha() {
        return image.into_rgb8().into_raw();
    }
    let rgba = image.into_rgba8().into_raw();
    let over_black = |colour: u8, alpha: u8| ((u32::from(colour) * u32::from(alpha) + 127) / 255) as u8;
    rgba.as_chunks::<4>()
        .0
        .iter()
        .flat_map(|&[red, green, blue, alpha]| [red, green, blue].map(|colour| over_black(colour, alpha)))
        .collect()
}
