//! The filters of the first convolution as colour pictures.

use convscope_inspect::feature_maps::Filters;
use image::{Rgb, RgbImage};

use crate::canvas::{Canvas, Font, INK, PALE_INK};

/// A numbered grid of all filters. Grey is a weight of zero; all filters share one scale.
pub fn filter_sheet(filters: &Filters) -> RgbImage {
    let columns = filters.rgb.len().clamp(1, 16);
    let rows = filters.rgb.len().div_ceil(columns);
    let factor = (SIDE / filters.height.max(filters.width).max(1)).max(1);
    let (width, height) = ((filters.width * factor) as u32, (filters.height * factor) as u32);
    let cell = (width + GAP, height + Font::Small.height() + 2 + GAP);
    let facts = format!(
        "{} filters of {} x {}, grey is 0, full colour {:.3}",
        filters.rgb.len(),
        filters.height,
        filters.width,
        filters.max_abs
    );
    let inner = (columns as u32 * cell.0).max(Font::Text.width(&facts)).max(Font::Title.width(&filters.name));
    let mut canvas = Canvas::new(inner + 2 * MARGIN, HEAD + rows as u32 * cell.1 + MARGIN);
    canvas.text(MARGIN, MARGIN, &filters.name, Font::Title, INK);
    canvas.text(MARGIN, MARGIN + 17, &facts, Font::Text, PALE_INK);
    for (index, rgb) in filters.rgb.iter().enumerate() {
        let left = MARGIN + (index % columns) as u32 * cell.0;
        let top = HEAD + (index / columns) as u32 * cell.1;
        let picture = RgbImage::from_fn(width, height, |x, y| {
            let start = 3 * (y as usize / factor * filters.width + x as usize / factor);
            Rgb([rgb[start], rgb[start + 1], rgb[start + 2]])
        });
        canvas.paste(left, top, &picture);
        canvas.text(left, top + height + 2, &index.to_string(), Font::Small, PALE_INK);
    }
    canvas.into_image()
}

const MARGIN: u32 = 16;
const GAP: u32 = 8;
const HEAD: u32 = 60;
/// The size in pixels up to which a filter's longer side is enlarged.
const SIDE: usize = 56;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_keeps_its_colours_and_places() {
        // One row of two weights: red, then blue.
        let filters = Filters {
            name: "conv2d".into(),
            height: 1,
            width: 2,
            max_abs: 0.5,
            rgb: vec![vec![128; 6], vec![255, 128, 128, 128, 128, 255]],
        };
        let sheet = filter_sheet(&filters);
        let left = MARGIN + 56 + GAP;
        assert_eq!(sheet.get_pixel(left + 27, HEAD).0, [255, 128, 128]);
        assert_eq!(sheet.get_pixel(left + 28, HEAD + 27).0, [128, 128, 255]);
        assert_eq!(sheet.get_pixel(MARGIN, HEAD).0, [128; 3]);
    }
}
