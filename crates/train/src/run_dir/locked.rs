//! A run directory locked for writing by one process.

use std::fs;
use std::io;
use std::ops::Deref;
use std::path::Path;

use convscope_files::{FileLock, LockError, create_folder, create_folders, remove_partial_files};

use super::{RunDir, RunLocation, TEACHER, write_atomic};
use crate::config::TrainConfig;
use crate::error::TrainError;

/// A run directory that only this process writes to, until the value is dropped or the process ends.
#[derive(Debug)]
pub struct LockedRun {
    run: RunDir,
    _lock: FileLock,
}

impl LockedRun {
    /// Creates the folder of a new run and writes its `config.toml`. If several processes want the same folder at the
    /// same time, one gets it. A folder with a run that never reached a checkpoint counts as empty.
    ///
    /// # Errors
    /// [`TrainError::OutputTaken`], [`TrainError::RunBusy`], [`TrainError::Io`] and those of [`TrainConfig::validate`];
    /// nothing is then left behind.
    pub fn create(location: &RunLocation, config: &TrainConfig) -> Result<Self, TrainError> {
        let config = config.to_toml()?;
        let run = match location {
            RunLocation::Exact(path) => claim_exact(path)?,
            RunLocation::Numbered(path) => claim_numbered(path)?,
        };
        let written = run
            .prepare()
            .and_then(|()| write_atomic(&run.config_path(), |file| file.write_all(config.as_bytes())));
        if let Err(error) = written {
            run.abandon();
            return Err(error);
        }
        Ok(run)
    }

