//! The built-in data set: ten kinds of shapes, drawn by the program.
//!
//! Colour pictures of 32x32 pixels with one shape of random position, size, rotation and colour, lighter or darker than
//! a textured background, with clutter around it, smaller pieces in front of it, and noise. An image depends only on
//! seed, split and index; image `i` shows class `i % 10`. It is a synthetic stand-in for a first run without any files:
//! a network's results on it say nothing about photographs.

mod outline;
mod paint;
mod texture;

use std::sync::Arc;

use rayon::prelude::*;

use self::outline::Outline;
pub use self::paint::Difficulty;
use crate::manifest::{ContentHash, Contents, Manifest, PerSplit, Splitting};
use crate::random::Stream;
use crate::resident::{Resident, ResidentSplit, zeroed};
use crate::{DataError, ImageSize, Remarks, Source, SourceOptions, Split, SplitCounts, Splits};

/// The size that shapes are drawn at.
pub(crate) const SIZE: ImageSize = ImageSize::square(32);

/// The built-in data set's generator.
#[derive(Clone, Debug)]
pub struct Shapes {
    seed: u64,
    difficulty: Difficulty,
}

impl Shapes {
    /// A generator with the default difficulty.
    pub fn new(seed: u64) -> Self {
        Shapes { seed, difficulty: Difficulty::default() }
    }

    /// The same generator with a different difficulty.
    pub fn with_difficulty(self, difficulty: Difficulty) -> Self {
        Shapes { difficulty, ..self }
    }

    /// Generates all images of the three splits, on all cores.
    ///
    /// # Errors
    /// [`DataError::Option`] for a split without images, [`DataError::Memory`] for more images than fit into memory.
    pub fn generate(&self, counts: SplitCounts) -> Result<Arc<dyn Source>, DataError> {
        Ok(Arc::new(self.resident(counts)?))
    }

    fn resident(&self, counts: SplitCounts) -> Result<Resident, DataError> {
        let split = |split, images: usize| {
            if images == 0 {
                return Err(DataError::Option {
                    name: "shapes",
                    value: format!("0 {split} images"),
                    expected: "every split needs at least one",
                });
            }
            self.split(split, images)
        };
        let splits = [
            split(Split::Train, counts.train)?,
            split(Split::Val, counts.val)?,
            split(Split::Test, counts.test)?,
        ];
        let classes: Vec<String> = Outline::ALL.iter().map(|outline| outline.name().to_owned()).collect();
        let pixels = PerSplit::from_array(splits.each_ref().map(|split| ContentHash::of(&split.pixels)));
        let contents = Contents::Generated {
            generator: NAME.to_owned(),
            seed: self.seed,
            splits: PerSplit { train: counts.train, val: counts.val, test: counts.test },
            pixels,
        };
        let val_share = counts.val as f64 / (counts.train + counts.val) as f64;
        let splitting = Splitting { split_seed: self.seed, val_share, test_share: 0.0 };
        Ok(Resident {
            name: NAME.to_owned(),
            synthetic: true,
            manifest: Some(Manifest::new(classes.clone(), splitting, contents)),
            classes,
            size: SIZE,
            splits,
            remarks: Remarks::default(),
        })
    }

    fn split(&self, split: Split, images: usize) -> Result<ResidentSplit, DataError> {
        let stream = match split {
            Split::Train => Stream::ShapesTrain,
            Split::Val => Stream::ShapesVal,
            Split::Test => Stream::ShapesTest,
        };
        // The largest allocation first, since it is the most likely to fail.
        let mut pixels = zeroed(images, SIZE)?;
        let labels: Vec<usize> = (0..images).map(|index| index % Outline::ALL.len()).collect();
        pixels.par_chunks_exact_mut(SIZE.bytes()).enumerate().for_each(|(index, image)| {
            let mut random = crate::random::generator(self.seed, stream, index as u64);
            paint::paint(Outline::ALL[labels[index]], &self.difficulty, &mut random, image);
        });
        Ok(ResidentSplit { pixels, labels, paths: Vec::new() })
    }
}

pub(crate) fn open(options: &SourceOptions) -> Result<Arc<dyn Source>, DataError> {
    let size = options.checked_size()?.unwrap_or(SIZE);
    options.check_memory(images_of(options), size)?;
    if let Splits::Recorded(manifest) = &options.splits {
        return Ok(Arc::new(again(manifest)?.resized(size, options.framing)?));
    }
    let mut counts = options.shapes;
    if let Some(share) = options.checked_val_fraction()? {
        let images = counts.train + counts.val;
        counts.val = ((images as f64 * share).round() as usize).clamp(1, images.saturating_sub(1).max(1));
        counts.train = images - counts.val;
    }
    Ok(Arc::new(Shapes::new(options.splits.seed()).resident(counts)?.resized(size, options.framing)?))
}

/// How many pictures to generate.
fn images_of(options: &SourceOptions) -> usize {
    let (train, val, test) = match &options.splits {
        Splits::Recorded(manifest) => match manifest.contents() {
            Contents::Generated { splits, .. } => (splits.train, splits.val, splits.test),
            _ => (0, 0, 0),
        },
        _ => (options.shapes.train, options.shapes.val, options.shapes.test),
    };
    train.saturating_add(val).saturating_add(test)
}

/// Regenerates the pictures of a manifest.
fn again(manifest: &Manifest) -> Result<Resident, DataError> {
    let Contents::Generated { generator, seed, splits, .. } = manifest.contents() else {
        return Err(DataError::OtherKind { path: NAME.into() });
    };
    if generator != NAME {
        return Err(DataError::OtherKind { path: NAME.into() });
    }
    let PerSplit { train, val, test } = *splits;
    let made = Shapes::new(*seed).resident(SplitCounts { train, val, test })?;
    if made.manifest.as_ref().is_some_and(|made| made.digest() != manifest.digest()) {
        return Err(DataError::OtherPictures { generator: NAME });
    }
    Ok(made)
}

/// The name of the data set.
const NAME: &str = "shapes";
