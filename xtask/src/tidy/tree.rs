//! The files of the repository that tidy checks.

use std::fs;
use std::path::{Path, PathBuf};

/// The text files in a folder and its subfolders, without build output, downloads and git's files.
pub(super) struct Tree {
    /// The folder itself.
    pub(super) root: PathBuf,
    /// Its files, sorted by path.
    pub(super) files: Vec<SourceFile>,
}

/// One text file.
pub(super) struct SourceFile {
    /// Path below the root with `/` between its parts.
    pub(super) path: String,
    /// Its text; bytes that are not UTF-8 are replaced.
    pub(super) text: String,
}

impl Tree {
    /// Reads every `.rs`, `.md`, `.toml` and `.py` file below `root`.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self { root: root.to_owned(), files: Vec::new() };
        tree.read_folder("")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    /// The files whose names end in `.extension`.
    pub(super) fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a SourceFile> {
        self.files.iter().filter(move |file| file.extension() == extension)
    }

    fn read_folder(&mut self, prefix: &str) -> Result<(), String> {
        let folder = self.root.join(prefix);
        let unreadable = |path: &Path, error| format!("{}: cannot be read: {error}", path.display());
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
            let entry = entry.map_err(|error| unreadable(&folder, error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            // Links are skipped; their targets are checked themselves.
            let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), error))?;
            if kind.is_dir() && !is_skipped(&path, &name) {
                self.read_folder(&format!("{path}/"))?;
            } else if kind.is_file() {
                let mut file = SourceFile { path, text: String::new() };
                if ["rs", "md", "toml", "py"].contains(&file.extension()) {
                    let bytes = fs::read(entry.path()).map_err(|error| unreadable(&entry.path(), error))?;
                    file.text = String::from_utf8_lossy(&bytes).into_owned();
                    self.files.push(file);
                }
            }
        }
        Ok(())
    }
}

impl SourceFile {
    /// The part of the name after its last dot.
    pub(super) fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// The path without its last part, without a `/` at the end.
    pub(super) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Number (from 1) and text of each line.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

fn is_skipped(path: &str, name: &str) -> bool {
    ["target", "runs"].contains(&path) || [".git", ".venv", "__pycache__"].contains(&name)
}
