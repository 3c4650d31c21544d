//! Files that grow.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::fault;
use crate::folder::sync_parent;
use crate::special;

/// A file that is only appended to. A crash can truncate the last piece, but nothing before it.
#[derive(Debug)]
pub struct AppendFile {
    path: PathBuf,
    file: File,
}

impl AppendFile {
    /// Opens a file, creating it if it does not exist.
    ///
    /// # Errors
    /// Errors of the operating system, and an error for a link at this path, which is not followed.
    pub fn open(path: &Path) -> io::Result<AppendFile> {
        let is_new = path.symlink_metadata().is_err();
        fault::before("open", path)?;
        let file = without_links(path, OpenOptions::new().append(true).create(true))?;
        let file = AppendFile { path: path.to_owned(), file };
        if is_new {
            sync_parent(path)?;
        }
        Ok(file)
    }

    /// Creates a file that must not exist.
    ///
    /// # Errors
    /// Errors of the operating system; [`io::ErrorKind::AlreadyExists`] if something with that name exists.
    pub fn create_new(path: &Path) -> io::Result<AppendFile> {
        fault::before("create", path)?;
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        sync_parent(path)?;
        Ok(AppendFile { path: path.to_owned(), file })
    }

    /// Appends the bytes and syncs them to disk.
    ///
    /// # Errors
    /// Errors of the operating system; some of the bytes may then be in the file.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        fault::write_all(&mut self.file, bytes, &self.path)?;
        fault::before("sync", &self.path)?;
        self.file.sync_data()
    }

    /// Truncates the file to this many bytes and syncs it to disk.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn truncate(&mut self, len: u64) -> io::Result<()> {
        fault::before("truncate", &self.path)?;
        self.file.set_len(len)?;
        self.file.sync_all()
    }

    /// The open file, for a process that will write to it.
    pub fn into_file(self) -> File {
        self.file
    }
}

/// Opens a path that must not be a link.
pub(crate) fn without_links(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    if let Ok(found) = path.symlink_metadata() {
        if found.is_symlink() {
            let reason = "it is a link, which could lead anywhere";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        special::check(&found)?;
    }
    // A link that was put there in the meantime is not followed either.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    special::check(&file.metadata()?)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn pieces_follow_each_other_across_openings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        AppendFile::open(&path).unwrap().append(b"one\n").unwrap();
        let mut file = AppendFile::open(&path).unwrap();
        file.append(b"two\nth").unwrap();
        file.truncate(8).unwrap();
        file.append(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        assert_eq!(AppendFile::create_new(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed_and_a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (outside, link) = (folder.path().join("outside"), folder.path().join("link"));
        fs::write(&outside, "mine").unwrap();
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        assert!(AppendFile::open(&link).unwrap_err().to_string().contains("it is a link"));
        assert_eq!(fs::read(&outside).unwrap(), b"mine");
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(AppendFile::open(&pipe).unwrap_err().to_string(), "it is not a regular file");
    }
}
