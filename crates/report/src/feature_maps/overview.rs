//! One picture of a whole network: a row of channels for every layer.

use convscope_inspect::feature_maps::LayerMaps;
use image::RgbImage;

use super::channel::{Scale, fitted_size, picture_of};
use super::sheet::input_picture;

use crate::canvas::{Canvas, Font, INK, PALE_INK, RULE};

/// A row for every layer, from the input down: its name, its shape and as many of its channels as fit, evenly spaced
/// and numbered. Colours are those of [`sheet`](super::sheet()).
pub fn overview(layers: &[LayerMaps], input: &RgbImage) -> RgbImage {
    let shown = input_picture(input, 96);
    let rows: Vec<Row> = layers.iter().map(Row::new).collect();
    let head = MARGIN + shown.height() + MARGIN;
    let height = head + rows.iter().map(Row::height).sum::<u32>() + MARGIN;
    let mut canvas = Canvas::new(2 * MARGIN + NAMES + STRIP, height);

    canvas.text(MARGIN, MARGIN, "input", Font::Title, INK);
    let size = format!("{} x {}", input.width(), input.height());
    canvas.text(MARGIN, MARGIN + CAPTION, &size, Font::Text, PALE_INK);
    canvas.paste(MARGIN + NAMES, MARGIN, &shown);
    let mut top = head;
    for (layer, row) in layers.iter().zip(&rows) {
        row.draw(&mut canvas, layer, top);
        top += row.height();
    }
    canvas.into_image()
}

const MARGIN: u32 = 16;
const NAMES: u32 = 220;
const STRIP: u32 = 960;
const GAP: u32 = 6;
const CAPTION: u32 = 17;
const MAP_SIDE: u32 = 72;
const SINGLE_SIDE: u32 = 22;

struct Row {
    map: (u32, u32),
    cell_width: u32,
    channels: Vec<usize>,
}

impl Row {
    fn new(layer: &LayerMaps) -> Self {
        let (channels, height, width) = (layer.channels.len(), layer.height, layer.width);
        let side = if height * width == 1 { SINGLE_SIDE } else { MAP_SIDE };
        let map = fitted_size(height, width, side);
        let cell_width = map.0.max(Font::Small.width(&channels.saturating_sub(1).to_string())) + GAP;
        let count = channels.min(((STRIP / cell_width) as usize).max(1));
        Self { map, cell_width, channels: (0..count).map(|index| index * channels / count).collect() }
    }

    fn height(&self) -> u32 {
        (self.map.1 + Font::Small.height() + 4).max(3 * CAPTION) + 2 * GAP
    }

    fn draw(&self, canvas: &mut Canvas, layer: &LayerMaps, top: u32) {
        let (channels, height, width) = (layer.channels.len(), layer.height, layer.width);
        canvas.fill(MARGIN, top, NAMES + STRIP, 1, RULE);
        let top = top + GAP;
        canvas.text(MARGIN, top, &Font::Title.fitted(&layer.name, NAMES - GAP), Font::Title, INK);
        canvas.text(
            MARGIN,
            top + CAPTION,
            &Font::Text.fitted(&layer.kind, NAMES - GAP),
            Font::Text,
            PALE_INK,
        );
        let shape = if height * width == 1 {
            channels.to_string()
        } else {
            format!("{channels} x {height} x {width}")
        };
        let part = if self.channels.len() == channels {
            String::new()
        } else {
            format!(", {} shown", self.channels.len())
        };
        canvas.text(MARGIN, top + 2 * CAPTION, &(shape + &part), Font::Text, PALE_INK);
        let scales = Scale::of(layer);
        for (place, &channel) in self.channels.iter().enumerate() {
            let left = MARGIN + NAMES + place as u32 * self.cell_width;
            canvas.paste(left, top, &picture_of(layer, channel, scales[channel], self.map));
            canvas.text(left, top + self.map.1 + 2, &channel.to_string(), Font::Small, PALE_INK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::layer;

    #[test]
    fn channels_are_taken_evenly_and_stay_on_the_picture() {
        let row = Row::new(&layer("a", 1000, 32, 32));
        assert_eq!((row.channels.len(), row.channels[1], *row.channels.last().unwrap()), (13, 76, 923));
        assert!(row.channels.len() as u32 * row.cell_width <= STRIP);
        assert_eq!(Row::new(&layer("a", 1, 2, 4000)).channels, [0]);
    }

    #[test]
    fn the_picture_grows_by_a_row_a_layer() {
        let input = RgbImage::new(32, 32);
        let heights = [0, 1, 3].map(|count| overview(&vec![layer("a", 4, 16, 16); count], &input).height());
        assert_eq!(heights[2] - heights[0], 3 * (heights[1] - heights[0]));
        assert!(heights[1] - heights[0] > 72);
    }
}
