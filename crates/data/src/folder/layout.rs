//! Where the class folders of an image folder are: in the folder itself, or in a separate folder for each split.

use std::path::{Path, PathBuf};

use super::walk::{Folder, is_loop, subfolders};
use crate::{DataError, Split, SplitFolder};

/// Words for a split, in lower case.
const NAMES: [(Split, &[&str]); 3] = [
    (Split::Train, &["train", "training", "trn"]),
    (Split::Val, &["val", "valid", "validation", "validate", "dev", "eval"]),
    (Split::Test, &["test", "testing", "tst"]),
];

/// Words that add nothing to the name of a split.
const FILLERS: [&str; 12] = [
    "set", "data", "dataset", "image", "images", "img", "imgs", "photos", "pics", "pictures", "seg", "split",
];

/// Where the class folders are.
pub(super) struct Layout {
    /// The folders whose subfolders are classes, in the order of [`Split::ALL`]; all images are in the training split
    /// if the folder has no splits.
    pub(super) folders: Vec<(Split, PathBuf)>,
    /// The folders that were recognised by their names.
    pub(super) recognised: Vec<SplitFolder>,
    /// Other folders next to them, which are ignored.
    pub(super) others: Vec<PathBuf>,
}

impl Layout {
    /// First decides by the names of the folders. A training folder has class folders in it; if it also has pictures
    /// directly in it, only its siblings tell a split from a class called `train`.
    ///
    /// # Errors
    /// Two folders for one split, splits without one for training, a folder that cannot be read.
    pub(super) fn of(root: &Path) -> Result<Layout, DataError> {
        let folders: Vec<Folder> =
            subfolders(root)?.into_iter().filter(|folder| !is_loop(root, &folder.path)).collect();
        let mut of_splits = Vec::new();
        let mut others = Vec::new();
        for folder in folders {
            match split_named(&folder.name) {
                Some(split) => of_splits.push((split, folder)),
                None => others.push(folder.path),
            }
        }
        let mut with_classes = Vec::new();
        let mut is_plain = true;
        for (split, folder) in of_splits {
            let path = descend(split, folder.path.clone())?;
            let inside = subfolders(&path)?;
            if inside.is_empty() {
                others.push(folder.path);
                continue;
            }
            is_plain &= !has_direct_pictures(&path)?;
            with_classes.push((split, folder.name, path));
        }
        let whole =
            Layout { folders: vec![(Split::Train, root.to_owned())], recognised: vec![], others: vec![] };
        let trains = with_classes.iter().any(|(split, ..)| *split == Split::Train);
        // Next to other folders with pictures, a folder with its own pictures is a class.
        let is_split = match (trains, with_classes.len()) {
            (_, 0) => false,
            (true, 1) => is_plain || others.is_empty(),
            (true, _) => true,
            (false, _) => is_plain && others.is_empty(),
        };
        if !is_split {
            return Ok(whole);
        }
        with_classes.sort_by_key(|(split, ..)| *split as usize);
        let mut pairs = with_classes.iter().zip(with_classes.iter().skip(1));
        if let Some(((split, first, _), (_, second, _))) =
            pairs.find(|((first, ..), (second, ..))| first == second)
        {
            let (path, folders) = (root.to_owned(), [first.clone(), second.clone()]);
            return Err(DataError::TwoFolders { path, split: *split, folders });
        }
        others.sort();
        let recognised =
            with_classes.iter().map(|(split, name, _)| SplitFolder { folder: name.clone(), split: *split });
        let recognised = recognised.collect();
        let folders = with_classes.into_iter().map(|(split, _, path)| (split, path)).collect();
        Ok(Layout { folders, recognised, others })
    }

    /// The folder of a split.
    pub(super) fn of_split(&self, split: Split) -> Option<&Path> {
        self.folders.iter().find(|(of, _)| *of == split).map(|(_, path)| path.as_path())
    }
}

/// The split of a folder with this name: one of the names above in upper or lower case, possibly with fillers or a
/// number, such as `seg_train`, `Test images` or `val2017`.
fn split_named(name: &str) -> Option<Split> {
    let name = name.to_lowercase();
    let words = name.split(|c: char| !c.is_alphanumeric()).map(|word| {
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
        word.strip_suffix("set").filter(|rest| !rest.is_empty()).unwrap_or(word)
    });
    let mut words = words.filter(|word| !word.is_empty() && !FILLERS.contains(word));
    let (word, rest) = (words.next()?, words.next());
    let split = NAMES.iter().find(|(_, names)| names.contains(&word)).map(|(split, _)| *split);
    split.filter(|_| rest.is_none())
}

/// The only folder inside, if it has the same meaning: `seg_train/seg_train`.
fn descend(split: Split, path: PathBuf) -> Result<PathBuf, DataError> {
    match subfolders(&path)?.as_slice() {
        [only] if split_named(&only.name) == Some(split) && !subfolders(&only.path)?.is_empty() => {
            Ok(only.path.clone())
        }
        _ => Ok(path),
    }
}

fn has_direct_pictures(folder: &Path) -> Result<bool, DataError> {
    Ok(!super::walk::direct_pictures(folder)?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_spellings_of_splits_are_known() {
        for name in [
            "train",
            "Train",
            "TRAINING",
            "seg_train",
            "train2017",
            "Training Set",
            "train-images",
            "trainset",
        ] {
            assert_eq!(split_named(name), Some(Split::Train), "{name}");
        }
        for name in ["val", "Valid", "validation", "dev", "valset", "seg_val", "val_data"] {
            assert_eq!(split_named(name), Some(Split::Val), "{name}");
        }
        for name in ["test", "Testing", "seg_test", "test 2", "TestSet"] {
            assert_eq!(split_named(name), Some(Split::Test), "{name}");
        }
        for name in ["bullet_train", "test tube", "cat", "set", "2017", "trainer", "deval", "train_test", ""]
        {
            assert_eq!(split_named(name), None, "{name}");
        }
    }
}
