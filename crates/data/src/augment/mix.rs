//! Blends the images of a batch, and their labels.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::rectangle::Rectangle;
use super::{Augmentation, Item};
use crate::ImageSize;
use crate::random::below;

/// The second labels of a batch of blended images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mixed {
    /// The class of the other image in each image, shape (batch).
    pub labels: Vec<usize>,
    /// The share of that class in the image's target, from 0 to 1, shape (batch); the image's own label has the rest.
    pub shares: Vec<f32>,
}

/// How one image is blended with another.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Blend {
    /// `(1 - share) own + share other` everywhere (Zhang et al. 2018).
    Mixup { share: f32 },
    /// `other` within the rectangle (Yun et al. 2019).
    Cutmix { rectangle: Rectangle },
}

impl Blend {
    /// Draws one of the augmentation's blends, with equal probability.
    pub(super) fn draw(
        augmentation: &Augmentation,
        size: ImageSize,
        random: &mut ChaCha8Rng,
    ) -> Option<Blend> {
        let mixup = |random: &mut _, alpha| Blend::Mixup { share: 1.0 - beta(random, alpha) as f32 };
        let cutmix = |random: &mut _, alpha| {
            let side = (1.0 - beta(random, alpha)).sqrt();
            let part = |len: usize| (side * len as f64) as usize;
            let rectangle = Rectangle::draw(random, size, part(size.height), part(size.width));
            Blend::Cutmix { rectangle }
        };
        match (augmentation.strength(Item::Mixup), augmentation.strength(Item::Cutmix)) {
            (None, None) => None,
            (Some(alpha), None) => Some(mixup(random, alpha)),
            (None, Some(alpha)) => Some(cutmix(random, alpha)),
            (Some(alpha), Some(_)) if below(random, 2) == 0 => Some(mixup(random, alpha)),
            (Some(_), Some(alpha)) => Some(cutmix(random, alpha)),
        }
    }

    /// Blends planes of one image with those of another; returns the share of the other one.
    pub(super) fn apply(&self, size: ImageSize, channels: usize, own: &mut [f32], other: &[f32]) -> f32 {
        match self {
            &Blend::Mixup { share } => {
                own.iter_mut().zip(other).for_each(|(own, other)| *own += share * (other - *own));
                share
            }
            Blend::Cutmix { rectangle } => {
                rectangle
                    .spans(size, channels)
                    .for_each(|span| own[span.clone()].copy_from_slice(&other[span]));
                rectangle.pixels() as f32 / size.pixels() as f32
            }
        }
    }
}

/// A number from Beta(alpha, alpha), by Jöhnk's method (1964): the share of the first of two uniform numbers to the
/// power `1 / alpha`, if their sum is at most 1.
fn beta(random: &mut ChaCha8Rng, alpha: f64) -> f64 {
    let mut power = || libm::pow((random.next_u64() >> 11) as f64 / (1u64 << 53) as f64, 1.0 / alpha);
    loop {
        let (first, second) = (power(), power());
        let sum = first + second;
        if sum > 0.0 && sum <= 1.0 {
            return first / sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, generator};

    #[test]
    fn beta_has_its_mean_and_variance() {
        for alpha in [0.05, 0.2, 1.0, 2.5, 4.0] {
            let mut random = generator(3, Stream::Mix, 0);
            let draws: Vec<f64> = (0..20_000).map(|_| beta(&mut random, alpha)).collect();
            let mean = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|x| (x - 0.5) * (x - 0.5)).sum::<f64>() / 20_000.0;
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((mean - 0.5).abs() < 0.015, "{alpha}: mean {mean}");
            assert!((variance / expected - 1.0).abs() < 0.05, "{alpha}: {variance} is not {expected}");
        }
    }

    #[test]
    fn shares_are_those_of_the_pixels() {
        let size = ImageSize { height: 2, width: 3 };
        let other: Vec<f32> = (0..18).map(|at| 100.0 + at as f32).collect();
        let mut own = vec![0.0; 18];
        assert_eq!(Blend::Mixup { share: 0.25 }.apply(size, 3, &mut own, &other), 0.25);
        assert_eq!((own[0], own[17]), (25.0, 0.25 * 117.0));
        let mut own = vec![0.0; 18];
        let rectangle = Rectangle { rows: 1..2, columns: 0..2 };
        assert_eq!(Blend::Cutmix { rectangle }.apply(size, 3, &mut own, &other), 2.0 / 6.0);
        let replaced: Vec<usize> = (0..18).filter(|&at| own[at] == other[at]).collect();
        assert_eq!(replaced, [3, 4, 9, 10, 15, 16]);
        assert!((0..18).all(|at| own[at] == 0.0 || replaced.contains(&at)));
    }

    #[test]
    fn the_area_of_cutmix_follows_the_distribution() {
        let size = ImageSize { height: 20, width: 60 };
        let augmentation = "cutmix=1".parse().unwrap();
        let mut random = generator(5, Stream::Mix, 0);
        let mut shares = Vec::new();
        for _ in 0..4000 {
            let Some(Blend::Cutmix { rectangle }) = Blend::draw(&augmentation, size, &mut random) else {
                panic!("expected cutmix");
            };
            assert!(rectangle.rows.end <= 20 && rectangle.columns.end <= 60, "{rectangle:?}");
            shares.push(rectangle.pixels() as f64 / 1200.0);
        }
        // Half of it on average, less the part outside the image: E[r (1 - r / 4)]^2 over sides r, about 0.32.
        let mean = shares.iter().sum::<f64>() / 4000.0;
        assert!((0.28..0.36).contains(&mean), "{mean}");
    }

    #[test]
    fn both_blends_are_equally_likely() {
        let augmentation = "mixup,cutmix".parse().unwrap();
        let mut random = generator(2, Stream::Mix, 0);
        let size = ImageSize::square(8);
        let draws = (0..1000).map(|_| Blend::draw(&augmentation, size, &mut random));
        let mixups = draws.filter(|blend| matches!(blend, Some(Blend::Mixup { .. }))).count();
        assert!((430..570).contains(&mixups), "{mixups} of 1000");
        assert_eq!(Blend::draw(&Augmentation::NONE, size, &mut random), None);
    }
}
