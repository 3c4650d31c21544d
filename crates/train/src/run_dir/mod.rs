//! The run directory: everything a training run leaves, and all it needs to go on.

mod atomic;
mod data_record;
mod layer_metrics_csv;
mod metrics_csv;
mod summary;
mod tensorboard;

pub use atomic::write_atomic;
pub use data_record::{DataIdentity, DataPlace, DataRecord, Treatment};
pub use layer_metrics_csv::{LayerMetricsCsv, read_layer_metrics};
pub use metrics_csv::{MetricsCsv, read_complete_metrics, read_metrics};
pub use summary::Summary;
pub use tensorboard::{Distribution, EventsWriter, ValueRange};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::TrainConfig;
use crate::error::TrainError;

/// Where a new run goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunLocation {
    /// Into this folder, which must be absent or empty.
    Exact(PathBuf),
    /// Into this folder, or where it exists into the first free one of `<folder>-2`, `<folder>-3` and so on.
    Numbered(PathBuf),
}

impl RunLocation {
    /// `runs/<model>`, numbered when taken; of a model file its name without `.toml`.
    pub fn default_for(model: &str) -> Self {
        let name = Path::new(model).file_name().unwrap_or(model.as_ref()).to_string_lossy();
        Self::Numbered(Path::new("runs").join(name.strip_suffix(".toml").unwrap_or(&name)))
    }
}

/// A run directory on the disk.
///
/// ```text
/// config.toml                     what was asked, every default resolved
/// model.toml                      the network, as a model file
/// data.json                       which images are in which split, where they lie, what the network sees of them
/// metrics.csv                     a line an epoch
/// layer_metrics.csv               for each epoch a line for each layer
/// events.out.tfevents.*           the same for TensorBoard, with histograms and feature maps
/// summary.json                    what came of it
/// weights/best.safetensors        the weights of the best epoch
/// weights/last.safetensors        the weights of the last one
/// checkpoint/state.safetensors    all that resuming needs
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the folder of a new run and writes its `config.toml`. Of several processes that want the same folder at the
    /// same time one gets it.
    ///
    /// # Errors
    /// [`TrainError::OutputTaken`], [`TrainError::Io`] and what [`TrainConfig::validate`] has; nothing is left behind then.
    pub fn create(location: &RunLocation, config: &TrainConfig) -> Result<Self, TrainError> {
        let config = config.to_toml()?;
        let run = match location {
            RunLocation::Exact(path) => Self::claim_exact(path)?,
            RunLocation::Numbered(path) => Self::claim_numbered(path)?,
        };
        let written = run
            .make_folders()
            .and_then(|()| write_atomic(&run.config_path(), |file| file.write_all(config.as_bytes())));
        if let Err(error) = written {
            run.abandon();
            return Err(error);
        }
        Ok(run)
    }

    /// The directory of a run that was started before. Nothing is written into it.
    ///
    /// # Errors
    /// [`TrainError::NotARun`] when there is no `config.toml` in it, [`TrainError::Io`] when it cannot be looked at.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        let run = Self { path: path.to_owned() };
        fs::metadata(path).map_err(TrainError::io("open the run directory", path))?;
        if !run.config_path().is_file() {
            return Err(TrainError::NotARun { path: path.to_owned() });
        }
        Ok(run)
    }

    /// The run that a path names: its directory, or a weights file in it. None for a weights file that lies elsewhere.
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

    /// The configuration the run was started with.
    ///
    /// # Errors
    /// As [`TrainConfig::read`].
    pub fn config(&self) -> Result<TrainConfig, TrainError> {
        TrainConfig::read(&self.config_path())
    }

    /// What the run records of its images; none where it was begun by a version that did not.
    ///
    /// # Errors
    /// As [`DataRecord::read`].
    pub fn data(&self) -> Result<Option<DataRecord>, TrainError> {
        let path = self.data_path();
        if path.exists() { DataRecord::read(&path).map(Some) } else { Ok(None) }
    }

    fn claim_exact(path: &Path) -> Result<Self, TrainError> {
        make_parents(path)?;
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let taken = || TrainError::OutputTaken { path: path.to_owned() };
                let empty = match fs::read_dir(path) {
                    Ok(mut entries) => entries.next().is_none(),
                    Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
                    Err(error) => return Err(TrainError::io("look into the folder", path)(error)),
                };
                if !empty {
                    return Err(taken());
                }
                // Whoever makes this folder first has the run.
                match fs::create_dir(path.join("weights")) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(taken()),
                    made => made.map_err(TrainError::io("create the folder", &path.join("weights")))?,
                }
            }
            Err(error) => return Err(TrainError::io("create the folder", path)(error)),
        }
        Ok(Self { path: path.to_owned() })
    }

    fn claim_numbered(first: &Path) -> Result<Self, TrainError> {
        make_parents(first)?;
        let mut path = first.to_owned();
        let mut number = 1_u64;
        loop {
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(TrainError::io("create the folder", &path)(error)),
            }
            number += 1;
            let mut numbered = first.as_os_str().to_owned();
            numbered.push(format!("-{number}"));
            path = numbered.into();
        }
    }

    /// Makes the folders that training writes into.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub(crate) fn make_folders(&self) -> Result<(), TrainError> {
        for folder in ["weights", "checkpoint"] {
            let folder = self.path.join(folder);
            fs::create_dir_all(&folder).map_err(TrainError::io("create the folder", &folder))?;
        }
        Ok(())
    }

    /// Takes back what was made; folders that hold something stay, since only empty ones can be removed so.
    fn abandon(&self) {
        for folder in [self.path.join("weights"), self.path.join("checkpoint"), self.path.clone()] {
            let _ = fs::remove_dir(folder);
        }
    }
}

