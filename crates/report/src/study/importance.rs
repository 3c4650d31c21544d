//! How much each parameter matters, as bars.

use convscope_tune::Importance;
use image::RgbImage;

use crate::canvas::{Canvas, Font, INK, PALE_INK, RULE};
use crate::colour::OKABE_ITO;
use crate::number::percent;
use crate::table::shorten;

const WIDTH: u32 = 960;
const LEFT: u32 = 200;
const LENGTH: u32 = 640;
const ROW: u32 = 30;

/// A bar for each parameter, the most important first.
pub fn importance_picture(importances: &[Importance]) -> RgbImage {
    let mut sorted: Vec<&Importance> = importances.iter().collect();
    sorted.sort_by(|a, b| b.explained.unwrap_or(-1.0).total_cmp(&a.explained.unwrap_or(-1.0)));
    let mut canvas = Canvas::new(WIDTH, 64 + ROW * sorted.len().max(1) as u32 + 16);
    canvas.text(20, 16, "Share of the variance of the validation accuracy explained", Font::Title, INK);
    for (row, found) in sorted.into_iter().enumerate() {
        let top = 56 + ROW * row as u32;
        let name = shorten(&found.name, 26);
        canvas.text(LEFT - 12 - Font::Text.width(&name), top + 4, &name, Font::Text, INK);
        let Some(share) = found.explained else {
            canvas.text(LEFT, top + 4, "too few trials", Font::Text, PALE_INK);
            continue;
        };
        canvas.fill(LEFT, top, LENGTH, 20, RULE);
        canvas.fill(LEFT, top, (share * f64::from(LENGTH)).round() as u32, 20, OKABE_ITO[0]);
        canvas.text(LEFT + LENGTH + 10, top + 4, &percent(share), Font::Text, INK);
    }
    canvas.into_image()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_the_shares_and_sorted() {
        let found = |name: &str, explained| Importance { name: name.into(), explained };
        let image = importance_picture(&[found("a", Some(0.25)), found("b", None), found("c", Some(0.5))]);
        let length = |row: u32| {
            (0..WIDTH).filter(|&x| image.get_pixel(x, 56 + ROW * row + 18).0 == OKABE_ITO[0]).count()
        };
        assert_eq!([length(0), length(1), length(2)], [320, 160, 0]);
    }
}
