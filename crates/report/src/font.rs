//! The font of all pictures: the Latin, Greek and Cyrillic letters of DejaVu Sans, which are part of the program.

use std::borrow::Cow;
use std::sync::LazyLock;

use ab_glyph_rasterizer::{Rasterizer, point};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

use crate::escape::escaped;

/// The sizes of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Font {
    /// For the number of a channel.
    Small,
    /// For captions.
    Text,
    /// For titles.
    Title,
}

impl Font {
    /// Pixels from one line to the next, without a gap.
    pub(crate) fn size(self) -> f64 {
        match self {
            Self::Small => 9.0,
            Self::Text => 11.0,
            Self::Title => 13.5,
        }
    }

    /// The width of a text in pixels.
    pub(crate) fn width(self, text: &str) -> u32 {
        width(text, self.size()).ceil() as u32
    }

    /// The height of a line in pixels.
    pub(crate) fn height(self) -> u32 {
        (self.size() * LINE).round() as u32
    }

    /// The text if it fits in this many pixels, otherwise its beginning and `…`.
    pub(crate) fn fitted(self, text: &str, room: u32) -> Cow<'_, str> {
        fitted(text, self.size(), f64::from(room))
    }
}

/// The height of a line, and how much of it is above the baseline.
const LINE: f64 = 1.17;
pub(crate) const ASCENT: f64 = 0.93;

static FACE: LazyLock<Face<'static>> = LazyLock::new(|| {
    Face::parse(include_bytes!("../font/dejavu-sans-subset.ttf"), 0).expect("the font is part of the program")
});

/// The name of a class as a picture can show it: the name itself or, if the font lacks one of its letters, the number
/// of the class and the name with these letters as `\u65e5`.
pub(crate) fn legible(name: &str, class: usize) -> Cow<'_, str> {
    if name.chars().all(has) {
        return Cow::Borrowed(name);
    }
    let mut shown = format!("{class}: ");
    for letter in name.chars() {
        if has(letter) { shown.push(letter) } else { shown += &format!("\\u{:04x}", u32::from(letter)) }
    }
    Cow::Owned(shown)
}

fn has(letter: char) -> bool {
    FACE.glyph_index(letter).is_some()
}

/// The width of a text of this size.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    glyphs(&printable(text)).map(|(_, advance)| advance).sum::<f64>() * size
}

/// The text if it is at most `room` wide, otherwise its beginning and `…`.
pub(crate) fn fitted(text: &str, size: f64, room: f64) -> Cow<'_, str> {
    if width(text, size) <= room {
        return Cow::Borrowed(text);
    }
    let mut left = room - width("…", size);
    let mut end = 0;
    for (at, letter) in text.char_indices() {
        left -= width(&text[at..at + letter.len_utf8()], size);
        if left < 0.0 {
            break;
        }
        end = at + letter.len_utf8();
    }
    Cow::Owned(format!("{}…", text[..end].trim_end()))
}

/// Letters that the font lacks as `\u65e5`.
fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(has) { escaped(text) } else { Cow::Owned(legible(text, 0)[3..].to_owned()) }
}

/// The glyphs with their advances, in units of the size.
fn glyphs(text: &str) -> impl Iterator<Item = (GlyphId, f64)> {
    let unit = f64::from(FACE.units_per_em());
    text.chars().map(move |letter| {
        let glyph = FACE.glyph_index(letter).unwrap_or(GlyphId(0));
        (glyph, f64::from(FACE.glyph_hor_advance(glyph).unwrap_or(0)) / unit)
    })
}

