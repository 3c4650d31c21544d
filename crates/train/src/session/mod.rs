//! The training loop.

mod checks;
mod clock;
mod diverged;
mod events;
mod glance;
mod published;
mod record;
mod resumed;
mod state;
mod warning;

pub use events::{BatchEvent, Ending, Outcome, TrainEvents};
pub use warning::Warning;

use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use convscope_data::{Batch, Loader, Normalization, Order, Source, Split};
use convscope_graph::{Executor, Graph, ModelDescription, ModelOptions, Parameters, TrainingBatch};
use convscope_ops::{Labels, Loss, Mode, Role, Sample};
use ndarray::Array4;

use crate::clip::{clip_gradients, gradient_norm};
use crate::config::TrainConfig;
use crate::ema::Ema;
use crate::error::TrainError;
use crate::evaluate::{Evaluation, evaluate_unless};
use crate::layer_meter::{LayerMeter, layers_of_tensors};
use crate::memory::{Footprint, peak_memory_bytes};
use crate::metrics::{EpochMetrics, RunningMean};
use crate::model::resolve_model;
use crate::optimizer::{DecayScope, Optimizer};
use crate::run_dir::{
    DataRecord, EventsWriter, LayerMetricsCsv, LockedRun, MetricsCsv, RunDir, RunLocation, Summary,
    write_atomic,
};
use crate::sam::{Sam, gradients_of};
use crate::schedule::{RunLength, Schedule};
use crate::statistics::RunningStatistics;
use crate::stop::{EarlyStopping, Verdict};
use crate::teachers::Teachers;
use crate::views::Views;
pub(crate) use checks::{check_batches, check_classes};

use clock::Clock;
use glance::Glance;
use state::Progress;

/// A run in progress: everything between a configuration and a finished run directory.
///
/// Work is spread over the rayon pool that the calls run in; the weights that come out do not depend on its size.
pub struct Session {
    config: TrainConfig,
    run: LockedRun,
    /// None where the run was begun by a version that did not record its images.
    data: Option<DataRecord>,
    warnings: Vec<Warning>,
    source: Arc<dyn Source>,
    normalization: Normalization,
    loader: Loader,
    executor: Executor,
    evaluator: Executor,
    parameters: Parameters,
    /// The layer of each array that is trained.
    layers: Vec<Option<usize>>,
    loss: Loss,
    /// Of each class; empty where all count the same.
    class_weights: Vec<f64>,
    optimizer: Optimizer,
    schedule: Schedule,
    sam: Option<Sam>,
    teachers: Option<Teachers>,
    ema: Option<Ema>,
    /// Where weights are averaged that have any.
    statistics: Option<RunningStatistics>,
    progress: Progress,
}

impl Session {
    /// Begins a new run. The run directory is made last, when everything else has been checked, and has a checkpoint from the
    /// beginning on.
    ///
    /// # Errors
    /// A configuration, model, source or folder that cannot be used.
    pub fn start(
        config: TrainConfig,
        source: Arc<dyn Source>,
        location: &RunLocation,
    ) -> Result<Session, TrainError> {
        config.validate()?;
        let graph = Arc::new(Graph::new(model_of(&config, &*source)?)?);
        check_classes(&graph, &*source)?;
        Footprint::check(&config, &graph, held_bytes(&*source))?;
        let normalization = config.data.normalize.fit(&*source)?;
        let loader = train_loader(&config, &source, &normalization)?;
        check_batches(&graph, &loader)?;
        let teachers = Teachers::open(&config, &*source, &normalization)?;
        let run = LockedRun::create(location, &config)?;
        let data = DataRecord::new(&config, &*source, &normalization, run.path());
        data.write(&run.data_path())?;
        write_atomic(&run.model_path(), |file| file.write_all(graph.description().to_toml().as_bytes()))?;
        let warnings = Warning::of_teachers(teachers.as_ref());
        let session = Session::assemble(config, run, source, graph, normalization, loader, Some(data))?;
        // From here on the run can be resumed.
        session.save()?;
        Ok(Session { teachers, warnings, ..session })
    }

