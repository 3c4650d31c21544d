//! A picture to draw on: rectangles, lines, text, other pictures.

use image::{Rgb, RgbImage};

use crate::colour::mix;
use crate::font::{self, ASCENT};

pub(crate) use crate::font::Font;

/// Ink and paper of all pictures, which are meant for printing and pasting: dark on white.
pub(crate) const PAPER: [u8; 3] = [255, 255, 255];
pub(crate) const INK: [u8; 3] = [31, 35, 40];
pub(crate) const PALE_INK: [u8; 3] = [101, 109, 118];
pub(crate) const RULE: [u8; 3] = [222, 226, 230];

/// The picture. Anything drawn beyond its edges is cut off.
pub(crate) struct Canvas {
    image: RgbImage,
}

impl Canvas {
    /// A white picture.
    pub(crate) fn new(width: u32, height: u32) -> Self {
        Self { image: RgbImage::from_pixel(width, height, Rgb(PAPER)) }
    }

    /// The finished picture.
    pub(crate) fn into_image(self) -> RgbImage {
        self.image
    }

    /// Fills a rectangle.
    pub(crate) fn fill(&mut self, left: u32, top: u32, width: u32, height: u32, colour: [u8; 3]) {
        for y in top..(top + height).min(self.image.height()) {
            for x in left..(left + width).min(self.image.width()) {
                self.image.put_pixel(x, y, Rgb(colour));
            }
        }
    }

    /// Writes a line of text with the upper left corner of its first character at this point.
    pub(crate) fn text(&mut self, left: u32, top: u32, text: &str, font: Font, colour: [u8; 3]) {
        let baseline = f64::from(top) + (ASCENT * font.size()).round();
        self.text_at((f64::from(left), baseline), text, font.size(), 0.0, colour);
    }

    /// Writes a line of text with a baseline that begins at this point and rises by `angle` degrees.
    pub(crate) fn text_at(&mut self, origin: (f64, f64), text: &str, size: f64, angle: f64, colour: [u8; 3]) {
        font::draw(text, origin, size, angle, |x, y, cover| {
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                && let Some(pixel) = self.image.get_pixel_mut_checked(x, y)
            {
                pixel.0 = mix(pixel.0, colour, cover);
            }
        });
    }

    /// Draws a picture onto this one, with its upper left corner at this point.
    pub(crate) fn paste(&mut self, left: u32, top: u32, picture: &RgbImage) {
        image::imageops::replace(&mut self.image, picture, i64::from(left), i64::from(top));
    }

    /// Draws a straight line with soft edges and round ends.
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, colour: [u8; 3]) {
        let reach = width / 2.0 + 1.0;
        let span = |a: f64, b: f64, end: u32| {
            let first = (a.min(b) - reach).max(0.0) as u32;
            first..((a.max(b) + reach).max(0.0) as u32).saturating_add(1).min(end)
        };
        let (width_px, height_px) = self.image.dimensions();
        for y in span(from.1, to.1, height_px) {
            for x in span(from.0, to.0, width_px) {
                let distance = distance_to_segment((f64::from(x) + 0.5, f64::from(y) + 0.5), from, to);
                let cover = (width / 2.0 + 0.5 - distance).clamp(0.0, 1.0);
                if cover > 0.0 {
                    let under = self.image.get_pixel(x, y).0;
                    self.image.put_pixel(x, y, Rgb(mix(under, colour, cover as f32)));
                }
            }
        }
    }
}

fn distance_to_segment(point: (f64, f64), from: (f64, f64), to: (f64, f64)) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx * dx + dy * dy;
    let along = if length == 0.0 {
        0.0
    } else {
        (((point.0 - from.0) * dx + (point.1 - from.1) * dy) / length).clamp(0.0, 1.0)
    };
    (point.0 - from.0 - along * dx).hypot(point.1 - from.1 - along * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_takes_the_place_that_its_font_says_and_nothing_beyond() {
        let mut canvas = Canvas::new(40, 20);
        canvas.text(3, 4, "48", Font::Small, INK);
        let image = canvas.into_image();
        let inked: Vec<(u32, u32)> =
            image.enumerate_pixels().filter(|(_, _, p)| p.0 != PAPER).map(|(x, y, _)| (x, y)).collect();
        assert!(inked.len() > 10);
        assert!(inked.iter().all(|&(x, y)| (3..3 + Font::Small.width("48")).contains(&x)
            && (4..4 + Font::Small.height()).contains(&y)));
        // Both digits are there.
        let middle = 3 + Font::Small.width("4");
        assert!(inked.iter().any(|&(x, _)| x < middle) && inked.iter().any(|&(x, _)| x > middle));
    }

    #[test]
    fn lines_reach_from_end_to_end_and_are_cut_at_the_edge() {
        let mut canvas = Canvas::new(20, 10);
        canvas.line((2.5, 3.5), (40.0, 3.5), 1.0, INK);
        let image = canvas.into_image();
        assert_eq!(image.get_pixel(19, 3).0, INK);
        assert_eq!(image.get_pixel(10, 3).0, INK);
        assert_eq!(image.get_pixel(10, 6).0, PAPER);
        assert_eq!(image.get_pixel(0, 3).0, PAPER);
    }
}
