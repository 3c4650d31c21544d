//! Event files for TensorBoard: TFRecord frames around `Event` messages with scalars and histograms.
//!
//! A frame is the length as u64, its checksum, the message, its checksum, all little-endian; the checksum is a rotated CRC-32C
//! (TensorFlow's `tsl/lib/io/record_writer.h`). The messages are `tensorboard/compat/proto/event.proto` and `summary.proto`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::TrainError;

/// An open event file. Scalars are stored as f32, as TensorBoard has them.
#[derive(Debug)]
pub struct EventsWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl EventsWriter {
    /// Starts a file `events.out.tfevents.<seconds>.convscope` in `folder`. Steps of older files in the folder from
    /// `first_step` on are disregarded by TensorBoard, so that a resumed run shows one line.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn create(folder: &Path, first_step: u64) -> Result<Self, TrainError> {
        let now = wall_time();
        let mut seconds = now as u64;
        let (path, file) = loop {
            let path = folder.join(format!("events.out.tfevents.{seconds}.convscope"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break (path, BufWriter::new(file)),
                // TensorBoard reads the files in the order of their names; a later number keeps it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => seconds += 1,
                Err(error) => return Err(TrainError::io("create the file", &path)(error)),
            }
        };
        let mut writer = Self { path, file };
        writer.write(&[&version_event(now), &start_event(now, first_step)])?;
        Ok(writer)
    }

    /// Writes the scalars of one step and brings them to the disk.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<(), TrainError> {
        let event = scalars_event(wall_time(), step, scalars);
        self.write(&[&event])
    }

    /// Writes the distribution of some values at a step, those that are not finite left out, and brings it to the disk.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn histogram(&mut self, step: u64, tag: &str, values: &[f32]) -> Result<(), TrainError> {
        let event = histogram_event(wall_time(), step, tag, values);
        self.write(&[&event])
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, events: &[&[u8]]) -> Result<(), TrainError> {
        let written = events.iter().try_for_each(|event| write_record(&mut self.file, event));
        written.and_then(|()| self.file.flush()).map_err(TrainError::io("write the file", &self.path))
    }
}

fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

fn write_record(file: &mut impl Write, event: &[u8]) -> io::Result<()> {
    let length = (event.len() as u64).to_le_bytes();
    file.write_all(&length)?;
    file.write_all(&masked_crc(&length).to_le_bytes())?;
    file.write_all(event)?;
    file.write_all(&masked_crc(event).to_le_bytes())
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The first record of every file: `Event { wall_time = 1, file_version = 3 }`.
fn version_event(time: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, time);
    event.bytes(3, b"brain.Event:2");
    event.0
}

/// `Event { wall_time = 1, step = 2, session_log = 7 }` with `SessionLog { status = 1 }` of `START = 1`.
fn start_event(time: f64, step: u64) -> Vec<u8> {
    let mut log = Message::default();
    log.varint(1, 1);
    let mut event = Message::default();
    event.double(1, time);
    event.varint(2, step);
    event.bytes(7, &log.0);
    event.0
}

/// `Event { wall_time = 1, step = 2, summary = 5 }` with `Summary { value = 1 }` of `Value { tag = 1, simple_value = 2 }`.
fn scalars_event(time: f64, step: u64, scalars: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Message::default();
    for &(tag, number) in scalars {
        let mut value = Message::default();
        value.bytes(1, tag.as_bytes());
        value.float(2, number as f32);
        summary.bytes(1, &value.0);
    }
    let mut event = Message::default();
    event.double(1, time);
    event.varint(2, step);
    event.bytes(5, &summary.0);
    event.0
}

/// Even bins of a histogram.
const BINS: usize = 64;