    /// Takes up a run where its last checkpoint left it. The source has to have the images that the run records; see
    /// [`Splits::Recorded`](convscope_data::Splits::Recorded).
    ///
    /// # Errors
    /// A checkpoint that is missing, damaged or of another model or data set; a source with other images, classes or sizes;
    /// a configuration that asks for another treatment of the images.
    pub fn resume(run: LockedRun, source: Arc<dyn Source>) -> Result<Session, TrainError> {
        let config = run.config()?;
        config.validate()?;
        let data = resumed::check(&run, &config, &*source)?;
        let size = source.image_size();
        let input = [convscope_data::CHANNELS, size.height, size.width];
        let model_path = run.model_path();
        // The options of the run are part of its own model file already.
        let options = ModelOptions::default();
        let model = resolve_model(&model_path.to_string_lossy(), input, source.classes().len(), &options)?;
        let graph = Arc::new(Graph::new(model)?);
        check_classes(&graph, &*source)?;
        Footprint::check(&config, &graph, held_bytes(&*source))?;
        let normalization = match &data {
            Some(data) => data.treatment.normalization(),
            None => config.data.normalize.fit(&*source)?,
        };
        let loader = train_loader(&config, &source, &normalization)?;
        let teachers = Teachers::open(&config, &*source, &normalization)?;
        let mut warnings = Warning::of_teachers(teachers.as_ref());
        warnings.extend(Warning::of_run(&run, &config, data.as_ref()));
        let mut session = Session::assemble(config, run, source, graph, normalization, loader, data)?;
        session.restore()?;
        Ok(Session { teachers, warnings, ..session })
    }

    fn assemble(
        config: TrainConfig,
        run: LockedRun,
        source: Arc<dyn Source>,
        graph: Arc<Graph>,
        normalization: Normalization,
        loader: Loader,
        data: Option<DataRecord>,
    ) -> Result<Session, TrainError> {
        let parameters = Parameters::new(&graph, config.seed);
        let trained = || parameters.tensors().iter().filter(|tensor| tensor.role.is_trained());
        let batch = config.batch_size;
        let length = RunLength { epochs: config.epochs, steps_per_epoch: loader.batches() as u64 };
        let statistics = match config.ema {
            Some(_) => RunningStatistics::of(&graph, &config, &source, &normalization)?,
            None => None,
        };
        let stopping = EarlyStopping::new(config.patience.and_then(NonZeroU64::new));
        let identity = data.as_ref().map(|data| data.identity(source.classes()));
        Ok(Session {
            executor: Executor::with_precision(Arc::clone(&graph), Mode::Training, config.precision, batch),
            evaluator: Executor::new(Arc::clone(&graph), Mode::Inference, batch),
            optimizer: optimizer_for(&config, &parameters),
            schedule: Schedule::new(&config.schedule, config.lr, length),
            sam: Sam::wanted(config.sam, &parameters),
            teachers: None,
            ema: config.ema.map(|decay| Ema::new(decay, trained().map(|tensor| tensor.slice()))),
            statistics,
            loss: Loss::CrossEntropy { label_smoothing: config.label_smoothing },
            class_weights: config.class_weights.of(&*source),
            progress: Progress::new(stopping, identity),
            layers: layers_of_tensors(&graph, &parameters),
            parameters,
            warnings: Vec::new(),
            config,
            run,
            data,
            source,
            normalization,
            loader,
        })
    }

    /// Where the run lies.
    pub fn run_dir(&self) -> &RunDir {
        &self.run
    }

    /// Where the run lies, still locked; all else is let go.
    pub fn into_run(self) -> LockedRun {
        self.run
    }

    /// What was asked of the run.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The network.
    pub fn graph(&self) -> &Graph {
        self.executor.graph()
    }

