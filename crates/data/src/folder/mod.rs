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
//! in place of the fifth or the tenth. Each picture is placed by a hash of the split seed, its class and its path
//! below the class folder, so that it stays where it is when others come or go; pictures with the same bytes stay
//! together. A class that would lack a training, validation or test picture gets the one that is nearest to it.
//! [`Splits::Recorded`] takes the images and splits of a [`Manifest`](crate::Manifest) and leaves all others out.
//!
//! **Size.** Images are resized to [`SourceOptions::image_size`] square. Without it they keep their size if all
//! have the same, of at most 512 pixels a side; else they become 64x64. See
//! [`decode_image`](crate::decode_image()) for colours, orientation and filter.
//!
//! **Memory.** Every image is decoded once when the folder is opened, so that damage is found early. The
//! decoded bytes stay in memory if they fit [`SourceOptions::memory_budget`]; else each reading decodes the
//! file again.

mod images;
mod recorded;
mod scan;
mod shuffled;
mod split;
mod streaming;

use std::path::Path;
use std::sync::Arc;

use self::images::{Images, assemble};
use self::scan::{Entry, Listing};
use self::split::{Candidate, Shares};
use crate::manifest::Splitting;
use crate::{BadImages, DataError, Remarks, Source, SourceOptions, Split, Splits, UnreadableFile};

/// The validating share where there is a test folder.
const VAL_FRACTION_BESIDE_TEST: f64 = 0.2;
/// The validating and testing shares where there is neither folder.
const VAL_FRACTION: f64 = 0.1;
const TEST_FRACTION: f64 = 0.1;

pub(crate) fn open(path: &Path, options: &SourceOptions) -> Result<Arc<dyn Source>, DataError> {
    match &options.splits {
        Splits::Recorded(manifest) => recorded::open(path, manifest, options),
        Splits::Whole { classes } => open_whole(path, classes, options),
        Splits::Placed { seed } => open_splits(path, *seed, Drawing::Placed, options),
        Splits::Shuffled { seed } => open_splits(path, *seed, Drawing::Shuffled, options),
    }
}

/// How training images are dealt to the splits that a folder lacks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drawing {
    Placed,
    Shuffled,
}

fn open_splits(
    path: &Path,
    seed: u64,
    drawing: Drawing,
    options: &SourceOptions,
) -> Result<Arc<dyn Source>, DataError> {
    let size = options.checked_size()?;
    let val_fraction = options.checked_val_fraction()?;
    let listing = scan::list(path)?;
    let mut images = Images::new(listing.entries.clone());
    let decoded = images.decode(path, size, options);
    let Images { kept, unreadable } = images;
    refuse_unreadable(path, &unreadable, options)?;
    listing.check_classes(&kept, &unreadable)?;

    let shares = shares(&listing, val_fraction);
    let train: Vec<usize> = (0..kept.len()).filter(|&image| kept[image].0 == Split::Train).collect();
    let mut remarks = Remarks { unreadable, ..Remarks::default() };
    let of_train = match drawing {
        Drawing::Shuffled => {
            let labels: Vec<usize> = train.iter().map(|&image| kept[image].1.label).collect();
            shuffled::shuffled(&labels, listing.classes.len(), shares, seed)
        }
        Drawing::Placed => {
            let candidate = |&image: &usize| {
                let Entry { label, name, .. } = &kept[image].1;
                Candidate { label: *label, name, hash: decoded.images[image].record.hash }
            };
            let candidates: Vec<Candidate<'_>> = train.iter().map(candidate).collect();
            let placed = split::place(&candidates, &listing.classes, shares, seed);
            remarks.moved = placed.moved;
            placed.splits
        }
    };
    let mut splits: Vec<Split> = kept.iter().map(|(split, _)| *split).collect();
    train.into_iter().zip(of_train).for_each(|(image, split)| splits[image] = split);

    let entries = kept.into_iter().map(|(_, entry)| entry);
    let images = splits.into_iter().zip(entries).zip(decoded.images);
    let images = images.map(|((split, entry), image)| (split, entry, image)).collect();
    let splitting = Splitting { split_seed: seed, val_share: shares.val, test_share: shares.test };
    Ok(assemble(path, listing.classes, splitting, decoded.size, images, remarks, options.pixel_limit))
}

/// All images of the folder in the test split.
fn open_whole(
    path: &Path,
    classes: &[String],
    options: &SourceOptions,
) -> Result<Arc<dyn Source>, DataError> {
    let size = options.checked_size()?;
    let entries = scan::list_all(path, classes)?;
    let kept = entries.into_iter().map(|entry| (Split::Test, entry)).collect();
    let mut images = Images::new(kept);
    let decoded = images.decode(path, size, options);
    let Images { kept, unreadable } = images;
    refuse_unreadable(path, &unreadable, options)?;
    if kept.is_empty() {
        return Err(DataError::NoImages { path: path.to_owned() });
    }
    let images = kept.into_iter().zip(decoded.images).map(|((split, entry), image)| (split, entry, image));
    let splitting = Splitting { split_seed: 0, val_share: 0.0, test_share: 0.0 };
    let remarks = Remarks { unreadable, ..Remarks::default() };
    Ok(assemble(
        path,
        classes.to_vec(),
        splitting,
        decoded.size,
        images.collect(),
        remarks,
        options.pixel_limit,
    ))
}

fn shares(listing: &Listing, val_fraction: Option<f64>) -> Shares {
    let (val, test) = match (listing.has_val, listing.has_test) {
        (true, _) => (0.0, 0.0),
        (false, true) => (val_fraction.unwrap_or(VAL_FRACTION_BESIDE_TEST), 0.0),
        (false, false) => (val_fraction.unwrap_or(VAL_FRACTION), TEST_FRACTION),
    };
    Shares { val, test }
}

fn refuse_unreadable(
    path: &Path,
    unreadable: &[UnreadableFile],
    options: &SourceOptions,
) -> Result<(), DataError> {
    if options.bad_images == BadImages::Refuse && !unreadable.is_empty() {
        return Err(DataError::BadImages { path: path.to_owned(), files: unreadable.to_vec() });
    }
    Ok(())
}
