//! Examples of every class in one picture.

use convscope_data::ClassExamples;
use image::RgbImage;
use image::imageops::{FilterType, resize};

use crate::canvas::{Canvas, Font, INK, PALE_INK};
use crate::feature_maps::fitted_size;
use crate::font::legible;
use crate::number::thousands;

/// A row for each class: its name and how many images it has at the left, examples beside it. The title is `name`; the line
/// below says at which scale the images are shown.
///
/// Small images are enlarged by a whole factor, without smoothing. The sheet is as wide as its longest row.
///
/// ```
/// use convscope_data::{ExampleLimits, SourceOptions, Split, SplitCounts, class_examples, open};
/// use convscope_report::contact_sheet;
///
/// let shapes = SplitCounts { train: 100, val: 20, test: 20 };
/// let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
/// let examples = class_examples(&*source, Split::Train, ExampleLimits::default())?;
/// contact_sheet("shapes, training images", &examples).save(std::env::temp_dir().join("shapes.png"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn contact_sheet(name: &str, examples: &[ClassExamples]) -> RgbImage {
    let first = examples.iter().find_map(|class| class.images.first());
    let (width, height) = first.map_or((1, 1), RgbImage::dimensions);
    let (wide, image_high) = fitted_size(height as usize, width as usize, SIDE);
    let high = image_high.max(2 * Font::Text.height() + 2);
    let columns = examples.iter().map(|class| class.images.len()).max().unwrap_or(0) as u32;
    let names: Vec<_> = examples.iter().map(|class| legible(&class.class, class.label)).collect();
    let counts: Vec<String> = examples.iter().map(|class| count(class.total)).collect();
    let widest = names
        .iter()
        .map(|name| &**name)
        .chain(counts.iter().map(String::as_str))
        .map(|t| Font::Text.width(t));
    let names_end = MARGIN + widest.max().unwrap_or(0).min(WIDEST_NAME);
    let scale = scale([width, height], [wide, image_high]);
    let column = |number: u32| names_end + MARGIN + number * (wide + GAP);
    let title_end = MARGIN + Font::Title.width(name).max(Font::Text.width(&scale)).min(WIDEST_TITLE);
    let head = MARGIN + Font::Title.height() + 4 + Font::Text.height() + MARGIN;
    let end = head + examples.len() as u32 * (high + GAP) - GAP.min(head);
    let mut canvas = Canvas::new(column(columns).max(title_end + GAP) + MARGIN - GAP, end + MARGIN);
    canvas.text(MARGIN, MARGIN, &Font::Title.fitted(name, WIDEST_TITLE), Font::Title, INK);
    canvas.text(MARGIN, MARGIN + Font::Title.height() + 4, &scale, Font::Text, PALE_INK);
    for (row, (class, (name, count))) in examples.iter().zip(names.iter().zip(&counts)).enumerate() {
        let top = head + row as u32 * (high + GAP);
        let middle = top + high / 2;
        let name = Font::Text.fitted(name, WIDEST_NAME);
        canvas.text(MARGIN, middle - Font::Text.height() - 1, &name, Font::Text, INK);
        canvas.text(MARGIN, middle + 1, count, Font::Text, PALE_INK);
        for (number, image) in class.images.iter().enumerate() {
            canvas.paste(column(number as u32), top, &enlarged(image));
        }
    }
    canvas.into_image()
}

const MARGIN: u32 = 16;
const GAP: u32 = 6;
/// At most how long the longer side of an image is.
const SIDE: u32 = 96;
const WIDEST_NAME: u32 = 160;
const WIDEST_TITLE: u32 = 1200;

/// The image as the sheet shows it.
fn enlarged(image: &RgbImage) -> RgbImage {
    let (wide, high) = fitted_size(image.height() as usize, image.width() as usize, SIDE);
    let filter = if wide >= image.width() { FilterType::Nearest } else { FilterType::Triangle };
    resize(image, wide, high, filter)
}

fn count(images: usize) -> String {
    format!("{} {}", thousands(images as u64), if images == 1 { "image" } else { "images" })
}

/// `32x24 pixels, enlarged 3 times`.
fn scale([width, height]: [u32; 2], shown: [u32; 2]) -> String {
    let factor = shown[0] / width.max(1);
    if shown == [width, height] {
        format!("{width}x{height} pixels, at their size")
    } else if factor >= 1 {
        format!("{width}x{height} pixels, enlarged {factor} times")
    } else {
        format!("{width}x{height} pixels, shown at {}x{}", shown[0], shown[1])
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::canvas::PAPER;

    fn examples(width: u32, height: u32, counts: &[usize]) -> Vec<ClassExamples> {
        let names = ["cat", "лев", "日本語"];
        let class = |(label, &images): (usize, &usize)| ClassExamples {
            label,
            class: names[label % names.len()].to_owned(),
            total: 1234,
            images: (0..images)
                .map(|number| RgbImage::from_pixel(width, height, Rgb([(10 * label + number) as u8, 7, 9])))
                .collect(),
        };
        counts.iter().enumerate().map(class).collect()
    }

    #[test]
    fn each_class_has_a_row_with_its_name_and_no_more_columns_than_the_fullest() {
        let sheet = contact_sheet("pets", &examples(32, 24, &[3, 1, 2]));
        let names_end = MARGIN + Font::Text.width("2: \\u65e5\\u672c\\u8a9e").min(WIDEST_NAME);
        let left = names_end + MARGIN;
        assert_eq!(sheet.width(), left + 3 * 96 + 2 * GAP + MARGIN);
        let levels = |x: u32| -> Vec<u8> {
            let column = (0..sheet.height()).map(|y| sheet.get_pixel(x, y).0);
            column.filter(|pixel| pixel[1..] == [7, 9]).map(|pixel| pixel[0]).collect()
        };
        assert_eq!(levels(left), [[0; 72], [10; 72], [20; 72]].concat());
        assert_eq!(levels(left + 96 + GAP), [[1; 72], [21; 72]].concat());
        // There are names beside all rows, and nothing of them reaches into the images.
        let row =
            |top: u32| (top..top + 72).any(|y| (0..names_end).any(|x| sheet.get_pixel(x, y).0 != PAPER));
        let head = sheet.height() - MARGIN - 3 * 72 - 2 * GAP;
        assert!((0..3).all(|number| row(head + number * (72 + GAP))));
        assert!(
            (head..sheet.height()).all(|y| (names_end + 1..left).all(|x| sheet.get_pixel(x, y).0 == PAPER))
        );
    }

    #[test]
    fn the_scale_is_said() {
        assert_eq!(scale([32, 24], [96, 72]), "32x24 pixels, enlarged 3 times");
        assert_eq!(scale([96, 50], [96, 50]), "96x50 pixels, at their size");
        assert_eq!(scale([400, 200], [96, 48]), "400x200 pixels, shown at 96x48");
    }

    #[test]
    fn every_size_makes_a_sheet() {
        for (width, height, counts) in
            [(1, 1, &[1][..]), (2, 400, &[0, 12]), (3000, 20, &[2; 20]), (5, 5, &[])]
        {
            let (wide, high) = contact_sheet("x", &examples(width, height, counts)).dimensions();
            assert!(wide < 1500 && high < 2500, "{width}x{height}: {wide}x{high}");
        }
    }
}
