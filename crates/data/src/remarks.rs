//! What there is to say about a data set beside its images.

use std::path::PathBuf;

use serde::Serialize;

use crate::Split;

/// What was found while a data set was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remarks {
    /// Files that were left out because they cannot be read, with the reason.
    pub unreadable: Vec<UnreadableFile>,
    /// Images that lie in another split than their place says, so that their class has an image there.
    pub moved: Vec<MovedImage>,
    /// How many image files belong to no split, because they came after the data set was recorded.
    pub new_files: usize,
    /// Folders of an image folder that were recognised as splits by their names.
    pub split_folders: Vec<SplitFolder>,
    /// Folders beside those of the splits, which were passed over.
    pub other_folders: Vec<PathBuf>,
    /// Pictures that lie beside the class folders, and so have no class.
    pub stray: Vec<PathBuf>,
    /// Files of the class folders that are not pictures, by extension, the most frequent first.
    pub skipped: Vec<SkippedFiles>,
}

/// A folder whose name stands for a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SplitFolder {
    /// Its name.
    pub folder: String,
    /// What it holds.
    pub split: Split,
}

/// Files that were passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedFiles {
    /// Their extension in lower case, without a dot; empty where they have none.
    pub extension: String,
    /// How many there are.
    pub files: usize,
}

/// A file that looks like an image and cannot be read as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnreadableFile {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// An image that was moved to a split that its class would have lacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MovedImage {
    /// Its class.
    pub class: String,
    /// Its path below the class folder.
    pub name: String,
    /// Where it went.
    pub to: Split,
}

/// Nothing to say.
pub(crate) static NO_REMARKS: Remarks = Remarks {
    unreadable: Vec::new(),
    moved: Vec::new(),
    new_files: 0,
    split_folders: Vec::new(),
    other_folders: Vec::new(),
    stray: Vec::new(),
    skipped: Vec::new(),
};
