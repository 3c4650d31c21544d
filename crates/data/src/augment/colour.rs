//! Brightness, contrast and saturation.

use rand_chacha::ChaCha8Rng;

use super::{Augmentation, Item};
use crate::CHANNELS;
use crate::random::uniform;

/// Factors of brightness `b`, contrast `c` and saturation `s`, applied in this order like torchvision's `adjust_*`, but
/// clamped to 0 to 255 only at the end:
///
/// `p <- b p`, `p <- c p + (1 - c) mean(grey)`, `p <- s p + (1 - s) grey`, with `grey = 0.299 R + 0.587 G + 0.114 B`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Colouring {
    pub(super) brightness: f32,
    pub(super) contrast: f32,
    pub(super) saturation: f32,
}

impl Colouring {
    pub(super) fn draw(augmentation: &Augmentation, random: &mut ChaCha8Rng) -> Colouring {
        let mut factor = |item| {
            let strength = augmentation.strength(item).map_or(0.0, |strength| strength as f32);
            if strength > 0.0 { uniform(random, 1.0 - strength, 1.0 + strength) } else { 1.0 }
        };
        Colouring {
            brightness: factor(Item::Brightness),
            contrast: factor(Item::Contrast),
            saturation: factor(Item::Color),
        }
    }

    /// Recolours interleaved RGB bytes.
    pub(super) fn apply(self, pixels: &mut [u8]) {
        let Colouring { brightness, contrast, saturation } = self;
        if (brightness, contrast, saturation) == (1.0, 1.0, 1.0) {
            return;
        }
        let offset = if contrast == 1.0 { 0.0 } else { (1.0 - contrast) * brightness * mean_grey(pixels) };
        let own = saturation * contrast * brightness;
        let shared = (1.0 - saturation) * contrast * brightness;
        for pixel in pixels.chunks_exact_mut(CHANNELS) {
            let rest = shared * grey(pixel) + offset;
            for value in pixel {
                // The conversion clamps to 0 to 255.
                *value = (own * f32::from(*value) + rest + 0.5) as u8;
            }
        }
    }
}

fn mean_grey(pixels: &[u8]) -> f32 {
    let mut sums = [0u64; CHANNELS];
    for pixel in pixels.chunks_exact(CHANNELS) {
        sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u64::from(value));
    }
    let count = (pixels.len() / CHANNELS).max(1) as f64;
    let mean = sums.map(|sum| sum as f64 / count);
    (0.299 * mean[0] + 0.587 * mean[1] + 0.114 * mean[2]) as f32
}

fn grey(pixel: &[u8]) -> f32 {
    0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coloured(brightness: f32, contrast: f32, saturation: f32) -> [u8; 6] {
        let mut pixels = [210, 100, 0, 40, 80, 160];
        Colouring { brightness, contrast, saturation }.apply(&mut pixels);
        pixels
    }

    /// The greys of the two pixels are 121.49 and 77.16, their mean is 99.325.
    #[test]
    fn each_factor_does_what_its_formula_says() {
        assert_eq!(coloured(1.0, 1.0, 1.0), [210, 100, 0, 40, 80, 160]);
        assert_eq!(coloured(1.5, 1.0, 1.0), [255, 150, 0, 60, 120, 240]);
        assert_eq!(coloured(1.0, 0.5, 1.0), [155, 100, 50, 70, 90, 130]);
        assert_eq!(coloured(1.0, 1.0, 0.0), [121, 121, 121, 77, 77, 77]);
        assert_eq!(coloured(1.0, 1.0, 2.0), [255, 79, 0, 3, 83, 243]);
    }

    /// Brightness gives 168 80 0 and 32 64 128 with mean grey 79.46; contrast 123.73 79.73 39.73 and 55.73 71.73 103.73
    /// with greys 88.326 and 70.594.
    #[test]
    fn all_three_are_applied_one_after_the_other() {
        assert_eq!(coloured(0.8, 0.5, 1.2), [131, 78, 30, 53, 72, 110]);
    }
}
