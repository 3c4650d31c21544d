//! All channels of one layer, with the input next to them.

use convscope_inspect::feature_maps::LayerMaps;
use image::RgbImage;

use super::channel::{Scale, fitted_size, picture_of};
use crate::canvas::{Canvas, Font, INK, PALE_INK, RULE};
use crate::colour::viridis;

/// A grid of all channels of a layer in viridis, numbered from 0 in the order of the weights, with the input at the
/// left.
///
/// Each channel runs from its own smallest value (dark) to its own largest (yellow); one whose values are all equal is
/// dark. If channels are single values, they share one scale. Values that are not finite are magenta. Small maps are
/// enlarged by a whole factor, large ones are averaged down, so that the sheet stays within a few thousand pixels for a
/// thousand channels or maps of 224x224.
pub fn sheet(layer: &LayerMaps, input: &RgbImage) -> RgbImage {
    let (channels, height, width) = (layer.channels.len(), layer.height, layer.width);
    let grid = Grid::new(channels, height, width);
    let shown = input_picture(input, INPUT_SIDE);
    let title = &layer.name;
    let facts = facts(layer);
    let legend_height = shown.height() + 3 * CAPTION + LEGEND.1;
    let head = MARGIN + Font::Title.height() + 4 + Font::Text.height() + MARGIN;
    let left_column = MARGIN + INPUT_SIDE + 2 * MARGIN;
    let inner = (grid.width() + left_column)
        .max(MARGIN + Font::Title.width(title))
        .max(MARGIN + Font::Text.width(&facts));
    let mut canvas = Canvas::new(inner + MARGIN, head + grid.height().max(legend_height) + MARGIN);

    canvas.text(MARGIN, MARGIN, title, Font::Title, INK);
    canvas.text(MARGIN, MARGIN + Font::Title.height() + 4, &facts, Font::Text, PALE_INK);
    canvas.paste(MARGIN, head, &shown);
    let caption = format!("input, {} x {}", input.width(), input.height());
    canvas.text(MARGIN, head + shown.height() + 4, &caption, Font::Text, PALE_INK);
    legend(&mut canvas, MARGIN, head + shown.height() + 2 * CAPTION, height * width == 1);

    for (channel, scale) in Scale::of(layer).into_iter().enumerate() {
        let (x, y) = grid.place(channel);
        let (x, y) = (x + left_column, y + head);
        canvas.paste(x, y, &picture_of(layer, channel, scale, grid.map));
        canvas.text(x, y + grid.map.1 + 2, &channel.to_string(), Font::Small, PALE_INK);
    }
    canvas.into_image()
}

/// The input, enlarged to a visible size.
pub(super) fn input_picture(input: &RgbImage, side: u32) -> RgbImage {
    use image::imageops::{FilterType, resize};
    let (width, height) = fitted_size(input.height() as usize, input.width() as usize, side);
    let filter = if width >= input.width() { FilterType::Nearest } else { FilterType::Triangle };
    resize(input, width, height, filter)
}

const MARGIN: u32 = 16;
const GAP: u32 = 6;
const CAPTION: u32 = 20;
const INPUT_SIDE: u32 = 160;
const LEGEND: (u32, u32) = (INPUT_SIDE, 10);

/// The position of each channel.
struct Grid {
    channels: usize,
    columns: usize,
    map: (u32, u32),
    cell: (u32, u32),
}

impl Grid {
    fn new(channels: usize, height: usize, width: usize) -> Self {
        const USUAL_WIDTH: u32 = 1600;
        const LARGEST_WIDTH: u32 = 3200;
        let columns = columns(channels);
        let natural = u32::try_from(height.max(width)).unwrap_or(u32::MAX);
        let usual = (USUAL_WIDTH / columns as u32).clamp(24, 128);
        let map = fitted_size(height, width, usual.max(natural.min(LARGEST_WIDTH / columns as u32)));
        let number = Font::Small.width(&channels.saturating_sub(1).to_string());
        Self {
            channels,
            columns,
            map,
            cell: (map.0.max(number) + GAP, map.1 + Font::Small.height() + 4 + GAP),
        }
    }

    fn place(&self, channel: usize) -> (u32, u32) {
        ((channel % self.columns) as u32 * self.cell.0, (channel / self.columns) as u32 * self.cell.1)
    }

    fn width(&self) -> u32 {
        self.columns as u32 * self.cell.0
    }

