//! The process that works on a trial, and whether it is still alive.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use convscope_files::create_folders;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::TuneError;

/// How often a worker signals that it is alive.
const BEAT: Duration = Duration::from_secs(10);

/// After how long without a signal a worker on another machine counts as dead. File attributes on a shared folder may
/// be a minute old.
const SILENCE: Duration = Duration::from_secs(150);

/// A process that works on trials, as recorded in a trial's attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Unique among all processes.
    pub(crate) worker: String,
    /// The machine.
    pub(crate) host: String,
    /// The process on that machine.
    pub(crate) pid: u32,
}

/// This process as a worker: a file in the study's folder, locked while the process lives and touched every ten
/// seconds.
#[derive(Debug)]
pub(crate) struct Worker {
    owner: Owner,
    path: PathBuf,
    file: File,
    last_beat: Instant,
}

impl Worker {
    pub(crate) fn start(folder: &Path) -> Result<Worker, TuneError> {
        create_folders(folder).map_err(TuneError::io("create the folder", folder))?;
        let owner = Owner {
            worker: Uuid::new_v4().to_string(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pid: std::process::id(),
        };
        let path = folder.join(&owner.worker);
        let file = File::create_new(&path).map_err(TuneError::io("create the file", &path))?;
        // Without locks, touching must suffice.
        let _ = file.try_lock();
        Ok(Worker { owner, path, file, last_beat: Instant::now() })
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Signals that the process is alive, if it is time to.
    pub(crate) fn beat(&mut self) {
        if self.last_beat.elapsed() >= BEAT {
            let _ = self.file.set_modified(SystemTime::now());
            self.last_beat = Instant::now();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Watches other workers.
#[derive(Debug)]
pub(crate) struct Watch {
    folder: PathBuf,
    host: String,
    /// When each worker's file was last touched, and since when this has been observed by this machine's clock.
    seen: HashMap<String, (SystemTime, Instant)>,
}

impl Watch {
    pub(crate) fn new(folder: &Path, own: &Owner) -> Watch {
        Watch { folder: folder.to_owned(), host: own.host.clone(), seen: HashMap::new() }
    }

    /// Whether the worker is alive, as far as can be known. On the same machine, its lock tells; on another one, its
    /// file is watched for changes, so that the machines' clocks need not agree.
    pub(crate) fn is_alive(&mut self, owner: &Owner) -> bool {
        // Text in a journal must be checked before it is used as a path.
        if Uuid::parse_str(&owner.worker).is_err() {
            return false;
        }
        let path = self.folder.join(&owner.worker);
        let Ok(touched) = fs::metadata(&path).and_then(|data| data.modified()) else { return false };
        if owner.host == self.host
            && let Ok(file) = OpenOptions::new().read(true).write(true).open(&path)
        {
            match file.try_lock() {
                Ok(()) => {
                    let _ = fs::remove_file(&path);
                    return false;
                }
                Err(TryLockError::WouldBlock) => return true,
                Err(TryLockError::Error(_)) => {}
            }
        }
        let (before, since) = *self.seen.entry(owner.worker.clone()).or_insert((touched, Instant::now()));
        if before != touched {
            self.seen.insert(owner.worker.clone(), (touched, Instant::now()));
            return true;
        }
        since.elapsed() < SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_lives_until_its_process_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let worker = Worker::start(folder.path()).unwrap();
        let owner = worker.owner().clone();
        let mut watch = Watch::new(folder.path(), &owner);
        assert!(watch.is_alive(&owner));
        // A killed process leaves its file and loses its lock.
        let file = folder.path().join(&owner.worker);
        worker.file.unlock().unwrap();
        assert!(file.exists() && !watch.is_alive(&owner) && !file.exists());
        let second = Worker::start(folder.path()).unwrap();
        let owner = second.owner().clone();
        drop(second);
        assert!(!watch.is_alive(&owner));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_worker_of_another_machine_is_believed_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let worker = Worker::start(folder.path()).unwrap();
        worker.file.unlock().unwrap();
        let owner = Owner { host: "elsewhere".into(), ..worker.owner().clone() };
        let mut watch = Watch::new(folder.path(), worker.owner());
        assert!(watch.is_alive(&owner));
        let stale = Instant::now().checked_sub(SILENCE + BEAT);
        // A machine that has just started has no such past.
        let Some(stale) = stale else { return };
        let touched = fs::metadata(&worker.path).unwrap().modified().unwrap();
        watch.seen.insert(owner.worker.clone(), (touched, stale));
        assert!(!watch.is_alive(&owner));
        watch.seen.insert(owner.worker.clone(), (touched - BEAT, stale));
        assert!(watch.is_alive(&owner));
        assert!(!watch.is_alive(&Owner { worker: "../journal.log".into(), ..owner }));
    }
}
