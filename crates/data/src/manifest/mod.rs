//! The contents of a data set: which images are in which split, and their identities.
//!
//! A manifest is made from bytes that are read anyway when a source is opened. A run keeps it, so that later commands
//! use the same images in the same splits, whatever has been added to the folder since.

mod content;
mod digest;
mod duplicates;
mod record;

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use self::content::ContentHash;
pub(crate) use self::content::portable_path;
use self::digest::Digest;
pub use self::duplicates::{Copy, Duplicate};
pub use self::record::FileRecord;
use crate::{DataError, Split};

/// The images of a data set, split by split.
///
/// Two manifests with the same [`digest`](Manifest::digest) describe the same images with the same labels in the
/// same splits. The location of the data and the scaling of its images are not part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Manifest {
    classes: Vec<String>,
    splitting: Splitting,
    contents: Contents,
    digest: String,
}

/// How images were assigned to splits, if the data set itself does not determine it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Splitting {
    /// The seed for the assignment.
    pub split_seed: u64,
    /// The share of the training images used for validation; 0 if the data set has its own validation images.
    pub val_share: f64,
    /// The share of the training images used for testing; 0 if the data set has its own test images, or needs none.
    pub test_share: f64,
}

/// One value for each split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerSplit<T> {
    /// Of the training images.
    pub train: T,
    /// Of the validation images.
    pub val: T,
    /// Of the test images.
    pub test: T,
}

/// The origin of a data set's images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Contents {
    /// Each image has its own file.
    Files {
        /// For each class in order, its files in order.
        splits: PerSplit<Vec<Vec<FileRecord>>>,
    },
    /// A few files contain all images as consecutive records. Test images have their own file, the last one; the others
    /// are numbered consecutively from 0.
    Records {
        /// The files in order.
        files: Vec<FileRecord>,
        /// The records of each split.
        splits: PerSplit<Range<usize>>,
    },
    /// A program generates the images.
    Generated {
        /// The name of the generator.
        generator: String,
        /// Its seed.
        seed: u64,
        /// How many there are.
        splits: PerSplit<usize>,
        /// The pixels of each split.
        pixels: PerSplit<ContentHash>,
    },
}

/// An identifier of an image, unique across all data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(ContentHash);

impl Manifest {
    /// The manifest of these images.
    pub(crate) fn new(classes: Vec<String>, splitting: Splitting, contents: Contents) -> Manifest {
        let digest = digest(&classes, &contents);
        Manifest { classes, splitting, contents, digest }
    }

    /// The class names, in the order of the labels.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How the images were assigned to the splits.
    pub fn splitting(&self) -> Splitting {
        self.splitting
    }

    /// The origin of the images.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// SHA-256 of classes, images and splits, in lower-case hexadecimal digits. Each part is preceded by its length in
    /// bytes (8 bytes, little-endian), so that none can be mistaken for another.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many images a split has.
    pub fn len(&self, split: Split) -> usize {
        match &self.contents {
            Contents::Files { splits } => splits.of(split).iter().map(Vec::len).sum(),
            Contents::Records { splits, .. } => splits.of(split).len(),
            Contents::Generated { splits, .. } => *splits.of(split),
        }
    }

    /// Whether a split has no image.
    pub fn is_empty(&self, split: Split) -> bool {
        self.len(split) == 0
    }

    /// The identifier of each image of a split, in the order of the split. The same picture has the same identifier in
    /// every folder; a file that was saved again is a different picture.
    pub fn image_ids(&self, split: Split) -> Vec<ImageId> {
        let place = |hash: ContentHash, index: usize| {
            ImageId(ContentHash::of(&[&hash.bytes()[..], &(index as u64).to_le_bytes()].concat()))
        };
        match &self.contents {
            Contents::Files { splits } => {
                splits.of(split).iter().flatten().map(|file| ImageId(file.hash)).collect()
            }
            Contents::Records { files, splits } => {
                let records = splits.of(split).clone();
                let Some((last, others)) = files.split_last() else { return Vec::new() };
                let of = match split {
                    Split::Test => last.hash,
                    Split::Train | Split::Val => {
                        let all: Vec<u8> = others.iter().flat_map(|file| file.hash.bytes()).collect();
                        ContentHash::of(&all)
                    }
                };
                records.map(|record| place(of, record)).collect()
            }
            Contents::Generated { generator, seed, splits, .. } => {
                // An image depends only on seed, split and index, not on the number of images.
                let of = format!("{generator}\n{seed}\n{split}");
                let of = ContentHash::of(of.as_bytes());
                (0..*splits.of(split)).map(|index| place(of, index)).collect()
            }
        }
    }
}

impl<T> PerSplit<T> {
    /// The value of a split.
    pub fn of(&self, split: Split) -> &T {
        match split {
            Split::Train => &self.train,
            Split::Val => &self.val,
            Split::Test => &self.test,
        }
    }

    /// From values in the order of [`Split::ALL`].
    pub(crate) fn from_array([train, val, test]: [T; 3]) -> PerSplit<T> {
        PerSplit { train, val, test }
    }
}

fn digest(classes: &[String], contents: &Contents) -> String {
    let mut digest = Digest::new("convscope data 1");
    digest.count(classes.len());
    classes.iter().for_each(|class| digest.part(class.as_bytes()));
    let file = |digest: &mut Digest, file: &FileRecord| {
        digest.part(file.path.as_bytes());
        digest.part(&file.bytes.to_le_bytes());
        digest.part(&file.hash.bytes());
    };
    match contents {
        Contents::Files { splits } => {
            digest.part(b"files");
            for classes in Split::ALL.map(|split| splits.of(split)) {
                for files in classes {
                    digest.count(files.len());
                    files.iter().for_each(|record| file(&mut digest, record));
                }
            }
        }
        Contents::Records { files, splits } => {
            digest.part(b"records");
            digest.count(files.len());
            files.iter().for_each(|record| file(&mut digest, record));
            for range in Split::ALL.map(|split| splits.of(split)) {
                digest.count(range.start);
                digest.count(range.end);
            }
        }
        Contents::Generated { generator, seed, splits, pixels } => {
            digest.part(b"generated");
            digest.part(generator.as_bytes());
            digest.part(&seed.to_le_bytes());
            for split in Split::ALL {
                digest.count(*splits.of(split));
                digest.part(&pixels.of(split).bytes());
            }
        }
    }
    digest.finish()
}

/// The stored form of a manifest.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    digest: String,
    classes: Vec<String>,
    splitting: Splitting,
    contents: Contents,
}

impl From<Manifest> for Stored {
    fn from(manifest: Manifest) -> Stored {
        let Manifest { classes, splitting, contents, digest } = manifest;
        Stored { digest, classes, splitting, contents }
    }
}

impl TryFrom<Stored> for Manifest {
    type Error = DataError;

    fn try_from(stored: Stored) -> Result<Manifest, DataError> {
        let damaged = |problem: String| Err(DataError::Manifest { problem });
        let Stored { digest, classes, splitting, contents } = stored;
        if let Contents::Files { splits } = &contents
            && Split::ALL.iter().any(|&split| splits.of(split).len() != classes.len())
        {
            return damaged("it does not list files for each of its classes".to_owned());
        }
        let manifest = Manifest::new(classes, splitting, contents);
        if manifest.digest != digest {
            return damaged(format!("its contents have the digest {}, not {digest}", manifest.digest));
        }
        Ok(manifest)
    }
}