    fn height(&self) -> u32 {
        self.channels.div_ceil(self.columns) as u32 * self.cell.1
    }
}

/// The number of columns that makes a sheet somewhat wider than high, with a full last row if possible.
fn columns(channels: usize) -> usize {
    let wished = ((channels as f64 * 1.5).sqrt().ceil() as usize).max(1);
    let even = (wished..=2 * wished).find(|&columns| channels.is_multiple_of(columns) && columns <= channels);
    even.unwrap_or(wished.min(channels.max(1)))
}

fn facts(layer: &LayerMaps) -> String {
    let (channels, height, width) = (layer.channels.len(), layer.height, layer.width);
    let plural = if channels == 1 { "channel" } else { "channels" };
    let size = if height * width == 1 { String::new() } else { format!(" of {height} x {width}") };
    let smallest = layer.channels.iter().map(|channel| channel.min).fold(f32::INFINITY, f32::min);
    let largest = layer.channels.iter().map(|channel| channel.max).fold(f32::NEG_INFINITY, f32::max);
    let values = layer.channels.iter().flat_map(|channel| &channel.values);
    let broken = values.filter(|value| !value.is_finite()).count();
    let note = if broken == 0 { String::new() } else { format!(", {broken} values not finite (magenta)") };
    format!(
        "{}{}{channels} {plural}{size}, values {smallest:.3} to {largest:.3}{note}",
        layer.kind,
        if layer.kind.is_empty() { "" } else { ": " }
    )
}

fn legend(canvas: &mut Canvas, left: u32, top: u32, shared: bool) {
    canvas.fill(left, top, LEGEND.0, LEGEND.1, RULE);
    for x in 0..LEGEND.0 {
        canvas.fill(left + x, top, 1, LEGEND.1, viridis(x as f32 / (LEGEND.0 - 1) as f32));
    }
    let below = top + LEGEND.1 + 3;
    let (low, high) = if shared { ("layer min", "layer max") } else { ("channel min", "channel max") };
    canvas.text(left, below, low, Font::Text, PALE_INK);
    canvas.text(left + LEGEND.0 - Font::Text.width(high), below, high, Font::Text, PALE_INK);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{layer, layer_of};
    use image::Rgb;

    #[test]
    fn every_shape_makes_a_sheet_of_sensible_size() {
        for (channels, height, width) in [
            (1, 28, 28),
            (1000, 1, 1),
            (1000, 7, 7),
            (1, 1, 1),
            (64, 224, 224),
            (6, 20, 60),
            (3, 1, 500),
            (2048, 2, 2),
        ] {
            let (wide, high) =
                sheet(&layer("conv2d", channels, height, width), &RgbImage::new(24, 32)).dimensions();
            assert!((200..=3600).contains(&wide), "{channels}x{height}x{width}: {wide} wide");
            assert!((200..=3000).contains(&high), "{channels}x{height}x{width}: {high} high");
        }
    }

    #[test]
    fn grids_are_even_where_they_can_be() {
        let wanted = [(1, 1), (3, 3), (10, 5), (13, 5), (16, 8), (32, 8), (64, 16), (128, 16), (1000, 40)];
        for (channels, expected) in wanted {
            assert_eq!(columns(channels), expected, "{channels}");
        }
    }

    #[test]
    fn rows_run_down_and_columns_to_the_right_in_the_channels_own_colours() {
        // Channel 1 grows downwards only; its neighbours are flat.
        let picture = sheet(&layer_of("a", [2, 4, 2], |c, y, _| (c * y) as f32), &RgbImage::new(8, 8));
        let grid = Grid::new(2, 4, 2);
        let (x, y) = grid.place(1);
        let (x, y) = (
            x + MARGIN + INPUT_SIDE + 2 * MARGIN,
            y + MARGIN + Font::Title.height() + 4 + Font::Text.height() + MARGIN,
        );
        assert_eq!(*picture.get_pixel(x + 1, y + 1), Rgb(viridis(0.0)));
        assert_eq!(*picture.get_pixel(x + 1, y + grid.map.1 - 2), Rgb(viridis(1.0)));
        assert_eq!(*picture.get_pixel(x + grid.map.0 - 2, y + 1), Rgb(viridis(0.0)));
        let (flat, _) = grid.place(0);
        assert_eq!(*picture.get_pixel(flat + MARGIN + INPUT_SIDE + 2 * MARGIN, y), Rgb(viridis(0.0)));
    }
}
