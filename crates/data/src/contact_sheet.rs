//! A picture with examples of every class.

use image::{Rgb, RgbImage};

use crate::CHANNELS;
use crate::{DataError, Source, Split};

/// The size of a contact sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SheetLayout {
    /// Most classes to show, one row each, in the order of the labels. Default 20.
    pub max_classes: usize,
    /// Examples of each class. Default 12.
    pub examples: usize,
}

impl Default for SheetLayout {
    fn default() -> Self {
        SheetLayout { max_classes: 20, examples: 12 }
    }
}

const MARGIN: u32 = 4;
const BACKGROUND: Rgb<u8> = Rgb([255, 255, 255]);
/// Images below this side are enlarged, at most threefold.
const COMFORTABLE_SIDE: usize = 96;

/// Draws the first images of each class, one row per class, with small images enlarged without smoothing.
///
/// # Errors
/// [`DataError::EmptySplit`], and those of [`Source::read`].
///
/// ```
/// use convscope_data::{SheetLayout, SourceOptions, Split, SplitCounts, contact_sheet, open};
///
/// let shapes = SplitCounts { train: 100, val: 20, test: 20 };
/// let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
/// let sheet = contact_sheet(&*source, Split::Train, SheetLayout { examples: 5, ..SheetLayout::default() })?;
/// assert_eq!(sheet.dimensions(), (5 * 100 + 4, 10 * 100 + 4));
/// # Ok::<(), convscope_data::DataError>(())
/// ```
pub fn contact_sheet(source: &dyn Source, split: Split, layout: SheetLayout) -> Result<RgbImage, DataError> {
    if source.is_empty(split) {
        return Err(DataError::EmptySplit { name: source.name().to_owned(), split });
    }
    let size = source.image_size();
    let rows = source.classes().len().min(layout.max_classes.max(1));
    let columns = layout.examples.max(1);
    let zoom = (COMFORTABLE_SIDE / size.height.max(size.width)).clamp(1, 3);
    let cell_height = (size.height * zoom) as u32 + MARGIN;
    let cell_width = (size.width * zoom) as u32 + MARGIN;
    let mut sheet = RgbImage::from_pixel(
        columns as u32 * cell_width + MARGIN,
        rows as u32 * cell_height + MARGIN,
        BACKGROUND,
    );
    let mut pixels = vec![0; size.bytes()];
    let mut filled = vec![0; rows];
    for index in 0..source.len(split) {
        let row = source.label(split, index);
        if row >= rows || filled[row] == columns {
            continue;
        }
        source.read_rgb(split, index, &mut pixels)?;
        let left = MARGIN + filled[row] as u32 * cell_width;
        let top = MARGIN + row as u32 * cell_height;
        for y in 0..size.height * zoom {
            for x in 0..size.width * zoom {
                let start = (y / zoom * size.width + x / zoom) * CHANNELS;
                let colour = [pixels[start], pixels[start + 1], pixels[start + 2]];
                sheet.put_pixel(left + x as u32, top + y as u32, Rgb(colour));
            }
        }
        filled[row] += 1;
        if filled.iter().all(|&count| count == columns) {
            break;
        }
    }
    Ok(sheet)
}
