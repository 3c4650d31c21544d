//! CIFAR-10 and CIFAR-100 in their binary version, and other data in that layout.
//!
//! Layout: <https://www.cs.toronto.edu/~kriz/cifar.html>. A record is one label byte (CIFAR-100: a coarse and a
//! fine one, of which the fine counts) and 3072 bytes of colour, the red plane first, rows from the top.
//! CIFAR-10 keeps its records in `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, CIFAR-100 in
//! `train.bin` and `test.bin`. The classes' names stand in `batches.meta.txt` or `fine_label_names.txt`, one a
//! line; where that file is missing, the known names are taken.
//!
//! The last fifth of the training images validates (10,000 of CIFAR's 50,000), or the share that
//! [`SourceOptions::val_fraction`](crate::SourceOptions) names.

mod archive;
#[cfg(feature = "download")]
mod fetch;
mod names;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

pub use self::archive::Archive;
use crate::CHANNELS;
use crate::manifest::{Contents, FileRecord, Manifest, PerSplit, Splitting};
use crate::resident::{Resident, ResidentSplit};
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

/// Tells whether `path`, or the folder that the official archive unpacks to in it, holds CIFAR files.
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
    let read = |file: &&str| read_records(folder, file, variant, classes.len());

    let (mut train, mut files) = (ResidentSplit::default(), Vec::new());
    for (part, file) in variant.train_files().par_iter().map(read).collect::<Result<Vec<_>, _>>()? {
        train.pixels.extend(part.pixels);
        train.labels.extend(part.labels);
        files.push(file);
    }
    let (test, file) = read(&variant.test_file())?;
    files.push(file);

    let images = train.labels.len();
    if images < 2 {
        return Err(DataError::CifarTooFew { path: folder.to_owned(), images, expected: 2 });
    }
    let train_images = match recorded {
        Some(manifest) => recorded_split(folder, manifest, &files)?,
        None => images - ((images as f64 * val_fraction).round() as usize).clamp(1, images - 1),
    };
    let splitting = recorded.map_or_else(
        || Splitting { split_seed: options.splits.seed(), val_share: val_fraction, test_share: 0.0 },
        Manifest::splitting,
    );
    let splits = PerSplit { train: 0..train_images, val: train_images..images, test: 0..test.labels.len() };
    let manifest = Manifest::new(classes.clone(), splitting, Contents::Records { files, splits });
    if let Some(recorded) = recorded
        && recorded.digest() != manifest.digest()
    {
        // The files are the same, so the names of the classes are not.
        let changed = vec![folder.join(variant.names_file())];
        let path = folder.to_owned();
        return Err(DataError::OtherImages { path, missing: Vec::new(), changed, new_files: 0 });
    }
    let val = ResidentSplit {
        pixels: train.pixels.split_off(train_images * SIZE.bytes()),
        labels: train.labels.split_off(train_images),
        paths: Vec::new(),
    };
    let source = Resident {
        name: name.to_owned(),
        synthetic: false,
        classes,
        size: SIZE,
        splits: [train, val, test],
        remarks: Remarks::default(),
        manifest: Some(manifest),
    };
    Ok(Arc::new(source.resized(size.unwrap_or(SIZE), options.framing)?))
}

/// How many of the records outside the test file are training images by a manifest, whose files these must be.
fn recorded_split(folder: &Path, manifest: &Manifest, files: &[FileRecord]) -> Result<usize, DataError> {
    let Contents::Records { files: recorded, splits } = manifest.contents() else {
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
    Ok(splits.train.len())
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

/// The images of a file, and what tells it from others.
fn read_records(
    folder: &Path,
    file: &str,
    variant: Variant,
    classes: usize,
) -> Result<(ResidentSplit, FileRecord), DataError> {
    let path = &folder.join(file);
    let bytes = convscope_files::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => DataError::CifarMissing { path: path.to_owned() },
        _ => DataError::Io { path: path.to_owned(), source },
    })?;
    let label_bytes = variant.label_bytes();
    let record_len = label_bytes + SIZE.bytes();
    if !bytes.len().is_multiple_of(record_len) {
        return Err(DataError::CifarTruncated {
            path: path.to_owned(),
            bytes: bytes.len(),
            record: record_len,
        });
    }
    if bytes.is_empty() {
        return Err(DataError::CifarTooFew { path: path.to_owned(), images: 0, expected: 1 });
    }
    let mut labels = Vec::with_capacity(bytes.len() / record_len);
    let mut pixels = vec![0; bytes.len() / record_len * SIZE.bytes()];
    for (record, (bytes, image)) in
        bytes.chunks_exact(record_len).zip(pixels.chunks_exact_mut(SIZE.bytes())).enumerate()
    {
        let label = usize::from(bytes[label_bytes - 1]);
        if label >= classes {
            return Err(DataError::CifarLabel { path: path.to_owned(), record, label, classes });
        }
        labels.push(label);
        interleave(&bytes[label_bytes..], image);
    }
    let record = FileRecord::of(Path::new(file), &bytes);
    Ok((ResidentSplit { pixels, labels, paths: Vec::new() }, record))
}

/// From planes (3, pixels) to interleaved colour (pixels, 3).
fn interleave(planes: &[u8], image: &mut [u8]) {
    let (red, rest) = planes.split_at(SIZE.pixels());
    let (green, blue) = rest.split_at(SIZE.pixels());
    for (pixel, ((&red, &green), &blue)) in
        image.chunks_exact_mut(CHANNELS).zip(red.iter().zip(green).zip(blue))
    {
        pixel.copy_from_slice(&[red, green, blue]);
    }
}
