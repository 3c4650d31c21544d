//! A picture that is drawn on: rectangles, lines, text, other pictures.

use std::convert::Infallible;

use embedded_graphics::Drawable;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_6X13, FONT_8X13_BOLD};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::text::{Baseline, Text};
use image::{Rgb, RgbImage};

use crate::colour::mix;

/// Ink and paper of all pictures, which are made to be printed and pasted: dark on white.
pub(crate) const PAPER: [u8; 3] = [255, 255, 255];
pub(crate) const INK: [u8; 3] = [31, 35, 40];
pub(crate) const PALE_INK: [u8; 3] = [101, 109, 118];
pub(crate) const RULE: [u8; 3] = [222, 226, 230];

/// A font of fixed width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Font {
    /// 6x10, for the number of a channel.
    Small,
    /// 6x13, for captions.
    Text,
    /// 8x13 bold, for titles.
    Title,
}

impl Font {
    fn font(self) -> &'static MonoFont<'static> {
        match self {
            Self::Small => &FONT_6X10,
            Self::Text => &FONT_6X13,
            Self::Title => &FONT_8X13_BOLD,
        }
    }

    /// How many pixels wide a text is.
    pub(crate) fn width(self, text: &str) -> u32 {
        self.font().character_size.width * text.chars().count() as u32
    }

    /// How many pixels high a line is.
    pub(crate) fn height(self) -> u32 {
        self.font().character_size.height
    }
}

/// The picture. What is drawn beyond its edges is cut off.
pub(crate) struct Canvas {
    image: RgbImage,
}

impl Canvas {
    /// A white picture.
    pub(crate) fn new(width: u32, height: u32) -> Self {
        Self { image: RgbImage::from_pixel(width, height, Rgb(PAPER)) }
    }

    /// The picture as it was drawn.
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

    /// Writes a line of text whose first character's upper left corner lies there.
    pub(crate) fn text(&mut self, left: u32, top: u32, text: &str, font: Font, colour: [u8; 3]) {
        let [r, g, b] = colour;
        let style = MonoTextStyle::new(font.font(), Rgb888::new(r, g, b));
        let place = Point::new(left as i32, top as i32);
        // The fonts have no `…`.
        let (plain, dots) = (text.replace('…', " "), font.font().baseline);
        let drawn = Text::with_baseline(&plain, place, style, Baseline::Top).draw(self);
        drawn.unwrap_or_else(|never| match never {});
        for (index, _) in text.chars().enumerate().filter(|(_, letter)| *letter == '…') {
            let step = font.font().character_size.width;
            for dot in 0..3 {
                self.fill(left + step * index as u32 + step * dot / 3, top + dots, 1, 1, colour);
            }
        }
    }

    /// Writes a line of text that rises at 45 degrees and ends there.
    pub(crate) fn text_rising(&mut self, right: u32, top: u32, text: &str, colour: [u8; 3]) {
        let (width, height) = (Font::Text.width(text), Font::Text.height());
        let mut flat = Canvas::new(width.max(1), height);
        flat.text(0, 0, text, Font::Text, [0; 3]);
        let (sin, cos) = std::f64::consts::FRAC_PI_4.sin_cos();
        let reach = i64::from(width + height);
        for dy in -i64::from(height)..reach {
            for dx in -reach..i64::from(height) {
                // Back from the page to the flat line, whose right end is the fixed point.
                let (fx, fy) = (dx as f64 + 0.5, dy as f64 + 0.5);
                let along = f64::from(width) + fx * cos - fy * sin;
                let down = fx * sin + fy * cos;
                let ink = 255.0 - flat.grey_at(along - 0.5, down - 0.5);
                let (x, y) = (i64::from(right) + dx, i64::from(top) + dy);
                if ink > 8.0
                    && let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
                    && let Some(pixel) = self.image.get_pixel_mut_checked(x, y)
                {
                    pixel.0 = mix(pixel.0, colour, (ink / 255.0) as f32);
                }
            }
        }
    }

    /// How light the picture is at a place between pixels; white beyond the edges.
    fn grey_at(&self, x: f64, y: f64) -> f64 {
        let at = |x: i64, y: i64| match (u32::try_from(x), u32::try_from(y)) {
            (Ok(x), Ok(y)) => self.image.get_pixel_checked(x, y).map_or(255.0, |pixel| f64::from(pixel.0[0])),
            _ => 255.0,
        };
        let (left, top) = (x.floor(), y.floor());
        let (right_share, lower_share) = (x - left, y - top);
        let (left, top) = (left as i64, top as i64);
        let upper = at(left, top) * (1.0 - right_share) + at(left + 1, top) * right_share;
        let lower = at(left, top + 1) * (1.0 - right_share) + at(left + 1, top + 1) * right_share;
        upper * (1.0 - lower_share) + lower * lower_share
    }

    /// Lays a picture over this one, its upper left corner there.
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

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.image.width(), self.image.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(place, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(place.x), u32::try_from(place.y)) else { continue };
            if x < self.image.width() && y < self.image.height() {
                self.image.put_pixel(x, y, Rgb([colour.r(), colour.g(), colour.b()]));
            }
        }
        Ok(())
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
            image.enumerate_pixels().filter(|(_, _, p)| p.0 == INK).map(|(x, y, _)| (x, y)).collect();
        assert!(inked.len() > 10);
        assert!(inked.iter().all(|&(x, y)| (3..3 + Font::Small.width("48")).contains(&x)
            && (4..4 + Font::Small.height()).contains(&y)));
        // Both digits are there.
        assert!(inked.iter().any(|&(x, _)| x < 9) && inked.iter().any(|&(x, _)| x >= 9));
    }

    #[test]
    fn an_ellipsis_is_three_dots_in_its_own_place() {
        let mut canvas = Canvas::new(40, 20);
        canvas.text(2, 1, "a…", Font::Text, INK);
        let image = canvas.into_image();
        let dots: Vec<(u32, u32)> = image
            .enumerate_pixels()
            .filter(|(x, _, pixel)| *x >= 8 && pixel.0 == INK)
            .map(|(x, y, _)| (x, y))
            .collect();
        assert_eq!(dots.iter().map(|dot| dot.0).collect::<Vec<_>>(), [8, 10, 12]);
        assert!(dots.iter().all(|dot| dot.1 == dots[0].1));
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
