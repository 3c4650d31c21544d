//! Atomic replacement of files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::fault;
use crate::folder::{parent, sync_parent};
use crate::special::refuse_special;

/// A file that takes its place once it is complete, so that at any instant, and after a crash, a reader finds either
/// the old file or the new one.
///
/// It is written next to its final path under a random name, synced to disk and renamed. On Unix it has the permissions
/// of the file that it replaces. A link at the final path is replaced, never followed. If dropped without
/// [`commit`](Self::commit), it is removed.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    /// `None` once it is closed.
    file: Option<BufWriter<Counted>>,
    partial: PathBuf,
}

impl WholeFile {
    /// Starts a file for `path`.
    ///
    /// # Errors
    /// Errors of the operating system; [`io::ErrorKind::InvalidInput`] if a pipe, device or socket, or a link to one,
    /// is at the path.
    pub fn create(path: &Path) -> io::Result<WholeFile> {
        if path.file_name().is_none() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        refuse_special(path)?;
        let partial = parent(path).join(format!("{PREFIX}{}{SUFFIX}", Uuid::new_v4().simple()));
        fault::before("create", path)?;
        let file = File::options().write(true).create_new(true).open(&partial)?;
        let file = BufWriter::with_capacity(BUFFER, Counted { file, path: path.to_owned() });
        let file = WholeFile { path: path.to_owned(), file: Some(file), partial };
        // Before it contains anything that others must not read.
        keep_permissions(path, &file.partial)?;
        Ok(file)
    }

    /// Syncs the file to disk and moves it to its place.
    ///
    /// # Errors
    /// Errors of the operating system. The old file is then untouched, unless only the last step failed, which syncs
    /// the new name to disk: then the new file is in its place.
    pub fn commit(mut self) -> io::Result<()> {
        self.close()?;
        fault::before("rename", &self.path)?;
        fs::rename(&self.partial, &self.path)?;
        sync_parent(&self.path)
    }

    /// As [`commit`](Self::commit), but fails if something is at the path.
    pub(crate) fn commit_new(mut self) -> io::Result<()> {
        self.close()?;
        fault::before("link", &self.path)?;
        // A second name, unlike another name, never replaces anything. It is the only one once this value is dropped.
        match fs::hard_link(&self.partial, &self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => self.copy_new()?,
            linked => linked?,
        }
        sync_parent(&self.path)
    }

    /// For a file system on which a file has one name.
    fn copy_new(&self) -> io::Result<()> {
        let mut to = File::options().write(true).create_new(true).open(&self.path)?;
        let copied = File::open(&self.partial).and_then(|mut from| io::copy(&mut from, &mut to));
        if let Err(error) = copied.and_then(|_| to.sync_all()) {
            let _ = fs::remove_file(&self.path);
            return Err(error);
        }
        Ok(())
    }

    /// Syncs the file to disk and closes it.
    fn close(&mut self) -> io::Result<()> {
        let file = self.file.take().expect("a file is committed once");
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?.file;
        fault::before("sync", &self.path)?;
        // Windows does not move a file that is open.
        file.sync_all()
    }

    fn open_file(&mut self) -> &mut BufWriter<Counted> {
        self.file.as_mut().expect("the file is open until it is committed")
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open_file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open_file().flush()
    }
}

impl Seek for WholeFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.open_file().seek(to)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // Discard what is still buffered.
            drop(file.into_parts().0);
        }
        // After the rename, nothing has that name.
        let _ = fs::remove_file(&self.partial);
    }
}

/// Replaces the file at `path` with what `fill` writes; see [`WholeFile`].
///
/// # Errors
/// Those of `fill` and of [`WholeFile`].
///
/// ```
/// use std::io::Write;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("note.txt");
/// convscope_files::write_whole(&path, |file| file.write_all(b"whole"))?;
/// assert_eq!(std::fs::read(&path)?, b"whole");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write_whole(path: &Path, fill: impl FnOnce(&mut WholeFile) -> io::Result<()>) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    fill(&mut file)?;
    file.commit()
}

