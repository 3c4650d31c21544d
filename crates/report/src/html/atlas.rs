//! All channels of a layer in one picture, from which the page cuts out each channel.

use convscope_inspect::feature_maps::LayerMaps;

use super::uri::indexed_uri;
use crate::ReportError;
use crate::colour::{NOT_A_NUMBER, viridis};
use crate::feature_maps::{Scale, scaled_map};

/// The picture and the position of each channel in it.
pub(super) struct Atlas {
    /// The picture, as a URI.
    pub(super) uri: String,
    /// Columns and rows of channels.
    pub(super) grid: (usize, usize),
}

impl Atlas {
    /// Lays out a layer so that its picture has at most about `budget` pixels: larger maps are averaged down.
    ///
    /// # Errors
    /// [`ReportError::NoPixels`] for a layer without values.
    pub(super) fn new(layer: &LayerMaps, budget: usize) -> Result<Self, ReportError> {
        let count = layer.channels.len();
        let columns = (count as f64).sqrt().ceil() as usize;
        let rows = count.div_ceil(columns.max(1));
        let cell = cell_size(layer, budget);
        let (width, height) = (columns as u32 * cell.0, rows as u32 * cell.1);
        let mut places = vec![0; width as usize * height as usize];
        for (index, (channel, scale)) in layer.channels.iter().zip(Scale::of(layer)).enumerate() {
            let left = index % columns * cell.0 as usize;
            let top = index / columns * cell.1 as usize;
            let values = scaled_map(&channel.values, layer.width, cell.0, cell.1);
            for (y, row) in values.chunks_exact(cell.0 as usize).enumerate() {
                let start = (top + y) * width as usize + left;
                for (target, &value) in places[start..].iter_mut().zip(row) {
                    *target = colour_index(scale.place(value));
                }
            }
        }
        let uri = indexed_uri((width, height), &places, &palette(), &[], &layer.name)?;
        Ok(Self { uri, grid: (columns, rows) })
    }

    /// The position of a channel for CSS: `background-position` in percent.
    pub(super) fn position(&self, channel: usize) -> (f64, f64) {
        let share =
            |place: usize, of: usize| if of > 1 { place as f64 * 100.0 / (of - 1) as f64 } else { 0.0 };
        (share(channel % self.grid.0, self.grid.0), share(channel / self.grid.0, self.grid.1))
    }
}

fn cell_size(layer: &LayerMaps, budget: usize) -> (u32, u32) {
    let pixels = (layer.channels.len() * layer.height * layer.width).max(1);
    let shrink = (budget as f64 / pixels as f64).sqrt().min(1.0);
    let side = |length: usize| ((length as f64 * shrink) as u32).max(1);
    (side(layer.width), side(layer.height))
}

/// 0 to 254 are viridis, 255 is for values that are not finite.
fn colour_index(value: f32) -> u8 {
    if value.is_nan() { 255 } else { (value.clamp(0.0, 1.0) * 254.0).round() as u8 }
}

fn palette() -> Vec<[u8; 3]> {
    let mut palette: Vec<[u8; 3]> = (0..255).map(|index| viridis(index as f32 / 254.0)).collect();
    palette.push(NOT_A_NUMBER);
    palette
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::samples::{layer, layer_of};

    fn decoded(uri: &str) -> image::RgbImage {
        let bytes = STANDARD.decode(uri.split(',').nth(1).unwrap()).unwrap();
        image::load_from_memory(&bytes).unwrap().into_rgb8()
    }

    #[test]
    fn channels_lie_where_the_page_looks_for_them() {
        // Channel 4 of five: second row, second column of three.
        let values = layer_of("a", [5, 2, 3], |c, y, _| if c == 4 && y == 1 { 1.0 } else { 0.0 });
        let atlas = Atlas::new(&values, 1 << 20).unwrap();
        assert_eq!(atlas.grid, (3, 2));
        assert_eq!(atlas.position(4), (50.0, 100.0));
        let picture = decoded(&atlas.uri);
        assert_eq!(picture.dimensions(), (9, 4));
        let lit: Vec<(u32, u32)> = picture
            .enumerate_pixels()
            .filter(|(_, _, pixel)| pixel.0 == viridis(1.0))
            .map(|(x, y, _)| (x, y))
            .collect();
        assert_eq!(lit, [(3, 3), (4, 3), (5, 3)]);
    }

    #[test]
    fn large_layers_stay_within_their_budget() {
        for (channels, height, width) in [(64, 224, 224), (1000, 1, 1), (1000, 56, 28), (1, 1, 4000)] {
            let atlas = Atlas::new(&layer("a", channels, height, width), 100_000).unwrap();
            let (across, down) = decoded(&atlas.uri).dimensions();
            assert!(across * down < 110_000, "{channels}x{height}x{width}: {across}x{down}");
        }
    }

    #[test]
    fn what_is_not_finite_stands_out() {
        assert_eq!(colour_index(f32::NAN), 255);
        assert_eq!((colour_index(0.0), colour_index(1.0)), (0, 254));
    }
}
