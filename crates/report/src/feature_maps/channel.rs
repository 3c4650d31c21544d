//! One channel as a picture: its size, its colours.

use convscope_inspect::feature_maps::{ChannelMap, LayerMaps};
use image::{Rgb, RgbImage};

use crate::colour::viridis;

/// The range of values that a channel's colours cover.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) smallest: f32,
    pub(crate) largest: f32,
}

impl Scale {
    /// The scale of each channel: its own. For channels that are single values this would be meaningless, so they share
    /// the scale of the layer.
    pub(crate) fn of(layer: &LayerMaps) -> Vec<Scale> {
        let own = |channel: &ChannelMap| Scale { smallest: channel.min, largest: channel.max };
        if !is_single(layer) {
            return layer.channels.iter().map(own).collect();
        }
        let shared =
            layer.channels.iter().map(own).filter(|scale| scale.smallest.is_finite()).reduce(|a, b| Scale {
                smallest: a.smallest.min(b.smallest),
                largest: a.largest.max(b.largest),
            });
        vec![shared.unwrap_or(Scale { smallest: 0.0, largest: 0.0 }); layer.channels.len()]
    }

    /// The position of a value on the scale, 0 to 1; 0 if all are equal, NaN if the value is not finite.
    pub(crate) fn place(self, value: f32) -> f32 {
        if !value.is_finite() {
            return f32::NAN;
        }
        // In double precision, because the span of finite values may be infinite in single.
        let span = f64::from(self.largest) - f64::from(self.smallest);
        if span <= 0.0 {
            return 0.0;
        }
        ((f64::from(value) - f64::from(self.smallest)) / span) as f32
    }
}

/// Whether every channel of a layer is a single value: a vector, or maps after global pooling.
pub(crate) fn is_single(layer: &LayerMaps) -> bool {
    layer.height * layer.width == 1
}

/// The displayed width and height of a map, given the longest allowed side: enlarged by a whole factor, so that every
/// value stays a square, or reduced. No side is below 4 pixels.
pub(crate) fn fitted_size(height: usize, width: usize, side: u32) -> (u32, u32) {
    const LARGEST_FACTOR: usize = 24;
    const SINGLE_VALUE: usize = 40;
    let longest = height.max(width).max(1);
    let side = side as usize;
    let (width, height) = if longest <= side {
        let most = if longest == 1 { SINGLE_VALUE } else { LARGEST_FACTOR };
        let factor = (side / longest).clamp(1, most);
        (width * factor, height * factor)
    } else {
        let scaled = |length: usize| (length * side).div_ceil(longest);
        (scaled(width), scaled(height))
    };
    (width.max(4) as u32, height.max(4) as u32)
}

/// The values of a map at a different size, row by row: repeated if it is larger, averaged if it is smaller.
pub(crate) fn scaled_map(map: &[f32], columns: usize, width: u32, height: u32) -> Vec<f32> {
    let rows = map.len() / columns.max(1);
    let span = |place: u32, of: u32, length: usize| {
        let first = (place as usize * length) / of as usize;
        let end = ((place as usize + 1) * length).div_ceil(of as usize);
        // In an enlarged map, a pixel shows the value under its centre.
        if length <= of as usize {
            let middle = (2 * place as usize + 1) * length / (2 * of as usize);
            middle..middle + 1
        } else {
            first..end
        }
    };
    let mut values = Vec::with_capacity((width * height) as usize);
    for y in 0..height {
        for x in 0..width {
            let (ys, xs) = (span(y, height, rows), span(x, width, columns));
            let count = (ys.len() * xs.len()) as f64;
            let sum: f64 = ys
                .flat_map(|y| xs.clone().map(move |x| (y, x)))
                .map(|(y, x)| f64::from(map[y * columns + x]))
                .sum();
            values.push((sum / count) as f32);
        }
    }
    values
}

/// A channel of a layer in viridis at this size.
pub(crate) fn picture_of(
    layer: &LayerMaps,
    channel: usize,
    scale: Scale,
    (width, height): (u32, u32),
) -> RgbImage {
    let values = scaled_map(&layer.channels[channel].values, layer.width, width, height);
    RgbImage::from_fn(width, height, |x, y| Rgb(viridis(scale.place(values[(y * width + x) as usize]))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::layer_of;

    #[test]
    fn a_scale_bears_every_value() {
        let whole = Scale { smallest: f32::MIN, largest: f32::MAX };
        assert_eq!((whole.place(0.0), whole.place(f32::MAX)), (0.5, 1.0));
        assert_eq!(Scale { smallest: 2.0, largest: 2.0 }.place(2.0), 0.0);
        assert!(whole.place(f32::INFINITY).is_nan());
    }

    #[test]
    fn single_values_share_a_scale_and_maps_do_not() {
        let scale = |smallest, largest| Scale { smallest, largest };
        let pooled = layer_of("a", [3, 1, 1], |c, _, _| [0.5, -2.0, 4.0][c]);
        assert_eq!(Scale::of(&pooled), [scale(-2.0, 4.0); 3]);
        let maps = layer_of("a", [2, 1, 2], |c, _, x| (10 * c + x) as f32);
        assert_eq!(Scale::of(&maps), [scale(0.0, 1.0), scale(10.0, 11.0)]);
    }

    #[test]
    fn sizes_keep_values_square_and_sides_visible() {
        assert_eq!(fitted_size(32, 32, 100), (96, 96));
        assert_eq!(fitted_size(10, 20, 100), (100, 50));
        assert_eq!(fitted_size(224, 448, 100), (100, 50));
        assert_eq!(fitted_size(1, 1, 128), (40, 40));
        assert_eq!(fitted_size(1, 1000, 100), (100, 4));
    }

    #[test]
    fn smaller_is_averaged_and_larger_is_repeated() {
        let map = [0.0, 2.0, 4.0, 8.0, 2.0, 4.0, 0.0, 0.0];
        assert_eq!(scaled_map(&map, 4, 2, 1), [2.0, 3.0]);
        assert_eq!(scaled_map(&[1.0, 2.0, 3.0], 3, 6, 2), [1., 1., 2., 2., 3., 3., 1., 1., 2., 2., 3., 3.]);
    }
}
