//! How large a picture file may be once it is decoded.

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageFormat};

/// How many pixels a picture file may have, by default 100 million.
///
/// A header of a few bytes can announce a picture of any size, so the limit is checked before anything is allocated.
/// It bounds memory too: reading a file takes at most 12 bytes for each pixel of the limit (1.2 GB by default), with
/// what the decoder keeps, the conversion to 8 bits, the removal of transparency and the rotation counted. That is
/// enough for any picture of 8 bits a channel, and for three quarters of the pixels with 16 bits and transparency.
///
/// ```
/// use convscope_pictures::{Background, Picture, PixelLimit};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("a.bmp");
/// # image::RgbImage::new(40, 30).save(&path).unwrap();
/// assert!(Picture::read(&path, Background::WHITE, PixelLimit::default()).is_ok());
/// let error = Picture::read(&path, Background::WHITE, PixelLimit::new(1199)?).unwrap_err();
/// assert_eq!(error.to_string(), "the picture has 40x30 = 1200 pixels, more than the limit of 1199");
/// # Ok::<(), convscope_pictures::LimitOutOfRange>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelLimit(u64);

impl Default for PixelLimit {
    fn default() -> Self {
        PixelLimit(100_000_000)
    }
}

impl PixelLimit {
    /// The largest limit: a billion pixels. Beyond it decoders count bytes in numbers that are too small.
    pub const LARGEST: u64 = 1_000_000_000;

    /// A limit of so many pixels, from 1 to [`LARGEST`](Self::LARGEST).
    ///
    /// # Errors
    /// [`LimitOutOfRange`].
    pub fn new(pixels: u64) -> Result<PixelLimit, LimitOutOfRange> {
        let fits = (1..=Self::LARGEST).contains(&pixels);
        if fits { Ok(PixelLimit(pixels)) } else { Err(LimitOutOfRange { pixels }) }
    }

    /// The number of pixels.
    pub fn pixels(self) -> u64 {
        self.0
    }

    /// Bytes that reading a file may take.
    pub(crate) fn bytes(self) -> u64 {
        12 * self.0
    }

    /// Fails where decoding a picture of this kind would take more than the limit allows.
    pub(crate) fn check(
        self,
        decoder: &impl ImageDecoder,
        format: ImageFormat,
        orientation: Orientation,
    ) -> Result<(), TooLarge> {
        let (width, height) = decoder.dimensions();
        let pixels = self.check_size(width, height)?;
        let bytes = pixels * bytes_per_pixel(decoder.color_type(), format, orientation);
        if bytes > self.bytes() {
            return Err(TooLarge::Bytes { width, height, bytes, most: self.bytes() });
        }
        Ok(())
    }

    /// The number of pixels of a picture of this size, which is within the limit.
    pub(crate) fn check_size(self, width: u32, height: u32) -> Result<u64, TooLarge> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.0 {
            return Err(TooLarge::Pixels { width, height, most: self.0 });
        }
        Ok(pixels)
    }
}

/// A number of pixels that is no [`PixelLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a limit of {pixels} pixels; it must be between 1 and {}", PixelLimit::LARGEST)]
pub struct LimitOutOfRange {
    /// The number.
    pub pixels: u64,
}

/// Why a picture is beyond a [`PixelLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// It has too many pixels.
    #[error(
        "the picture has {width}x{height} = {} pixels, more than the limit of {most}",
        u64::from(*width) * u64::from(*height)
    )]
    Pixels {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// The limit.
        most: u64,
    },
    /// Decoding it would take too many bytes.
    #[error(
        "the picture of {width}x{height} pixels would take {bytes} bytes to decode, more than the limit of {most}"
    )]
    Bytes {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// What decoding would take.
        bytes: u64,
        /// Twelve for each pixel of the limit.
        most: u64,
    },
    /// The file itself is too long.
    #[error("the file has {bytes} bytes, more than the limit of {most}")]
    File {
        /// Its length.
        bytes: u64,
        /// Twelve for each pixel of the limit.
        most: u64,
    },
}

/// Bytes that are held for each pixel when they are the most: while the file is decoded, while the picture is turned, or
/// while it is brought to three channels of 8 bits.
fn bytes_per_pixel(color: ColorType, format: ImageFormat, orientation: Orientation) -> u64 {
    let decoded = u64::from(color.bytes_per_pixel());
    let of_decoder = match format {
        // The coefficients of a progressive JPEG.
        ImageFormat::Jpeg => 8,
        // The canvas and a frame of an animation.
        ImageFormat::WebP => 8,
        // A frame beside the canvas, the mask beside the picture.
        ImageFormat::Gif | ImageFormat::Ico => 4,
        // The bytes as the file has them.
        ImageFormat::Pnm | ImageFormat::Tga | ImageFormat::Qoi => decoded,
        _ => 0,
    };
    let turned = if swaps_sides(orientation) { 2 * decoded } else { decoded };
    let converted = match color {
        ColorType::Rgb8 => decoded,
        ColorType::Rgba8 => decoded + 3,
        color if color.has_alpha() => decoded + 4,
        _ => decoded + 3,
    };
    (of_decoder + decoded).max(turned).max(converted)
}

/// Whether rows become columns.
fn swaps_sides(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_and_rotation_count() {
        use Orientation::{FlipHorizontal, NoTransforms, Rotate90};
        for (color, format, orientation, expected) in [
            (ColorType::Rgb8, ImageFormat::Bmp, NoTransforms, 3),
            (ColorType::Rgb8, ImageFormat::Bmp, FlipHorizontal, 3),
            (ColorType::Rgb8, ImageFormat::Png, Rotate90, 6),
            (ColorType::L8, ImageFormat::Png, NoTransforms, 4),
            (ColorType::Rgba8, ImageFormat::Png, NoTransforms, 7),
            (ColorType::Rgba16, ImageFormat::Png, NoTransforms, 12),
            (ColorType::Rgba16, ImageFormat::Png, Rotate90, 16),
            (ColorType::Rgb8, ImageFormat::Jpeg, Rotate90, 11),
            (ColorType::Rgba8, ImageFormat::WebP, NoTransforms, 12),
            (ColorType::Rgba8, ImageFormat::Gif, NoTransforms, 8),
            (ColorType::L8, ImageFormat::Pnm, NoTransforms, 4),
        ] {
            assert_eq!(bytes_per_pixel(color, format, orientation), expected, "{color:?} {format:?}");
        }
    }

    #[test]
    fn limits_have_a_range() {
        assert!(PixelLimit::new(0).is_err() && PixelLimit::new(PixelLimit::LARGEST + 1).is_err());
        let limit = PixelLimit::new(PixelLimit::LARGEST).unwrap();
        assert!(limit.check_size(u32::MAX, u32::MAX).is_err());
        assert_eq!(limit.check_size(1 << 14, 1 << 14), Ok(1 << 28));
    }
}
