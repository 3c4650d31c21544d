//! `metrics.csv`: a header and one line per epoch.

use std::fs::File;
use std::io;
use std::path::Path;

use super::csv_log::CsvLog;
use crate::error::TrainError;
use crate::metrics::EpochMetrics;

/// The open `metrics.csv` of a run; its columns are the fields of [`EpochMetrics`].
#[derive(Debug)]
pub struct MetricsCsv(CsvLog);

impl MetricsCsv {
    /// Creates the file of a new run.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn create(path: &Path) -> Result<Self, TrainError> {
        CsvLog::start_with(path, &[] as &[EpochMetrics]).map(Self)
    }

    /// Continues the file of a resumed run, truncated to the epochs in its checkpoint, `1..=epochs`. A line left
    /// unfinished by a crash is removed too.
    ///
    /// # Errors
    /// [`TrainError::Io`], and [`TrainError::BadContents`] if a line of those epochs is missing or unreadable.
    pub fn resume(path: &Path, epochs: u64) -> Result<Self, TrainError> {
        let mut kept = Vec::new();
        if epochs > 0 {
            let mut lines = open_reader(path)?;
            let lines: Vec<_> =
                lines.deserialize().take(usize::try_from(epochs).unwrap_or(usize::MAX)).collect();
            for line in lines {
                kept.push(line.map_err(|error| bad_line(path, &error))?);
            }
        }
        if !kept.iter().map(|line: &EpochMetrics| line.epoch).eq(1..=epochs) {
            let reason = format!(
                "does not have the epochs 1 to {epochs} of the checkpoint; restore it or start the run again"
            );
            return Err(TrainError::BadContents { path: path.to_owned(), reason });
        }
        CsvLog::start_with(path, &kept).map(Self)
    }

    /// Appends the line of an epoch and syncs it to disk.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn append(&mut self, metrics: &EpochMetrics) -> Result<(), TrainError> {
        self.0.append(std::slice::from_ref(metrics))
    }
}

/// All lines of a `metrics.csv`.
///
/// # Errors
/// [`TrainError::Io`] and [`TrainError::BadContents`] with the line.
pub fn read_metrics(path: &Path) -> Result<Vec<EpochMetrics>, TrainError> {
    open_reader(path)?.deserialize().map(|line| line.map_err(|error| bad_line(path, &error))).collect()
}

/// The lines of a `metrics.csv` that another process may be writing: without an incomplete last line; empty if there is
/// no file yet.
///
/// # Errors
/// As [`read_metrics`].
pub fn read_complete_metrics(path: &Path) -> Result<Vec<EpochMetrics>, TrainError> {
    let text = match convscope_files::read(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(TrainError::io("read the file", path))?,
    };
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let mut reader = csv::Reader::from_reader(&text[..whole]);
    reader.deserialize().map(|line| line.map_err(|error| bad_line(path, &error))).collect()
}

fn open_reader(path: &Path) -> Result<csv::Reader<File>, TrainError> {
    let file = convscope_files::open(path).map_err(TrainError::io("read the file", path))?;
    Ok(csv::Reader::from_reader(file))
}

fn bad_line(path: &Path, error: &csv::Error) -> TrainError {
    TrainError::BadContents { path: path.to_owned(), reason: format!("is not a table of epochs: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn line(epoch: u64) -> EpochMetrics {
        EpochMetrics {
            epoch,
            learning_rate: 0.1 + 0.2,
            train_loss: 1.0 / epoch as f64,
            train_accuracy: 0.25,
            val_loss: 1e-7,
            val_accuracy: 0.75,
            seconds: 2.5,
            images_per_second: 1234.5,
            data_wait_seconds: 0.0,
        }
    }

    #[test]
    fn every_epoch_is_on_the_disk_at_once_under_its_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut metrics = MetricsCsv::create(&path).unwrap();
        for epoch in 1..=2 {
            metrics.append(&line(epoch)).unwrap();
            assert_eq!(read_metrics(&path).unwrap().last(), Some(&line(epoch)));
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.lines().next(),
            Some(
                "epoch,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,seconds,images_per_second,data_wait_seconds"
            )
        );
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn resuming_cuts_to_the_known_epochs_and_drops_a_broken_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut metrics = MetricsCsv::create(&path).unwrap();
        (1..=4).for_each(|epoch| metrics.append(&line(epoch)).unwrap());
        drop(metrics);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 12]).unwrap();
        assert_eq!(read_complete_metrics(&path).unwrap(), [1, 2, 3].map(line));
        assert_eq!(read_complete_metrics(&folder.path().join("absent.csv")).unwrap(), []);
        for known in [3, 2, 0] {
            let mut metrics = MetricsCsv::resume(&path, known).unwrap();
            metrics.append(&line(known + 1)).unwrap();
            let expected: Vec<EpochMetrics> = (1..=known + 1).map(line).collect();
            assert_eq!(read_metrics(&path).unwrap(), expected);
        }
    }

    #[test]
    fn resuming_without_the_known_epochs_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        MetricsCsv::create(&path).unwrap().append(&line(1)).unwrap();
        let error = MetricsCsv::resume(&path, 2).unwrap_err().to_string();
        assert!(error.contains("metrics.csv: does not have the epochs 1 to 2"), "{error}");
        fs::write(&path, "a,b\n1,2\n").unwrap();
        assert!(matches!(MetricsCsv::resume(&path, 1), Err(TrainError::BadContents { .. })));
    }
}
