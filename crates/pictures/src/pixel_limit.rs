//! How large a decoded picture may be.

/// The most pixels that a picture file may have, by default 100 million.
///
/// A header of a few bytes can claim a picture of any size, so the limit is checked before anything is allocated. It
/// bounds memory too: reading a file takes at most 12 bytes for each pixel of the limit (1.2 GB by default), including
/// the decoder's own memory, the conversion to 8 bits, the removal of transparency and the rotation. That is enough for
/// any picture with 8 bits per channel, and for three quarters of the pixels with 16 bits and transparency.
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
    /// The largest limit: a billion pixels. Beyond it, byte counts overflow in decoders.
    pub const LARGEST: u64 = 1_000_000_000;

    /// A limit of this many pixels, from 1 to [`LARGEST`](Self::LARGEST).
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

    /// The number of pixels of a picture of this size, which is within the limit.
    #[cfg(feature = "decode")]
    pub(crate) fn check_size(self, width: u32, height: u32) -> Result<u64, TooLarge> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.0 {
            return Err(TooLarge::Pixels { width, height, most: self.0 });
        }
        Ok(pixels)
    }
}

/// A number of pixels that is not a [`PixelLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a limit of {pixels} pixels; it must be between 1 and {}", PixelLimit::LARGEST)]
pub struct LimitOutOfRange {
    /// The number.
    pub pixels: u64,
}

/// Why a picture exceeds a [`PixelLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
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
        /// The bytes that decoding would take.
        bytes: u64,
        /// Twelve bytes for each pixel of the limit.
        most: u64,
    },
    /// The file itself is too long.
    #[error("the file has {bytes} bytes, more than the limit of {most}")]
    File {
        /// Its length.
        bytes: u64,
        /// Twelve bytes for each pixel of the limit.
        most: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_a_range() {
        assert!(PixelLimit::new(0).is_err() && PixelLimit::new(PixelLimit::LARGEST + 1).is_err());
        let limit = PixelLimit::new(PixelLimit::LARGEST).unwrap();
        assert!(limit.check_size(u32::MAX, u32::MAX).is_err());
        assert_eq!(limit.check_size(1 << 14, 1 << 14), Ok(1 << 28));
    }
}
