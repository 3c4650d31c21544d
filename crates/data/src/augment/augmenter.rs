//! Applies an augmentation to the images of a run.

use super::colour::Colouring;
use super::geometry::Placement;
use super::mix::{Blend, Mixed};
use super::rectangle::Rectangle;
use super::{Augmentation, Item};
use crate::ImageSize;
use crate::random::{Stream, generator};

/// An augmentation with the seed of its run, for images of one size.
#[derive(Clone, Debug)]
pub(crate) struct Augmenter {
    augmentation: Augmentation,
    seed: u64,
    size: ImageSize,
    channels: usize,
}

/// Working memory.
#[derive(Default)]
pub(crate) struct Scratch {
    pixels: Vec<u8>,
    columns: Vec<usize>,
}

/// Drawn before normalisation and applied after it.
pub(crate) struct Cutout(Option<Rectangle>);

impl Augmenter {
    pub(crate) fn new(augmentation: Augmentation, seed: u64, size: ImageSize, channels: usize) -> Augmenter {
        Augmenter { augmentation, seed, size, channels }
    }

    /// Whether anything but [`cut_out`](Self::cut_out) and [`mix`](Self::mix) changes images.
    pub(crate) fn changes_pixels(&self) -> bool {
        self.augmentation.changes_pixels()
    }

    /// Changes an image, rows of interleaved RGB bytes.
    pub(crate) fn change(
        &self,
        epoch: u64,
        index: usize,
        pixels: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Cutout {
        let mut random = generator(self.seed, Stream::Augment, index as u64);
        random.set_stream(epoch);
        let placement = Placement::draw(&self.augmentation, self.size, &mut random);
        if placement != Placement::IDENTITY {
            scratch.pixels.resize(pixels.len(), 0);
            placement.apply(
                self.augmentation.fill(),
                self.size,
                pixels,
                &mut scratch.pixels,
                &mut scratch.columns,
            );
            std::mem::swap(pixels, &mut scratch.pixels);
        }
        Colouring::draw(&self.augmentation, &mut random).apply(pixels);
        Cutout(self.augmentation.strength(Item::Cutout).map(|share| {
            let side = (share * self.size.height.min(self.size.width) as f64).round().max(1.0) as usize;
            Rectangle::draw(&mut random, self.size, side, side)
        }))
    }

    /// Sets the square to 0 in the planes of a normalised image.
    pub(crate) fn cut_out(&self, cutout: &Cutout, planes: &mut [f32]) {
        if let Cutout(Some(rectangle)) = cutout {
            rectangle.spans(self.size, self.channels).for_each(|span| planes[span].fill(0.0));
        }
    }

    /// Blends each image of a batch with the next one, the last with the first; `None` if the augmentation does not
    /// blend.
    pub(crate) fn mix(
        &self,
        epoch: u64,
        indices: &[usize],
        labels: &[usize],
        values: &mut [f32],
    ) -> Option<Mixed> {
        if !self.augmentation.mixes_labels() {
            return None;
        }
        let len = self.size.pixels() * self.channels;
        // The first image is changed before the last one is blended with it.
        let first = values[..len].to_vec();
        let mut mixed = Mixed { labels: labels.to_vec(), shares: vec![0.0; labels.len()] };
        mixed.labels.rotate_left(1);
        for (place, &index) in indices.iter().enumerate() {
            let mut random = generator(self.seed, Stream::Mix, index as u64);
            random.set_stream(epoch);
            let (own, rest) = values[place * len..].split_at_mut(len);
            let other = rest.get(..len).unwrap_or(&first);
            if let Some(blend) = Blend::draw(&self.augmentation, self.size, &mut random) {
                mixed.shares[place] = blend.apply(self.size, self.channels, own, other);
            }
        }
        Some(mixed)
    }
}
