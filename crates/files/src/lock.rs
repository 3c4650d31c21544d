//! Locks that end with the process that holds them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek};
use std::path::Path;

use crate::append::without_links;
use crate::fault;

/// A lock on a file, held until it is dropped or the process ends in any way. The file remains, and says who holds the
/// lock.
///
/// On file systems without locks, every process gets it.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it.
    Held {
        /// That process, as `process 4711 on ada`, if known.
        holder: Option<String>,
    },
    /// The file cannot be opened, created or locked.
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        LockError::Io(error)
    }
}

impl FileLock {
    /// Locks this file, creating it if it does not exist, or fails at once if another process holds the lock.
    ///
    /// # Errors
    /// See [`LockError`]; a link at this path is not followed.
    pub fn try_acquire(path: &Path) -> Result<FileLock, LockError> {
        let mut file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(FileLock::held(file, path)?),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let known = (&mut file).take(LONGEST_HOLDER).read_to_string(&mut holder).is_ok();
                let holder = holder.trim().to_owned();
                Err(LockError::Held { holder: (known && !holder.is_empty()).then_some(holder) })
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(FileLock { file })
            }
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Locks this file, creating it if it does not exist, and waits while another process holds the lock.
    ///
    /// # Errors
    /// Errors of the operating system; a link at this path is not followed.
    pub fn wait(path: &Path) -> io::Result<FileLock> {
        let file = open(path)?;
        match file.lock() {
            Ok(()) => FileLock::held(file, path),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(FileLock { file }),
            Err(error) => Err(error),
        }
    }

    fn held(mut file: File, path: &Path) -> io::Result<FileLock> {
        let host = gethostname::gethostname();
        let holder = format!("process {} on {}\n", std::process::id(), host.to_string_lossy());
        fault::before("name the holder", path)?;
        file.set_len(0)?;
        file.rewind()?;
        fault::write_all(&mut file, holder.as_bytes(), path)?;
        Ok(FileLock { file })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The name of a process that has ended is meaningless but harmless.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

/// Bytes of a lock file that are read.
const LONGEST_HOLDER: u64 = 400;

fn open(path: &Path) -> io::Result<File> {
    fault::before("open lock", path)?;
    without_links(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_holds_it_and_is_named_to_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        fs::write(&path, "process 1 on a machine with a very long name, which is dead\n").unwrap();
        let lock = FileLock::try_acquire(&path).unwrap();
        let expected = format!("process {} on ", std::process::id());
        match FileLock::try_acquire(&path) {
            Err(LockError::Held { holder: Some(holder) }) => {
                assert!(holder.starts_with(&expected) && !holder.contains("dead"), "{holder}");
            }
            other => panic!("{other:?}"),
        }
        drop(lock);
        assert_eq!(fs::read(&path).unwrap(), b"");
        FileLock::wait(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (outside, link) = (folder.path().join("outside"), folder.path().join(".lock"));
        fs::write(&outside, "mine").unwrap();
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        assert!(matches!(FileLock::try_acquire(&link), Err(LockError::Io(_))));
        assert!(FileLock::wait(&link).is_err());
        assert_eq!(fs::read(&outside).unwrap(), b"mine");
    }
}
