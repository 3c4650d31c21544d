//! Training images next to their augmented variants.

use std::path::Path;

use convscope_data::augment::AugmentationPreview;
use image::RgbImage;
use image::imageops::{FilterType, resize};

use crate::canvas::{Canvas, Font, INK, PALE_INK};
use crate::feature_maps::fitted_size;
use crate::{ReportError, png};

/// A row for each image: the original at the left with its class, the variants next to it, and, below a variant that is
/// blended with another image, that image's class and share.
///
/// Small images are enlarged by a whole factor, without smoothing.
pub fn augmentation_sheet(preview: &AugmentationPreview) -> RgbImage {
    let (height, width) = preview
        .rows
        .first()
        .map_or((1, 1), |row| (row.original.height() as usize, row.original.width() as usize));
    let (wide, high) = fitted_size(height, width, SIDE);
    let columns = preview.rows.iter().map(|row| row.variants.len()).max().unwrap_or(0) as u32;
    let column = |variant: u32| MARGIN + wide + 2 * MARGIN + variant * (wide + GAP);
    let title = format!("augment = \"{}\"", preview.augmentation);
    let inner = column(columns).max(MARGIN + Font::Title.width(&title)) + MARGIN - GAP;
    let head = MARGIN + Font::Title.height() + MARGIN + Font::Text.height() + 6;
    let step = high + 4 + Font::Text.height() + GAP;
    let mut canvas = Canvas::new(inner, head + preview.rows.len() as u32 * step + MARGIN - GAP);
    canvas.text(MARGIN, MARGIN, &title, Font::Title, INK);
    let over = head - 6 - Font::Text.height();
    canvas.text(MARGIN, over, "original", Font::Text, PALE_INK);
    canvas.text(column(0), over, "as training sees it, epoch by epoch", Font::Text, PALE_INK);
    let enlarged = |picture: &RgbImage| {
        let filter = if wide >= picture.width() { FilterType::Nearest } else { FilterType::Triangle };
        resize(picture, wide, high, filter)
    };
    for (number, row) in preview.rows.iter().enumerate() {
        let top = head + number as u32 * step;
        canvas.paste(MARGIN, top, &enlarged(&row.original));
        canvas.text(MARGIN, top + high + 4, &Font::Text.fitted(&row.class, wide), Font::Text, INK);
        for (number, variant) in row.variants.iter().enumerate() {
            let left = column(number as u32);
            canvas.paste(left, top, &enlarged(&variant.picture));
            if let Some((class, share)) = &variant.mixed {
                let percent = format!("{:.0} % ", share * 100.0);
                let caption = format!("{percent}{class}");
                canvas.text(left, top + high + 4, &Font::Text.fitted(&caption, wide), Font::Text, PALE_INK);
            }
        }
    }
    canvas.into_image()
}

/// Writes the [`augmentation_sheet`] as PNG.
///
/// # Errors
/// Those of [`png::save`].
pub fn save(preview: &AugmentationPreview, path: &Path) -> Result<(), ReportError> {
    png::save(&augmentation_sheet(preview), path)
}

const MARGIN: u32 = 16;
const GAP: u32 = 8;
/// The longest side of a picture.
const SIDE: u32 = 128;

#[cfg(test)]
mod tests {
    use convscope_data::augment::{PreviewRow, Variant};
    use image::Rgb;

    use super::*;

    fn preview(width: u32, height: u32, variants: u8) -> AugmentationPreview {
        let picture = |level| RgbImage::from_pixel(width, height, Rgb([level, 7, 9]));
        let row = |class: &str, level: u8| PreviewRow {
            class: class.to_owned(),
            original: picture(level),
            variants: (1..=variants)
                .map(|number| Variant {
                    picture: picture(level + number),
                    mixed: Some(("a class with a long name".to_owned(), 0.25)),
                })
                .collect(),
        };
        let rows = vec![row("cat", 100), row("dog", 200)];
        AugmentationPreview { augmentation: "mixup".parse().unwrap(), rows }
    }

    #[test]
    fn originals_stand_at_the_left_and_each_image_has_a_row() {
        let sheet = augmentation_sheet(&preview(16, 8, 3));
        // Pictures of 16x8 become 128x64.
        let levels = |x: u32| -> Vec<u8> {
            let column =
                (0..sheet.height()).map(|y| *sheet.get_pixel(x, y)).filter(|pixel| pixel.0[1..] == [7, 9]);
            column.map(|pixel| pixel.0[0]).collect()
        };
        let two = |above: u8, below: u8| [[above; 64], [below; 64]].concat();
        assert_eq!(levels(MARGIN + 1), two(100, 200));
        assert_eq!(levels(MARGIN + 127), two(100, 200));
        let first = MARGIN + 128 + 2 * MARGIN;
        for variant in 0..3u8 {
            let left = first + u32::from(variant) * (128 + GAP);
            assert_eq!(levels(left), two(101 + variant, 201 + variant));
            assert!(levels(left + 128).is_empty());
        }
        assert_eq!(sheet.width(), first + 3 * 128 + 2 * GAP + MARGIN);
    }

    #[test]
    fn every_shape_makes_a_sheet() {
        for (width, height, variants) in [(1, 1, 0), (300, 500, 2), (5, 3, 12)] {
            let (wide, high) = augmentation_sheet(&preview(width, height, variants)).dimensions();
            assert!(wide < 2200 && (100..600).contains(&high), "{width}x{height}: {wide}x{high}");
        }
    }
}
