//! The error type of this crate.

use std::path::{Path, PathBuf};

use convscope_pictures::{LimitOutOfRange, PictureError};

use crate::{ImageSize, Split, TooLarge, UnreadableFile};

/// What can go wrong between a data set's name and a batch.
///
/// Every message names the file or the numbers at fault and, if there is a choice, says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The given path does not exist.
    #[error("{path}: no such folder; give a data folder, `shapes` or `cifar10`")]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// The given path is a file.
    #[error("{path}: a data set is a folder, but this is a file; unpack archives first")]
    NotAFolder {
        /// The path as given.
        path: PathBuf,
    },
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The system cannot start a thread to prepare batches.
    #[error(
        "no thread can be started to read images: {source}; the thread limit is reached, so use fewer threads"
    )]
    Thread {
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The system cannot provide the memory for the images.
    #[error("the system cannot provide memory for {images} images of {size}; choose smaller images")]
    Memory {
        /// How many images there are.
        images: usize,
        /// The size of each.
        size: ImageSize,
    },
    /// Images that do not fit into the available memory.
    #[error("{images} images of {size} need {} MB, but only {} MB are available", bytes / 1_000_000, limit / 1_000_000)]
    BeyondMemory {
        /// How many images there are.
        images: usize,
        /// The size of each.
        size: ImageSize,
        /// The bytes that they need.
        bytes: u64,
        /// The available bytes.
        limit: u64,
    },
    /// An option has a value outside its range.
    #[error("{name} is {value}; {expected}")]
    Option {
        /// The option, by the name of its field in [`SourceOptions`](crate::SourceOptions).
        name: &'static str,
        /// The value it has.
        value: String,
        /// The values it may have.
        expected: &'static str,
    },

    /// CIFAR's Python version instead of its binary version.
    #[error("{path}: this is the Python version of CIFAR; fetch the binary version, whose files end in .bin")]
    CifarPython {
        /// The folder.
        path: PathBuf,
    },
    /// A file of CIFAR's binary layout is missing.
    #[error("{path}: this file of CIFAR's binary layout is missing; unpack the archive again")]
    CifarMissing {
        /// The missing file.
        path: PathBuf,
    },
    /// A CIFAR file ends within a record.
    #[error(
        "{path}: {bytes} bytes is not a whole number of {record}-byte records; the file is truncated; fetch it again"
    )]
    CifarTruncated {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: usize,
        /// The length of one record: the label bytes and 3 x 32 x 32 colour values.
        record: usize,
    },
    /// A CIFAR file without records, or training files with too few for two splits.
    #[error("{path}: has {images} images, but at least {expected} are needed")]
    CifarTooFew {
        /// The file, or the folder when it concerns all training files.
        path: PathBuf,
        /// The images found.
        images: usize,
        /// The smallest sufficient number.
        expected: usize,
    },
    /// A CIFAR record with a label that has no class.
    #[error("{path}: record {record} has label {label}, but there are only {classes} classes (0 to {})", classes - 1)]
    CifarLabel {
        /// The file.
        path: PathBuf,
        /// The record, counted from 0.
        record: usize,
        /// The label found.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A file of class names with fewer than two classes, or more than a label byte can distinguish.
    #[error("{path}: lists {classes} classes, but between 2 and 256 are needed")]
    CifarNames {
        /// The file with the names.
        path: PathBuf,
        /// The number of names in it.
        classes: usize,
    },

    /// An archive could not be fetched.
    #[error(
        "{url} could not be fetched: {reason}; without a network, fetch it elsewhere and unpack it so that {folder} exists"
    )]
    Download {
        /// The archive's address.
        url: String,
        /// What failed.
        reason: String,
        /// Where the unpacked archive belongs.
        folder: PathBuf,
    },
    /// A fetched archive is not the one that was expected.
    #[error("{url}: the fetched archive has SHA-256 {found}, expected {expected}; it was deleted")]
    Checksum {
        /// The archive's address.
        url: String,
        /// The digest expected, in lower-case hexadecimal digits.
        expected: String,
        /// The actual digest.
        found: String,
    },
    /// A fetched archive could not be unpacked.
    #[error("{url}: the fetched archive could not be unpacked: {reason}")]
    Unpack {
        /// The archive's address.
        url: String,
        /// What failed.
        reason: String,
    },
    /// There is no home folder, and therefore no cache folder.
    #[error("no cache folder: {reason}; XDG_CACHE_HOME can name one")]
    NoCache {
        /// The platform's reason.
        reason: String,
    },

    /// An image folder without class folders.
    #[error(
        "{path}: no class folder{}; an image folder is DIR/<class>/* or DIR/{{train,val,test}}/<class>/*",
        match pictures {
            0 => String::new(),
            1 => ", but 1 picture directly in it".to_owned(),
            _ => format!(", but {pictures} pictures directly in it"),
        }
    )]
    NoClasses {
        /// The folder.
        path: PathBuf,
        /// Pictures directly in it.
        pictures: usize,
    },
    /// Folders for splits, but none for training.
    #[error("{path}: {} but no training folder; name it `train`", folders.join(" and "))]
    NoTraining {
        /// The folder.
        path: PathBuf,
        /// The names of its folders.
        folders: Vec<String>,
    },
    /// Two folders whose names mean the same split.
    #[error("{path}: `{}` and `{}` both have {} images; put them into one folder", folders[0], folders[1], split.adjective())]
    TwoFolders {
        /// The folder.
        path: PathBuf,
        /// The split.
        split: Split,
        /// The names of the two.
        folders: [String; 2],
    },
    /// An image folder with only one class.
    #[error(
        "{path}: only one class (`{class}`); {}",
        if *inner > 1 {
            format!("if its {inner} folders are the classes, name {}", path.join(class).display())
        } else {
            "a classifier needs at least two class folders".to_owned()
        }
    )]
    OneClass {
        /// The folder.
        path: PathBuf,
        /// The class.
        class: String,
        /// How many folders its folder has.
        inner: usize,
    },
    /// A class without a usable image.
    #[error(
        "{path}: class folder without {}; add images or remove the folder",
        if *unreadable == 0 { "an image".to_owned() } else { format!("a readable image ({unreadable} unreadable)") }
    )]
    EmptyClass {
        /// The class folder.
        path: PathBuf,
        /// Files in it that look like images but cannot be read.
        unreadable: usize,
    },
    /// An image folder without a single usable image.
    #[error("{path}: no pictures in the class folders")]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
    /// A class that only the validation or test folder has.
    #[error("{path}: the training folder has no class with this name")]
    UnknownClass {
        /// The class folder.
        path: PathBuf,
    },
    /// A class folder whose name is not one of the expected classes.
    #[error(
        "{path}: none of the classes has this name; the classes are {}",
        convscope_files::listed(classes)
    )]
    OtherClass {
        /// The class folder.
        path: PathBuf,
        /// The classes.
        classes: Vec<String>,
    },
    /// Images that a manifest records are missing or have changed.
    #[error("{}", other_images(.path, .missing, .changed, *.new_files))]
    OtherImages {
        /// The data folder.
        path: PathBuf,
        /// Missing recorded files.
        missing: Vec<PathBuf>,
        /// Recorded files with different bytes.
        changed: Vec<PathBuf>,
        /// Image files that are not recorded.
        new_files: usize,
    },
    /// Built-in pictures that are not those in a manifest, because a different version of the program draws them
    /// differently.
    #[error("{generator}: this version draws different pictures from those that were recorded")]
    OtherPictures {
        /// The built-in data set.
        generator: &'static str,
    },
    /// A data set of a different kind from the recorded one.
    #[error("{path}: is a different kind of data set from the one that was recorded")]
    OtherKind {
        /// The data set.
        path: PathBuf,
    },
    /// A record of a data set that contradicts itself.
    #[error("the record of the images is damaged: {problem}")]
    Manifest {
        /// What is wrong.
        problem: String,
    },
    /// Unreadable files in an image folder, if the options do not allow them.
    #[error("{}", bad_images(.path, .files))]
    BadImages {
        /// The image folder.
        path: PathBuf,
        /// Every file that could not be read.
        files: Vec<UnreadableFile>,
    },
    /// One image could not be read.
    #[error("{path}: {source}")]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PictureError,
    },

    /// A picture exceeds the pixel limit.
    #[error("{path}: {source}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How it exceeds the limit.
        source: TooLarge,
    },

    /// A split without images where some are needed.
    #[error("{name}: no images in the {split} split")]
    EmptySplit {
        /// The source's name.
        name: String,
        /// The split.
        split: Split,
    },
    /// An index beyond the end of a split.
    #[error("the {split} split has no image {index}; it has {len} images")]
    Index {
        /// The split.
        split: Split,
        /// The index.
        index: usize,
        /// The images in the split.
        len: usize,
    },
    /// A buffer that does not match the size of an image.
    #[error("the buffer has {found} bytes, but an image has {expected}")]
    Buffer {
        /// Bytes given.
        found: usize,
        /// Bytes of one image.
        expected: usize,
    },
    /// A batch size that does not fit the data.
    #[error(
        "batch size {batch_size} does not fit the {images} images of the {split} split; choose 1 to {images}"
    )]
    BatchSize {
        /// The batch size.
        batch_size: usize,
        /// The split.
        split: Split,
        /// The images in the split.
        images: usize,
    },
    /// An invalid list of transformations.
    #[error("augment: {problem}")]
    Augmentation {
        /// The item at fault and what is allowed.
        problem: String,
    },
    /// Normalisation by a deviation that is not a positive number.
    #[error(
        "normalisation with mean {mean:?} and deviation {std:?}; the deviation must be positive and both finite"
    )]
    Normalization {
        /// The mean of each channel.
        mean: Vec<f32>,
        /// The deviation of each channel.
        std: Vec<f32>,
    },
    /// Images that were requested with the wrong pixel type.
    #[error("{name}: the pixels of these images are {pixels}")]
    PixelType {
        /// The source.
        name: String,
        /// What the pixels are.
        pixels: crate::PixelType,
    },
    /// Arrays of images and labels that do not match.
    #[error("{problem}")]
    Arrays {
        /// What does not match, with the numbers.
        problem: String,
    },
}

