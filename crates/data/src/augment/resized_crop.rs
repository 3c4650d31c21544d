//! A part of an image that is enlarged to its size: torchvision's `RandomResizedCrop`.

use rand_chacha::ChaCha8Rng;

use crate::ImageSize;
use crate::random::{below, uniform};

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// The ratio of width to height lies between this and its inverse.
const MOST_RATIO: f32 = 4.0 / 3.0;
/// Draws before the middle of the image is taken.
const TRIES: usize = 10;

impl Window {
    pub(super) fn all(size: ImageSize) -> Window {
        Window { left: 0, top: 0, width: size.width, height: size.height }
    }

    /// A window anywhere whose share of the area is even from `smallest` to 1 and whose ratio of width to height has an even
    /// logarithm. If ten of them do not fit, the largest one of a permitted ratio in the middle.
    pub(super) fn draw(smallest: f32, size: ImageSize, random: &mut ChaCha8Rng) -> Window {
        let most = libm::logf(MOST_RATIO);
        for _ in 0..TRIES {
            let area = size.pixels() as f32 * uniform(random, smallest, 1.0);
            let ratio = libm::expf(uniform(random, -most, most));
            let width = (area * ratio).sqrt().round() as usize;
            let height = (area / ratio).sqrt().round() as usize;
            if (1..=size.width).contains(&width) && (1..=size.height).contains(&height) {
                let top = below(random, size.height - height + 1);
                let left = below(random, size.width - width + 1);
                return Window { left, top, width, height };
            }
        }
        let [width, height] = [size.width, size.height].map(|side| side as f32);
        let width = width.min((height * MOST_RATIO).round()) as usize;
        let height = height.min((size.width as f32 * MOST_RATIO).round()) as usize;
        Window { left: (size.width - width) / 2, top: (size.height - height) / 2, width, height }
    }

    /// The position in the window of a position in the enlarged one, whose size is that of the image. Positions within the outer
    /// half of the border's pixels have the border's colour, as in a resized picture.
    pub(super) fn place(self, size: ImageSize, x: f32, y: f32) -> (f32, f32) {
        let along = |at: f32, enlarged: usize, len: usize| {
            let place = (at + 0.5) * (len as f32 / enlarged as f32) - 0.5;
            let last = len as f32 - 1.0;
            if (-0.5..=last + 0.5).contains(&place) { place.clamp(0.0, last) } else { place }
        };
        (along(x, size.width, self.width), along(y, size.height, self.height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Fill;
    use crate::augment::geometry::Placement;
    use crate::random::{Stream, generator};

    fn drawn(smallest: f32, size: ImageSize) -> Vec<Window> {
        let mut random = generator(3, Stream::Augment, 0);
        (0..40_000).map(|_| Window::draw(smallest, size, &mut random)).collect()
    }

    /// Mean and standard deviation.
    fn spread(values: impl Iterator<Item = usize> + Clone) -> [f64; 2] {
        let count = values.clone().count() as f64;
        let mean = values.clone().map(|value| value as f64).sum::<f64>() / count;
        let square = values.map(|value| (value as f64 - mean).powi(2)).sum::<f64>() / count;
        [mean, square.sqrt()]
    }

    /// `fixtures/resized_crop.py` draws 30,000 windows with torchvision.
    #[test]
    fn windows_are_spread_as_torchvision_spreads_them() {
        for (smallest, [height, width], expected) in TORCHVISION {
            let windows = drawn(smallest, ImageSize { height, width });
            assert!(windows.iter().all(|w| w.left + w.width <= width && w.top + w.height <= height));
            let found = [
                spread(windows.iter().map(|window| window.top)),
                spread(windows.iter().map(|window| window.left)),
                spread(windows.iter().map(|window| window.height)),
                spread(windows.iter().map(|window| window.width)),
            ];
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                let error = (found - expected).abs();
                assert!(
                    error <= 0.02 * expected + 0.01,
                    "{smallest} {height}x{width}: {found} is not {expected}"
                );
            }
        }
    }

    #[test]
    fn a_window_is_enlarged_as_a_picture_is() {
        // Values rise by 12 along x and 30 along y, so those between pixels are known.
        let size = ImageSize { height: 6, width: 8 };
        let plane = |x: f32, y: f32| 12.0 * x + 30.0 * y;
        let from: Vec<u8> =
            (0..48).flat_map(|at| [plane((at % 8) as f32, (at / 8) as f32) as u8; 3]).collect();
        let window = Window { left: 2, top: 1, width: 4, height: 2 };
        let mut to = vec![0; from.len()];
        for mirrored in [false, true] {
            let placement = Placement { window: Some(window), mirrored, ..Placement::IDENTITY };
            placement.apply(Fill::Constant(0), size, &from, &mut to, &mut Vec::new());
            for y in 0..6 {
                for x in 0..8 {
                    let column = if mirrored { 7 - x } else { x };
                    let inside_x = ((column as f32 + 0.5) / 2.0 - 0.5).clamp(0.0, 3.0);
                    let inside_y = ((y as f32 + 0.5) / 3.0 - 0.5).clamp(0.0, 1.0);
                    let expected = plane(2.0 + inside_x, 1.0 + inside_y);
                    let found = f32::from(to[(y * 8 + x) * 3]);
                    assert!((found - expected).abs() <= 0.51, "{x} {y}: {found} is not {expected}");
                }
            }
        }
    }

    /// The smallest share, height and width of the image, and mean and deviation of top, left, height and width of the window.
    type Case = (f32, [usize; 2], [[f64; 2]; 4]);

    const TORCHVISION: [Case; 3] = [
        (0.08, [96, 128], [[13.380, 13.121], [27.894, 20.698], [69.337, 18.026], [72.343, 22.074]]),
        (0.5, [64, 64], [[5.269, 4.822], [5.253, 4.827], [53.453, 6.090], [53.427, 6.092]]),
        (0.7, [40, 150], [[0.0, 0.0], [48.0, 0.0], [40.0, 0.0], [53.0, 0.0]]),
    ];
}
