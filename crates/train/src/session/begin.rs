//! How a run starts: in memory, in a folder, or from a checkpoint.

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use convscope_data::{Loader, Normalization, Order, PixelType, Source, Split};
use convscope_graph::{Graph, ModelDescription, ModelOptions};
use convscope_kernels::threads;

use super::{Clock, RunProgress, Session, Warning, best_of, check_classes, frozen, resumed};
use crate::checkpoint::Checkpoint;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::features;
use crate::learner::{Learner, check_batches};
use crate::memory::Footprint;
use crate::model::{configured_model, resolve_model};
use crate::run_dir::{DataRecord, LockedRun, RunDir, RunLocation, write_atomic};
use crate::schedule::RunLength;
use crate::sink::{CheckpointSink, LayerMetricsSink, MetricsSink, Sink, TensorBoardSink, fingerprint};
use crate::start::Start;
use crate::statistics::RunningStatistics;
use crate::stop::EarlyStopping;
use crate::teachers::Teachers;

impl Session {
    /// A run of the configured network, in memory: no file is written unless it is [recorded](Self::record_in).
    ///
    /// # Errors
    /// A configuration, model or source that cannot be used.
    pub fn new(config: TrainConfig, source: Arc<dyn Source>) -> Result<Session, TrainError> {
        config.validate()?;
        let model = model_of(&config, &*source)?;
        Session::begun(config, model, source, Start::open)
    }

    /// A run of a network that is described in code or was read from elsewhere; otherwise as [`new`](Self::new). The
    /// model in the configuration is ignored.
    ///
    /// # Errors
    /// A configuration, model or source that cannot be used.
    pub fn with_model(
        config: TrainConfig,
        model: ModelDescription,
        source: Arc<dyn Source>,
    ) -> Result<Session, TrainError> {
        Session::begun(config, model, source, Start::of_weights)
    }

    fn begun(
        config: TrainConfig,
        model: ModelDescription,
        source: Arc<dyn Source>,
        start: fn(&TrainConfig, &Graph) -> Result<Option<Start>, TrainError>,
    ) -> Result<Session, TrainError> {
        config.validate()?;
        threads::in_pool(|| {
            let graph = Arc::new(Graph::new(model)?);
            let normalization = checked(&config, &graph, &*source)?;
            let start = start(&config, &graph)?;
            let mut session = Session::assemble(config, graph, source, normalization, None, None)?;
            session.begin_with(start)?;
            Ok(session)
        })
    }

    /// Starts a new run in a folder: [`new`](Self::new) and [`record_in`](Self::record_in).
    ///
    /// # Errors
    /// A configuration, model, source or folder that cannot be used.
    pub fn start(
        config: TrainConfig,
        source: Arc<dyn Source>,
        location: &RunLocation,
    ) -> Result<Session, TrainError> {
        Session::new(config, source)?.record_in(location)
    }

    /// The same run, recorded in a new run directory, which has a checkpoint from the start.
    ///
    /// # Errors
    /// A folder that is taken or cannot be written.
    pub fn record_in(mut self, location: &RunLocation) -> Result<Session, TrainError> {
        let run = LockedRun::create(location, &self.config)?;
        let data =
            record(&run, &self.config, self.graph().description(), &*self.source, &self.normalization)?;
        self.progress.data = Some(data.identity(self.source.classes()));
        Session { data: Some(data), ..self }.begin_in(run)
    }

    /// Writes the network and the record of its images into the folder of a new run that does not train yet.
    pub(crate) fn record_beginning(
        run: &LockedRun,
        config: &TrainConfig,
        source: &dyn Source,
        normalization: &Normalization,
    ) -> Result<(), TrainError> {
        record(run, config, &model_of(config, source)?, source, normalization).map(drop)
    }

    /// Starts to train in a folder with a trained teacher, as recorded there.
    ///
    /// # Errors
    /// [`TrainError::TeacherUntrained`]; otherwise as [`start`](Self::start).
    pub(crate) fn start_prepared(
        run: LockedRun,
        config: TrainConfig,
        source: Arc<dyn Source>,
    ) -> Result<Session, TrainError> {
        if config.teacher.is_some() && !run.has_trained_teacher() {
            return Err(TrainError::TeacherUntrained);
        }
        threads::in_pool(|| {
            if !(run.data_path().is_file() && run.model_path().is_file()) {
                let normalization = config.data.normalization(&*source)?;
                Session::record_beginning(&run, &config, &*source, &normalization)?;
            }
            let mut session = Session::reopen(&run, config, source)?;
            let start = Start::open(&session.config, session.graph())?;
            session.begin_with(start)?;
            session.begin_in(run)
        })
    }