    /// What does not stop the run, and a person should know.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Trains until the run is complete, stops early, or `interrupt` is set; then writes `summary.json`. An interruption is seen
    /// after each batch, also of an evaluation, and leaves a checkpoint.
    ///
    /// # Errors
    /// A file that cannot be read or written, a loss that is not finite. The last checkpoint stays as it was.
    pub fn run(
        &mut self,
        interrupt: &AtomicBool,
        events: &mut dyn TrainEvents,
    ) -> Result<Outcome, TrainError> {
        let mut metrics_file = MetricsCsv::resume(&self.run.metrics_path(), self.progress.epochs_done)?;
        let mut layers_file =
            LayerMetricsCsv::resume(&self.run.layer_metrics_path(), self.progress.epochs_done)?;
        let mut events_file = EventsWriter::create(self.run.path(), self.progress.epochs_done + 1)?;
        let shown = self.shown_images()?;
        let mut clock = Clock::start(self.progress.seconds);
        while self.progress.epochs_done < self.config.epochs && !self.progress.has_stopped {
            if self.train_epoch(interrupt, events, &mut clock)?.is_break() {
                return self.end_interrupted(&clock);
            }
            let ControlFlow::Continue(metrics) = self.finish_epoch(interrupt, events, &mut clock)? else {
                return self.end_interrupted(&clock);
            };
            metrics_file.append(&metrics)?;
            let layers = self.progress.layers.take(metrics.epoch, self.executor.graph(), &self.parameters);
            layers_file.append(&layers)?;
            record::epoch(&mut events_file, &metrics, &layers, &self.parameters);
            let glance = Glance::take(&mut self.evaluator, &shown)?;
            let nodes = self.evaluator.graph().nodes();
            record::glance(&mut events_file, metrics.epoch, self.config.epochs, nodes, &glance)?;
            events_file.sync()?;
            self.save()?;
            events.epoch(&metrics);
        }
        self.progress.seconds = clock.seconds();
        if self.has_no_best() {
            let (epoch, step) = (self.progress.epochs_done, self.progress.step);
            return Err(TrainError::Diverged { place: "the validation loss".to_owned(), epoch, step });
        }
        let last = self.final_weights()?;
        self.evaluator.load(&last);
        let mut found = [None, None];
        for (split, found) in [Split::Val, Split::Test].into_iter().zip(&mut found) {
            match self.evaluate(split, interrupt, events)? {
                ControlFlow::Continue(evaluation) => *found = evaluation,
                ControlFlow::Break(()) => return self.end_interrupted(&clock),
            }
        }
        let [val, test] = found;
        let summary = self.summary(val, test);
        summary.write(&self.run.summary_path())?;
        let ending = if self.progress.has_stopped { Ending::StoppedEarly } else { Ending::Completed };
        Ok(Outcome { ending, summary })
    }

    /// Saves what an interrupted run has come to.
    fn end_interrupted(&mut self, clock: &Clock) -> Result<Outcome, TrainError> {
        self.progress.seconds = clock.seconds();
        self.save()?;
        let published = self.published()?;
        self.write_weights(&self.run.last_weights_path(), &published)?;
        Ok(Outcome { ending: Ending::Interrupted, summary: self.summary(None, None) })
    }

