//! The size of a picture.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Colour channels of every image: red, green, blue.
pub const CHANNELS: usize = 3;

/// The size of an image in pixels, written as width x height: `640x480`. Images always have three channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ImageSize {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
}

impl ImageSize {
    /// The size `side` x `side`.
    pub const fn square(side: usize) -> Self {
        ImageSize { height: side, width: side }
    }

    /// Pixels of one channel: height x width.
    pub const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Bytes of one image with 8 bits a channel: 3 x height x width.
    pub const fn bytes(self) -> usize {
        CHANNELS * self.pixels()
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A text that is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a size; it must be a side in pixels such as 64, or width x height such as 96x64")]
pub struct NotASize {
    /// The text.
    pub text: String,
}

/// From a side (`64`) or from width x height (`96x64`).
impl FromStr for ImageSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<ImageSize, NotASize> {
        let side = |text: &str| text.parse::<u32>().ok().map(|side| side as usize);
        let size = match text.split_once('x') {
            Some((width, height)) => {
                side(width).zip(side(height)).map(|(width, height)| ImageSize { height, width })
            }
            None => side(text).map(ImageSize::square),
        };
        size.ok_or_else(|| NotASize { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_side_or_width_by_height() {
        assert_eq!("64".parse(), Ok(ImageSize::square(64)));
        assert_eq!("96x64".parse(), Ok(ImageSize { height: 64, width: 96 }));
        for text in ["", "x", "64x", "64x-3", "1x2x3", "6.5", "99999999999"] {
            assert!(text.parse::<ImageSize>().is_err(), "{text}");
        }
    }
}
