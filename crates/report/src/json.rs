//! JSON files.

use std::io::{self, Write};
use std::path::Path;

use convscope_files::write_whole;
use serde::Serialize;

use crate::ReportError;

/// Writes a result as indented JSON with a trailing line feed; the file is written atomically. Numbers that are not
/// finite, which JSON does not support, become `null`.
///
/// # Errors
/// [`ReportError::Write`] if the file system refuses the file, or the result has a map whose keys are not strings.
pub fn save(result: &impl Serialize, path: &Path) -> Result<(), ReportError> {
    write_whole(path, |file| {
        serde_json::to_writer_pretty(&mut *file, result).map_err(io::Error::from)?;
        file.write_all(b"\n")
    })
    .map_err(ReportError::write(path))
}