    /// Trains on the rest of the present epoch; a break when it was interrupted.
    fn train_epoch(
        &mut self,
        interrupt: &AtomicBool,
        events: &mut dyn TrainEvents,
        clock: &mut Clock,
    ) -> Result<ControlFlow<()>, TrainError> {
        let started = Instant::now();
        let before = self.progress.epoch_seconds;
        let mut batches = self.loader.epoch(self.progress.epochs_done, self.progress.batches_done);
        while self.progress.batches_done < self.loader.batches() {
            let waiting = Instant::now();
            let Some(batch) = batches.next() else { break };
            let batch = batch?;
            self.progress.data_wait_seconds += waiting.elapsed().as_secs_f64();
            let learning_rate = self.train_batch(&batch)?;
            self.progress.epoch_seconds = before + started.elapsed().as_secs_f64();
            events.batch(&BatchEvent {
                epoch: self.progress.epochs_done + 1,
                epochs: self.config.epochs,
                batch: self.progress.batches_done,
                batches: self.loader.batches(),
                images: self.progress.loss.images() as usize,
                loss: self.progress.loss.mean().unwrap_or(f64::NAN),
                accuracy: self.progress.train_accuracy(),
                learning_rate,
            });
            batches.recycle(batch);
            if interrupt.load(Ordering::Relaxed) {
                return Ok(ControlFlow::Break(()));
            }
            if clock.checkpoint_is_due() {
                self.progress.seconds = clock.seconds();
                self.save()?;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Learns from one batch; returns the learning rate.
    fn train_batch(&mut self, batch: &Batch) -> Result<f64, TrainError> {
        let step = self.progress.step;
        let sample = Sample { seed: self.config.seed, step, ..Sample::default() };
        let labels = labels_of(batch, self.teachers.as_mut())?.with_class_weights(&self.class_weights);
        let training = TrainingBatch { images: batch.images.view(), labels, sample };
        let (executor, parameters) = (&mut self.executor, &mut self.parameters);
        let outcome = gradients_of(training, executor, parameters, &self.loss, self.sam.as_mut())?;
        if !outcome.loss.is_finite() {
            let place = diverged::place_of_loss(training, executor, parameters, &self.loss);
            return Err(self.diverged(place));
        }
        let norm = match self.config.clip_norm {
            Some(most) => clip_gradients(self.executor.gradients_mut(), most),
            None => gradient_norm(self.executor.gradients()),
        };
        if !norm.is_finite() {
            return Err(self.diverged(diverged::place_of_gradient(&self.parameters, &self.executor)));
        }
        let learning_rate = self.schedule.lr_at(step);
        self.optimizer.begin_step(learning_rate, trained_gradients(&self.parameters, &self.executor));
        if let Some(ema) = &mut self.ema {
            ema.begin_step();
        }
        let gradients = self.executor.gradients();
        let tensors = self.parameters.tensors_mut().iter_mut().zip(gradients).zip(&self.layers);
        let trained = tensors.filter_map(|(pair, &layer)| Some((pair, layer?)));
        let meter = &mut self.progress.layers;
        let is_measured = LayerMeter::measures(self.progress.batches_done);
        if is_measured {
            meter.begin_step(self.layers.iter().flatten().max().map_or(0, |last| last + 1));
        }
        for (index, ((tensor, gradient), layer)) in trained.enumerate() {
            let optimizer = &mut self.optimizer;
            let mut update = |values: &mut [f32]| optimizer.update(index, values, gradient);
            if is_measured {
                meter.watch(layer, tensor.slice_mut(), gradient, update);
            } else {
                update(tensor.slice_mut());
            }
            if let Some(ema) = &mut self.ema {
                ema.update(index, tensor.slice());
            }
        }
        if is_measured {
            meter.end_step();
        }
        self.progress.loss.add(outcome.loss, batch.labels.len() as u64);
        self.progress.correct += outcome.correct as u64;
        self.progress.batches_done += 1;
        self.progress.step += 1;
        Ok(learning_rate)
    }

    fn diverged(&self, place: String) -> TrainError {
        TrainError::Diverged { place, epoch: self.progress.epochs_done + 1, step: self.progress.step + 1 }
    }

    /// Whether the best weights are asked for, and the validation loss was finite after no epoch.
    fn has_no_best(&self) -> bool {
        self.config.patience.is_some()
            && !self.source.is_empty(Split::Val)
            && self.progress.stopping.best().is_none()
    }

    /// Validates the epoch and counts it; a break, and nothing is counted, when that was interrupted.
    fn finish_epoch(
        &mut self,
        interrupt: &AtomicBool,
        events: &mut dyn TrainEvents,
        clock: &mut Clock,
    ) -> Result<ControlFlow<(), EpochMetrics>, TrainError> {
        let published = self.published()?;
        self.evaluator.load(&published);
        let val = match self.evaluate(Split::Val, interrupt, events)? {
            ControlFlow::Continue(val) => val,
            ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
        };
        let verdict = match &val {
            Some(val) => self.progress.stopping.observe(val.loss),
            None => Verdict::Improved,
        };
        self.write_weights(&self.run.last_weights_path(), &published)?;
        if verdict == Verdict::Improved {
            self.write_weights(&self.run.best_weights_path(), &published)?;
        }
        let progress = &mut self.progress;
        progress.has_stopped = verdict == Verdict::Stop;
        progress.epochs_done += 1;
        let train_loss = progress.loss.mean().unwrap_or(f64::NAN);
        let train_accuracy = progress.train_accuracy();
        (progress.train_loss, progress.train_accuracy) = (Some(train_loss), Some(train_accuracy));
        let images_per_second = progress.loss.images() as f64 / progress.epoch_seconds.max(1e-9);
        progress.images += progress.loss.images();
        progress.train_seconds += progress.epoch_seconds;
        progress.seconds = clock.seconds();
        let metrics = EpochMetrics {
            epoch: progress.epochs_done,
            learning_rate: self.schedule.lr_at(progress.step.saturating_sub(1)),
            train_loss,
            train_accuracy,
            val_loss: val.as_ref().map_or(f64::NAN, |val| val.loss),
            val_accuracy: val.as_ref().map_or(f64::NAN, |val| val.accuracy),
            seconds: progress.epoch_seconds,
            images_per_second,
            data_wait_seconds: progress.data_wait_seconds,
        };
        (progress.batches_done, progress.correct, progress.loss) = (0, 0, RunningMean::default());
        (progress.epoch_seconds, progress.data_wait_seconds) = (0.0, 0.0);
        clock.checkpoint_made();
        Ok(ControlFlow::Continue(metrics))
    }

    /// Asks the weights that the evaluator has; none where the split is empty, a break when it was interrupted.
    fn evaluate(
        &mut self,
        split: Split,
        interrupt: &AtomicBool,
        events: &mut dyn TrainEvents,
    ) -> Result<ControlFlow<(), Option<Evaluation>>, TrainError> {
        if self.source.is_empty(split) {
            return Ok(ControlFlow::Continue(None));
        }
        events.evaluating(split);
        let loader = self.in_order(split, self.config.batch_size)?;
        let evaluated = evaluate_unless(interrupt, &mut self.evaluator, &loader, split, Views::None)?;
        Ok(evaluated.map_continue(Some))
    }

    /// The first validation images, or training images where there are none.
    fn shown_images(&self) -> Result<Array4<f32>, TrainError> {
        let split = if self.source.is_empty(Split::Val) { Split::Train } else { Split::Val };
        let loader = self.in_order(split, self.config.batch_size.min(glance::IMAGES))?;
        let first = loader.epoch(0, 0).next().transpose()?;
        Ok(first.expect("a loader has a batch").images)
    }

    fn in_order(&self, split: Split, batch_size: usize) -> Result<Loader, TrainError> {
        let source = Arc::clone(&self.source);
        Ok(Loader::new(source, split, batch_size, Order::Sequential, &self.normalization)?)
    }

    fn summary(&self, val: Option<Evaluation>, test: Option<Evaluation>) -> Summary {
        let progress = &self.progress;
        Summary {
            model: self.graph().name().to_string(),
            data: self.config.data.source.clone(),
            parameters: self.graph().trained_parameters() as u64,
            epochs: progress.epochs_done,
            best_epoch: progress.stopping.best().map(|best| best.epoch),
            train_loss: progress.train_loss,
            val_loss: val.as_ref().map(|val| val.loss),
            test_loss: test.as_ref().map(|test| test.loss),
            train_accuracy: progress.train_accuracy,
            val_accuracy: val.as_ref().map(|val| val.accuracy),
            test_accuracy: test.as_ref().map(|test| test.accuracy),
            seconds: progress.seconds,
            images_per_second: progress.images as f64 / progress.train_seconds.max(1e-9),
            peak_memory_bytes: peak_memory_bytes(),
            version: self.config.version.clone(),
            seed: self.config.seed,
        }
    }
}

/// The network that a configuration asks for, for the images of this source.
pub(crate) fn model_of(config: &TrainConfig, source: &dyn Source) -> Result<ModelDescription, TrainError> {
    let size = source.image_size();
    let input = [convscope_data::CHANNELS, size.height, size.width];
    let mut model = resolve_model(&config.model, input, source.classes().len(), &config.model_options)?;
    model.initializer = config.initializer.unwrap_or(model.initializer);
    Ok(model)
}

/// The optimizer that a configuration asks for, for the arrays of a network that are trained.
pub(crate) fn optimizer_for(config: &TrainConfig, parameters: &Parameters) -> Optimizer {
    let trained = || parameters.tensors().iter().filter(|tensor| tensor.role.is_trained());
    let is_spared =
        |role: Role| config.weight_decay_on == DecayScope::Weights && !matches!(role, Role::Weight { .. });
    let spared = trained().enumerate().filter(|(_, tensor)| is_spared(tensor.role)).map(|(index, _)| index);
    let mut matrices: Vec<(usize, [usize; 2])> = trained()
        .enumerate()
        .filter(|(_, tensor)| matches!(tensor.role, Role::Weight { .. }))
        .map(|(index, tensor)| {
            let rows = tensor.values.shape()[0];
            (index, [rows, tensor.values.len() / rows])
        })
        .collect();
    // The last weight is the classifier's.
    matrices.pop();
    Optimizer::new(&config.optimizer, trained().map(|tensor| tensor.values.len()))
        .sparing(spared)
        .with_matrices(matrices)
}

/// The gradients of the last step, as the optimizer counts them.
pub(crate) fn trained_gradients<'a>(
    parameters: &'a Parameters,
    executor: &'a Executor,
) -> impl Iterator<Item = &'a [f32]> {
    let gradients = parameters.tensors().iter().zip(executor.gradients());
    gradients.filter(|(tensor, _)| tensor.role.is_trained()).map(|(_, gradient)| gradient.as_slice())
}

/// The classes of a batch, mixed where its images are, and with what the teachers say.
///
/// # Errors
/// As [`Teachers::teach`].
pub(crate) fn labels_of<'a>(
    batch: &'a Batch,
    teachers: Option<&'a mut Teachers>,
) -> Result<Labels<'a>, TrainError> {
    let labels = match &batch.mixed {
        Some(mixed) => Labels::mixed(&batch.labels, &mixed.labels, &mixed.shares),
        None => Labels::new(&batch.labels),
    };
    teachers.map_or(Ok(labels), |teachers| teachers.teach(batch.images.view(), labels))
}

/// The bytes of the images that a source holds in memory.
pub(crate) fn held_bytes(source: &dyn Source) -> u64 {
    if !source.is_resident() {
        return 0;
    }
    let images: usize = Split::ALL.into_iter().map(|split| source.len(split)).sum();
    images as u64 * source.image_size().bytes() as u64
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
