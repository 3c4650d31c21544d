//! A run that trains its own teacher first.

use std::sync::Arc;

use convscope_data::Source;
use convscope_kernels::threads;

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::run_dir::{LockedRun, RunDir, RunLocation};
use crate::session::{Session, check_trainable};

/// A run whose configuration has a [`TeacherConfig`](crate::config::TeacherConfig): the teacher is trained in the folder
/// `teacher` of the run, and is a run of its own there; then it teaches the network of the run. Both phases can be
/// interrupted at any time and end with the same bits.
///
/// ```
/// use convscope_data::{SourceOptions, SplitCounts, open};
/// use convscope_train::run_dir::{LockedRun, RunLocation};
/// use convscope_train::{PartialConfig, TaughtRun, TrainConfig};
///
/// let shapes = SplitCounts { train: 40, val: 10, test: 20 };
/// let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
/// let over: PartialConfig = toml::from_str("epochs = 1\nbatch_size = 20\nteacher.width = 2")?;
/// let folder = tempfile::tempdir()?;
/// let location = RunLocation::Exact(folder.path().join("run"));
/// let run = TaughtRun::start(TrainConfig::default().merged(&over)?, source, &location)?;
/// if let Some(mut teacher) = run.teacher()? {
///     teacher.train()?;
/// }
/// let outcome = run.student()?.train()?;
/// assert_eq!(outcome.test.unwrap().images, 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TaughtRun {
    run: LockedRun,
    config: TrainConfig,
    source: Arc<dyn Source>,
}

impl TaughtRun {
    /// Starts a run. Its folder gets the configuration, the network and the record of its images; until the teacher is
    /// trained, it has no checkpoint.
    ///
    /// # Errors
    /// A configuration, model, teacher, source or folder that cannot be used.
    pub fn start(
        config: TrainConfig,
        source: Arc<dyn Source>,
        location: &RunLocation,
    ) -> Result<TaughtRun, TrainError> {
        config.validate()?;
        threads::in_pool(|| {
            let normalization = config.data.normalization(&*source)?;
            for config in config.of_teacher()?.iter().chain([&config]) {
                check_trainable(config, &source, &normalization)?;
            }
            let run = LockedRun::create(location, &config)?;
            Session::record_beginning(&run, &config, &*source, &normalization)?;
            Ok(TaughtRun { run, config, source })
        })
    }

    /// Continues a run, whichever phase it is in. The source must have the images that the run records.
    ///
    /// # Errors
    /// A configuration that cannot be read or used.
    pub fn resume(run: LockedRun, source: Arc<dyn Source>) -> Result<TaughtRun, TrainError> {
        let config = run.config()?;
        config.validate()?;
        Ok(TaughtRun { run, config, source })
    }

    /// The run directory.
    pub fn run_dir(&self) -> &RunDir {
        &self.run
    }

    /// The session that trains the teacher, from the start or from its last checkpoint; none if the teacher is trained.
    ///
    /// # Errors
    /// Those of [`Session::start`] and [`Session::resume`].
    pub fn teacher(&self) -> Result<Option<Session>, TrainError> {
        let Some(config) = self.config.of_teacher()? else { return Ok(None) };
        if self.run.has_trained_teacher() {
            return Ok(None);
        }
        let (path, source) = (self.run.teacher_path(), Arc::clone(&self.source));
        if RunDir::open(&path).is_ok_and(|teacher| teacher.checkpoint_path().is_file()) {
            return Session::resume(LockedRun::open(&path)?, source).map(Some);
        }
        Session::start(config, source, &RunLocation::Exact(path)).map(Some)
    }

    /// The session that trains the network of the run, from the start or from its last checkpoint.
    ///
    /// # Errors
    /// [`TrainError::TeacherUntrained`] before the teacher's training is complete; those of [`Session::start`] and
    /// [`Session::resume`].
    pub fn student(self) -> Result<Session, TrainError> {
        if self.run.checkpoint_path().is_file() {
            return Session::resume(self.run, self.source);
        }
        Session::start_prepared(self.run, self.config, self.source)
    }
}
