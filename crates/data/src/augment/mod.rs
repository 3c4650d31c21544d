//! Random changes to training images: moved, rotated, recoloured, partly hidden or blended.
//!
//! An [`Augmentation`] is written as a list of items, `flip,shift=0.1`. The changes to an image depend only on the
//! seed, the epoch and the image's index, so they are the same for any number of threads and after resuming. An image
//! goes through four steps; those without an item are skipped:
//!
//! 1. **geometry** (`flip`, `vflip`, `shift`, `crop`, `rotate`, `zoom`, `resized-crop`): one pass that combines all of them, so that
//!    nothing is interpolated twice; a copy of whole pixels if only `flip`, `vflip`, `shift` and `crop` are used;
//! 2. **colour** (`brightness`, `contrast`, `color`): one linear map of the colours of a pixel, clamped to 0 to 255;
//! 3. **`cutout`**, after normalisation;
//! 4. **`mixup`, `cutmix`**, with the next image of the batch, the last one with the first. Their labels are mixed too:
//!    see [`Mixed`].
//!
//! ```
//! use convscope_data::{Loader, Normalization, Order, SourceOptions, Split, SplitCounts, open};
//!
//! let shapes = SplitCounts { train: 100, val: 20, test: 20 };
//! let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
//! let loader = Loader::new(source, Split::Train, 25, Order::Shuffled { seed: 1 }, &Normalization::unit(3))?
//!     .augmented("flip,shift=0.1,mixup".parse()?, 1)?;
//! let batch = loader.epoch(0, 0).next().unwrap()?;
//! assert_eq!(batch.mixed.unwrap().labels.len(), 25);
//! # Ok::<(), convscope_data::DataError>(())
//! ```

mod augmenter;
mod colour;
mod fill;
mod geometry;
mod item;
mod mix;
#[cfg(feature = "pictures")]
mod preview;
mod rectangle;
mod resized_crop;
mod settings;

pub use fill::Fill;
pub use item::Item;
pub use mix::Mixed;
#[cfg(feature = "pictures")]
pub use preview::{AugmentationPreview, PreviewOptions, PreviewRow, Variant, preview};
pub use settings::Augmentation;

pub(crate) use augmenter::{Augmenter, Scratch};
