//! Image folders: one folder a class.
//!
//! `DIR/<class>/*`, or `DIR/{train,val,test}/<class>/*` (also `valid` or `validation`). The classes are the
//! folders' names in order, as torchvision's `ImageFolder` has them; images may lie deeper inside them. Files
//! count as images by content or by name: a `.png` that is none is reported, a `.txt` is passed over, and so is
//! everything whose name begins with a dot.
//!
//! **Splits.** Folders for validation and test are used where they exist. Where only validation lacks, a fifth
//! of the training images validates; where both lack, a tenth validates and a tenth tests. With a validation
//! folder but no test folder the test split is empty. [`SourceOptions::val_fraction`] sets the validating share
//! in place of the fifth or the tenth. Shares are taken from each class by the seed, at least one image of
//! each kind, as long as one remains to train on.
//!
//! **Size.** Images are resized to [`SourceOptions::image_size`] square. Without it they keep their size if all
//! have the same, of at most 512 pixels a side; else they become 64x64. See
//! [`decode_image`](crate::decode_image()) for colours, orientation and filter.
//!
//! **Memory.** Every image is decoded once when the folder is opened, so that damage is found early. The
//! decoded bytes stay in memory if they fit [`SourceOptions::memory_budget`]; else each reading decodes the
//! file again.

mod scan;
mod split;
mod streaming;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use self::scan::{Entry, Listing};
use self::streaming::Streaming;
use crate::decode::{decode_into, probe};
use crate::resident::{Resident, ResidentSplit};
use crate::resize::Resizer;
use crate::{BadImages, DataError, ImageSize, Source, SourceOptions, Split, Stage, UnreadableFile};

/// The size of images that have no common one.
const DEFAULT_SIZE: ImageSize = ImageSize::square(64);
/// Images with a longer side are photographs to be shrunk, even if a whole folder has that size.
const MAX_COMMON_SIDE: usize = 512;

pub(crate) fn open(path: &Path, options: &SourceOptions) -> Result<Arc<dyn Source>, DataError> {
    let size = options.checked_size()?;
    let val_fraction = options.checked_val_fraction()?;
    let listing = scan::list(path)?;
    let mut images = Images::of(&listing);

    let sizes = images.check(Stage::Scan, options, |entry, _| probe(&entry.path));
    let size = size.unwrap_or_else(|| common_size(&sizes));
    let resident = sizes.len().saturating_mul(size.bytes()) <= options.memory_budget;
    let decoded = images.check(Stage::Decode, options, |entry, resizer| {
        let mut pixels = vec![0; size.bytes()];
        match decode_into(&entry.path, size, resizer, &mut pixels) {
            Ok(()) if resident => Ok(pixels),
            Ok(()) => Ok(Vec::new()),
            Err(DataError::Image { reason, .. }) => Err(reason),
            Err(other) => Err(other.to_string()),
        }
    });

    let Images { kept, mut unreadable } = images;
    unreadable.sort_by(|a, b| a.path.cmp(&b.path));
    if options.bad_images == BadImages::Refuse && !unreadable.is_empty() {
        return Err(DataError::BadImages { path: path.to_owned(), files: unreadable });
    }
    listing.check_classes(&kept, &unreadable)?;

    let splits = split::assign(kept, decoded, &listing, val_fraction, options.seed);
    let name = path.display().to_string();
    let classes = listing.classes;
    if !resident {
        let splits = splits.map(|images| images.into_iter().map(|(entry, _)| entry).collect());
        return Ok(Arc::new(Streaming { name, classes, size, splits, unreadable }));
    }
    let splits = splits.map(|images| {
        let mut split = ResidentSplit::default();
        split.pixels.reserve_exact(images.len() * size.bytes());
        for (entry, pixels) in images {
            split.pixels.extend_from_slice(&pixels);
            split.labels.push(entry.label);
            split.paths.push(entry.path);
        }
        split
    });
    Ok(Arc::new(Resident { name, synthetic: false, classes, size, splits, unreadable }))
}

/// The images that have passed every check so far, and those that have not.
struct Images {
    kept: Vec<(Split, Entry)>,
    unreadable: Vec<UnreadableFile>,
}

impl Images {
    fn of(listing: &Listing) -> Self {
        Images { kept: listing.entries.clone(), unreadable: Vec::new() }
    }

    /// Applies `check` to every image kept, on all cores, keeps those that pass, and gives their results.
    fn check<T: Send>(
        &mut self,
        stage: Stage,
        options: &SourceOptions,
        check: impl Fn(&Entry, &mut Resizer) -> Result<T, String> + Sync,
    ) -> Vec<T> {
        let total = self.kept.len() as u64;
        let done = AtomicU64::new(0);
        options.observer.tell(stage, 0, Some(total));
        let results: Vec<Result<T, String>> = self
            .kept
            .par_iter()
            .map_init(Resizer::new, |resizer, (_, entry)| {
                let result = check(entry, resizer);
                options.observer.tell(stage, done.fetch_add(1, Ordering::Relaxed) + 1, Some(total));
                result
            })
            .collect();
        let mut passed = Vec::with_capacity(results.len());
        let mut kept = Vec::with_capacity(results.len());
        for ((split, entry), result) in std::mem::take(&mut self.kept).into_iter().zip(results) {
            match result {
                Ok(value) => {
                    passed.push(value);
                    kept.push((split, entry));
                }
                Err(reason) => self.unreadable.push(UnreadableFile { path: entry.path, reason }),
            }
        }
        self.kept = kept;
        passed
    }
}

fn common_size(sizes: &[ImageSize]) -> ImageSize {
    match sizes.split_first() {
        Some((first, rest))
            if first.height.max(first.width) <= MAX_COMMON_SIDE && rest.iter().all(|size| size == first) =>
        {
            *first
        }
        _ => DEFAULT_SIZE,
    }
}