/// Removes unfinished files of killed processes from a folder that only this process writes to.
pub fn remove_partial_files(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if is_partial_file(&entry.file_name()) {
            // They are harmless, so failing to remove them is not an error.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a file with this name is an unfinished one.
pub fn is_partial_file(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(PREFIX.as_bytes()) && name.ends_with(SUFFIX.as_bytes())
}

/// Gives a file the permissions of the one that it will replace. If there is none, or if it replaces a link, it keeps
/// those of a new file.
#[cfg(unix)]
fn keep_permissions(old: &Path, new: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    const READ_WRITE_RUN: u32 = 0o777;
    let mode = |path: &Path| -> io::Result<Option<u32>> {
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(found.is_file().then(|| found.permissions().mode() & READ_WRITE_RUN)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    };
    match mode(old)? {
        // Some file systems use the same permissions for all files and do not allow changes.
        Some(wanted) if mode(new)? != Some(wanted) => {
            fs::set_permissions(new, fs::Permissions::from_mode(wanted))
        }
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn keep_permissions(_old: &Path, _new: &Path) -> io::Result<()> {
    Ok(())
}

const PREFIX: &str = ".convscope-";
const SUFFIX: &str = ".partial";

/// Bytes to write at a time.
const BUFFER: usize = 1 << 16;

/// The file, with its operations counted for the faults of tests.
#[derive(Debug)]
struct Counted {
    file: File,
    path: PathBuf,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fault::write_all(&mut self.file, bytes, &self.path)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = folder
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn failing_midway_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.bin");
        write_whole(&path, |file| file.write_all(b"old")).unwrap();
        let error = write_whole(&path, |file| {
            file.write_all(&[0; 100_000])?;
            assert_eq!(fs::read(&path)?, b"old");
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["data.bin"]);
    }

    #[test]
    fn what_is_written_after_a_step_back_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.bin");
        write_whole(&path, |file| {
            file.write_all(b"lenXcontents")?;
            file.seek(SeekFrom::Start(3))?;
            file.write_all(b"=")
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"len=contents");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_replaced_and_never_followed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, "mine").unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        for name in ["a.json", ".a.json.partial", "broken"] {
            symlink(if name == "broken" { Path::new("absent") } else { &outside }, run.join(name)).unwrap();
        }
        for name in ["a.json", "broken"] {
            write_whole(&run.join(name), |file| file.write_all(b"new")).unwrap();
            assert!(run.join(name).symlink_metadata().unwrap().is_file(), "{name} is still a link");
            assert_eq!(fs::read(run.join(name)).unwrap(), b"new");
        }
        assert_eq!(fs::read(&outside).unwrap(), b"mine");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_the_permissions_of_the_one_before() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let fresh = folder.path().join("fresh");
        write_whole(&fresh, |file| file.write_all(b"new")).unwrap();
        for wanted in [0o600, 0o444, 0o664, 0o755] {
            let path = folder.path().join("data.bin");
            write_whole(&path, |file| file.write_all(b"old")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(wanted)).unwrap();
            write_whole(&path, |file| {
                // The unfinished file is not readable by others either.
                let partial =
                    folder.path().read_dir()?.flatten().find(|entry| is_partial_file(&entry.file_name()));
                assert_eq!(mode(&partial.unwrap().path()), wanted);
                file.write_all(b"new")
            })
            .unwrap();
            assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), wanted));
            // The target of a link says nothing about the file that replaces the link.
            let link = folder.path().join("link");
            symlink(&path, &link).unwrap();
            write_whole(&link, |file| file.write_all(b"new")).unwrap();
            assert_eq!(mode(&link), mode(&fresh));
            fs::remove_file(&path).unwrap();
            fs::remove_file(&link).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_pipes_are_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in [&link, Path::new("/dev/null")] {
            let error = write_whole(path, |file| file.write_all(b"new")).unwrap_err();
            assert_eq!(error.to_string(), "it is not a regular file");
        }
        let error = write_whole(folder.path(), |file| file.write_all(b"new")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn any_name_that_a_file_can_have_will_do() {
        let folder = tempfile::tempdir().unwrap();
        write_whole(&folder.path().join("n".repeat(255)), |_| Ok(())).unwrap();
    }

    #[test]
    fn only_unfinished_files_are_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut killed = WholeFile::create(&folder.path().join("a.csv")).unwrap();
        killed.write_all(b"half").unwrap();
        std::mem::forget(killed);
        for name in [".convscope-notes", "a.partial"] {
            fs::write(folder.path().join(name), "mine").unwrap();
        }
        assert_eq!(names(folder.path()).len(), 3);
        remove_partial_files(folder.path());
        assert_eq!(names(folder.path()), [".convscope-notes", "a.partial"]);
    }

    #[test]
    fn many_writers_of_one_file_leave_one_of_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        std::thread::scope(|scope| {
            for writer in 0..4_u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..10 {
                        write_whole(path, |file| file.write_all(&[writer; 5_000])).unwrap();
                    }
                });
            }
        });
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() == 5_000 && bytes.iter().all(|&byte| byte == bytes[0]));
        assert_eq!(names(folder.path()), ["a.bin"]);
    }
}