    /// The same run in its folder, where it gets its first checkpoint.
    fn begin_in(mut self, run: LockedRun) -> Result<Session, TrainError> {
        self.sinks = sinks_of(&run);
        // From here on, the run can be resumed.
        let state = self.state(Clock::now(&self.progress));
        state.checkpoint()?.save(&run.checkpoint_path(), &state.fingerprint())?;
        Ok(Session { run: Some(run), ..self })
    }

    /// Resumes a run from its last checkpoint. The source must have the images that the run records; see
    /// [`Splits::Recorded`](convscope_data::Splits::Recorded).
    ///
    /// # Errors
    /// A checkpoint that is missing, damaged or of a different model or data set; a source with different images,
    /// classes or sizes; a configuration with different preprocessing of the images.
    pub fn resume(run: LockedRun, source: Arc<dyn Source>) -> Result<Session, TrainError> {
        threads::in_pool(|| {
            let config = run.config()?;
            config.validate()?;
            let mut session = Session::reopen(&run, config, source)?;
            session.warnings.extend(Warning::of_run(&run, &session.config, session.data.as_ref()));
            session.sinks = sinks_of(&run);
            session.restore(&run)?;
            Ok(Session { run: Some(run), ..session })
        })
    }

    /// Begins with the weights of a file.
    fn begin_with(&mut self, start: Option<Start>) -> Result<(), TrainError> {
        let Some(start) = start else { return Ok(()) };
        self.warnings.extend(Warning::of_start(&self.config, &start));
        self.learner.start_from(start.parameters)
    }

    /// The network and the images of a run as it records them, before the first step.
    fn reopen(run: &RunDir, config: TrainConfig, source: Arc<dyn Source>) -> Result<Session, TrainError> {
        let data = resumed::check(run, &config, &*source)?;
        // The options of the run are already part of its own model file.
        let options = ModelOptions::default();
        let path = run.model_path();
        let classes = source.classes().len();
        let model = resolve_model(&path.to_string_lossy(), input_of(&*source), classes, &options)?;
        let graph = Arc::new(Graph::new(model)?);
        let fitted = checked(&config, &graph, &*source)?;
        let normalization = data.as_ref().map_or(fitted, |data| data.treatment.normalization());
        Session::assemble(config, graph, source, normalization, data, Some(&run.teacher_path()))
    }

    /// Restores the last checkpoint.
    fn restore(&mut self, run: &LockedRun) -> Result<(), TrainError> {
        let path = run.checkpoint_path();
        let checkpoint = Checkpoint::load(&path, &fingerprint(self.graph()))?;
        let mut progress: RunProgress = checkpoint.value()?;
        if progress.is_unfrozen {
            self.unfreeze()?;
        }
        self.learner.restore(&checkpoint)?;
        if progress.data != self.progress.data {
            return Err(TrainError::CheckpointOfOtherData { path });
        }
        self.learner.set_meter(std::mem::take(&mut progress.layers), progress.batches_done);
        let has_best = progress.stopping.best().is_some() || self.source.is_empty(Split::Val);
        if self.config.patience.is_some() && progress.epochs_done > 0 && has_best {
            self.best = Some(best_of(run)?);
        }
        self.progress = progress;
        Ok(())
    }

