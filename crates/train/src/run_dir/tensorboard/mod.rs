//! Event files for TensorBoard: TFRecord frames around `Event` messages with scalars, histograms and pictures.
//!
//! A frame is the length as u64, its checksum, the message, its checksum, all little-endian; the checksum is a rotated CRC-32C
//! (TensorFlow's `tsl/lib/io/record_writer.h`).

mod distribution;
mod message;

pub use distribution::{Distribution, ValueRange};

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use convscope_files::AppendFile;

use crate::error::TrainError;
use message::{histogram_event, image_event, layout_event, scalars_event, start_event, version_event};

/// An open event file. Scalars are stored as f32, as in TensorBoard. Events are collected and written to disk together
/// by [`sync`](Self::sync); unsynced ones are lost when the value is dropped.
#[derive(Debug)]
pub struct EventsWriter {
    path: PathBuf,
    file: AppendFile,
    /// Events that are not in the file yet.
    waiting: Vec<u8>,
}

impl EventsWriter {
    /// Creates a file `events.out.tfevents.<seconds>.convscope` in `folder`. TensorBoard ignores steps from
    /// `first_step` on in older files of the folder, so that a resumed run shows one line.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn create(folder: &Path, first_step: u64) -> Result<Self, TrainError> {
        let now = wall_time();
        let mut seconds = now as u64;
        let (path, file) = loop {
            let path = folder.join(format!("events.out.tfevents.{seconds}.convscope"));
            match AppendFile::create_new(&path) {
                Ok(file) => break (path, file),
                // TensorBoard reads the files in the order of their names; a later number preserves it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => seconds += 1,
                Err(error) => return Err(TrainError::io("create the file", &path)(error)),
            }
        };
        let mut writer = Self { path, file, waiting: Vec::new() };
        writer.add(&version_event(now));
        writer.add(&start_event(now, first_step));
        writer.sync()?;
        Ok(writer)
    }

    /// Adds charts that show several scalars together: the title of each with the tags of its lines. They are on TensorBoard's page
    /// "Custom scalars".
    pub fn charts(&mut self, category: &str, charts: &[(&str, &[&str])]) {
        self.add(&layout_event(wall_time(), category, charts));
    }

    /// Adds the scalars of one step.
    pub fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) {
        self.add(&scalars_event(wall_time(), step, scalars));
    }

    /// Adds the distribution of some values at a step.
    pub fn histogram(&mut self, step: u64, tag: &str, values: &Distribution) {
        self.add(&histogram_event(wall_time(), step, tag, values));
    }

    /// Adds a picture at a step: its height and width, and the bytes of a PNG file.
    pub fn image(&mut self, step: u64, tag: &str, size: [u32; 2], png: &[u8]) {
        self.add(&image_event(wall_time(), step, tag, size, png));
    }

    /// Writes all events so far to disk.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn sync(&mut self) -> Result<(), TrainError> {
        let events = std::mem::take(&mut self.waiting);
        self.file.append(&events).map_err(TrainError::io("write the file", &self.path))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn add(&mut self, event: &[u8]) {
        let length = (event.len() as u64).to_le_bytes();
        self.waiting.extend_from_slice(&length);
        self.waiting.extend_from_slice(&masked_crc(&length).to_le_bytes());
        self.waiting.extend_from_slice(event);
        self.waiting.extend_from_slice(&masked_crc(event).to_le_bytes());
    }
}

fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut rest = bytes;
        let mut records = Vec::new();
        while !rest.is_empty() {
            let (header, after) = rest.split_at(12);
            let length = u64::from_le_bytes(header[..8].try_into().unwrap()) as usize;
            assert_eq!(header[8..], masked_crc(&header[..8]).to_le_bytes());
            assert_eq!(after[length..length + 4], masked_crc(&after[..length]).to_le_bytes());
            records.push(after[..length].to_vec());
            rest = &after[length + 4..];
        }
        records
    }

    #[test]
    fn checksum_is_the_masked_crc32c() {
        // The result of `masked_crc32c` in the tensorboard package.
        assert_eq!(masked_crc(b"123456789"), 0xc78a_b0e5);
        assert_eq!(masked_crc(&24_u64.to_le_bytes()), 0x224b_7fa3);
    }

    #[test]
    fn files_are_whole_records_and_never_share_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = EventsWriter::create(folder.path(), 0).unwrap();
        let mut second = EventsWriter::create(folder.path(), 1).unwrap();
        assert!(first.path() < second.path());
        first.scalars(1, &[("loss/train", 0.5)]);
        first.sync().unwrap();
        second.scalars(2, &[("loss/train", 0.25), ("loss/val", 0.125)]);
        second.scalars(3, &[]);
        second.sync().unwrap();
        second.scalars(4, &[]);
        let (first, second) = (fs::read(first.path()).unwrap(), fs::read(second.path()).unwrap());
        let (first, second) = (records(&first), records(&second));
        assert_eq!((first.len(), second.len()), (3, 4));
        assert!(first[0].ends_with(b"\x1a\x0dbrain.Event:2"));
        assert!(second[1].ends_with(&[0x10, 1, 0x3a, 2, 0x08, 1]));
        assert_eq!(first[2][9..], scalars_event(0.0, 1, &[("loss/train", 0.5)])[9..]);
    }
}