    /// Opens the directory of an existing run, to continue it.
    ///
    /// # Errors
    /// [`TrainError::RunBusy`] while another process trains it, [`TrainError::BadContents`] for folders that are links,
    /// and those of [`RunDir::open`].
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        let locked = lock(RunDir::open(path)?)?;
        locked.prepare()?;
        Ok(locked)
    }

    /// Makes sure that all folders exist, that none leads out of the run, and that a killed process left nothing
    /// behind.
    fn prepare(&self) -> Result<(), TrainError> {
        for name in FOLDERS.into_iter().chain([TEACHER]) {
            let folder = self.path.join(name);
            match fs::symlink_metadata(&folder) {
                Ok(found) if found.is_dir() => {}
                Err(_) if name == TEACHER => continue,
                Ok(_) => {
                    let reason = "is not a folder; a run writes only into its own folders".to_owned();
                    return Err(TrainError::BadContents { path: folder, reason });
                }
                Err(_) => create_folder(&folder).map_err(TrainError::io("create the folder", &folder))?,
            }
            remove_partial_files(&folder);
        }
        remove_partial_files(&self.path);
        Ok(())
    }

    /// Removes what was created; folders with other contents stay, since only empty ones can be removed this way.
    fn abandon(self) {
        let path = self.path.clone();
        let _ = fs::remove_file(self.lock_path());
        drop(self);
        for folder in FOLDERS.map(|name| path.join(name)).into_iter().chain([path]) {
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Deref for LockedRun {
    type Target = RunDir;

    fn deref(&self) -> &RunDir {
        &self.run
    }
}

/// Folders of a run directory.
const FOLDERS: [&str; 2] = ["weights", "checkpoint"];

/// What a run directory may contain before its first checkpoint.
const BEGINNING: [&str; 6] = ["weights", "checkpoint", ".lock", "config.toml", "model.toml", "data.json"];

fn claim_exact(path: &Path) -> Result<LockedRun, TrainError> {
    create_parents(path)?;
    match create_folder(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(TrainError::io("create the folder", path)(error)),
    }
    claim(path)
}

fn claim_numbered(first: &Path) -> Result<LockedRun, TrainError> {
    create_parents(first)?;
    let mut path = first.to_owned();
    let mut number = 1_u64;
    loop {
        match create_folder(&path) {
            Ok(()) => return claim(&path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(TrainError::io("create the folder", &path)(error)),
        }
        number += 1;
        let mut numbered = first.as_os_str().to_owned();
        numbered.push(format!("-{number}"));
        path = numbered.into();
    }
}

/// Locks a folder for a new run. Only under the lock is it certain whether the folder is free; checking before keeps
/// the lock file out of folders that are not runs.
fn claim(path: &Path) -> Result<LockedRun, TrainError> {
    let run = RunDir { path: path.to_owned() };
    check_free(&run)?;
    let locked = lock(run)?;
    check_free(&locked)?;
    Ok(locked)
}

/// Fails unless the folder is empty, or has only the beginning of a run that never reached a checkpoint.
fn check_free(run: &RunDir) -> Result<(), TrainError> {
    let path = &run.path;
    let taken = || TrainError::OutputTaken { path: path.clone() };
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(taken()),
        Err(error) => return Err(TrainError::io("look into the folder", path)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(TrainError::io("look into the folder", path))?;
        let name = entry.file_name();
        let is_beginning =
            BEGINNING.iter().any(|known| name == **known) || convscope_files::is_partial_file(&name);
        if !is_beginning {
            return Err(taken());
        }
    }
    let weights = fs::read_dir(path.join("weights")).is_ok_and(|mut entries| entries.next().is_some());
    if weights || run.checkpoint_path().exists() { Err(taken()) } else { Ok(()) }
}

fn lock(run: RunDir) -> Result<LockedRun, TrainError> {
    let path = run.lock_path();
    match FileLock::try_acquire(&path) {
        Ok(lock) => Ok(LockedRun { run, _lock: lock }),
        Err(LockError::Held { holder }) => Err(TrainError::RunBusy { path: run.path, holder }),
        Err(LockError::Io(cause)) => {
            Err(TrainError::io("lock the run directory with the file", &path)(cause))
        }
    }
}

fn create_parents(path: &Path) -> Result<(), TrainError> {
    match path.parent() {
        Some(parent) => create_folders(parent).map_err(TrainError::io("create the folder", parent)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_taken_name_is_numbered_even_among_racing_threads() {
        let folder = tempfile::tempdir().unwrap();
        let location = RunLocation::Numbered(folder.path().join("runs/plain8"));
        let config = TrainConfig::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| LockedRun::create(&location, &config).unwrap());
            }
        });
        let mut expected: Vec<String> = (2..=8).map(|number| format!("plain8-{number}")).collect();
        expected.insert(0, "plain8".to_owned());
        assert_eq!(names(&folder.path().join("runs")), expected);
        for name in expected {
            assert_eq!(
                names(&folder.path().join("runs").join(name)),
                [".lock", "checkpoint", "config.toml", "weights"]
            );
        }
    }

    #[test]
    fn an_empty_folder_is_taken_by_one_and_refused_to_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let location = RunLocation::Exact(folder.path().to_owned());
        let config = TrainConfig::default();
        let made: Vec<LockedRun> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| LockedRun::create(&location, &config))).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap().ok()).collect()
        });
        assert_eq!(made.len(), 1);
        let me = format!("process {} on ", std::process::id());
        for refused in [LockedRun::create(&location, &config), LockedRun::open(folder.path())] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains(&me) && error.contains("is training this run"), "{error}");
        }
        assert_eq!(RunDir::open(folder.path()).unwrap().config().unwrap(), config);
        drop(made);
        LockedRun::open(folder.path()).unwrap();
    }

    #[test]
    fn a_run_without_a_checkpoint_is_begun_anew_and_one_with_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let location = RunLocation::Exact(folder.path().to_owned());
        let config = TrainConfig::default();
        let run = LockedRun::create(&location, &config).unwrap();
        fs::write(run.model_path(), "").unwrap();
        drop(run);
        let run = LockedRun::create(&location, &TrainConfig { seed: 9, ..config.clone() }).unwrap();
        assert_eq!(run.config().unwrap().seed, 9);
        fs::write(run.checkpoint_path(), "").unwrap();
        drop(run);
        let error = LockedRun::create(&location, &config).unwrap_err();
        assert!(matches!(error, TrainError::OutputTaken { .. }), "{error}");
    }

    #[test]
    fn a_folder_of_something_else_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("letter.txt"), "x").unwrap();
        let location = RunLocation::Exact(folder.path().to_owned());
        let error = LockedRun::create(&location, &TrainConfig::default()).unwrap_err();
        assert!(matches!(error, TrainError::OutputTaken { .. }), "{error}");
        assert!(matches!(LockedRun::open(folder.path()), Err(TrainError::NotARun { .. })));
        assert_eq!(names(folder.path()), ["letter.txt"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_leads_out_of_the_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (run, outside) = (folder.path().join("run"), folder.path().join("outside"));
        drop(LockedRun::create(&RunLocation::Exact(run.clone()), &TrainConfig::default()).unwrap());
        fs::create_dir(&outside).unwrap();
        fs::remove_dir(run.join("weights")).unwrap();
        std::os::unix::fs::symlink(&outside, run.join("weights")).unwrap();
        let error = LockedRun::open(&run).unwrap_err().to_string();
        assert!(error.contains("weights: is not a folder"), "{error}");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let error =
            LockedRun::create(&RunLocation::Exact(file.clone()), &TrainConfig::default()).unwrap_err();
        assert!(matches!(error, TrainError::OutputTaken { .. }), "{error}");
        let below = RunLocation::Numbered(file.join("runs/plain8"));
        let error = LockedRun::create(&below, &TrainConfig::default()).unwrap_err().to_string();
        assert!(error.contains("cannot create the folder"), "{error}");
    }

    #[test]
    fn an_invalid_configuration_makes_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainConfig { lr: f64::NAN, ..TrainConfig::default() };
        assert!(LockedRun::create(&RunLocation::Exact(folder.path().join("run")), &config).is_err());
        assert!(names(folder.path()).is_empty());
    }
}
