//! Folders that are still there after a power cut.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::fault;

/// Creates a folder and brings its name to the disk.
///
/// # Errors
/// The operating system's; [`io::ErrorKind::AlreadyExists`] where something of that name exists.
pub fn create_folder(path: &Path) -> io::Result<()> {
    fault::before("create folder", path)?;
    fs::create_dir(path)?;
    sync_parent(path).inspect_err(|_| {
        // Where its name is not certain to stay, the caller can try again.
        let _ = fs::remove_dir(path);
    })
}

/// Creates a folder and those above it that are missing, and brings their names to the disk. A folder that exists is fine.
///
/// # Errors
/// The operating system's.
pub fn create_folders(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_folders(parent)?;
    }
    match create_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        created => created,
    }
}

/// Moves a folder whose files are on the disk to a free place of the same file system, and brings its new name to the disk.
///
/// # Errors
/// The operating system's.
pub fn move_folder(from: &Path, to: &Path) -> io::Result<()> {
    fault::before("move folder", to)?;
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Brings the name of a file or folder to the disk: a new name and a rename are there once the folder around them is.
#[cfg(unix)]
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    fault::before("sync folder", path)?;
    match File::open(parent(path))?.sync_all() {
        // Some network file systems cannot do so for folders.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// Elsewhere folders cannot be opened as files, and the file system orders the rename itself.
#[cfg(not(unix))]
pub(crate) fn sync_parent(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// The folder that a file lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_folders_are_created_and_existing_ones_are_fine() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        create_folders(&path).unwrap();
        create_folders(&path).unwrap();
        assert_eq!(create_folder(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs::write(path.join("file"), "").unwrap();
        assert!(create_folders(&path.join("file/d")).is_err());
        assert!(create_folders(&path.join("file")).is_err());
    }
}
