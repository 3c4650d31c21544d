//! Trials that are trained in this process.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use convscope_data::{Source, without_test};
use convscope_kernels::threads;
use convscope_train::run_dir::{LockedRun, RunLocation, read_complete_metrics};
use convscope_train::sink::{EpochEnd, Sink, SinkResult};
use convscope_train::{Ending, Session};
use convscope_train::{RunDir, TrainConfig, TrainError};

use super::training::{Ended, Teller, Training, TrainingEvent, TrialRunner};
use crate::TuneError;

/// Trains each trial on threads of this process. The test images are not used.
///
/// A training that uses up the memory takes this process with it; a search that has to survive that trains in other processes.
///
/// ```no_run
/// use std::time::Duration;
/// use convscope_data::{SourceOptions, open};
/// use convscope_tune::runner::{InProcess, Keep, Runner};
/// let runner = Runner {
///     trials: Box::new(InProcess::new(|_| Ok(open("shapes", &SourceOptions::default())?))),
///     folder: "runs/search".into(),
///     jobs: 1,
///     threads: 2,
///     retry_pause: Duration::from_secs(1),
///     keep: Keep::All,
/// };
/// ```
pub struct InProcess {
    open: Arc<Open>,
}

type Open = dyn Fn(&TrainConfig) -> Result<Arc<dyn Source>, TrainError> + Send + Sync;

impl InProcess {
    /// `open` opens the images of a configuration.
    pub fn new(
        open: impl Fn(&TrainConfig) -> Result<Arc<dyn Source>, TrainError> + Send + Sync + 'static,
    ) -> InProcess {
        InProcess { open: Arc::new(open) }
    }
}

impl TrialRunner for InProcess {
    fn start(&self, file: &Path, threads: usize, tell: Teller) -> Result<Box<dyn Training>, TuneError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (open, asked, file) = (Arc::clone(&self.open), Arc::clone(&stop), file.to_owned());
        let work = move || {
            let trained = threads::pool(threads.max(1)).map_err(|error| Ended::SetBack(error.to_string()));
            let trained = trained.map(|pool| pool.install(|| train(&file, &*open, &asked, &tell)));
            let ended = match trained {
                Ok(Ok(ended)) | Err(ended) => ended,
                Ok(Err(error)) if is_of_machine(&error) => Ended::SetBack(error.to_string()),
                Ok(Err(error)) => Ended::Failed(error.to_string()),
            };
            tell.tell(TrainingEvent::Ended(ended));
        };
        let started = thread::Builder::new().name("trial".to_owned()).spawn(work);
        started.map_err(|cause| TuneError::Start { program: "a thread".into(), cause })?;
        Ok(Box::new(Stop(stop)))
    }
}

/// Asks a training to end.
struct Stop(Arc<AtomicBool>);

impl Training for Stop {
    fn stop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.stop();
    }
}

fn train(file: &Path, open: &Open, stop: &AtomicBool, tell: &Teller) -> Result<Ended, TuneError> {
    let config = TrainConfig::read(file)?;
    let folder = file.with_extension("");
    let source = open(&config)?;
    let source = if config.data.train_on_val { source } else { without_test(source) };
    let has_checkpoint = RunDir::open(&folder).is_ok_and(|run| run.checkpoint_path().is_file());
    let mut session = if has_checkpoint {
        let run = LockedRun::open(&folder)?;
        for line in read_complete_metrics(&run.metrics_path())? {
            tell.tell(TrainingEvent::Epoch { epoch: line.epoch, accuracy: line.val_accuracy });
        }
        Session::resume(run, source)?
    } else {
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(TuneError::io("remove the folder", &folder))?;
        }
        Session::start(config, source, &RunLocation::Exact(folder))?
    };
    let outcome = session.run(stop, &mut Epochs(tell))?;
    Ok(if outcome.ending == Ending::Interrupted { Ended::Stopped } else { Ended::Completed })
}

/// Tells of each epoch.
struct Epochs<'a>(&'a Teller);

impl Sink for Epochs<'_> {
    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        let (epoch, accuracy) = (end.metrics.epoch, end.metrics.val_accuracy);
        self.0.tell(TrainingEvent::Epoch { epoch, accuracy });
        Ok(())
    }
}

/// Whether the machine is at fault, so that the training may be repeated.
fn is_of_machine(error: &TuneError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<io::Error>() || error.is::<convscope_ops::OutOfMemory>() {
            return true;
        }
        cause = error.source();
    }
    false
}
