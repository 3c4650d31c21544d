//! Folders that survive a power cut.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::fault;

/// Creates a folder and syncs its name to disk.
///
/// # Errors
/// Errors of the operating system; [`io::ErrorKind::AlreadyExists`] if something with that name exists.
pub fn create_folder(path: &Path) -> io::Result<()> {
    fault::before("create folder", path)?;
    fs::create_dir(path)?;
    sync_parent(path).inspect_err(|_| {
        // If its name is not certain to persist, the caller can try again.
        let _ = fs::remove_dir(path);
    })
}

/// Creates a folder and its missing parents, and syncs their names to disk. A folder that exists is fine.
///
/// # Errors
/// Errors of the operating system.
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

/// Moves a folder whose files are on disk to a free path on the same file system, and syncs its new name to disk.
///
/// # Errors
/// Errors of the operating system.
pub fn move_folder(from: &Path, to: &Path) -> io::Result<()> {
    fault::before("move folder", to)?;
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Syncs the name of a file or folder to disk: a new name or a rename is on disk once the containing folder is.
#[cfg(unix)]
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    fault::before("sync folder", path)?;
    match File::open(parent(path))?.sync_all() {
        // Some network file systems do not support this for folders.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// Elsewhere folders cannot be opened as files, and the file system orders the rename itself.
#[cfg(not(unix))]
pub(crate) fn sync_parent(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// The folder that contains a file.
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
