//! From the bytes of a picture file to RGB.

use std::fmt;
use std::io::Read;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, GenericImageView, ImageDecoder, ImageFormat, ImageReader};

use crate::{Background, Framing, ImageSize, PictureError, PixelLimit, Resizer, TooLarge, format, webp};

/// A picture as it is shown: upright, opaque, with 8 bits a channel.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    size: ImageSize,
    rgb: Vec<u8>,
}

impl Picture {
    /// Decodes the bytes of a picture file.
    ///
    /// Formats are told apart by their content; `path` is asked only about TGA, which has no signature. Of an animation it is
    /// the first frame. The picture is turned as its EXIF orientation says; grey becomes three equal
    /// channels, 16 bits become 8, and transparent pixels lie on `background`.
    ///
    /// # Errors
    /// What is wrong with the file: not a picture, another format, truncated, without pixels, beyond the limit.
    pub fn decode(
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

    /// The bytes that [`rgb`](Self::rgb) shows.
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// Writes the picture as an image of another size.
    ///
    /// # Panics
    /// Where `size` has no pixels, or `pixels` does not have its [bytes](ImageSize::bytes).
    pub fn resize(&self, size: ImageSize, framing: Framing, resizer: &mut Resizer, pixels: &mut [u8]) {
        resizer.resize(&self.rgb, self.size, pixels, size, framing);
    }
}

/// The contents of a picture file that is no longer than what decoding may take.
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

/// What a decoder may allocate besides the picture, such as for a colour profile.
const MOST_BESIDE: u64 = 64 << 20;

/// A decoder of a picture within the limit, which has allocated nothing for it yet.
fn decoder(
    bytes: Vec<u8>,
    path: &Path,
    limit: PixelLimit,
) -> Result<(impl ImageDecoder, Orientation), PictureError> {
    let format = format::of(&bytes, path)?;
    if format == ImageFormat::Jpeg && !jpeg_ends(&bytes) {
        return Err(PictureError::Truncated { format: "JPEG" });
    }
    if format == ImageFormat::WebP {
        webp::check(&bytes, limit).map_err(|fault| match fault {
            webp::Fault::Truncated => PictureError::Truncated { format: "WebP" },
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
        return Err(PictureError::NoPixels { width, height });
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
