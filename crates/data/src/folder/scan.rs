//! Finds the classes and files of an image folder.

use std::path::{Path, PathBuf};

use super::layout::Layout;
use super::walk::{Files, Folder, Skipped, direct_pictures, files_below, is_loop, subfolders};
use crate::manifest::portable_path;
use crate::{DataError, Remarks, Split, UnreadableFile};

/// An image file and its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) label: usize,
    /// Its path below the class folder.
    pub(super) name: String,
}

/// The contents of an image folder before any image is decoded.
pub(super) struct Listing {
    root: PathBuf,
    /// The training images' class folders, in the order of the labels.
    class_folders: Vec<PathBuf>,
    pub(super) classes: Vec<String>,
    pub(super) found: Found,
    pub(super) has_val: bool,
    pub(super) has_test: bool,
}

/// Images, and what was skipped.
#[derive(Default)]
pub(super) struct Found {
    /// Sorted by split, class and path; all in the training split if the folder has no splits.
    pub(super) entries: Vec<(Split, Entry)>,
    pub(super) remarks: Remarks,
    skipped: Skipped,
}

/// Lists the folder; see the module above for the layouts.
pub(super) fn list(root: &Path) -> Result<Listing, DataError> {
    let layout = Layout::of(root)?;
    let Some(train) = layout.of_split(Split::Train) else {
        let folders = layout.recognised.into_iter().map(|folder| folder.folder).collect();
        return Err(DataError::NoTraining { path: root.to_owned(), folders });
    };
    let folders = class_folders(train)?;
    let classes: Vec<String> = folders.iter().map(|folder| folder.name.clone()).collect();
    let class_folders: Vec<PathBuf> = folders.into_iter().map(|folder| folder.path).collect();
    match classes.as_slice() {
        [] => {
            let pictures = direct_pictures(train)?.len();
            return Err(DataError::NoClasses { path: root.to_owned(), pictures });
        }
        [class] => {
            let inner = subfolders(&class_folders[0])?.len();
            return Err(DataError::OneClass { path: root.to_owned(), class: class.clone(), inner });
        }
        _ => {}
    }
    let label = |folder: &Folder| {
        let label = classes.iter().position(|class| *class == folder.name);
        label.ok_or_else(|| DataError::UnknownClass { path: folder.path.clone() })
    };
    let found = images(&layout, label)?;
    let has = |split| layout.of_split(split).is_some();
    let (has_val, has_test) = (has(Split::Val), has(Split::Test));
    let listing = Listing { root: root.to_owned(), class_folders, classes, found, has_val, has_test };
    let Found { entries, remarks, .. } = &listing.found;
    if entries.iter().all(|(split, _)| *split != Split::Train) && remarks.unreadable.is_empty() {
        return Err(DataError::NoImages { path: listing.root });
    }
    if remarks.unreadable.is_empty() {
        listing.check_classes(entries, &[])?;
    }
    Ok(listing)
}

/// All images of the folder, whatever their split, labelled by the index of their class in `classes`.
pub(super) fn list_all(root: &Path, classes: &[String]) -> Result<Found, DataError> {
    let label = |folder: &Folder| {
        let label = classes.iter().position(|class| *class == folder.name);
        label.ok_or_else(|| DataError::OtherClass { path: folder.path.clone(), classes: classes.to_vec() })
    };
    let found = images(&Layout::of(root)?, label)?;
    if found.entries.is_empty() && found.remarks.unreadable.is_empty() {
        return Err(DataError::NoImages { path: root.to_owned() });
    }
    Ok(found)
}

/// The paths of all images of the folder, whatever their class.
pub(super) fn list_paths(root: &Path) -> Result<Vec<PathBuf>, DataError> {
    let layout = match Layout::of(root) {
        Ok(layout) => layout,
        // A folder that cannot be opened again has no new images, but the recorded ones are there.
        Err(DataError::TwoFolders { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let found = images(&layout, |_| Ok(0))?;
    Ok(found.entries.into_iter().map(|(_, entry)| entry.path).collect())
}

/// The images of every class folder, with labels from `label`.
fn images(layout: &Layout, label: impl Fn(&Folder) -> Result<usize, DataError>) -> Result<Found, DataError> {
    let mut found = Found::default();
    for (split, folder) in &layout.folders {
        found.remarks.stray.extend(direct_pictures(folder)?);
        for class in class_folders(folder)? {
            let label = label(&class)?;
            let Files { pictures, unreadable, skipped } = files_below(&class.path);
            found.entries.extend(pictures.into_iter().map(|path| {
                let name = portable_path(path.strip_prefix(&class.path).unwrap_or(&path));
                (*split, Entry { path, label, name })
            }));
            found.remarks.unreadable.extend(unreadable);
            found.skipped.extend(skipped);
        }
    }
    found.remarks.split_folders = layout.recognised.clone();
    found.remarks.other_folders = layout.others.clone();
    found.remarks.skipped = std::mem::take(&mut found.skipped).into_list();
    Ok(found)
}

fn class_folders(folder: &Path) -> Result<Vec<Folder>, DataError> {
    let mut folders = subfolders(folder)?;
    folders.retain(|class| !is_loop(folder, &class.path));
    Ok(folders)
}

impl Listing {
    /// Checks that every class has a training image, and that every split folder has at least one image.
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