impl From<LimitOutOfRange> for DataError {
    fn from(error: LimitOutOfRange) -> DataError {
        DataError::Option {
            name: "max_pixels",
            value: error.pixels.to_string(),
            expected: "it must be between 1 and 1000000000",
        }
    }
}

/// How many unreadable files an error message names.
const NAMED_FILES: usize = 3;
/// How many missing or changed files an error message names.
const NAMED_CHANGES: usize = 10;

fn other_images(path: &Path, missing: &[PathBuf], changed: &[PathBuf], new_files: usize) -> String {
    let mut parts = Vec::new();
    let kinds = [
        (missing, "file is missing", "files are missing"),
        (changed, "file has changed", "files have changed"),
    ];
    for (files, one, many) in kinds {
        if files.is_empty() {
            continue;
        }
        let what = if files.len() == 1 { one } else { many };
        let named: Vec<String> = files.iter().take(NAMED_CHANGES).map(|file| below(path, file)).collect();
        let more = match files.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        parts.push(format!("{} {what} ({}{more})", files.len(), named.join(", ")));
    }
    let new = match new_files {
        0 => String::new(),
        1 => "; 1 file is new".to_owned(),
        files => format!("; {files} files are new"),
    };
    format!("{}: these are not the images that were recorded: {}{new}", path.display(), parts.join("; "))
}

fn below(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}

fn bad_images(path: &Path, files: &[UnreadableFile]) -> String {
    let noun = if files.len() == 1 { "file" } else { "files" };
    let mut text = format!("{}: {} unreadable image {noun}: ", path.display(), files.len());
    for (position, file) in files.iter().take(NAMED_FILES).enumerate() {
        if position > 0 {
            text.push_str("; ");
        }
        text.push_str(&format!("{} ({})", file.path.display(), file.reason));
    }
    if files.len() > NAMED_FILES {
        text.push_str(&format!("; and {} more", files.len() - NAMED_FILES));
    }
    text
}
