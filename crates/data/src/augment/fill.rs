//! What fills the area beyond the border of an image.

use std::fmt;

/// What fills the area that an image was moved away from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fill {
    /// The image mirrored at its outermost pixels, which are not repeated: `dcb|abcd|cba`, like PyTorch's `reflect`.
    #[default]
    Reflect,
    /// The outermost pixel repeated: `aaa|abcd|ddd`, Keras' `nearest` and PyTorch's `replicate`.
    Nearest,
    /// This grey level; 0 is black.
    Constant(u8),
}

impl Fill {
    pub(super) const NAMES: &str =
        "reflect, nearest, constant (black) or constant:LEVEL with a grey level from 0 to 255";

    pub(super) fn parse(text: &str) -> Option<Fill> {
        match text {
            "reflect" => Some(Fill::Reflect),
            "nearest" => Some(Fill::Nearest),
            "constant" => Some(Fill::Constant(0)),
            _ => text.strip_prefix("constant:")?.parse().ok().map(Fill::Constant),
        }
    }

    /// The position in `0..len` that position `at` shows; `None` if it shows the constant.
    pub(super) fn source(self, at: isize, len: usize) -> Option<usize> {
        let last = len as isize - 1;
        match self {
            _ if (0..=last).contains(&at) => Some(at as usize),
            Fill::Constant(_) => None,
            Fill::Nearest => Some(at.clamp(0, last) as usize),
            Fill::Reflect if last == 0 => Some(0),
            Fill::Reflect => {
                let folded = at.rem_euclid(2 * last);
                Some(folded.min(2 * last - folded) as usize)
            }
        }
    }

    /// The grey level where [`Fill::source`] is `None`.
    pub(super) fn level(self) -> u8 {
        if let Fill::Constant(level) = self { level } else { 0 }
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fill::Reflect => f.write_str("reflect"),
            Fill::Nearest => f.write_str("nearest"),
            Fill::Constant(0) => f.write_str("constant"),
            Fill::Constant(level) => write!(f, "constant:{level}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fill: Fill) -> String {
        let letter = |at| fill.source(at, 4).map_or('-', |at| char::from(b'a' + at as u8));
        (-8..12).map(letter).collect()
    }

    #[test]
    fn borders_are_continued_as_documented() {
        assert_eq!(line(Fill::Reflect), "cbabcdcbabcdcbabcdcb".replace(' ', ""));
        assert_eq!(line(Fill::Nearest), "aaaaaaaaabcddddddddd");
        assert_eq!(line(Fill::Constant(7)), "--------abcd--------");
        assert_eq!(Fill::Reflect.source(-3, 1), Some(0));
    }
}
