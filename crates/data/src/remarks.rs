//! Remarks about a data set.

use std::path::PathBuf;

use serde::Serialize;

use crate::Split;

/// Observations made while opening a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remarks {
    /// Files that were left out because they cannot be read, with the reason.
    pub unreadable: Vec<UnreadableFile>,
    /// Images that were moved from the split they were assigned to, so that their class has an image elsewhere.
    pub moved: Vec<MovedImage>,
    /// How many image files belong to no split, because they were added after the data set was recorded.
    pub new_files: usize,
    /// Folders of an image folder that were recognised as splits by their names.
    pub split_folders: Vec<SplitFolder>,
    /// Other folders next to those of the splits, which were skipped.
    pub other_folders: Vec<PathBuf>,
    /// Pictures next to the class folders, which have no class.
    pub stray: Vec<PathBuf>,
    /// Files of the class folders that are not pictures, by extension, the most frequent first.
    pub skipped: Vec<SkippedFiles>,
}

/// A folder whose name means a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SplitFolder {
    /// Its name.
    pub folder: String,
    /// Its split.
    pub split: Split,
}

/// Files that were skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedFiles {
    /// Their extension in lower case, without a dot; empty if they have none.
    pub extension: String,
    /// How many there are.
    pub files: usize,
}

/// A file that looks like an image but cannot be read as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnreadableFile {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// An image that was moved to a split in which its class would have had none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MovedImage {
    /// Its class.
    pub class: String,
    /// Its path below the class folder.
    pub name: String,
    /// The new split.
    pub to: Split,
}

/// No remarks.
pub(crate) static NO_REMARKS: Remarks = Remarks {
    unreadable: Vec::new(),
    moved: Vec::new(),
    new_files: 0,
    split_folders: Vec::new(),
    other_folders: Vec::new(),
    stray: Vec::new(),
    skipped: Vec::new(),
};
