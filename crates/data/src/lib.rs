//! Image sources, splits, normalisation and batches.
//!
//! The path of an image: a [`Source`] provides it as bytes; a [`Loader`] reads it, changes it according to an
//! [`Augmentation`], scales it by a [`Normalization`] and puts it into a [`Batch`] of shape (batch, 3, height, width).
//!
//! ```
//! use convscope_data::{Loader, Normalize, Order, SourceOptions, Split, SplitCounts, open};
//!
//! let shapes = SplitCounts { train: 100, val: 20, test: 20 };
//! let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
//! let normalization = Normalize::Standard.fit(&*source)?;
//! let loader = Loader::new(source, Split::Train, 32, Order::Shuffled { seed: 1 }, &normalization)?;
//! let mut sizes = Vec::new();
//! let mut epoch = loader.epoch(0, 0);
//! while let Some(batch) = epoch.next() {
//!     let batch = batch?;
//!     sizes.push(batch.images.dim());
//!     epoch.recycle(batch);
//! }
//! assert_eq!(sizes, [(32, 3, 32, 32), (32, 3, 32, 32), (32, 3, 32, 32), (4, 3, 32, 32)]);
//! # Ok::<(), convscope_data::DataError>(())
//! ```
//!
//! # Sources
//! [`open`](open()) accepts `shapes` (made by the program, see [`shapes`]), `cifar10` (downloaded once, see
//! [`cifar`]), or a folder: CIFAR-10 or CIFAR-100 in the binary version, or an image folder (see [`folder`]).
//! Problems with the data are reported when it is opened, not in the middle of training.
//!
//! # Features
//! `pictures` (default) reads picture files and draws sheets of images, `download` (default) fetches CIFAR-10. Without
//! them, anything that needs them is an error.
//!
//! # Determinism
//! The same options give the same images, splits, orders and batches, bit for bit, for any number of threads.

mod arrays;
pub mod augment;
pub mod cifar;
#[cfg(feature = "pictures")]
mod class_examples;
mod decode;
mod error;
pub mod folder;
mod grey;
mod loader;
pub mod manifest;
mod near;
mod normalization;
mod normalize;
mod open;
mod options;
mod progress;
mod random;
mod regroup;
mod remarks;
mod resident;
pub mod shapes;
mod source;
mod split;
mod statistics;

pub use convscope_pictures::{
    Background, CHANNELS, Framing, ImageSize, LimitOutOfRange, PictureError, PixelLimit, Resize, TooLarge,
};

pub use arrays::{Arrays, Pixels};
pub use augment::{Augmentation, Mixed};
#[cfg(feature = "pictures")]
pub use class_examples::{ClassExamples, ExampleLimits, class_examples};
pub use decode::decode_image;
pub use error::DataError;
pub use grey::{Channels, NotChannels, grey, in_grey};
pub use loader::{Batch, Epoch, Loader, Order};
pub use manifest::Manifest;
pub use near::near_duplicates;
pub use normalization::Normalization;
pub use normalize::Normalize;
pub use open::open;
pub use options::{BadImages, SourceOptions, SplitCounts, Splits};
pub use progress::{Progress, ProgressListener, Stage};
pub use regroup::{Fold, all_for_training, folds, only, train_on_val, whole, without_test};
pub use remarks::{MovedImage, Remarks, SkippedFiles, SplitFolder, UnreadableFile};
pub use source::{PixelType, Source, spread};
pub use split::Split;
pub use statistics::Statistics;