fn make_parents(path: &Path) -> Result<(), TrainError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            fs::create_dir_all(parent).map_err(TrainError::io("create the folder", parent))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_taken_name_is_numbered_even_among_racing_threads() {
        let folder = tempfile::tempdir().unwrap();
        let location = RunLocation::Numbered(folder.path().join("runs/plain8"));
        let config = TrainConfig::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| RunDir::create(&location, &config).unwrap());
            }
        });
        let mut expected: Vec<String> = (2..=8).map(|number| format!("plain8-{number}")).collect();
        expected.insert(0, "plain8".to_owned());
        assert_eq!(names(&folder.path().join("runs")), expected);
        for name in expected {
            assert_eq!(
                names(&folder.path().join("runs").join(name)),
                ["checkpoint", "config.toml", "weights"]
            );
        }
    }

    #[test]
    fn an_empty_folder_is_taken_by_one_and_refused_to_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let location = RunLocation::Exact(folder.path().to_owned());
        let config = TrainConfig::default();
        let made = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| RunDir::create(&location, &config))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(Result::is_ok).count()
        });
        assert_eq!(made, 1);
        assert!(matches!(RunDir::create(&location, &config), Err(TrainError::OutputTaken { .. })));
        let run = RunDir::open(folder.path()).unwrap();
        assert_eq!(run.config().unwrap(), config);
    }

    #[test]
    fn a_file_in_the_way_and_a_folder_that_is_no_run_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = RunDir::create(&RunLocation::Exact(file.clone()), &TrainConfig::default()).unwrap_err();
        assert!(matches!(error, TrainError::OutputTaken { .. }), "{error}");
        let below = RunLocation::Numbered(file.join("runs/plain8"));
        let error = RunDir::create(&below, &TrainConfig::default()).unwrap_err().to_string();
        assert!(error.contains("cannot create the folder"), "{error}");
        assert!(matches!(RunDir::open(folder.path()), Err(TrainError::NotARun { .. })));
        let error = RunDir::open(&folder.path().join("absent")).unwrap_err().to_string();
        assert!(error.contains("absent: cannot open the run directory"), "{error}");
    }

    #[test]
    fn an_invalid_configuration_makes_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainConfig { lr: f64::NAN, ..TrainConfig::default() };
        assert!(RunDir::create(&RunLocation::Exact(folder.path().join("run")), &config).is_err());
        assert!(names(folder.path()).is_empty());
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
