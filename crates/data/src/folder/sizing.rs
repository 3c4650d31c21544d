//! The size of a folder's images, determined while decoding them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use convscope_pictures::{Framing, Picture, Resizer};
use rayon::prelude::*;

use crate::{ImageSize, SourceOptions};

/// The size of images without a common size.
const DEFAULT_SIZE: ImageSize = ImageSize::square(64);
/// Images with a longer side are photographs to be shrunk, even if all in a folder have the same size.
const MAX_COMMON_SIDE: usize = 512;

/// Resizes pictures, each once, before it is known whether all have the same size.
///
/// Until a second size appears, pictures are kept at their own size if memory allows, and otherwise at the default
/// size; the result does not depend on the order in which threads finish.
pub(super) struct Sizing {
    asked: Option<ImageSize>,
    framing: Framing,
    budget: usize,
    /// The largest possible number of pictures.
    pictures: usize,
    /// The size of the first picture.
    first: Mutex<Option<ImageSize>>,
    is_mixed: AtomicBool,
    /// Bytes of the pictures at their own size.
    own_bytes: AtomicUsize,
}

/// A processed picture.
pub(super) struct Sized {
    own_size: ImageSize,
    pixels: Pixels,
}

enum Pixels {
    /// There is no room for its pixels.
    None,
    /// At the picture's own size.
    Own(Vec<u8>),
    /// At the requested size, otherwise the default size.
    Resized(Vec<u8>),
}

/// Images of one size.
pub(super) struct SameSize {
    pub(super) size: ImageSize,
    /// The pixels of each image, or `None` for all.
    pub(super) pixels: Option<Vec<Vec<u8>>>,
}

impl Sizing {
    /// For at most `pictures` pictures.
    pub(super) fn new(asked: Option<ImageSize>, pictures: usize, options: &SourceOptions) -> Sizing {
        Sizing {
            asked,
            framing: options.framing,
            budget: options.memory_budget,
            pictures,
            first: Mutex::new(None),
            is_mixed: AtomicBool::new(false),
            own_bytes: AtomicUsize::new(0),
        }
    }

    /// Whether images of this size stay in memory.
    pub(super) fn fits(&self, size: ImageSize) -> bool {
        self.pictures.saturating_mul(size.bytes()) <= self.budget
    }

    /// Adds a picture, from any thread.
    pub(super) fn take(&self, picture: Picture, resizer: &mut Resizer) -> Sized {
        let own_size = picture.size();
        let pixels = if self.asked.is_none() && self.keeps(own_size) {
            Pixels::Own(picture.into_rgb())
        } else {
            let size = self.asked.unwrap_or(DEFAULT_SIZE);
            if self.fits(size) {
                let mut pixels = vec![0; size.bytes()];
                picture.resize(size, self.framing, resizer, &mut pixels);
                Pixels::Resized(pixels)
            } else {
                Pixels::None
            }
        };
        Sized { own_size, pixels }
    }

    /// Whether a picture of this size is kept unchanged for now.
    fn keeps(&self, size: ImageSize) -> bool {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if *first.get_or_insert(size) != size || !may_be_common(size) {
            self.is_mixed.store(true, Ordering::Relaxed);
        }
        drop(first);
        let bytes = self.own_bytes.fetch_add(size.bytes(), Ordering::Relaxed).saturating_add(size.bytes());
        !self.is_mixed.load(Ordering::Relaxed) && bytes <= self.budget
    }

    /// The images, all of one size: the requested one, otherwise their common size, otherwise the default.
    pub(super) fn finish(self, images: Vec<Sized>) -> SameSize {
        let own = |image: &Sized| image.own_size;
        let common = images.first().map(own).filter(|&size| {
            self.asked.is_none() && may_be_common(size) && images.iter().all(|image| own(image) == size)
        });
        let size = self.asked.or(common).unwrap_or(DEFAULT_SIZE);
        let at_size = |resizer: &mut Resizer, image: Sized| match image.pixels {
            Pixels::None => None,
            Pixels::Own(pixels) if image.own_size == size => Some(pixels),
            Pixels::Own(own) => self.fits(size).then(|| {
                let mut pixels = vec![0; size.bytes()];
                resizer.resize(&own, image.own_size, &mut pixels, size, self.framing);
                pixels
            }),
            Pixels::Resized(pixels) => common.is_none().then_some(pixels),
        };
        let pixels: Vec<_> = images.into_par_iter().map_init(Resizer::new, at_size).collect();
        SameSize { size, pixels: pixels.into_iter().collect() }
    }
}

fn may_be_common(size: ImageSize) -> bool {
    size.height.max(size.width) <= MAX_COMMON_SIDE
}
