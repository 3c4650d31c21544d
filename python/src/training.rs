//! Training in a thread of its own, while the thread that asked for it calls back and listens for Ctrl-C.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use convscope::data::{Source, Split};
use convscope::graph::{ModelDescription, WeightsFile};
use convscope::pool;
use convscope::report::glance::{Glance, GlanceSink};
use convscope::train::metrics::EpochMetrics;
use convscope::train::run_dir::RunLocation;
use convscope::train::sink::{EpochEnd, RunState, Sink, SinkResult};
use convscope::train::{BatchEvent, Ending, LayerMetrics, Outcome, Session, TaughtRun, TrainConfig, Warning};
use convscope_cli::{described, save_after_training};
use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::raised;
use crate::images::{Images, Kind};
use crate::model::{History, Model};
use crate::network::Network;
use crate::settings::Settings;
use crate::value::plain;

/// Settings that say how pictures are opened, which arrays already are.
const OF_OPENING: [&str; 8] =
    ["image_size", "channels", "resize", "background", "bad_images", "max_pixels", "train_on_val", "data"];

/// How often batches are told of, and how often a waiting thread listens for Ctrl-C.
const TICK: Duration = Duration::from_millis(50);

/// Trains. `tell` is called with each event, in the calling thread; if it returns `False`, training stops. What it
/// raises is raised once everything is saved.
#[pyfunction]
#[pyo3(signature = (images, settings, network, out, tell))]
pub(crate) fn train(
    py: Python<'_>,
    images: &Images,
    settings: &Bound<'_, PyDict>,
    network: Option<&Network>,
    out: Option<PathBuf>,
    tell: Py<PyAny>,
) -> PyResult<(Model, History)> {
    let settings = Settings::of(settings)?;
    if images.kind == Kind::Arrays
        && let Some(name) = settings.names.iter().find(|name| OF_OPENING.contains(&name.as_str()))
        && name != "data"
    {
        return Err(PyValueError::new_err(format!(
            "{name} is for pictures in files; these images are arrays"
        )));
    }
    let source = Arc::clone(&images.source);
    let config = settings.fitted(source.len(Split::Train))?;
    let job = Job { config, source, network: network.map(|network| network.description.clone()), out };
    let interrupt = AtomicBool::new(false);
    let (ended, stopped) = py.detach(|| {
        thread::scope(|scope| {
            let (said, heard) = mpsc::channel();
            let worker = scope.spawn(|| job.run(&interrupt, said));
            let stopped = listen(&heard, &interrupt, &tell);
            (worker.join(), stopped)
        })
    });
    let trained = match ended {
        Ok(trained) => trained,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    // An exception of a callback matters more than the training that it ended.
    if let Some(error) = stopped {
        return Err(error);
    }
    match trained.map_err(raised)? {
        Some(Trained { weights, history }) => Ok((Model::new(weights), history)),
        // There is no network yet that could be returned.
        None => {
            let place = job.out.as_deref().unwrap_or(Path::new("")).display();
            let problem = format!(
                "interrupted while the teacher was trained; everything is saved, and `convscope train --resume {place}` continues it"
            );
            Err(PyKeyboardInterrupt::new_err(problem))
        }
    }
}

/// What a training says.
enum Said {
    Begin { phase: Phase, parameters: usize, epochs: u64, notes: Vec<String>, warnings: Vec<String> },
    Batch(BatchEvent),
    Epoch { phase: Phase, metrics: Box<EpochMetrics>, heard: Sender<()> },
}

/// Which network is trained.
#[derive(Clone, Copy)]
enum Phase {
    /// The one that teaches the other.
    Teacher,
    /// The one that was asked for.
    Own,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Phase::Teacher => "teacher",
            Phase::Own => "own",
        }
    }
}

/// Calls back until the training is over; returns the exception that stopped it, if one did.
fn listen(heard: &Receiver<Said>, interrupt: &AtomicBool, tell: &Py<PyAny>) -> Option<PyErr> {
    let mut stopped = None;
    loop {
        let said = match heard.recv_timeout(TICK) {
            Ok(said) => Some(said),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return stopped,
        };
        let answer = Python::attach(|py| {
            py.check_signals()?;
            match &said {
                Some(said) if stopped.is_none() => answer(py, said, tell),
                _ => Ok(true),
            }
        });
        match answer {
            Ok(true) => {}
            Ok(false) => interrupt.store(true, Ordering::Relaxed),
            Err(error) => {
                interrupt.store(true, Ordering::Relaxed);
                let is_ctrl_c = Python::attach(|py| error.is_instance_of::<PyKeyboardInterrupt>(py));
                if !is_ctrl_c {
                    stopped.get_or_insert(error);
                }
            }
        }
        if let Some(Said::Epoch { heard, .. }) = said {
            // Nobody waits for the answer if the training has failed meanwhile.
            let _ = heard.send(());
        }
    }
}

