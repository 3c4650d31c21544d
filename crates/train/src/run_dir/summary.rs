//! `summary.json`: the results of a run, for people and programs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::write_atomic;
use crate::error::TrainError;

/// The keys of `summary.json`. Accuracies are fractions and losses are means over images; both are those of the best
/// epoch's weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The preset or file of the network.
    pub model: String,
    /// The source of the images.
    pub data: String,
    /// How many numbers were trained.
    pub parameters: u64,
    /// How many epochs were run.
    pub epochs: u64,
    /// The epoch with the lowest validation loss, counted from 1; `null` if none was finite.
    pub best_epoch: Option<u64>,
    /// The loss on the training images.
    pub train_loss: Option<f64>,
    /// The loss on the validation images.
    pub val_loss: Option<f64>,
    /// The loss on the test images; `null` if the source has none.
    pub test_loss: Option<f64>,
    /// The accuracy on the training images.
    pub train_accuracy: Option<f64>,
    /// The accuracy on the validation images.
    pub val_accuracy: Option<f64>,
    /// The accuracy on the test images; `null` if the source has none.
    pub test_accuracy: Option<f64>,
    /// How long the run took.
    pub seconds: f64,
    /// Training images per second.
    pub images_per_second: f64,
    /// The largest resident memory; `null` if the system does not report it.
    pub peak_memory_bytes: Option<u64>,
    /// What was [predicted](crate::memory::Footprint) of it before the run began; `null` in older summaries.
    #[serde(default)]
    pub predicted_memory_bytes: Option<u64>,
    /// The version of convscope.
    pub version: String,
    /// The seed of the run.
    pub seed: u64,
}

impl Summary {
    /// Writes the file, atomically replacing an older one.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        write_atomic(path, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`TrainError::Io`] and [`TrainError::BadContents`].
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = convscope_files::read_to_string(path).map_err(TrainError::io("read the file", path))?;
        serde_json::from_str(&text).map_err(|error| TrainError::BadContents {
            path: path.to_owned(),
            reason: format!("is not the summary of a run: {error}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn has_the_promised_keys_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        let summary = Summary {
            model: "plain8".into(),
            data: "shapes".into(),
            parameters: 294_810,
            epochs: 5,
            best_epoch: Some(4),
            train_loss: Some(0.1),
            val_loss: Some(0.2),
            test_loss: None,
            train_accuracy: Some(0.9),
            val_accuracy: Some(0.8),
            test_accuracy: None,
            seconds: 12.5,
            images_per_second: 1000.25,
            peak_memory_bytes: Some(u64::MAX),
            predicted_memory_bytes: Some(70_000_000),
            version: "0.1.0".into(),
            seed: (1 << 63) - 1,
        };
        summary.write(&path).unwrap();
        assert_eq!(Summary::read(&path).unwrap(), summary);
        let text = fs::read_to_string(&path).unwrap();
        let keys: Vec<&str> = text.lines().filter_map(|line| line.trim().split('"').nth(1)).collect();
        let expected = "model data parameters epochs best_epoch train_loss val_loss test_loss train_accuracy val_accuracy \
                        test_accuracy seconds images_per_second peak_memory_bytes predicted_memory_bytes version seed";
        assert_eq!(keys, expected.split_whitespace().collect::<Vec<_>>());
        fs::write(&path, "{}").unwrap();
        assert!(
            Summary::read(&path)
                .unwrap_err()
                .to_string()
                .contains("summary.json: is not the summary of a run")
        );
    }
}
