//! A diagram as a picture or an SVG.

use std::path::Path;

use image::RgbImage;

use super::{Diagram, png, svg};
use crate::ReportError;

impl Diagram {
    /// The drawing as a standalone picture, with title and legend: 960 pixels wide.
    pub fn to_image(&self) -> RgbImage {
        png::draw(self)
    }

    /// The drawing as an `<svg>` element for a page, whose style sheet sets its colours and sizes. Title and legend are
    /// left to the page; the values are in `data-chart` as JSON.
    pub fn to_svg(&self) -> String {
        svg::draw(self)
    }

    /// Writes drawings below one another as one PNG.
    ///
    /// # Errors
    /// Those of [`png::save`](crate::png::save()); [`ReportError::NoPixels`] if there is no drawing.
    pub fn save(diagrams: &[Diagram], path: &Path) -> Result<(), ReportError> {
        let images: Vec<RgbImage> = diagrams.iter().map(Diagram::to_image).collect();
        let width = images.iter().map(RgbImage::width).max().unwrap_or(0);
        let height = images.iter().map(RgbImage::height).sum();
        let mut whole = RgbImage::from_pixel(width, height, image::Rgb([255; 3]));
        let mut top = 0;
        for image in &images {
            image::imageops::replace(&mut whole, image, 0, i64::from(top));
            top += image.height();
        }
        crate::png::save(&whole, path)
    }
}
