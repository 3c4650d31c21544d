//! Finds the classes and files of an image folder.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::decode::looks_like_image;
use crate::manifest::portable_path;
use crate::{DataError, Split, UnreadableFile};

/// An image file and its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) label: usize,
    /// Its path below the class folder.
    pub(super) name: String,
}

/// What an image folder holds before any image is decoded.
pub(super) struct Listing {
    root: PathBuf,
    /// The training images' class folders, in the order of the labels.
    class_folders: Vec<PathBuf>,
    pub(super) classes: Vec<String>,
    /// Sorted by split, class and path; all in the training split where the folder has no splits.
    pub(super) entries: Vec<(Split, Entry)>,
    pub(super) has_val: bool,
    pub(super) has_test: bool,
}

/// Where the class folders lie: the folder itself, or folders of its own for each split.
struct Layout {
    train: PathBuf,
    val: Option<PathBuf>,
    test: Option<PathBuf>,
}

impl Layout {
    fn of(root: &Path) -> Result<Layout, DataError> {
        let folders = subfolders(root)?;
        let named = |names: &[&str]| {
            let wanted = |name: &str| names.iter().any(|known| name.eq_ignore_ascii_case(known));
            folders.iter().find(|(name, _)| wanted(name)).map(|(_, path)| path.clone())
        };
        // A class may be called `train` too; then its images lie in it directly.
        match named(&["train"]) {
            Some(train) if !subfolders(&train)?.is_empty() && !has_direct_images(&train)? => {
                Ok(Layout { train, val: named(&["val", "valid", "validation"]), test: named(&["test"]) })
            }
            _ => Ok(Layout { train: root.to_owned(), val: None, test: None }),
        }
    }

    /// The folders whose subfolders are classes.
    fn folders(&self) -> impl Iterator<Item = (Split, &Path)> {
        let further = [(Split::Val, &self.val), (Split::Test, &self.test)];
        let further = further.into_iter().filter_map(|(split, path)| Some((split, path.as_deref()?)));
        std::iter::once((Split::Train, self.train.as_path())).chain(further)
    }
}

/// Lists the folder; see the module above for the layouts.
pub(super) fn list(root: &Path) -> Result<Listing, DataError> {
    let layout = Layout::of(root)?;
    let (classes, class_folders): (Vec<_>, Vec<_>) = subfolders(&layout.train)?.into_iter().unzip();
    let root = root.to_owned();
    match classes.as_slice() {
        [] => return Err(DataError::NoClasses { path: root }),
        [class] => return Err(DataError::OneClass { path: root, class: class.clone() }),
        _ => {}
    }

    let mut entries = Vec::new();
    for (split, folder) in layout.folders() {
        for (name, path) in subfolders(folder)? {
            let label = classes.iter().position(|class| *class == name);
            let label = label.ok_or_else(|| DataError::UnknownClass { path: path.clone() })?;
            images_below(&path, split, label, &mut entries)?;
        }
    }
    if entries.iter().all(|(split, _)| *split != Split::Train) {
        return Err(DataError::NoImages { path: root });
    }
    let (has_val, has_test) = (layout.val.is_some(), layout.test.is_some());
    let listing = Listing { root, class_folders, classes, entries, has_val, has_test };
    listing.check_classes(&listing.entries, &[])?;
    Ok(listing)
}

/// All images of the folder, whatever split they lie in, labelled by the place of their class among `classes`.
pub(super) fn list_all(root: &Path, classes: &[String]) -> Result<Vec<Entry>, DataError> {
    let mut entries = Vec::new();
    for (split, folder) in Layout::of(root)?.folders() {
        for (name, path) in subfolders(folder)? {
            let label = classes.iter().position(|class| *class == name);
            let label = label
                .ok_or_else(|| DataError::OtherClass { path: path.clone(), classes: classes.to_vec() })?;
            images_below(&path, split, label, &mut entries)?;
        }
    }
    if entries.is_empty() {
        return Err(DataError::NoImages { path: root.to_owned() });
    }
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// The paths of all images of the folder, whatever their class.
pub(super) fn list_paths(root: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut entries = Vec::new();
    for (split, folder) in Layout::of(root)?.folders() {
        for (_, path) in subfolders(folder)? {
            images_below(&path, split, 0, &mut entries)?;
        }
    }
    Ok(entries.into_iter().map(|(_, entry)| entry.path).collect())
}

impl Listing {
    /// Checks that every class has an image to train on, and a split of its own at least one image.
    pub(super) fn check_classes(
        &self,
        kept: &[(Split, Entry)],
        unreadable: &[UnreadableFile],
    ) -> Result<(), DataError> {
        let mut counts = vec![0; self.classes.len()];
        for (split, entry) in kept {
            if *split == Split::Train {
                counts[entry.label] += 1;
            }
        }
        for (folder, count) in self.class_folders.iter().zip(counts) {
            if count == 0 {
                let unreadable = unreadable.iter().filter(|file| file.path.starts_with(folder)).count();
                return Err(DataError::EmptyClass { path: folder.clone(), unreadable });
            }
        }
        for (split, exists) in [(Split::Val, self.has_val), (Split::Test, self.has_test)] {
            if exists && !kept.iter().any(|(of, _)| *of == split) {
                return Err(DataError::EmptySplit { name: self.root.display().to_string(), split });
            }
        }
        Ok(())
    }
}

/// Names that say a file is meant as an image, readable here or not.
const IMAGE_EXTENSIONS: [&str; 12] =
    ["png", "jpg", "jpeg", "jfif", "webp", "bmp", "gif", "tif", "tiff", "avif", "heic", "jxl"];

fn is_candidate(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    IMAGE_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)) || looks_like_image(path)
}

fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

/// The folders in a folder, by name in order, without hidden ones.
fn subfolders(folder: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let io_error = |source| DataError::Io { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        let name = entry.file_name();
        if !is_hidden(&name) && entry.path().is_dir() {
            found.push((portable_path(Path::new(&name)), entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

fn has_direct_images(folder: &Path) -> Result<bool, DataError> {
    let io_error = |source| DataError::Io { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(io_error)? {
        let entry = entry.map_err(io_error)?;
        if !is_hidden(&entry.file_name()) && entry.path().is_file() && is_candidate(&entry.path()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn images_below(
    folder: &Path,
    split: Split,
    label: usize,
    entries: &mut Vec<(Split, Entry)>,
) -> Result<(), DataError> {
    let files = WalkDir::new(folder)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name()));
    for file in files {
        let file = file.map_err(|error| DataError::Io {
            path: error.path().unwrap_or(folder).to_owned(),
            source: error.into(),
        })?;
        if file.file_type().is_file() && is_candidate(file.path()) {
            let path = file.into_path();
            let name = portable_path(path.strip_prefix(folder).unwrap_or(&path));
            entries.push((split, Entry { path, label, name }));
        }
    }
    Ok(())
}
