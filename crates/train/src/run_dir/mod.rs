//! The run directory: everything a training run writes, and everything it needs to continue.

mod atomic;
mod csv_log;
mod data_record;
mod layer_metrics_csv;
mod locked;
mod metrics_csv;
mod strip;
mod summary;
mod tensorboard;

pub use atomic::write_atomic;
pub use data_record::{DataIdentity, DataPlace, DataRecord, Treatment};
pub use layer_metrics_csv::{LayerMetricsCsv, read_layer_metrics};
pub use locked::LockedRun;
pub use metrics_csv::{MetricsCsv, read_complete_metrics, read_metrics};
pub use summary::Summary;
pub use tensorboard::{Distribution, EventsWriter, ValueRange};

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::TrainConfig;
use crate::error::TrainError;

/// Where a new run goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunLocation {
    /// In this folder, which must not exist or be empty.
    Exact(PathBuf),
    /// In this folder or, if it exists, in the first free one of `<folder>-2`, `<folder>-3` and so on.
    Numbered(PathBuf),
}

impl RunLocation {
    /// `runs/<model>`, numbered if taken; for a model file, its name without `.toml`.
    pub fn default_for(model: &str) -> Self {
        let name = Path::new(model).file_name().unwrap_or(model.as_ref()).to_string_lossy();
        Self::Numbered(Path::new("runs").join(name.strip_suffix(".toml").unwrap_or(&name)))
    }
}

/// A run directory on disk, for reading; [`LockedRun`] is one that this process writes to.
///
/// ```text
/// config.toml                     the settings, with every default resolved
/// model.toml                      the network, as a model file
/// data.json                       which images are in which split, where they are, how they are preprocessed
/// metrics.csv                     one line per epoch
/// layer_metrics.csv               for each epoch, a line per layer
/// events.out.tfevents.*           the same for TensorBoard, with histograms and feature maps
/// summary.json                    the results
/// weights/best.safetensors        the weights of the best epoch
/// weights/last.safetensors        the weights of the last epoch
/// checkpoint/state.safetensors    everything that resuming needs
/// teacher/                        the run of a teacher that was trained first, if the configuration has one
/// .lock                           held by the process that trains
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Opens the directory of an existing run. Nothing is written to it.
    ///
    /// # Errors
    /// [`TrainError::NotARun`] if it has no `config.toml`, [`TrainError::Io`] if it cannot be read.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        let run = Self { path: path.to_owned() };
        fs::metadata(path).map_err(TrainError::io("open the run directory", path))?;
        if !run.config_path().is_file() {
            return Err(TrainError::NotARun { path: path.to_owned() });
        }
        Ok(run)
    }

    /// The run that a path names: its directory, or a weights file in it. `None` for a weights file elsewhere.
    ///
    /// # Errors
    /// As [`open`](Self::open) for a folder.
    pub fn of(run_or_weights_file: &Path) -> Result<Option<Self>, TrainError> {
        if run_or_weights_file.is_dir() {
            return Self::open(run_or_weights_file).map(Some);
        }
        let file = run_or_weights_file.canonicalize().ok();
        let weights = file.as_deref().and_then(Path::parent).filter(|folder| folder.ends_with("weights"));
        let run = weights.and_then(Path::parent).map(|path| Self { path: path.to_owned() });
        Ok(run.filter(|run| run.config_path().is_file()))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.toml`.
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// `model.toml`.
    pub fn model_path(&self) -> PathBuf {
        self.path.join("model.toml")
    }

    /// `data.json`.
    pub fn data_path(&self) -> PathBuf {
        self.path.join("data.json")
    }

    /// `metrics.csv`.
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.csv")
    }

    /// `layer_metrics.csv`.
    pub fn layer_metrics_path(&self) -> PathBuf {
        self.path.join("layer_metrics.csv")
    }

    /// `summary.json`.
    pub fn summary_path(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    /// `weights/best.safetensors`.
    pub fn best_weights_path(&self) -> PathBuf {
        self.path.join("weights").join("best.safetensors")
    }

    /// `weights/last.safetensors`.
    pub fn last_weights_path(&self) -> PathBuf {
        self.path.join("weights").join("last.safetensors")
    }

    /// `checkpoint/state.safetensors`.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.join("checkpoint").join("state.safetensors")
    }

    /// `teacher`.
    pub fn teacher_path(&self) -> PathBuf {
        self.path.join(TEACHER)
    }

    /// Whether the run has a teacher of its own that is trained to the end.
    pub fn has_trained_teacher(&self) -> bool {
        Self::open(&self.teacher_path()).is_ok_and(|teacher| teacher.summary_path().is_file())
    }

    /// `.lock`.
    pub fn lock_path(&self) -> PathBuf {
        self.path.join(".lock")
    }

    /// The configuration that the run was started with.
    ///
    /// # Errors
    /// As [`TrainConfig::read`].
    pub fn config(&self) -> Result<TrainConfig, TrainError> {
        TrainConfig::read(&self.config_path())
    }

    /// The run's record of its images; `None` if it was started by a version that did not write one.
    ///
    /// # Errors
    /// As [`DataRecord::read`].
    pub fn data(&self) -> Result<Option<DataRecord>, TrainError> {
        let path = self.data_path();
        if path.exists() { DataRecord::read(&path).map(Some) } else { Ok(None) }
    }
}

/// The folder of a run's own teacher.
const TEACHER: &str = "teacher";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_no_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(RunDir::open(folder.path()), Err(TrainError::NotARun { .. })));
        let error = RunDir::open(&folder.path().join("absent")).unwrap_err().to_string();
        assert!(error.contains("absent: cannot open the run directory"), "{error}");
    }

    #[test]
    fn reading_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), TrainConfig::default().to_toml().unwrap()).unwrap();
        RunDir::open(folder.path()).unwrap().config().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn default_folder_carries_the_name_of_the_model() {
        let folder = |model| match RunLocation::default_for(model) {
            RunLocation::Numbered(path) => path,
            RunLocation::Exact(path) => panic!("{path:?} is not numbered"),
        };
        assert_eq!(folder("plain8"), Path::new("runs").join("plain8"));
        assert_eq!(folder("nets/my.net.toml"), Path::new("runs").join("my.net"));
    }
}
