//! Folders and files in the file system.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use convscope_pictures::{has_picture_extension, looks_like_picture};
use walkdir::WalkDir;

use crate::manifest::portable_path;
use crate::{DataError, SkippedFiles, UnreadableFile};

/// A folder in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Folder {
    /// Its name, by [`portable_path`].
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// The files below a folder.
#[derive(Default)]
pub(super) struct Files {
    pub(super) pictures: Vec<PathBuf>,
    pub(super) unreadable: Vec<UnreadableFile>,
    pub(super) skipped: Skipped,
}

/// Files that are not pictures, by extension.
#[derive(Default)]
pub(super) struct Skipped(BTreeMap<String, usize>);

impl Skipped {
    fn add(&mut self, path: &Path) {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        *self.0.entry(extension.unwrap_or_default()).or_default() += 1;
    }

    pub(super) fn extend(&mut self, other: Skipped) {
        for (extension, files) in other.0 {
            *self.0.entry(extension).or_default() += files;
        }
    }

    /// The most frequent first.
    pub(super) fn into_list(self) -> Vec<SkippedFiles> {
        let mut list: Vec<_> =
            self.0.into_iter().map(|(extension, files)| SkippedFiles { extension, files }).collect();
        list.sort_by_key(|skipped| std::cmp::Reverse(skipped.files));
        list
    }
}

/// The folders in a folder, by name in order, without hidden ones.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn subfolders(folder: &Path) -> Result<Vec<Folder>, DataError> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            let name = portable_path(Path::new(path.file_name().unwrap_or_default()));
            found.push(Folder { name, path });
        }
    }
    found.sort();
    Ok(found)
}

/// The pictures directly in a folder.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn direct_pictures(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut found = entries(folder)?;
    found.retain(|path| path.is_file() && is_candidate(path));
    found.sort();
    Ok(found)
}

/// Whether a folder in `folder` is a link that leads to the folder itself or to one above it.
pub(super) fn is_loop(folder: &Path, path: &Path) -> bool {
    let leads_up = || Some(folder.canonicalize().ok()?.starts_with(path.canonicalize().ok()?));
    path.is_symlink() && leads_up().unwrap_or(false)
}

/// All files below a folder, in order, through links too.
pub(super) fn files_below(folder: &Path) -> Files {
    let mut walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    let mut files = Files::default();
    while let Some(file) = walk.next() {
        match file {
            Ok(file) if file.depth() > 0 && is_hidden(file.file_name()) => {
                if file.file_type().is_dir() {
                    walk.skip_current_dir();
                }
            }
            // The walk does not detect links to folders above its start.
            Ok(file)
                if file.path_is_symlink() && file.file_type().is_dir() && is_loop(folder, file.path()) =>
            {
                walk.skip_current_dir();
                let (path, reason) = (file.into_path(), LOOP.to_owned());
                files.unreadable.push(UnreadableFile { path, reason });
            }
            Ok(file) if file.file_type().is_file() && is_candidate(file.path()) => {
                files.pictures.push(file.into_path());
            }
            Ok(file) if file.file_type().is_file() => files.skipped.add(file.path()),
            Ok(_) => {}
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_owned();
                let is_dangling = error.loop_ancestor().is_none() && path.is_symlink();
                if is_dangling && !has_picture_extension(&path) {
                    files.skipped.add(&path);
                } else {
                    files.unreadable.push(UnreadableFile { reason: reason(&error), path });
                }
            }
        }
    }
    files
}

/// The problem with a circular link.
const LOOP: &str = "a link that leads back to a folder above it";

/// What is wrong, without the path.
fn reason(error: &walkdir::Error) -> String {
    match (error.loop_ancestor(), error.io_error()) {
        (Some(_), _) => LOOP.to_owned(),
        (None, Some(io)) if io.kind() == std::io::ErrorKind::NotFound => {
            "a link to a file that does not exist".to_owned()
        }
        (None, Some(io)) => io.to_string(),
        (None, None) => error.to_string(),
    }
}

fn is_candidate(path: &Path) -> bool {
    has_picture_extension(path) || looks_like_picture(path)
}

/// Hidden files, and the folders that macOS and network drives leave in archives.
fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.') || name == "__MACOSX" || name == "@eaDir"
}

/// What is in a folder and not hidden.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io_error = |source| DataError::Io { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        if !is_hidden(&entry.file_name()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
