//! A table of numbers, in memory or in a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use convscope_files::WholeFile;
use convscope_kernels::memory;

use crate::error::TrainError;

/// Rows of the same length.
pub(crate) enum FeatureTable {
    Memory { values: Vec<f32>, len: usize },
    File { file: Mutex<File>, path: PathBuf, start: u64, len: usize },
}

/// A table that is being filled, row by row.
pub(crate) enum FeatureTableWriter {
    Memory { values: Vec<f32>, len: usize },
    File { file: WholeFile, path: PathBuf, header: String, rows: usize, len: usize },
}

/// The first line of a file. Rows follow, each with the CRC-32C of its bytes behind it.
fn header(key: &str, rows: usize, len: usize) -> String {
    format!("convscope features 1 {key} {rows} {len}\n")
}

impl FeatureTableWriter {
    /// A table in memory.
    ///
    /// # Errors
    /// The system cannot provide the memory.
    pub(crate) fn in_memory(rows: usize, len: usize) -> Result<FeatureTableWriter, TrainError> {
        Ok(FeatureTableWriter::Memory { values: memory::room(rows * len)?, len })
    }

    /// A table in a file that counts only for what has this key.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub(crate) fn in_file(
        path: &Path,
        key: &str,
        rows: usize,
        len: usize,
    ) -> Result<FeatureTableWriter, TrainError> {
        let failed = TrainError::io("write the features", path);
        let header = header(key, rows, len);
        let created =
            WholeFile::create(path).and_then(|mut file| file.write_all(header.as_bytes()).map(|()| file));
        let file = created.map_err(failed)?;
        Ok(FeatureTableWriter::File { file, path: path.to_owned(), header, rows, len })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub(crate) fn append(&mut self, rows: &[f32]) -> Result<(), TrainError> {
        match self {
            FeatureTableWriter::Memory { values, .. } => values.extend_from_slice(rows),
            FeatureTableWriter::File { file, path, len, .. } => {
                let mut write = |row: &[f32]| -> io::Result<()> {
                    let bytes: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
                    file.write_all(&bytes)?;
                    file.write_all(&crc32c::crc32c(&bytes).to_le_bytes())
                };
                let written = rows.chunks_exact(*len).try_for_each(&mut write);
                written.map_err(TrainError::io("write the features", path))?;
            }
        }
        Ok(())
    }

    /// The full table.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub(crate) fn finish(self) -> Result<FeatureTable, TrainError> {
        match self {
            FeatureTableWriter::Memory { values, len } => Ok(FeatureTable::Memory { values, len }),
            FeatureTableWriter::File { file, path, header, rows, len } => {
                file.commit().map_err(TrainError::io("write the features", &path))?;
                let open = FeatureTable::with_header(&path, &header, rows, len);
                open.and_then(|table| table.ok_or_else(|| damaged(&path)))
            }
        }
    }
}

impl FeatureTable {
    /// The table in a file, if it is there, complete, and has this key.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub(crate) fn open(
        path: &Path,
        key: &str,
        rows: usize,
        len: usize,
    ) -> Result<Option<FeatureTable>, TrainError> {
        FeatureTable::with_header(path, &header(key, rows, len), rows, len)
    }

    fn with_header(
        path: &Path,
        header: &str,
        rows: usize,
        len: usize,
    ) -> Result<Option<FeatureTable>, TrainError> {
        let read = || -> io::Result<Option<File>> {
            let mut file = match convscope_files::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            let mut found = Vec::new();
            Read::by_ref(&mut file).take(header.len() as u64).read_to_end(&mut found)?;
            let size = header.len() as u64 + rows as u64 * row_bytes(len);
            let is_same = found == header.as_bytes() && file.metadata()?.len() == size;
            Ok(is_same.then_some(file))
        };
        let file = read().map_err(TrainError::io("read the features", path))?;
        let start = header.len() as u64;
        Ok(file.map(|file| FeatureTable::File { file: Mutex::new(file), path: path.to_owned(), start, len }))
    }

    /// Values of a row.
    pub(crate) fn row_len(&self) -> usize {
        match *self {
            FeatureTable::Memory { len, .. } | FeatureTable::File { len, .. } => len,
        }
    }

    /// Appends a row to `values`.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::FeaturesDamaged`].
    pub(crate) fn read(&self, row: usize, values: &mut Vec<f32>) -> Result<(), TrainError> {
        match self {
            FeatureTable::Memory { values: all, len } => values.extend_from_slice(&all[row * len..][..*len]),
            FeatureTable::File { file, path, start, len } => {
                let mut bytes = vec![0; *len * size_of::<f32>() + CHECKSUM];
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let place = SeekFrom::Start(start + row as u64 * row_bytes(*len));
                let read = file.seek(place).and_then(|_| file.read_exact(&mut bytes));
                read.map_err(TrainError::io("read the features", path))?;
                let (bytes, checksum) = bytes.split_at(*len * size_of::<f32>());
                if crc32c::crc32c(bytes).to_le_bytes() != checksum {
                    return Err(damaged(path));
                }
                values.extend(bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)));
            }
        }
        Ok(())
    }
}

const CHECKSUM: usize = size_of::<u32>();

fn row_bytes(len: usize) -> u64 {
    (len * size_of::<f32>() + CHECKSUM) as u64
}

fn damaged(path: &Path) -> TrainError {
    TrainError::FeaturesDamaged { path: path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123";

    fn written(path: &Path) -> FeatureTable {
        let mut writer = FeatureTableWriter::in_file(path, KEY, 3, 2).unwrap();
        writer.append(&[1.0, -0.0, f32::NAN, 3.5]).unwrap();
        writer.append(&[5.0, 6.0]).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn a_file_returns_the_bits_of_the_row_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train");
        for table in [written(&path), FeatureTable::open(&path, KEY, 3, 2).unwrap().unwrap()] {
            let mut values = vec![9.0];
            [2, 0, 1].iter().for_each(|&row| table.read(row, &mut values).unwrap());
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&values), bits(&[9.0, 5.0, 6.0, 1.0, -0.0, f32::NAN, 3.5]));
        }
    }

    #[test]
    fn another_key_or_size_and_an_incomplete_file_are_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train");
        assert!(FeatureTable::open(&path, KEY, 3, 2).unwrap().is_none());
        drop(written(&path));
        assert!(FeatureTable::open(&path, KEY, 3, 2).unwrap().is_some());
        assert!(FeatureTable::open(&path, "0124", 3, 2).unwrap().is_none());
        assert!(FeatureTable::open(&path, KEY, 2, 3).unwrap().is_none());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(FeatureTable::open(&path, KEY, 3, 2).unwrap().is_none());
        // Without `finish`, there is no file.
        let other = folder.path().join("val");
        FeatureTableWriter::in_file(&other, KEY, 1, 1).unwrap().append(&[1.0]).unwrap();
        assert!(!other.exists());
    }

    #[test]
    fn a_changed_row_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train");
        drop(written(&path));
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 6;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let table = FeatureTable::open(&path, KEY, 3, 2).unwrap().unwrap();
        table.read(1, &mut Vec::new()).unwrap();
        let error = table.read(2, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, TrainError::FeaturesDamaged { .. }), "{error}");
    }
}
