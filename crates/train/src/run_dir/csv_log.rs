//! CSV files that grow by some lines per epoch.

use std::io;
use std::path::{Path, PathBuf};

use convscope_files::AppendFile;
use serde::Serialize;

use super::write_atomic;
use crate::error::TrainError;

/// An open CSV file; its header is written with its first line.
#[derive(Debug)]
pub(super) struct CsvLog {
    path: PathBuf,
    file: AppendFile,
    is_empty: bool,
}

impl CsvLog {
    /// Replaces the file with one with these lines.
    pub(super) fn start_with(path: &Path, lines: &[impl Serialize]) -> Result<Self, TrainError> {
        let text = to_csv(lines, Header::First).map_err(TrainError::io("write the file", path))?;
        write_atomic(path, |file| file.write_all(&text))?;
        let file = AppendFile::open(path).map_err(TrainError::io("open the file", path))?;
        Ok(Self { path: path.to_owned(), file, is_empty: lines.is_empty() })
    }

    /// Appends lines in one write and syncs them to disk.
    pub(super) fn append(&mut self, lines: &[impl Serialize]) -> Result<(), TrainError> {
        let header = if self.is_empty { Header::First } else { Header::None };
        to_csv(lines, header)
            .and_then(|text| self.file.append(&text))
            .map_err(TrainError::io("write the file", &self.path))?;
        self.is_empty = self.is_empty && lines.is_empty();
        Ok(())
    }
}

enum Header {
    First,
    None,
}

fn to_csv(lines: &[impl Serialize], header: Header) -> io::Result<Vec<u8>> {
    let has_header = matches!(header, Header::First);
    let mut writer = csv::WriterBuilder::new().has_headers(has_header).from_writer(Vec::new());
    lines.iter().try_for_each(|line| writer.serialize(line))?;
    writer.into_inner().map_err(|error| error.into_error())
}