/// Calls back; false if it returned `False`.
fn answer(py: Python<'_>, said: &Said, tell: &Py<PyAny>) -> PyResult<bool> {
    let event = PyDict::new(py);
    match said {
        Said::Begin { phase, parameters, epochs, notes, warnings } => {
            event.set_item("event", "begin")?;
            event.set_item("phase", phase.name())?;
            event.set_item("parameters", parameters)?;
            event.set_item("epochs", epochs)?;
            event.set_item("notes", notes)?;
            event.set_item("warnings", warnings)?;
        }
        Said::Batch(batch) => {
            event.set_item("event", "batch")?;
            event.set_item("epoch", batch.epoch)?;
            event.set_item("epochs", batch.epochs)?;
            event.set_item("batch", batch.batch)?;
            event.set_item("batches", batch.batches)?;
            event.set_item("loss", batch.loss)?;
            event.set_item("accuracy", batch.accuracy)?;
        }
        Said::Epoch { phase, metrics, .. } => {
            event.set_item("event", "epoch")?;
            event.set_item("phase", phase.name())?;
            event.set_item("metrics", plain(py, metrics)?)?;
        }
    }
    let answer = tell.bind(py).call1((event,))?;
    Ok(!answer.extract::<bool>().is_ok_and(|answer| !answer))
}

/// Everything that a training needs.
struct Job {
    config: TrainConfig,
    source: Arc<dyn Source>,
    network: Option<ModelDescription>,
    out: Option<PathBuf>,
}

/// A training's results.
struct Trained {
    weights: WeightsFile,
    history: History,
}

impl Job {
    /// Trains on threads of its own: none of them waits for a callback that needs the shared ones. None if it was
    /// interrupted while it trained its teacher.
    fn run(&self, interrupt: &AtomicBool, said: Sender<Said>) -> anyhow::Result<Option<Trained>> {
        let Job { config, source, .. } = self;
        let pool = pool(config.threads.unwrap_or(0))?;
        pool.install(|| {
            let Some(mut session) = self.session(interrupt, &said)? else { return Ok(None) };
            let (outcome, follower) = self.follow(&mut session, Phase::Own, interrupt, said)?;
            let weights = session.model()?.weights().clone();
            let Follower { metrics, layers, .. } = follower;
            let is_over = outcome.ending != Ending::Interrupted;
            if let Some(run) = session.into_run()
                && is_over
            {
                save_after_training(&run, source, outcome.test.as_ref().or(outcome.val.as_ref()))?;
            }
            let history = History {
                config: config.clone(),
                metrics,
                layers,
                summary: Some(outcome.summary),
                ending: Some(outcome.ending),
                val: outcome.val,
                test: outcome.test,
            };
            Ok(Some(Trained { weights, history }))
        })
    }

    /// The session, once its teacher is trained, if it trains one. None if that was interrupted.
    fn session(&self, interrupt: &AtomicBool, said: &Sender<Said>) -> anyhow::Result<Option<Session>> {
        let Job { config, source, network, out } = self;
        if config.teacher.is_some() {
            let (None, Some(out)) = (network, out) else {
                anyhow::bail!(
                    "the settings train a teacher first, which needs a run directory and a model with a name; \
                     pass out, and a model that is no Network"
                );
            };
            let run = TaughtRun::start(config.clone(), Arc::clone(source), &RunLocation::Exact(out.clone()))?;
            if let Some(mut teacher) = run.teacher()? {
                let (outcome, _) = self.follow(&mut teacher, Phase::Teacher, interrupt, said.clone())?;
                if outcome.ending == Ending::Interrupted {
                    return Ok(None);
                }
            }
            return Ok(Some(run.student()?));
        }
        let session = match network {
            Some(network) => Session::with_model(config.clone(), network.clone(), Arc::clone(source))?,
            None => Session::new(config.clone(), Arc::clone(source))?,
        };
        match out {
            Some(out) => Ok(Some(session.record_in(&RunLocation::Exact(out.clone()))?)),
            None => Ok(Some(session)),
        }
    }

    /// Runs a session and tells of it.
    fn follow(
        &self,
        session: &mut Session,
        phase: Phase,
        interrupt: &AtomicBool,
        said: Sender<Said>,
    ) -> anyhow::Result<(Outcome, Follower)> {
        let parameters = session.graph().trained_parameters();
        let mut notes = described(session.config())?;
        let mut warnings = Vec::new();
        for warning in session.warnings() {
            let is_note = matches!(warning, Warning::NewClassifier { .. });
            if is_note { &mut notes } else { &mut warnings }.push(warning.to_string());
        }
        let _ =
            said.send(Said::Begin { phase, parameters, epochs: session.config().epochs, notes, warnings });
        // As the command chooses it.
        let glance = if session.config().freeze.is_none() { Glance::Every } else { Glance::Last };
        let glance = self.out.is_some().then(|| GlanceSink::new(glance));
        let follower = Follower { said, phase, told: None, metrics: Vec::new(), layers: Vec::new() };
        let mut sinks = (glance, follower);
        let outcome = session.run(interrupt, &mut sinks)?;
        Ok((outcome, sinks.1))
    }
}

/// Keeps the metrics, and tells of batches now and then and of each epoch.
struct Follower {
    said: Sender<Said>,
    phase: Phase,
    told: Option<Instant>,
    metrics: Vec<EpochMetrics>,
    layers: Vec<LayerMetrics>,
}

impl Sink for Follower {
    fn batch(&mut self, event: &BatchEvent, _state: &RunState<'_>) -> SinkResult {
        if self.told.is_none_or(|told| told.elapsed() >= TICK) {
            self.told = Some(Instant::now());
            let _ = self.said.send(Said::Batch(*event));
        }
        Ok(())
    }

    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        self.metrics.push(*end.metrics);
        self.layers.extend_from_slice(end.layers);
        let (heard, answered) = mpsc::channel();
        // The next epoch waits, so that a callback can stop the training before it.
        let said = Said::Epoch { phase: self.phase, metrics: Box::new(*end.metrics), heard };
        if self.said.send(said).is_ok() {
            let _ = answered.recv();
        }
        Ok(())
    }
}
