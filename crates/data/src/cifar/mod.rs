//! CIFAR-10 and CIFAR-100 in their binary version, and other data in that layout.
//!
//! Layout: <https://www.cs.toronto.edu/~kriz/cifar.html>. A record is one label byte (CIFAR-100: a coarse and a fine
//! one; the fine one is used) and 3072 bytes of colour, red plane first, rows from the top. CIFAR-10 keeps its records
//! in `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, CIFAR-100 in `train.bin` and `test.bin`. The
//! classes' names are in `batches.meta.txt` or `fine_label_names.txt`, one per line; if that file is missing, the known
//! names are used.
//!
//! The last fifth of the training images (10,000 of CIFAR's 50,000), or the share in
//! [`SourceOptions::val_fraction`](crate::SourceOptions), is used for validation.

mod archive;
#[cfg(feature = "download")]
mod fetch;
mod names;
mod records;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::archive::Archive;
use self::records::DataFile;
use crate::manifest::{Contents, FileRecord, Manifest, PerSplit, Splitting};
use crate::resident::Resident;
use crate::{DataError, ImageSize, Remarks, Source, SourceOptions, Splits};

/// Which of the two layouts a folder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Cifar10,
    Cifar100,
}

const SIZE: ImageSize = ImageSize::square(32);
const DEFAULT_VAL_FRACTION: f64 = 0.2;

impl Variant {
    fn label_bytes(self) -> usize {
        match self {
            Variant::Cifar10 => 1,
            Variant::Cifar100 => 2,
        }
    }

    fn train_files(self) -> &'static [&'static str] {
        match self {
            Variant::Cifar10 => &[
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
            ],
            Variant::Cifar100 => &["train.bin"],
        }
    }

    fn test_file(self) -> &'static str {
        match self {
            Variant::Cifar10 => "test_batch.bin",
            Variant::Cifar100 => "test.bin",
        }
    }

    fn names_file(self) -> &'static str {
        match self {
            Variant::Cifar10 => "batches.meta.txt",
            Variant::Cifar100 => "fine_label_names.txt",
        }
    }

    fn known_names(self) -> Vec<String> {
        let names: &[&str] = match self {
            Variant::Cifar10 => &names::CIFAR10,
            Variant::Cifar100 => &names::CIFAR100,
        };
        names.iter().map(|&name| name.to_owned()).collect()
    }
}

/// Checks whether `path`, or the folder that the official archive unpacks to in it, has CIFAR files.
pub(crate) fn recognise(path: &Path) -> Result<Option<(PathBuf, Variant)>, DataError> {
    let inner = [path.to_owned(), path.join("cifar-10-batches-bin"), path.join("cifar-100-binary")];
    for folder in inner {
        for variant in [Variant::Cifar10, Variant::Cifar100] {
            let has = |file: &str| folder.join(file).is_file();
            if has(variant.test_file()) || variant.train_files().iter().any(|file| has(file)) {
                return Ok(Some((folder, variant)));
            }
        }
    }
    if path.join("data_batch_1").is_file() {
        return Err(DataError::CifarPython { path: path.to_owned() });
    }
    Ok(None)
}

pub(crate) fn open(
    folder: &Path,
    variant: Variant,
    name: &str,
    options: &SourceOptions,
) -> Result<Arc<dyn Source>, DataError> {
    let size = options.checked_size()?;
    let val_fraction = options.checked_val_fraction()?.unwrap_or(DEFAULT_VAL_FRACTION);
    let recorded = match &options.splits {
        Splits::Recorded(manifest) => Some(&**manifest),
        _ => None,
    };
    let classes = class_names(folder, variant)?;
    let measure = |name: &&'static str| DataFile::measure(folder, name, variant);
    let mut files = variant.train_files().iter().map(measure).collect::<Result<Vec<_>, _>>()?;
    let images: usize = files.iter().map(|file| file.records).sum();
    if images < 2 {
        return Err(DataError::CifarTooFew { path: folder.to_owned(), images, expected: 2 });
    }
    let train_images = match recorded {
        Some(manifest) => recorded_train_images(folder, manifest)?.min(images),
        None => images - ((images as f64 * val_fraction).round() as usize).clamp(1, images - 1),
    };
    files.push(measure(&variant.test_file())?);
    let total = files.iter().map(|file| file.records).sum();
    options.check_memory(total, size.unwrap_or(SIZE))?;
    let counts = [train_images, images - train_images, total - images];
    let (splits, files) = records::read(&files, counts, classes.len())?;
    if let Some(manifest) = recorded {
        refuse_other_files(folder, manifest, &files)?;
    }
    let splitting = recorded.map_or_else(
        || Splitting { split_seed: options.splits.seed(), val_share: val_fraction, test_share: 0.0 },
        Manifest::splitting,
    );
    let ranges = PerSplit { train: 0..train_images, val: train_images..images, test: 0..total - images };
    let contents = Contents::Records { files, splits: ranges };
    let manifest = Manifest::new(classes.clone(), splitting, contents);
    if let Some(recorded) = recorded
        && recorded.digest() != manifest.digest()
    {
        // The files are the same, so the names of the classes are not.
        let changed = vec![folder.join(variant.names_file())];
        let path = folder.to_owned();
        return Err(DataError::OtherImages { path, missing: Vec::new(), changed, new_files: 0 });
    }
    let source = Resident {
        name: name.to_owned(),
        synthetic: false,
        classes,
        size: SIZE,
        splits,
        remarks: Remarks::default(),
        manifest: Some(manifest),
    };
    Ok(Arc::new(source.resized(size.unwrap_or(SIZE), options.framing)?))
}

/// How many of the records outside the test file are training images according to a manifest.
fn recorded_train_images(folder: &Path, manifest: &Manifest) -> Result<usize, DataError> {
    match manifest.contents() {
        Contents::Records { splits, .. } => Ok(splits.train.len()),
        _ => Err(DataError::OtherKind { path: folder.to_owned() }),
    }
}

/// Fails unless these are the files in a manifest.
fn refuse_other_files(folder: &Path, manifest: &Manifest, files: &[FileRecord]) -> Result<(), DataError> {
    let Contents::Records { files: recorded, .. } = manifest.contents() else {
        return Err(DataError::OtherKind { path: folder.to_owned() });
    };
    let path = |file: &FileRecord| file.below(folder);
    let missing: Vec<PathBuf> =
        recorded.iter().filter(|file| files.iter().all(|found| found.path != file.path)).map(path).collect();
    let changed: Vec<PathBuf> = recorded
        .iter()
        .filter(|file| files.iter().any(|found| found.path == file.path && found != *file))
        .map(path)
        .collect();
    if !missing.is_empty() || !changed.is_empty() {
        return Err(DataError::OtherImages { path: folder.to_owned(), missing, changed, new_files: 0 });
    }
    Ok(())
}

fn class_names(folder: &Path, variant: Variant) -> Result<Vec<String>, DataError> {
    let path = folder.join(variant.names_file());
    let text = match convscope_files::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(variant.known_names()),
        Err(source) => return Err(DataError::Io { path, source }),
    };
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    if (2..=256).contains(&names.len()) {
        Ok(names)
    } else {
        Err(DataError::CifarNames { path, classes: names.len() })
    }
}
