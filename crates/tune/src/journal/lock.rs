//! Optuna's lock next to a journal: a file `<journal>.lock` that only one process can create.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use uuid::Uuid;

use crate::TuneError;

/// How long a lock may stay unchanged before its owner counts as dead, as in Optuna.
const GRACE: Duration = Duration::from_secs(30);

/// How long to wait silently.
const PATIENCE: Duration = Duration::from_secs(1);

/// The lock of a journal, held until it is dropped.
///
/// As in Optuna's `JournalFileSymlinkLock`, it is a symbolic link, whose creation is atomic even on old network file
/// systems, or, without symbolic links, a file created exclusively (`JournalFileOpenLock`). Both kinds exclude each
/// other, because they have the same name. To release it, the owner first renames it, so that only one of two processes
/// succeeds.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
}

impl Lock {
    /// Waits for the lock of this journal. If that takes more than a second, `waiting` is called with the lock's path, once.
    pub(super) fn acquire(journal: &Path, waiting: fn(&Path)) -> Result<Lock, TuneError> {
        Self::acquire_within(journal, [PATIENCE, GRACE], waiting)
    }

    fn acquire_within(
        journal: &Path,
        [patience, grace]: [Duration; 2],
        waiting: fn(&Path),
    ) -> Result<Lock, TuneError> {
        let path = with_suffix(journal, ".lock");
        let target = std::path::absolute(journal).map_err(TuneError::io("lock the journal", journal))?;
        let mut pause = Duration::from_millis(1);
        let mut seen: Option<(SystemTime, Instant)> = None;
        let begun = Instant::now();
        let mut is_told = false;
        loop {
            match make(&target, &path) {
                Ok(()) => return Ok(Lock { path }),
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(TuneError::io("lock the journal", journal)(cause)),
            }
            if !is_told && begun.elapsed() >= patience {
                waiting(&path);
                is_told = true;
            }
            match made_at(&path) {
                // It was removed in the meantime.
                None => continue,
                Some(made) => match seen {
                    Some((before, since)) if before == made => {
                        if since.elapsed() > grace && made_at(&path) == Some(made) {
                            let _ = remove(&path);
                            seen = None;
                            pause = Duration::from_millis(1);
                            continue;
                        }
                    }
                    _ => seen = Some((made, Instant::now())),
                },
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever removed it considered this process dead; there is then nothing to release.
        let _ = remove(&self.path);
    }
}

#[cfg(unix)]
fn make(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

/// Elsewhere, symbolic links need a privilege.
#[cfg(not(unix))]
fn make(_target: &Path, path: &Path) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).open(path).map(drop)
}

/// When the lock itself was created, which distinguishes one lock from the next.
fn made_at(path: &Path) -> Option<SystemTime> {
    fs::symlink_metadata(path).ok()?.modified().ok()
}

fn remove(path: &Path) -> io::Result<()> {
    let renamed = with_suffix(path, &format!("{}.rename", Uuid::new_v4()));
    fs::rename(path, &renamed)?;
    fs::remove_file(&renamed)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_at_a_time_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.log");
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _lock = Lock::acquire(&journal, |_| ()).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_lock_of_a_dead_process_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.log");
        static TOLD: AtomicUsize = AtomicUsize::new(0);
        let waiting = |path: &Path| {
            assert!(path.ends_with("journal.log.lock"));
            TOLD.fetch_add(1, Ordering::SeqCst);
        };
        std::mem::forget(Lock::acquire(&journal, waiting).unwrap());
        assert_eq!(TOLD.load(Ordering::SeqCst), 0);
        assert!(with_suffix(&journal, ".lock").symlink_metadata().is_ok());
        drop(Lock::acquire_within(&journal, [Duration::ZERO; 2], waiting).unwrap());
        assert_eq!(TOLD.load(Ordering::SeqCst), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let error = Lock::acquire(Path::new("absent-folder/journal.log"), |_| ()).unwrap_err().to_string();
        assert!(error.contains("journal.log: cannot lock the journal"), "{error}");
    }
}
