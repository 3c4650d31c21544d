//! Image folders: one folder per class.
//!
//! `DIR/<class>/*`, or `DIR/{train,val,test}/<class>/*`. Folders of splits are recognised by their names, in upper or
//! lower case and with words such as `set`, `images` or `seg` added: `train`, `training`; `val`, `valid`, `validation`,
//! `dev`, `eval`; `test`, `testing`. The classes are the sorted folder names, as in torchvision's `ImageFolder`; images
//! may be in subfolders. Files count as images by content or by name: a `.png` that is not one is reported. Everything
//! whose name begins with a dot is skipped; [`Remarks`] list what else was.
//!
//! **Splits.** Folders for validation and test are used if they exist. If only validation is missing, a fifth of the
//! training images is used for it; if both are missing, a tenth is used for validation and a tenth for testing. With a
//! validation folder but no test folder, the test split is empty. [`SourceOptions::val_fraction`] sets the validation
//! share instead of the fifth or the tenth. A hash of the split seed, its class and its path below the class folder
//! assigns each picture to a split, so that it stays there when others are added or removed; pictures with the same
//! bytes stay together. A class that would have no training, validation or test picture gets the one that is nearest to
//! it. [`Splits::Recorded`] uses the images and splits of a [`Manifest`](crate::Manifest) and leaves out all others.
//!
//! **Size.** Images are resized to [`SourceOptions::image_size`] square. Without it they keep their size if all have
//! the same, of at most 512 pixels a side; otherwise they become 64x64. See [`decode_image`](crate::decode_image()) for
//! colours, orientation and filter.
//!
//! **Memory.** Every image is decoded once when the folder is opened, so that damage is found early. The decoded bytes
//! stay in memory if they fit [`SourceOptions::memory_budget`]; otherwise each reading decodes the file again.

mod images;
mod layout;
mod recorded;
mod scan;
mod shuffled;
mod sizing;
mod split;
mod streaming;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::images::{Images, assemble};
use self::scan::{Entry, Listing};
use self::split::{Candidate, Shares};
use crate::manifest::Splitting;
use crate::{BadImages, DataError, Remarks, Source, SourceOptions, Split, Splits, UnreadableFile};

/// The validation share if there is a test folder.
const VAL_FRACTION_BESIDE_TEST: f64 = 0.2;
/// The validation and test shares if there is neither folder.
const VAL_FRACTION: f64 = 0.1;
const TEST_FRACTION: f64 = 0.1;

/// The pictures below a folder, whatever their classes, and those that cannot be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PicturesBelow {
    /// Files that are pictures by content or by name, in the order of their paths.
    pub pictures: Vec<PathBuf>,
    /// Links that lead nowhere or in circles, and folders that cannot be read.
    pub unreadable: Vec<UnreadableFile>,
}

/// Searches a folder and its subfolders.
pub fn pictures_below(folder: &Path) -> PicturesBelow {
    let walk::Files { pictures, unreadable, .. } = walk::files_below(folder);
    PicturesBelow { pictures, unreadable }
}

pub(crate) fn open(path: &Path, options: &SourceOptions) -> Result<Arc<dyn Source>, DataError> {
    match &options.splits {
        Splits::Recorded(manifest) => recorded::open(path, manifest, options),
        Splits::Whole { classes } => open_whole(path, classes, options),
        Splits::Placed { seed } => open_splits(path, *seed, Drawing::Placed, options),
        Splits::Shuffled { seed } => open_splits(path, *seed, Drawing::Shuffled, options),
    }
}

/// How training images are assigned to the splits that a folder lacks.
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
    let mut listing = scan::list(path)?;
    let mut images = Images::new(&mut listing.found);
    let decoded = images.decode(path, size, options);
    let Images { kept, unreadable } = images;
    refuse_unreadable(path, &unreadable, options)?;
    listing.check_classes(&kept, &unreadable)?;

    let shares = shares(&listing, val_fraction);
    let train: Vec<usize> = (0..kept.len()).filter(|&image| kept[image].0 == Split::Train).collect();
    let mut remarks = Remarks { unreadable, ..listing.found.remarks };
    let of_train = match drawing {
        Drawing::Shuffled => {
            let labels: Vec<usize> = train.iter().map(|&image| kept[image].1.label).collect();
            shuffled::shuffled(&labels, listing.classes.len(), shares, seed)
        }
        Drawing::Placed => {
            let candidate = |&image: &usize| {
                let Entry { label, name, .. } = &kept[image].1;
                Candidate { label: *label, name, hash: decoded.records[image].hash }
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
    let entries = splits.into_iter().zip(entries).collect();
    let splitting = Splitting { split_seed: seed, val_share: shares.val, test_share: shares.test };
    assemble(path, listing.classes, splitting, entries, decoded, remarks, options)
}

/// Opens all images of the folder in the test split.
fn open_whole(
    path: &Path,
    classes: &[String],
    options: &SourceOptions,
) -> Result<Arc<dyn Source>, DataError> {
    let size = options.checked_size()?;
    let mut found = scan::list_all(path, classes)?;
    found.entries.iter_mut().for_each(|(split, _)| *split = Split::Test);
    let mut images = Images::new(&mut found);
    let decoded = images.decode(path, size, options);
    let Images { kept, unreadable } = images;
    refuse_unreadable(path, &unreadable, options)?;
    if kept.is_empty() {
        return Err(DataError::NoImages { path: path.to_owned() });
    }
    let splitting = Splitting { split_seed: 0, val_share: 0.0, test_share: 0.0 };
    let remarks = Remarks { unreadable, ..found.remarks };
    assemble(path, classes.to_vec(), splitting, kept, decoded, remarks, options)
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
