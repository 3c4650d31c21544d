//! Heat maps blended over their picture.

use std::path::Path;

use convscope_inspect::{ExampleImage, HeatMap, HeatMapMethod};
use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};

use crate::canvas::{Canvas, Font, INK, PALE_INK};
use crate::colour::{mix, viridis};
use crate::font::legible;
use crate::picture::picture;
use crate::{ReportError, png};

/// A heat map in viridis blended over a picture, which is enlarged by a whole factor if it is small.
///
/// The map covers the whole picture, whatever its own size, and is interpolated linearly. The colour runs from 0 to the
/// largest value; negative values count as 0, values that are not finite leave the picture unchanged. The larger the
/// value, the more opaque the colour: 35 % at 0, 75 % at the largest.
pub fn blend(picture: &RgbImage, heat: &HeatMap) -> RgbImage {
    let (width, height) = enlarged(picture.width(), picture.height());
    let mut blended = resize(picture, width, height, FilterType::Nearest);
    if heat.values.is_empty() {
        return blended;
    }
    for (x, y, pixel) in blended.enumerate_pixels_mut() {
        let value = value_at(heat, (x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
        let strength = if heat.max > 0.0 { (value / heat.max).clamp(0.0, 1.0) } else { value * 0.0 };
        if strength.is_finite() {
            *pixel = Rgb(mix(pixel.0, viridis(strength), cover(strength)));
        }
    }
    blended
}

/// The picture and, to its right, each heat map over it, with a caption below.
///
/// # Errors
/// [`ReportError::NoPixels`] if the picture has none.
pub fn heat_map_sheet(image: &ExampleImage, maps: &[HeatMap]) -> Result<RgbImage, ReportError> {
    let plain = picture(&image.rgb, image.height, image.width, image.name.as_ref())?;
    let (width, height) = enlarged(plain.width(), plain.height());
    let shown = resize(&plain, width, height, FilterType::Nearest);
    let cell = (shown.width().max(MINIMUM_CELL) + MARGIN, shown.height() + 3 * CAPTION);
    let mut canvas = Canvas::new(MARGIN + (maps.len() as u32 + 1) * cell.0, MARGIN + cell.1 + MARGIN / 2);
    let mut place = |column: usize, picture: &RgbImage, title: &str, note: &str| {
        let left = MARGIN + column as u32 * cell.0;
        canvas.paste(left, MARGIN, picture);
        let room = cell.0 - MARGIN;
        canvas.text(left, MARGIN + picture.height() + 6, &Font::Title.fitted(title, room), Font::Title, INK);
        let below = MARGIN + picture.height() + 6 + CAPTION;
        canvas.text(left, below, &Font::Text.fitted(note, room), Font::Text, PALE_INK);
    };
    let known = image.label.and_then(|label| Some((label, image.classes.get(label)?)));
    let known = known.map_or_else(String::new, |(label, class)| format!("class {}", legible(class, label)));
    place(0, &shown, &image.name, &known);
    for (column, heat) in maps.iter().enumerate() {
        place(
            column + 1,
            &blend(&plain, heat),
            method_name(heat.method),
            &caption(heat, &legible(&heat.class_name, heat.class)),
        );
    }
    Ok(canvas.into_image())
}

/// Writes the [`heat_map_sheet`] as PNG.
///
/// # Errors
/// Those of [`heat_map_sheet`] and [`png::save`].
pub fn save(image: &ExampleImage, maps: &[HeatMap], path: &Path) -> Result<(), ReportError> {
    png::save(&heat_map_sheet(image, maps)?, path)
}

/// The name of a method.
pub fn method_name(method: HeatMapMethod) -> &'static str {
    match method {
        HeatMapMethod::GradCam => "Grad-CAM",
        HeatMapMethod::Saliency => "Saliency",
        HeatMapMethod::Occlusion => "Occlusion",
    }
}

/// The caption of a heat map: `for dog, at conv2d_7`.
pub(crate) fn caption(heat: &HeatMap, class: &str) -> String {
    let at = heat.node.as_ref().map_or_else(String::new, |node| format!(", at {node}"));
    let nothing = if heat.is_constant { ", the same everywhere" } else { "" };
    format!("for {class}{at}{nothing}")
}

/// The displayed size of a picture: enlarged by a whole factor if it is small.
pub(crate) fn enlarged(width: u32, height: u32) -> (u32, u32) {
    let factor = (SIDE / width.max(height).max(1)).max(1);
    (width * factor, height * factor)
}

/// The opacity of the colour of a value of this strength, 0 to 1.
pub(crate) fn cover(strength: f32) -> f32 {
    0.35 + 0.4 * strength
}

const MARGIN: u32 = 16;
const CAPTION: u32 = 17;
/// Small pictures are enlarged until their longer side is at least half of this many pixels.
const SIDE: u32 = 288;
const MINIMUM_CELL: u32 = 200;

/// The value at a position given as shares of width and height, linear between the centres of the map's cells.
fn value_at(heat: &HeatMap, across: f32, down: f32) -> f32 {
    let (x, right, x_share) = neighbours(across, heat.width);
    let (y, below, y_share) = neighbours(down, heat.height);
    let at = |y: usize, x: usize| heat.values[y * heat.width + x];
    let between = |a: f32, b: f32, share: f32| if share == 0.0 { a } else { a + (b - a) * share };
    let upper = between(at(y, x), at(y, right), x_share);
    between(upper, between(at(below, x), at(below, right), x_share), y_share)
}

fn neighbours(share: f32, length: usize) -> (usize, usize, f32) {
    let place = (share * length as f32 - 0.5).clamp(0.0, length as f32 - 1.0);
    let first = place as usize;
    (first, (first + 1).min(length - 1), place - first as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::example;

    fn heat(height: usize, width: usize, values: Vec<f32>) -> HeatMap {
        let max = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        HeatMap {
            method: HeatMapMethod::GradCam,
            node: Some("conv2d_7".into()),
            class: 1,
            class_name: "dog".into(),
            height,
            width,
            min: 0.0,
            max,
            values,
            is_constant: false,
        }
    }

    #[test]
    fn heat_lies_where_its_value_is() {
        let grey = RgbImage::from_pixel(288, 144, Rgb([100; 3]));
        // Hot in the lower left of two rows and three columns.
        let blended = blend(&grey, &heat(2, 3, vec![0., 0., 0., 2., 0., 0.]));
        assert_eq!(blended.dimensions(), (288, 144));
        assert_eq!(blended.get_pixel(0, 143).0, mix([100; 3], viridis(1.0), 0.75));
        for (x, y) in [(0, 0), (287, 143), (287, 0)] {
            assert_eq!(blended.get_pixel(x, y).0, mix([100; 3], viridis(0.0), 0.35), "{x} {y}");
        }
    }

    #[test]
    fn flat_negative_and_broken_maps_are_drawn() {
        let grey = RgbImage::from_pixel(300, 300, Rgb([100; 3]));
        let cold = mix([100; 3], viridis(0.0), 0.35);
        assert_eq!(blend(&grey, &heat(1, 1, vec![0.0])).get_pixel(5, 5).0, cold);
        assert_eq!(blend(&grey, &heat(1, 1, vec![-3.0])).get_pixel(5, 5).0, cold);
        assert_eq!(blend(&grey, &heat(1, 1, vec![f32::NAN])).get_pixel(5, 5).0, [100; 3]);
    }

    #[test]
    fn a_sheet_has_a_column_a_map() {
        let image = example(32, 48);
        let widths = [0, 1, 3]
            .map(|count| heat_map_sheet(&image, &vec![heat(4, 4, vec![1.0; 16]); count]).unwrap().width());
        assert_eq!(widths[2] - widths[0], 3 * (widths[1] - widths[0]));
        assert_eq!(widths[1] - widths[0], 288 + MARGIN);
    }
}
