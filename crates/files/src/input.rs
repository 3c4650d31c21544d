//! Files that are read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::special;

/// Opens a regular file for reading.
///
/// # Errors
/// Errors of the operating system, and [`io::ErrorKind::InvalidInput`] for a pipe, device or socket.
pub fn open(path: &Path) -> io::Result<File> {
    // Merely opening a pipe would wait for its writer.
    special::check(&fs::metadata(path)?)?;
    File::open(path)
}

/// The bytes of a regular file.
///
/// # Errors
/// As for [`open`], and [`io::ErrorKind::OutOfMemory`] for a file that does not fit into memory.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a regular file in UTF-8.
///
/// # Errors
/// As for [`read`], and [`io::ErrorKind::InvalidData`] for bytes that are not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for error in [open(&pipe).unwrap_err(), read(Path::new("/dev/null")).unwrap_err()] {
            assert_eq!(error.to_string(), "it is not a regular file");
        }
        assert_eq!(read(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(read(&folder.path().join("absent")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
