//! How a source is to be opened, and who is told about the progress.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cifar::Archive;
use crate::{Channels, DataError, Framing, ImageSize, Manifest, PixelLimit};

/// What to do about files that look like images and cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BadImages {
    /// Opening fails and names them.
    #[default]
    Refuse,
    /// They are left out and listed by [`Source::remarks`](crate::Source::remarks).
    Skip,
}

/// Which images belong to which split, where the data set itself does not say.
#[derive(Clone, Debug, PartialEq)]
pub enum Splits {
    /// Each picture of a folder is placed by a hash of the seed, its class and its path; see [`folder`](crate::folder).
    /// The built-in pictures are made from the seed.
    Placed {
        /// The split seed.
        seed: u64,
    },
    /// Pictures of a folder are drawn class by class from a shuffled list. Runs that do not record their images had their
    /// splits this way; the draw depends on how many pictures there are.
    Shuffled {
        /// The seed of the training run.
        seed: u64,
    },
    /// The images of a manifest in their splits. Others are left out, and missing or changed ones are an error.
    Recorded(Arc<Manifest>),
    /// All images in the test split, whatever split they lie in.
    Whole {
        /// The classes that labels are counted by. A class that they lack is an error; some may have no image.
        classes: Vec<String>,
    },
}

impl Splits {
    /// The split seed that is taken where none is asked for.
    pub const DEFAULT_SEED: u64 = 1;

    /// What the built-in pictures are made from.
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

/// How to open a source. The default is right for a first look at any data set.
#[derive(Clone)]
pub struct SourceOptions {
    /// Which images belong to which split, where the data set itself does not say. Default [`Splits::Placed`] with
    /// [`Splits::DEFAULT_SEED`].
    pub splits: Splits,
    /// Resize every image to this size, whose sides are 1 to 4096 pixels; by default CIFAR and shapes stay 32x32, and an
    /// image folder keeps its size if all its images share one, else becomes 64x64.
    pub image_size: Option<ImageSize>,
    /// Whether pictures become grey. Default red, green and blue.
    pub channels: Channels,
    /// How images are resized, and what transparent pixels show. Default squashed over white.
    pub framing: Framing,
    /// The share of the training images that validates, between 0 and 1; by default 0.2, or 0.1 for an image
    /// folder without a test folder. An image folder with a validation folder keeps that.
    pub val_fraction: Option<f64>,
    /// Whether the validation images are trained on too, and none are left to validate. Default false.
    pub train_on_val: bool,
    /// What to do about unreadable files. Default [`BadImages::Refuse`].
    pub bad_images: BadImages,
    /// How many pixels a picture file may have. Default 100 million.
    pub pixel_limit: PixelLimit,
    /// How many images the built-in source makes.
    pub shapes: SplitCounts,
    /// An image folder whose decoded images need more bytes than this is read from disk again and again.
    /// Default 1 GiB.
    pub memory_budget: usize,
    /// Images that would take more bytes than this in memory are refused before they are loaded. By default all are loaded that
    /// the system has memory for.
    pub memory_limit: Option<u64>,
    /// Where downloaded data sets are kept; by default `convscope` in `$XDG_CACHE_HOME` or the platform's
    /// cache folder.
    pub cache_dir: Option<PathBuf>,
    /// The archive that `cifar10` stands for.
    pub cifar10: Archive,
    /// Who is told about long work.
    pub observer: Observer,
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
            observer: Observer::default(),
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
    Err(DataError::Option { name: "--image-size", value, expected })
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
                name: "--val-fraction",
                value: share.to_string(),
                expected: "it must lie between 0 and 1, both excluded",
            }),
            share => Ok(share),
        }
    }
}

/// The kind of work a [`Progress`] tells about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Fetching an archive; counted in bytes.
    Download,
    /// Unpacking it; counted in bytes of the archive.
    Unpack,
    /// Decoding images; counted in files.
    Decode,
}

/// How far a piece of work has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The kind of work.
    pub stage: Stage,
    /// Units done.
    pub done: u64,
    /// Units to do, where known.
    pub total: Option<u64>,
}

/// A function that is told about progress, from any thread; by default nobody is.
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl Observer {
    /// Tells `function` about every step.
    pub fn new(function: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Observer(Some(Arc::new(function)))
    }

    pub(crate) fn tell(&self, stage: Stage, done: u64, total: Option<u64>) {
        if let Some(function) = &self.0 {
            function(Progress { stage, done, total });
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Observer(..)" } else { "Observer(none)" })
    }
}