/// As [`scalars_event`], with `Value { tag = 1, histo = 5 }` of `HistogramProto { min = 1, max = 2, num = 3, sum = 4,
/// sum_squares = 5, bucket_limit = 6, bucket = 7 }`.
fn histogram_event(time: f64, step: u64, tag: &str, values: &[f32]) -> Vec<u8> {
    let finite = || values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value));
    let (mut min, mut max) = finite()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), value| (min.min(value), max.max(value)));
    if min > max {
        (min, max) = (0.0, 0.0);
    }
    let width = (max - min) / BINS as f64;
    let mut counts = [0_u64; BINS];
    for value in finite() {
        let bin = if width > 0.0 { ((value - min) / width) as usize } else { 0 };
        counts[bin.min(BINS - 1)] += 1;
    }
    let mut histogram = Message::default();
    histogram.double(1, min);
    histogram.double(2, max);
    histogram.double(3, counts.iter().sum::<u64>() as f64);
    histogram.double(4, finite().sum());
    histogram.double(5, finite().map(|value| value * value).sum());
    let packed =
        |numbers: &mut dyn Iterator<Item = f64>| -> Vec<u8> { numbers.flat_map(f64::to_le_bytes).collect() };
    let limit = |bin: usize| if bin + 1 == BINS { max } else { min + (bin + 1) as f64 * width };
    histogram.bytes(6, &packed(&mut (0..BINS).map(limit)));
    histogram.bytes(7, &packed(&mut counts.iter().map(|&count| count as f64)));
    let mut value = Message::default();
    value.bytes(1, tag.as_bytes());
    value.bytes(5, &histogram.0);
    let mut summary = Message::default();
    summary.bytes(1, &value.0);
    let mut event = Message::default();
    event.double(1, time);
    event.varint(2, step);
    event.bytes(5, &summary.0);
    event.0
}

/// A protocol-buffer message in the making: each field is its number and wire type, then its value.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, field: u64, value: u64) {
        self.raw_varint(field << 3);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.raw_varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.raw_varint(field << 3 | 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.raw_varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
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
        // What `masked_crc32c` of the tensorboard package answers.
        assert_eq!(masked_crc(b"123456789"), 0xc78a_b0e5);
        assert_eq!(masked_crc(&24_u64.to_le_bytes()), 0x224b_7fa3);
    }

    #[test]
    fn messages_have_the_wire_format() {
        let event = scalars_event(1.5, 300, &[("a", 0.25), ("bc", -2.0)]);
        let mut expected = vec![0x09];
        expected.extend(1.5_f64.to_le_bytes());
        expected.extend([0x10, 0xac, 0x02, 0x2a, 21]);
        expected.extend([0x0a, 8, 0x0a, 1, b'a', 0x15, 0, 0, 0x80, 0x3e]);
        expected.extend([0x0a, 9, 0x0a, 2, b'b', b'c', 0x15, 0, 0, 0, 0xc0]);
        assert_eq!(event, expected);
    }

    #[test]
    fn histograms_count_every_finite_value() {
        let event = histogram_event(0.0, 3, "w", &[-1.0, 3.0, 3.0, 0.0, f32::NAN]);
        let doubles = |from: usize, count: usize| -> Vec<f64> {
            event[from..].as_chunks().0[..count].iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
        };
        let end = event.len();
        let counts = doubles(end - 8 * BINS, BINS);
        assert_eq!(
            (counts[0], counts[16], counts[BINS - 1], counts.iter().sum::<f64>()),
            (1.0, 1.0, 2.0, 4.0)
        );
        // Before the counts and before the limits stand a field number and a length of two bytes.
        let limits = doubles(end - 16 * BINS - 3, BINS);
        assert_eq!((limits[0], limits[BINS - 1]), (-0.9375, 3.0));
        let first = end - 16 * BINS - 6 - 5 * 9;
        let numbers: Vec<f64> = (0..5).map(|field| doubles(first + 9 * field + 1, 1)[0]).collect();
        assert_eq!(numbers, [-1.0, 3.0, 4.0, 5.0, 19.0]);
        histogram_event(0.0, 3, "w", &[]);
    }

    #[test]
    fn files_are_whole_records_and_never_share_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = EventsWriter::create(folder.path(), 0).unwrap();
        let mut second = EventsWriter::create(folder.path(), 1).unwrap();
        assert!(first.path() < second.path());
        first.scalars(1, &[("loss/train", 0.5)]).unwrap();
        second.scalars(2, &[("loss/train", 0.25), ("loss/val", 0.125)]).unwrap();
        second.scalars(3, &[]).unwrap();
        let (first, second) = (fs::read(first.path()).unwrap(), fs::read(second.path()).unwrap());
        let (first, second) = (records(&first), records(&second));
        assert_eq!((first.len(), second.len()), (3, 4));
        assert!(first[0].ends_with(b"\x1a\x0dbrain.Event:2"));
        assert!(second[1].ends_with(&[0x10, 1, 0x3a, 2, 0x08, 1]));
        assert_eq!(first[2][9..], scalars_event(0.0, 1, &[("loss/train", 0.5)])[9..]);
    }
}