    fn assemble(
        config: TrainConfig,
        graph: Arc<Graph>,
        source: Arc<dyn Source>,
        normalization: Normalization,
        data: Option<DataRecord>,
        own_teacher: Option<&Path>,
    ) -> Result<Session, TrainError> {
        let loader = frozen::loader(&config, &source, &normalization, !config.freeze.is_none())?;
        let teachers = Teachers::open(&config, own_teacher, &*source, &normalization)?;
        let footprint = Footprint::new(&config, &graph, held_bytes(&*source));
        let footprint = match &teachers {
            Some(teachers) => footprint.with_teachers(teachers.graphs(), config.batch_size),
            None => footprint,
        };
        let footprint = footprint.with_features(features::kept_bytes(&config, &graph, &*source)?);
        let warnings = Warning::of_teachers(teachers.as_ref());
        let length = RunLength { epochs: config.epochs, steps_per_epoch: loader.batches() as u64 };
        let statistics = match config.ema {
            Some(_) => RunningStatistics::of(&graph, &config, &source, &normalization)?,
            None => None,
        };
        let mut progress = RunProgress::new(
            EarlyStopping::new(config.patience.and_then(NonZeroU64::new)).with_min_delta(config.min_delta),
        );
        progress.data = data.as_ref().map(|data| data.identity(source.classes()));
        let learner = Learner::new(graph, &config, length)?
            .with_teachers(teachers)
            .with_class_weights(config.class_weights.of(&*source));
        let is_all_trained = learner.frozen().is_none() || config.unfreeze_at.is_some();
        let trained = learner.frozen().map(|frozen| &frozen.divided().head).filter(|_| !is_all_trained);
        check_batches(trained.unwrap_or(learner.graph()), &loader)?;
        Ok(Session {
            evaluator: frozen::evaluator(&learner, config.batch_size)?,
            learner,
            features: None,
            statistics,
            best: None,
            footprint,
            sinks: Vec::new(),
            run: None,
            progress,
            warnings,
            config,
            data,
            source,
            normalization,
            loader,
        })
    }
}

/// Runs the checks that must pass before anything large is allocated; returns how the images are scaled.
fn checked(config: &TrainConfig, graph: &Graph, source: &dyn Source) -> Result<Normalization, TrainError> {
    check_size(config, graph, source)?;
    config.data.normalization(source)
}

fn check_size(config: &TrainConfig, graph: &Graph, source: &dyn Source) -> Result<(), TrainError> {
    check_classes(graph, source)?;
    Footprint::check(config, graph, held_bytes(source))
}

/// Runs the checks that a session makes before its first step.
pub(crate) fn check_trainable(
    config: &TrainConfig,
    source: &Arc<dyn Source>,
    normalization: &Normalization,
) -> Result<(), TrainError> {
    let graph = Graph::new(model_of(config, &**source)?)?;
    check_size(config, &graph, &**source)?;
    check_batches(&graph, &train_loader(config, source, normalization)?)
}

/// Writes what a folder says of a run before its first checkpoint.
fn record(
    run: &RunDir,
    config: &TrainConfig,
    model: &ModelDescription,
    source: &dyn Source,
    normalization: &Normalization,
) -> Result<DataRecord, TrainError> {
    let data = DataRecord::new(config, source, normalization, run.path());
    data.write(&run.data_path())?;
    let model = model.to_toml();
    write_atomic(&run.model_path(), |file| file.write_all(model.as_bytes()))?;
    Ok(data)
}

/// The sinks of a run directory, in the order in which they are called.
fn sinks_of(run: &LockedRun) -> Vec<Box<dyn Sink>> {
    vec![
        Box::new(MetricsSink::new(run.metrics_path())),
        Box::new(LayerMetricsSink::new(run.layer_metrics_path())),
        Box::new(TensorBoardSink::new(run.path().to_owned())),
        Box::new(CheckpointSink::new((**run).clone())),
    ]
}

/// The configured network for the images of this source.
pub(crate) fn model_of(config: &TrainConfig, source: &dyn Source) -> Result<ModelDescription, TrainError> {
    let classes = source.classes().len();
    let model = configured_model(config, input_of(source), classes)?;
    Ok(match config.initializer {
        Some(initializer) => model.with_initializer(initializer),
        None => model,
    })
}

fn input_of(source: &dyn Source) -> [usize; 3] {
    let size = source.image_size();
    [source.channels(), size.height, size.width]
}

/// The bytes of the images that a source holds in memory.
pub(crate) fn held_bytes(source: &dyn Source) -> u64 {
    if !source.is_resident() {
        return 0;
    }
    let images: usize = Split::ALL.into_iter().map(|split| source.len(split)).sum();
    let bytes = match source.pixel_type() {
        PixelType::U8 => 1,
        PixelType::F32 => size_of::<f32>(),
    };
    images as u64 * (source.image_len() * bytes) as u64
}

pub(crate) fn train_loader(
    config: &TrainConfig,
    source: &Arc<dyn Source>,
    normalization: &Normalization,
) -> Result<Loader, TrainError> {
    let order = Order::Shuffled { seed: config.seed };
    let loader = Loader::new(Arc::clone(source), Split::Train, config.batch_size, order, normalization)?;
    Ok(loader.augmented(config.augment, config.seed)?)
}
