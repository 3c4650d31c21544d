//! From an image file to RGB bytes of a given size.

use std::io::Read;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, GenericImageView, ImageDecoder, ImageFormat, ImageReader};

use crate::pixel_limit::swaps_sides;
use crate::resize::Resizer;
use crate::{DataError, ImageSize, PixelLimit, TooLarge, webp};

/// Reads an image file as rows of interleaved RGB bytes, shape (height, width, 3).
///
/// PNG, JPEG, WebP and BMP are told apart by their content. The picture is turned as its EXIF orientation
/// says; grey becomes three equal channels, 16 bits become 8, transparent pixels lie on black; then it is
/// resized to `size` with the triangle filter (Pillow's and torchvision's `BILINEAR`), without keeping the
/// aspect ratio.
///
/// # Errors
/// [`DataError::Image`] with what is wrong: not an image, another format, truncated, without pixels.
/// [`DataError::TooLarge`] when the picture is beyond `limit`. [`DataError::Option`] when `size` has no pixels.
pub fn decode_image(
    path: impl AsRef<Path>,
    size: ImageSize,
    limit: PixelLimit,
) -> Result<Vec<u8>, DataError> {
    if size.pixels() == 0 {
        return Err(DataError::Option {
            name: "image size",
            value: size.to_string(),
            expected: "both sides must be at least 1",
        });
    }
    let mut pixels = vec![0; size.bytes()];
    decode_into(path.as_ref(), size, limit, &mut Resizer::new(), &mut pixels)?;
    Ok(pixels)
}

/// [`decode_image`] into a buffer of `size.bytes()`.
pub(crate) fn decode_into(
    path: &Path,
    size: ImageSize,
    limit: PixelLimit,
    resizer: &mut Resizer,
    pixels: &mut [u8],
) -> Result<(), DataError> {
    let decoded = read_file(path, limit).and_then(|bytes| decode_bytes(bytes, size, limit, resizer, pixels));
    decoded.map_err(|problem| problem.at(path))
}

/// The contents of an image file that is no longer than what decoding may take.
pub(crate) fn read_file(path: &Path, limit: PixelLimit) -> Result<Vec<u8>, Problem> {
    let (file, most) = (convscope_files::open(path)?, limit.bytes());
    let mut bytes = file.metadata()?.len();
    let mut contents = Vec::new();
    if bytes <= most {
        bytes = file.take(most + 1).read_to_end(&mut contents)? as u64;
    }
    if bytes > most { Err(TooLarge::File { bytes, most }.into()) } else { Ok(contents) }
}

/// [`decode_image`] of a file's bytes into a buffer of `size.bytes()`.
pub(crate) fn decode_bytes(
    bytes: Vec<u8>,
    size: ImageSize,
    limit: PixelLimit,
    resizer: &mut Resizer,
    pixels: &mut [u8],
) -> Result<(), Problem> {
    let (decoder, orientation) = decoder(bytes, limit)?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    let (width, height) = image.dimensions();
    let rgb = to_rgb(image);
    let from = ImageSize { height: height as usize, width: width as usize };
    resizer.resize(&rgb, from, pixels, size);
    Ok(())
}

/// The size of the picture in a file's bytes as it is shown, from its header alone.
pub(crate) fn probe_bytes(bytes: Vec<u8>, limit: PixelLimit) -> Result<ImageSize, Problem> {
    let (decoder, orientation) = decoder(bytes, limit)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = if swaps_sides(orientation) { (height, width) } else { (width, height) };
    Ok(ImageSize { height: height as usize, width: width as usize })
}

/// What is wrong with an image file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    Unreadable(String),
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

impl Problem {
    pub(crate) fn at(self, path: &Path) -> DataError {
        let path = path.to_owned();
        match self {
            Problem::Unreadable(reason) => DataError::Image { path, reason },
            Problem::TooLarge(source) => DataError::TooLarge { path, source },
        }
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Problem {
        Problem::Unreadable(error.to_string())
    }
}

impl From<image::ImageError> for Problem {
    /// The error on one line.
    fn from(error: image::ImageError) -> Problem {
        Problem::Unreadable(error.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Whether a file's first bytes are those of an image format that can be read.
pub(crate) fn looks_like_image(path: &Path) -> bool {
    ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .is_ok_and(|reader| reader.format().is_some_and(supported))
}

/// What a decoder may allocate besides the picture, such as for a colour profile.
const MOST_BESIDE: u64 = 64 << 20;

fn supported(format: ImageFormat) -> bool {
    matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Bmp)
}

/// A decoder of a picture within the limit, which has allocated nothing for it yet.
fn decoder(bytes: Vec<u8>, limit: PixelLimit) -> Result<(impl ImageDecoder, Orientation), Problem> {
    let unreadable = |reason: String| Err(Problem::Unreadable(reason));
    let format = match image::guess_format(&bytes) {
        Err(_) => return unreadable("not a PNG, JPEG, WebP or BMP image".into()),
        Ok(format) if !supported(format) => {
            return unreadable(format!("{format:?} images are not supported, only PNG, JPEG, WebP and BMP"));
        }
        Ok(format) => format,
    };
    if format == ImageFormat::Jpeg && !jpeg_ends(&bytes) {
        return unreadable("the JPEG image is truncated".into());
    }
    if format == ImageFormat::WebP {
        webp::check(&bytes, limit).map_err(|fault| match fault {
            webp::Fault::Truncated => Problem::Unreadable("the WebP image is truncated".into()),
            webp::Fault::TooLarge(too_large) => too_large.into(),
        })?;
    }
    // The name's extension plays no part: many a .png is a JPEG.
    let mut reader = ImageReader::with_format(std::io::Cursor::new(bytes), format);
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(MOST_BESIDE);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return unreadable(format!("the image has no pixels ({width} x {height})"));
    }
    // A damaged EXIF block does not make the picture unreadable.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    limit.check(&decoder, format, orientation)?;
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

fn to_rgb(image: DynamicImage) -> Vec<u8> {
    if !image.color().has_alpha() {
        return image.into_rgb8().into_raw();
    }
    let rgba = image.into_rgba8().into_raw();
    let over_black = |colour: u8, alpha: u8| ((u32::from(colour) * u32::from(alpha) + 127) / 255) as u8;
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for &[red, green, blue, alpha] in rgba.as_chunks::<4>().0 {
        rgb.extend([red, green, blue].map(|colour| over_black(colour, alpha)));
    }
    rgb
}
