//! Atomic replacement of files in a run directory.

use std::io::{self, Write};
use std::path::Path;

use crate::error::TrainError;

/// Replaces the file at `path` with what `fill` writes, so that a reader, at any instant and after a crash, finds
/// either the old file or the new one; see [`convscope_files::WholeFile`].
///
/// # Errors
/// [`TrainError::Io`]; the old file is then untouched.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("note.txt");
/// convscope_train::run_dir::write_atomic(&path, |file| file.write_all(b"whole"))?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"whole");
/// # Ok::<(), convscope_train::TrainError>(())
/// ```
pub fn write_atomic(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), TrainError> {
    convscope_files::write_whole(path, |file| fill(file)).map_err(TrainError::io("write the file", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_file_and_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.bin");
        let error = write_atomic(&path, |_| Err(io::ErrorKind::StorageFull.into())).unwrap_err().to_string();
        assert!(error.contains("data.bin: cannot write the file: "), "{error}");
        assert!(error.ends_with("; free some space and try again"), "{error}");
        let error = write_atomic(&folder.path().join("gone/data.bin"), |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("data.bin: cannot write the file"), "{error}");
    }
}
