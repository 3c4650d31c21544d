//! One channel as a picture: its size, its colours.

use convscope_inspect::feature_maps::{ChannelMap, LayerMaps};
use image::{Rgb, RgbImage};

use crate::colour::viridis;

/// Where a value of a channel lies between its smallest (0) and largest (1) value; 0 where the two are equal, NaN
/// where the value is not finite.
pub(crate) fn place(value: f32, channel: &ChannelMap) -> f32 {
    if !value.is_finite() {
        return f32::NAN;
    }
    // In double precision, because the span of finite values may be infinite in single.
    let span = f64::from(channel.max) - f64::from(channel.min);
    if span <= 0.0 {
        return 0.0;
    }
    ((f64::from(value) - f64::from(channel.min)) / span) as f32
}

/// The width and height at which a map is shown, given how long its longer side may be: enlarged by a whole factor,
/// so that every value stays a square, or made smaller. No side falls under 4 pixels.
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

/// The values of a map at another size, row by row: repeated where it is larger, averaged where it is smaller.
pub(crate) fn scaled_map(map: &[f32], columns: usize, width: u32, height: u32) -> Vec<f32> {
    let rows = map.len() / columns.max(1);
    let span = |place: u32, of: u32, length: usize| {
        let first = (place as usize * length) / of as usize;
        let end = ((place as usize + 1) * length).div_ceil(of as usize);
        // Where the map is enlarged a pixel shows the one value that its middle falls on.
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
            let sum: f64 = ys.flat_map(|y| xs.clone().map(move |x| (y, x))).map(|(y, x)| f64::from(map[y * columns + x])).sum();
            values.push((sum / count) as f32);
        }
    }
    values
}

/// A channel of a layer in viridis at this size.
pub(crate) fn picture_of(layer: &LayerMaps, channel: usize, (width, height): (u32, u32)) -> RgbImage {
    let channel = &layer.channels[channel];
    let values = scaled_map(&channel.values, layer.width, width, height);
    RgbImage::from_fn(width, height, |x, y| Rgb(viridis(place(values[(y * width + x) as usize], channel))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_bears_every_value() {
        let channel = |min, max| ChannelMap { values: Vec::new(), min, max, is_constant: min == max };
        let whole = channel(f32::MIN, f32::MAX);
        assert_eq!((place(0.0, &whole), place(f32::MAX, &whole)), (0.5, 1.0));
        assert_eq!(place(2.0, &channel(2.0, 2.0)), 0.0);
        assert!(place(f32::INFINITY, &whole).is_nan());
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
