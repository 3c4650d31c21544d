//! Copies of pictures in a folder for each class.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use convscope_files::{copy_into, create_folders};
use convscope_report::number::thousands;
use convscope_report::{Cell, Column, Style, Table};

use crate::exit::UsageError;

/// The folder for pictures whose most probable class is not probable enough.
const UNSURE: &str = "unsure";

/// Sorts pictures into folders.
pub(crate) struct Sorting {
    folder: PathBuf,
    /// The probability below which a picture counts as unsure.
    unsure_below: f64,
    /// The folder of each class, and of unsure pictures.
    names: Vec<String>,
    unsure: String,
    copied: BTreeMap<String, Copied>,
}

#[derive(Clone, Copy, Default)]
struct Copied {
    new: u64,
    present: u64,
}

impl Sorting {
    /// Sorts into `folder`, which none of the folders with pictures contains.
    ///
    /// # Errors
    /// It is inside one of them; a probability that is none.
    pub(crate) fn new(
        folder: &Path,
        unsure_below: f64,
        classes: &[String],
        from: &[PathBuf],
    ) -> Result<Sorting> {
        if !(0.0..=1.0).contains(&unsure_below) {
            return Err(UsageError(format!("--unsure is {unsure_below}; it must be from 0 to 1")).into());
        }
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| absolute(path));
        let target = real(folder);
        if let Some(around) = from.iter().find(|from| from.is_dir() && target.starts_with(real(from))) {
            let message = format!(
                "{} is inside {}, so the copies would be sorted the next time; choose a folder outside",
                folder.display(),
                around.display()
            );
            return Err(UsageError(message).into());
        }
        let mut names: Vec<String> = Vec::new();
        for class in classes {
            let name = unlike(&names, file_name(class));
            names.push(name);
        }
        let unsure = unlike(&names, UNSURE.to_owned());
        let folder = folder.to_owned();
        Ok(Sorting { folder, unsure_below, names, unsure, copied: BTreeMap::new() })
    }

    /// Copies a picture into the folder of its most probable class, or that of unsure ones.
    ///
    /// # Errors
    /// The picture cannot be copied.
    pub(crate) fn put(&mut self, picture: &Path, probabilities: &[f32]) -> Result<()> {
        let best = (0..probabilities.len()).max_by(|&a, &b| {
            // Of equal ones, the first.
            probabilities[a].total_cmp(&probabilities[b]).then(b.cmp(&a))
        });
        let Some(best) = best else { return Ok(()) };
        let is_unsure = f64::from(probabilities[best]) < self.unsure_below;
        let name = if is_unsure { &self.unsure } else { &self.names[best] };
        let folder = self.folder.join(name);
        create_folders(&folder).with_context(|| format!("{}: cannot create the folder", folder.display()))?;
        let copied = copy_into(picture, &folder);
        let (_, is_new) = copied
            .with_context(|| format!("{}: cannot be copied to {}", picture.display(), folder.display()))?;
        let count = self.copied.entry(name.clone()).or_default();
        if is_new {
            count.new += 1
        } else {
            count.present += 1
        }
        Ok(())
    }

    /// How many pictures are where: the classes in their order, then the unsure ones.
    pub(crate) fn render(&self, style: Style) -> String {
        let has_present = self.copied.values().any(|copied| copied.present > 0);
        let mut columns = vec![Column::left("folder"), Column::right("pictures")];
        columns.extend(has_present.then(|| Column::right("already there")));
        let mut table = Table::new(columns);
        for name in self.names.iter().chain([&self.unsure]) {
            let Some(copied) = self.copied.get(name) else { continue };
            let folder = self.folder.join(name).display().to_string();
            let mut row: Vec<Cell> = vec![folder.into(), thousands(copied.new).into()];
            row.extend(has_present.then(|| Cell::from(thousands(copied.present))));
            table.row(row);
        }
        table.render(style)
    }
}

/// A class as the name of one folder.
fn file_name(class: &str) -> String {
    let allowed = |c: char| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c };
    let name: String = class.chars().map(allowed).collect();
    let name = name.trim().trim_end_matches('.');
    if name.is_empty() { "_".to_owned() } else { name.to_owned() }
}

/// The name, with underscores behind it as long as a folder is called so; some file systems ignore case.
fn unlike(taken: &[String], mut name: String) -> String {
    while taken.iter().any(|taken| taken.to_lowercase() == name.to_lowercase()) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_folders_of_their_own_outside_which_nothing_goes() {
        let classes = ["a/b", "a:b", "..", "Unsure", "cat."].map(String::from);
        let sorting = Sorting::new(Path::new("sorted"), 0.5, &classes, &[]).unwrap();
        assert_eq!(sorting.names, ["a_b", "a_b_", "_", "Unsure", "cat"]);
        assert_eq!(sorting.unsure, "unsure_");
        assert!(Sorting::new(Path::new("sorted"), 1.5, &classes, &[]).is_err());
    }

    #[test]
    fn pictures_go_to_their_class_or_apart() {
        let place = tempfile::tempdir().unwrap();
        let [photos, sorted] = ["photos", "sorted"].map(|name| place.path().join(name));
        std::fs::create_dir(&photos).unwrap();
        let classes = ["cat", "dog"].map(String::from);
        let mut sorting = Sorting::new(&sorted, 0.6, &classes, std::slice::from_ref(&photos)).unwrap();
        for (name, probabilities) in [("1", [0.4, 0.6]), ("2", [0.41, 0.59]), ("3", [0.9, 0.1])] {
            let path = photos.join(name);
            std::fs::write(&path, name).unwrap();
            sorting.put(&path, &probabilities).unwrap();
            sorting.put(&path, &probabilities).unwrap();
        }
        let there = |path: &str| std::fs::read_to_string(sorted.join(path)).unwrap();
        assert_eq!((there("dog/1"), there("unsure/2"), there("cat/3")), ("1".into(), "2".into(), "3".into()));
        let counts = sorting.copied.values().map(|copied| (copied.new, copied.present)).collect::<Vec<_>>();
        assert_eq!(counts, [(1, 1); 3]);
        assert!(Sorting::new(&photos.join("out"), 0.6, &classes, &[photos]).is_err());
    }
}