/// Calls `paint` with each pixel that a text touches and how much of it is covered, 0 to 1. The baseline begins at `origin` and
/// rises by `angle` degrees.
pub(crate) fn draw(
    text: &str,
    origin: (f64, f64),
    size: f64,
    angle: f64,
    mut paint: impl FnMut(i64, i64, f32),
) {
    let text = printable(text);
    let (sin, cos) = angle.to_radians().sin_cos();
    // No part of a letter extends further than this from its baseline.
    let reach = 1.5 * size;
    let end = (origin.0 + cos * width(&text, size), origin.1 - sin * width(&text, size));
    let (left, top) = ((origin.0.min(end.0) - reach).floor(), (origin.1.min(end.1) - reach).floor());
    let (right, bottom) = ((origin.0.max(end.0) + reach).ceil(), (origin.1.max(end.1) + reach).ceil());
    let columns = (right - left) as usize;
    let mut pen = Pen {
        rasterizer: Rasterizer::new(columns, (bottom - top) as usize),
        origin: (origin.0 - left, origin.1 - top),
        scale: size / f64::from(FACE.units_per_em()),
        turn: (sin, cos),
        along: 0.0,
        start: (0.0, 0.0),
        at: (0.0, 0.0),
    };
    for (glyph, advance) in glyphs(&text) {
        FACE.outline_glyph(glyph, &mut pen);
        pen.along += advance * size;
    }
    pen.rasterizer.for_each_pixel_2d(|x, y, cover| {
        if cover > 0.0 {
            paint(left as i64 + i64::from(x), top as i64 + i64::from(y), cover.min(1.0));
        }
    });
}

/// Moves outlines of glyphs to their position in a picture.
struct Pen {
    rasterizer: Rasterizer,
    origin: (f64, f64),
    scale: f64,
    turn: (f64, f64),
    along: f64,
    start: (f32, f32),
    at: (f32, f32),
}

impl Pen {
    fn place(&self, x: f32, y: f32) -> ab_glyph_rasterizer::Point {
        let (x, y) = (self.along + f64::from(x) * self.scale, f64::from(y) * self.scale);
        let (sin, cos) = self.turn;
        point((self.origin.0 + cos * x - sin * y) as f32, (self.origin.1 - sin * x - cos * y) as f32)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        (self.start, self.at) = ((x, y), (x, y));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (from, to) = (self.place(self.at.0, self.at.1), self.place(x, y));
        self.rasterizer.draw_line(from, to);
        self.at = (x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (from, bend, to) = (self.place(self.at.0, self.at.1), self.place(x1, y1), self.place(x, y));
        self.rasterizer.draw_quad(from, bend, to);
        self.at = (x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (from, to) = (self.place(self.at.0, self.at.1), self.place(x, y));
        let (first, second) = (self.place(x1, y1), self.place(x2, y2));
        self.rasterizer.draw_cubic(from, first, second, to);
        self.at = (x, y);
    }

    fn close(&mut self) {
        self.line_to(self.start.0, self.start.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_three_scripts_are_shown_and_others_have_their_number() {
        for name in ["łódź", "Кот", "Ωμέγα", "naïve Straße", "Hà Nội", "100 % × 3"] {
            assert_eq!(legible(name, 7), name);
        }
        assert_eq!(legible("日本 b", 7), "7: \\u65e5\\u672c b");
        assert_eq!(legible("חתול", 0), "0: \\u05d7\\u05ea\\u05d5\\u05dc");
    }

    #[test]
    fn a_text_is_cut_where_its_room_ends() {
        let whole = Font::Text.width("automobile");
        assert_eq!(Font::Text.fitted("automobile", whole), "automobile");
        let cut = Font::Text.fitted("automobile", whole - 1);
        assert!(cut.ends_with('…') && cut.len() > 8 && Font::Text.width(&cut) < whole, "{cut}");
        assert_eq!(Font::Text.fitted("automobile", 0), "…");
    }

    #[test]
    fn letters_differ_and_stand_where_they_are_asked_for() {
        let ink = |text: &str, angle: f64| {
            let mut pixels = Vec::new();
            draw(text, (20.0, 30.0), 12.0, angle, |x, y, cover| {
                if cover > 0.5 {
                    pixels.push((x, y));
                }
            });
            pixels
        };
        assert_ne!(ink("К", 0.0), ink("K", 0.0));
        assert_ne!(ink("ł", 0.0), ink("l", 0.0));
        let level = ink("HH", 0.0);
        assert!(
            level.len() > 20 && level.iter().all(|&(x, y)| (20..42).contains(&x) && (20..=30).contains(&y))
        );
        // Rotated by a right angle it rises.
        assert!(ink("HH", 90.0).iter().all(|&(x, y)| (8..=21).contains(&x) && (8..=31).contains(&y)));
    }
}
