//! `layer_metrics.csv`: a header, and for each epoch a line per layer.

use std::path::Path;

use super::csv_log::CsvLog;
use crate::error::TrainError;
use crate::layer_meter::LayerMetrics;

/// The open `layer_metrics.csv` of a run; its columns are the fields of [`LayerMetrics`].
#[derive(Debug)]
pub struct LayerMetricsCsv(CsvLog);

impl LayerMetricsCsv {
    /// Creates the file, or continues it after the first `epochs` epochs: later lines, and one left unfinished by a
    /// crash, are removed. A run that was started without the file gets it from this point on.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn resume(path: &Path, epochs: u64) -> Result<Self, TrainError> {
        let mut kept = if epochs > 0 && path.exists() { whole_lines(path)? } else { Vec::new() };
        kept.retain(|line| line.epoch <= epochs);
        CsvLog::start_with(path, &kept).map(Self)
    }

    /// Appends the lines of an epoch and syncs them to disk.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn append(&mut self, lines: &[LayerMetrics]) -> Result<(), TrainError> {
        self.0.append(lines)
    }
}

/// The lines of a `layer_metrics.csv` up to the first incomplete one, which may still be being written.
///
/// # Errors
/// [`TrainError::Io`].
pub fn read_layer_metrics(path: &Path) -> Result<Vec<LayerMetrics>, TrainError> {
    whole_lines(path)
}

fn whole_lines(path: &Path) -> Result<Vec<LayerMetrics>, TrainError> {
    let file = convscope_files::open(path).map_err(TrainError::io("read the file", path))?;
    Ok(csv::Reader::from_reader(file).deserialize().map_while(Result::ok).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn lines(epoch: u64) -> Vec<LayerMetrics> {
        ["conv2d", "dense"]
            .map(|layer| LayerMetrics {
                epoch,
                layer: layer.to_string(),
                gradient_norm: 0.1 + epoch as f64,
                update_ratio: 1e-3,
                weight_norm: 12.5,
            })
            .to_vec()
    }

    #[test]
    fn resuming_never_doubles_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layer_metrics.csv");
        let mut file = LayerMetricsCsv::resume(&path, 0).unwrap();
        (1..=3).for_each(|epoch| file.append(&lines(epoch)).unwrap());
        drop(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().next(), Some("epoch,layer,gradient_norm,update_ratio,weight_norm"));
        // The last line as left by a crash in the middle of it.
        fs::write(&path, &text[..text.len() - 12]).unwrap();
        for known in [2, 1, 0] {
            let mut file = LayerMetricsCsv::resume(&path, known).unwrap();
            file.append(&lines(known + 1)).unwrap();
            let expected: Vec<LayerMetrics> = (1..=known + 1).flat_map(lines).collect();
            assert_eq!(read_layer_metrics(&path).unwrap(), expected);
        }
    }

    #[test]
    fn a_run_from_before_the_file_gets_it_when_it_is_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("layer_metrics.csv");
        LayerMetricsCsv::resume(&path, 7).unwrap().append(&lines(8)).unwrap();
        assert_eq!(read_layer_metrics(&path).unwrap(), lines(8));
    }
}
