//! One file of a data set.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::content::{ContentHash, native_path, portable_path};

/// A file with its identity. As text it is `<hash> <bytes> <path>`, similar to the output of `sha256sum`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileRecord {
    /// Its path below the data folder, with `/` between the parts.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The hash of its bytes.
    pub hash: ContentHash,
}

impl FileRecord {
    /// The record of a file at this path below the data folder, from its bytes.
    pub fn of(path_below_root: &Path, bytes: &[u8]) -> FileRecord {
        FileRecord {
            path: portable_path(path_below_root),
            bytes: bytes.len() as u64,
            hash: ContentHash::of(bytes),
        }
    }

    /// Whether a file with these bytes is the one that was recorded.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes.len() as u64 && self.hash == ContentHash::of(bytes)
    }

    /// The path of the file in this folder.
    pub fn below(&self, root: &Path) -> PathBuf {
        root.join(native_path(&self.path))
    }
}

impl fmt::Display for FileRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.hash, self.bytes, self.path)
    }
}

impl FromStr for FileRecord {
    type Err = String;

    fn from_str(text: &str) -> Result<FileRecord, String> {
        let mut parts = text.splitn(3, ' ');
        let (Some(hash), Some(bytes), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(format!("`{text}` does not have the form `<hash> <bytes> <path>`"));
        };
        let bytes = bytes.parse().map_err(|_| format!("`{bytes}` is not a number of bytes"))?;
        // A record can only name a file below the data folder.
        let is_inside = !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_inside || native_path(path).is_absolute() {
            return Err(format!("`{path}` is not a path below the data folder"));
        }
        Ok(FileRecord { path: path.to_owned(), bytes, hash: hash.parse()? })
    }
}

impl TryFrom<String> for FileRecord {
    type Error = String;

    fn try_from(text: String) -> Result<FileRecord, String> {
        text.parse()
    }
}

impl From<FileRecord> for String {
    fn from(record: FileRecord) -> String {
        record.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_text() {
        let record = FileRecord::of(Path::new("red cars/1 2.png"), b"abc");
        let text = record.to_string();
        assert!(text.ends_with(" 3 red cars/1 2.png"), "{text}");
        assert_eq!(text.parse(), Ok(record.clone()));
        assert!(record.matches(b"abc") && !record.matches(b"abd") && !record.matches(b"abcd"));
        assert_eq!(record.below(Path::new("x")), Path::new("x/red cars/1 2.png"));
    }

    #[test]
    fn a_record_that_leaves_the_folder_is_refused() {
        let hash = ContentHash::of(b"");
        for path in ["../a.png", "a/../../b.png", "/etc/passwd", "a//b.png", "./a.png", ""] {
            let error = format!("{hash} 0 {path}").parse::<FileRecord>().unwrap_err();
            assert!(error.contains("not a path below"), "{path}: {error}");
        }
        let escaped: FileRecord = format!(r"{hash} 0 \x2E\x2E/a.png").parse().unwrap();
        assert_eq!(escaped.below(Path::new("x")), Path::new(r"x/\x2E\x2E/a.png"));
        assert!("abc".parse::<FileRecord>().is_err());
        assert!(format!("{hash} many a.png").parse::<FileRecord>().is_err());
    }
}
