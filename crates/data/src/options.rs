//! Options for opening a source, and a callback for progress.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cifar::Archive;
use crate::{Channels, DataError, Framing, ImageSize, Manifest, PixelLimit, ProgressListener};

/// What to do about files that look like images but cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BadImages {
    /// Opening fails with their names.
    #[default]
    Refuse,
    /// They are left out and listed by [`Source::remarks`](crate::Source::remarks).
    Skip,
}

/// How images are assigned to splits if the data set itself does not determine it.
#[derive(Clone, Debug, PartialEq)]
pub enum Splits {
    /// A hash of the seed, its class and its path assigns each picture of a folder to a split; see
    /// [`folder`](crate::folder). The built-in pictures are generated from the seed.
    Placed {
        /// The split seed.
        seed: u64,
    },
    /// Pictures of a folder are drawn class by class from a shuffled list. Runs that do not record their images used
    /// this method; the draw depends on the number of pictures.
    Shuffled {
        /// The seed of the training run.
        seed: u64,
    },
    /// The images of a manifest in their splits. Others are left out, and missing or changed ones are an error.
    Recorded(Arc<Manifest>),
    /// All images in the test split, whatever split they belong to.
    Whole {
        /// The classes that labels refer to. A class that is not in this list is an error; some may have no images.
        classes: Vec<String>,
    },
}

impl Splits {
    /// The default split seed.
    pub const DEFAULT_SEED: u64 = 1;

    /// The seed of the built-in pictures.
    pub(crate) fn seed(&self) -> u64 {
        match self {
            Splits::Placed { seed } | Splits::Shuffled { seed } => *seed,
            Splits::Recorded(manifest) => manifest.splitting().split_seed,
            Splits::Whole { .. } => Splits::DEFAULT_SEED,
        }
    }
}

impl Default for Splits {
    fn default() -> Self {
        Splits::Placed { seed: Splits::DEFAULT_SEED }
    }
}

/// How many images the built-in source makes for each split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitCounts {
    /// Training images, 8,000 by default.
    pub train: usize,
    /// Validation images, 2,000 by default.
    pub val: usize,
    /// Test images, 2,000 by default.
    pub test: usize,
}

impl Default for SplitCounts {
    fn default() -> Self {
        SplitCounts { train: 8_000, val: 2_000, test: 2_000 }
    }
}

/// How to open a source. The defaults suit a first look at any data set.
#[derive(Clone)]
pub struct SourceOptions {
    /// How images are assigned to splits if the data set itself does not determine it. Default [`Splits::Placed`] with
    /// [`Splits::DEFAULT_SEED`].
    pub splits: Splits,
    /// Resize every image to this size, whose sides are 1 to 4096 pixels; by default, CIFAR and shapes stay 32x32, and
    /// an image folder keeps its size if all its images have the same, and otherwise becomes 64x64.
    pub image_size: Option<ImageSize>,
    /// Whether pictures become grey. Default red, green and blue.
    pub channels: Channels,
    /// How images are resized, and the background of transparent pixels. Default squashed, on white.
    pub framing: Framing,
    /// The share of the training images used for validation, between 0 and 1; by default 0.2, or 0.1 for an image
    /// folder without a test folder. Ignored for an image folder with a validation folder.
    pub val_fraction: Option<f64>,
    /// Whether to train on the validation images too, leaving none for validation. Default false.
    pub train_on_val: bool,
    /// What to do about unreadable files. Default [`BadImages::Refuse`].
    pub bad_images: BadImages,
    /// The most pixels that a picture file may have. Default 100 million.
    pub pixel_limit: PixelLimit,
    /// How many images the built-in source makes.
    pub shapes: SplitCounts,
    /// An image folder whose decoded images need more bytes than this is read from disk in every epoch.
    /// Default 1 GiB.
    pub memory_budget: usize,
    /// Images that would take more bytes than this in memory are refused before they are loaded. By default, images are
    /// loaded if the system has memory for them.
    pub memory_limit: Option<u64>,
    /// Where downloaded data sets are kept; by default `convscope` in `$XDG_CACHE_HOME` or the platform's
    /// cache folder.
    pub cache_dir: Option<PathBuf>,
    /// The archive that `cifar10` stands for.
    pub cifar10: Archive,
    /// Receives the progress of long operations.
    pub listener: ProgressListener,
}

impl Default for SourceOptions {
    fn default() -> Self {
        SourceOptions {
            splits: Splits::default(),
            image_size: None,
            channels: Channels::default(),
            framing: Framing::default(),
            val_fraction: None,
            train_on_val: false,
            bad_images: BadImages::Refuse,
            pixel_limit: PixelLimit::default(),
            shapes: SplitCounts::default(),
            memory_budget: 1 << 30,
            memory_limit: None,
            cache_dir: None,
            cifar10: Archive::cifar10(),
            listener: ProgressListener::default(),
        }
    }
}

/// The largest side that images are resized to.
const MAX_SIDE: usize = 4096;

/// The size, if both sides are in range.
pub(crate) fn check_image_size(size: ImageSize) -> Result<ImageSize, DataError> {
    let sides = 1..=MAX_SIDE;
    if sides.contains(&size.height) && sides.contains(&size.width) {
        return Ok(size);
    }
    let value = if size.height == size.width { size.width.to_string() } else { size.to_string() };
    let expected = "each side must be between 1 and 4096 pixels";
    Err(DataError::Option { name: "image_size", value, expected })
}

impl SourceOptions {
    /// Fails for images that do not fit into [`memory_limit`](Self::memory_limit) together.
    pub(crate) fn check_memory(&self, images: usize, size: ImageSize) -> Result<(), DataError> {
        let bytes = (images as u64).saturating_mul(size.bytes() as u64);
        match self.memory_limit {
            Some(limit) if bytes > limit => Err(DataError::BeyondMemory { images, size, bytes, limit }),
            _ => Ok(()),
        }
    }

    pub(crate) fn checked_size(&self) -> Result<Option<ImageSize>, DataError> {
        self.image_size.map(check_image_size).transpose()
    }

    pub(crate) fn checked_val_fraction(&self) -> Result<Option<f64>, DataError> {
        match self.val_fraction {
            Some(share) if !(share > 0.0 && share < 1.0) => Err(DataError::Option {
                name: "val_fraction",
                value: share.to_string(),
                expected: "it must be between 0 and 1, exclusive",
            }),
            share => Ok(share),
        }
    }
}
