//! Files that are there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::ReportError;

/// Writes a file beside `path` and moves it into place when all of it is on the disk, so that a full disk or a
/// killed program leaves what was there before.
pub(crate) fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), ReportError> {
    let refused = |source| ReportError::Write { path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| refused(io::Error::from(io::ErrorKind::IsADirectory)))?;
    let mut partial_name = OsString::from(".");
    partial_name.push(name);
    partial_name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(partial_name);

    let written = (|| {
        let mut writer = BufWriter::new(File::create(&partial)?);
        fill(&mut writer)?;
        writer.flush()?;
        writer.get_ref().sync_all()?;
        // Windows refuses to move a file that is open.
        drop(writer);
        fs::rename(&partial, path)
    })();
    written.map_err(|source| {
        // The first error is the one to tell; the file may not exist at all.
        let _ = fs::remove_file(&partial);
        refused(source)
    })
}
