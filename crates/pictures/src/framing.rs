//! How a picture is resized, and its background.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a picture is turned into an image of a given size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framing {
    /// How a different aspect ratio is handled.
    pub resize: Resize,
    /// Colour of transparent pixels and added borders.
    pub background: Background,
}

impl Framing {
    /// Squashed on black: used by runs and weights files without a record of it.
    pub const UNRECORDED: Framing = Framing { resize: Resize::Squash, background: Background::BLACK };
}

/// How to resize a picture whose aspect ratio is not that of the image; written as `squash`, `pad`, `crop`, or a number.
///
/// ```
/// use convscope_pictures::Resize;
/// // torchvision's Resize(256) and CenterCrop to the size of the image.
/// assert_eq!("256".parse(), Ok(Resize::ShorterSide(256)));
/// assert_eq!(Resize::Crop.to_string(), "crop");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Resize {
    /// Scales it to the image's width and height, ignoring its aspect ratio.
    #[default]
    Squash,
    /// Scales it to fit into the image; the free area on two sides shows the background.
    Pad,
    /// Scales it to cover the image; what extends beyond it on two sides is cut off.
    Crop,
    /// Scales its shorter side to this many pixels and keeps the image's size from the middle, as torchvision's `Resize` and
    /// `CenterCrop` do; a picture that would not cover the image is scaled further, until it does. From 1 to 65535.
    ShorterSide(u16),
}

/// A text that is not a way of resizing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a way of resizing; it must be squash, pad, crop, or the shorter side in pixels such as 256"
)]
pub struct NotAResize {
    /// The text.
    pub text: String,
}

impl FromStr for Resize {
    type Err = NotAResize;

    fn from_str(text: &str) -> Result<Resize, NotAResize> {
        match text {
            "squash" => Ok(Resize::Squash),
            "pad" => Ok(Resize::Pad),
            "crop" => Ok(Resize::Crop),
            _ => match text.parse() {
                Ok(side) if side > 0 && text.starts_with(|first: char| first.is_ascii_digit()) => {
                    Ok(Resize::ShorterSide(side))
                }
                _ => Err(NotAResize { text: text.to_owned() }),
            },
        }
    }
}

impl TryFrom<String> for Resize {
    type Error = NotAResize;

    fn try_from(text: String) -> Result<Resize, NotAResize> {
        text.parse()
    }
}

impl From<Resize> for String {
    fn from(resize: Resize) -> String {
        resize.to_string()
    }
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resize::Squash => f.pad("squash"),
            Resize::Pad => f.pad("pad"),
            Resize::Crop => f.pad("crop"),
            Resize::ShorterSide(side) => fmt::Display::fmt(side, f),
        }
    }
}

/// An opaque colour, written as `white`, `black`, or `#rrggbb` in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Background {
    rgb: [u8; 3],
}

impl Background {
    /// 255, 255, 255.
    pub const WHITE: Background = Background::new([255; 3]);
    /// 0, 0, 0.
    pub const BLACK: Background = Background::new([0; 3]);

    /// The colour of this red, green and blue.
    pub const fn new(rgb: [u8; 3]) -> Background {
        Background { rgb }
    }

    /// Red, green and blue.
    pub const fn rgb(self) -> [u8; 3] {
        self.rgb
    }
}

impl Default for Background {
    fn default() -> Self {
        Background::WHITE
    }
}

impl fmt::Display for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Background::WHITE => f.pad("white"),
            Background::BLACK => f.pad("black"),
            Background { rgb: [red, green, blue] } => write!(f, "#{red:02x}{green:02x}{blue:02x}"),
        }
    }
}

/// A text that is not a colour.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a colour; it must be white, black, or a # and six hexadecimal digits such as #808080"
)]
pub struct NotAColour {
    /// The text.
    pub text: String,
}

impl FromStr for Background {
    type Err = NotAColour;

    fn from_str(text: &str) -> Result<Background, NotAColour> {
        let parsed = match text {
            "white" => Some(Background::WHITE),
            "black" => Some(Background::BLACK),
            _ => text.strip_prefix('#').and_then(|digits| {
                let is_colour = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                let number = is_colour.then(|| u32::from_str_radix(digits, 16).ok()).flatten()?;
                let [_, red, green, blue] = number.to_be_bytes();
                Some(Background::new([red, green, blue]))
            }),
        };
        parsed.ok_or_else(|| NotAColour { text: text.to_owned() })
    }
}

impl TryFrom<String> for Background {
    type Error = NotAColour;

    fn try_from(text: String) -> Result<Background, NotAColour> {
        text.parse()
    }
}

impl From<Background> for String {
    fn from(background: Background) -> String {
        background.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_resizing_have_a_text_and_come_back() {
        for resize in [Resize::Squash, Resize::Pad, Resize::Crop, Resize::ShorterSide(256)] {
            assert_eq!(resize.to_string().parse(), Ok(resize));
        }
        for text in ["", "0", "+5", "-5", "70000", "256x256", "Crop"] {
            assert!(text.parse::<Resize>().is_err(), "{text}");
        }
    }

    #[test]
    fn colours_have_a_text_and_come_back() {
        for (text, rgb) in [("white", [255; 3]), ("black", [0; 3]), ("#0a80ff", [10, 128, 255])] {
            let background: Background = text.parse().unwrap();
            assert_eq!((background.rgb(), background.to_string().as_str()), (rgb, text));
        }
        assert_eq!("#FFFFFF".parse(), Ok(Background::WHITE));
        for text in ["", "red", "#fff", "#12345g", "808080", "#+12345"] {
            assert!(text.parse::<Background>().is_err(), "{text}");
        }
    }
}
