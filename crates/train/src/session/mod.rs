//! The training loop: a learner, the images it learns from, and sinks that record the results.

mod begin;
mod checks;
mod epoch;
mod events;
mod frozen;
mod progress;
mod resumed;
mod warning;

pub(crate) use begin::{check_trainable, held_bytes, model_of, train_loader};
pub(crate) use checks::check_classes;
pub use events::{BatchEvent, Ending, Outcome};
pub(crate) use progress::RunProgress;
pub use warning::Warning;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use convscope_data::{Loader, Normalization, Order, PixelType, Source, Split};
use convscope_graph::{Graph, Parameters, Predictor, WeightsFile};
use convscope_kernels::threads;
use ndarray::{Array4, ArrayView4};

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::evaluate::{Evaluation, evaluate_unless};
use crate::features::{Batches, FeatureBatches, Features};
use crate::learner::Learner;
use crate::memory::{Footprint, peak_memory_bytes};
use crate::model::TrainedModel;
use crate::run_dir::{DataRecord, LockedRun, RunDir, Summary};
use crate::sink::{Clock, Interruption, RunEnd, RunState, Sink, Sinks, published};
use crate::statistics::RunningStatistics;

/// A training run: a [`Learner`], the images of a [`Source`], and [sinks](Sink) that follow its progress.
///
/// ```
/// use convscope_data::{SourceOptions, Split, SplitCounts, open};
/// use convscope_train::{Session, TrainConfig};
///
/// let shapes = SplitCounts { train: 40, val: 10, test: 20 };
/// let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() })?;
/// let config = TrainConfig { epochs: 1, batch_size: 20, ..TrainConfig::default() };
/// let mut session = Session::new(config, source)?;
/// let outcome = session.train()?;
/// assert_eq!(outcome.test.unwrap().images, 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Work is spread over the rayon pool of the caller, or over all cores; the resulting weights do not depend on the
/// number of threads.
pub struct Session {
    config: TrainConfig,
    /// `None` if nothing is written.
    run: Option<LockedRun>,
    /// `None` without a run directory, or if the run was started by a version that did not record its images.
    data: Option<DataRecord>,
    warnings: Vec<Warning>,
    source: Arc<dyn Source>,
    normalization: Normalization,
    loader: Loader,
    learner: Learner,
    /// Of the head while the body is frozen.
    evaluator: Predictor,
    /// Those of a frozen body, if they are kept.
    features: Option<Features>,
    /// Used if weights are averaged and the network has running statistics.
    statistics: Option<RunningStatistics>,
    /// The parameters with the lowest validation loss, if the run ends with them.
    best: Option<Parameters>,
    progress: RunProgress,
    /// The memory that the run was predicted to take.
    footprint: Footprint,
    /// Those of the run directory.
    sinks: Vec<Box<dyn Sink>>,
}

impl Session {
    /// The run directory, if the run is recorded.
    pub fn run_dir(&self) -> Option<&RunDir> {
        self.run.as_deref()
    }

    /// The run directory, still locked; everything else is dropped.
    pub fn into_run(self) -> Option<LockedRun> {
        self.run
    }

    /// The configuration of the run.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The network.
    pub fn graph(&self) -> &Graph {
        self.learner.graph()
    }

    /// The learner.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// The learner, to replace its parameters or to run extra steps.
    pub fn learner_mut(&mut self) -> &mut Learner {
        &mut self.learner
    }

    /// Problems that do not stop the run but that the user should know about.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Trains to the end, notifying only the run directory.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn train(&mut self) -> Result<Outcome, TrainError> {
        self.run(&AtomicBool::new(false), &mut ())
    }

    /// The same session with another receiver of its progress, after those that write its files.
    #[must_use]
    pub fn with_sink(mut self, sink: Box<dyn Sink>) -> Session {
        self.sinks.push(sink);
        self
    }

    /// Trains until the run is complete, stops early, or `interrupt` is set. An interruption is noticed after each
    /// batch, also during an evaluation; the run can be continued later.
    ///
    /// # Errors
    /// An image or file that cannot be read or written, a sink that fails; a loss that is not finite (the last
    /// checkpoint is then unchanged).
    pub fn run(&mut self, interrupt: &AtomicBool, sink: &mut dyn Sink) -> Result<Outcome, TrainError> {
        threads::in_pool(|| {
            let mut own = std::mem::take(&mut self.sinks);
            let outcome = self.run_epochs(interrupt, &mut Sinks { first: sink, own: &mut own });
            self.sinks = own;
            outcome
        })
    }

    /// The network at the end of the run: with the best parameters if it could stop early, otherwise with the last.
    ///
    /// # Errors
    /// A training image cannot be read while running statistics are recomputed.
    pub fn model(&mut self) -> Result<TrainedModel, TrainError> {
        threads::in_pool(|| {
            let parameters = self.final_parameters()?;
            let weights = self.state(Clock::now(&self.progress)).weights(&parameters);
            TrainedModel::new(weights, self.config.batch_size)
        })
    }

    fn run_epochs(&mut self, interrupt: &AtomicBool, sinks: &mut Sinks<'_>) -> Result<Outcome, TrainError> {
        let clock = Clock::now(&self.progress);
        let shown = self.shown_images()?;
        let begun = sinks.tell(|sink| sink.begin(&self.state(clock)));
        begun?;
        self.unfreeze_if_due()?;
        if self.prepare_features(interrupt, sinks)?.is_break() {
            return self.end_interrupted(sinks, clock);
        }
        while self.progress.epochs_done < self.config.epochs && !self.progress.has_stopped {
            self.unfreeze_if_due()?;
            let trained = match self.train_epoch(interrupt, sinks, clock) {
                // Only a sink failed, so everything else can be saved.
                Err(error @ TrainError::Sink(_)) => {
                    let _ = self.interrupted(sinks, clock);
                    return Err(error);
                }
                trained => trained?,
            };
            if trained.is_break() {
                return self.end_interrupted(sinks, clock);
            }
            if self.finish_epoch(interrupt, sinks, clock, &shown)?.is_break() {
                return self.end_interrupted(sinks, clock);
            }
        }
        self.progress.seconds = clock.seconds();
        if self.has_no_best() {
            let (epoch, step) = (self.progress.epochs_done, self.progress.step);
            return Err(TrainError::Diverged { place: "the validation loss".to_owned(), epoch, step });
        }
        let last = self.final_parameters()?;
        self.load_evaluator(&last);
        let mut found = [None, None];
        for (split, found) in [Split::Val, Split::Test].into_iter().zip(&mut found) {
            match self.evaluate(split, interrupt, sinks)? {
                ControlFlow::Continue(evaluation) => *found = evaluation,
                ControlFlow::Break(()) => return self.end_interrupted(sinks, clock),
            }
        }
        let [val, test] = found;
        let summary = self.summary(val.as_ref(), test.as_ref());
        let end =
            RunEnd { state: self.state(clock), summary: &summary, val: val.as_ref(), test: test.as_ref() };
        sinks.tell(|sink| sink.end(&end))?;
        self.forget_features();
        let ending = if self.progress.has_stopped { Ending::StoppedEarly } else { Ending::Completed };
        Ok(Outcome { ending, summary, val, test })
    }

    /// Saves the state of an interrupted run.
    fn end_interrupted(&mut self, sinks: &mut Sinks<'_>, clock: Clock) -> Result<Outcome, TrainError> {
        self.progress.seconds = clock.seconds();
        self.interrupted(sinks, clock)?;
        let summary = self.summary(None, None);
        Ok(Outcome { ending: Ending::Interrupted, summary, val: None, test: None })
    }

    fn interrupted(&mut self, sinks: &mut Sinks<'_>, clock: Clock) -> Result<(), TrainError> {
        let (state, statistics) = self.apart(clock);
        let mut at = Interruption { state, statistics };
        sinks.tell(|sink| sink.interrupted(&mut at))
    }

    /// The state for sinks, and separately the parts that they may use.
    fn apart(&mut self, clock: Clock) -> (RunState<'_>, Option<&mut RunningStatistics>) {
        let Session { config, learner, source, normalization, data, progress, statistics, .. } = self;
        let state = RunState {
            config,
            learner,
            classes: source.classes(),
            normalization,
            scale: scale_of(&**source),
            data: data.as_ref(),
            progress,
            clock,
        };
        (state, statistics.as_mut())
    }

    fn state(&self, clock: Clock) -> RunState<'_> {
        RunState {
            config: &self.config,
            learner: &self.learner,
            classes: self.source.classes(),
            normalization: &self.normalization,
            scale: scale_of(&*self.source),
            data: self.data.as_ref(),
            progress: &self.progress,
            clock,
        }
    }

    /// Whether the best weights are wanted but no epoch had a finite validation loss.
    fn has_no_best(&self) -> bool {
        self.config.patience.is_some()
            && !self.source.is_empty(Split::Val)
            && self.progress.stopping.best().is_none()
    }

    /// The parameters that the run ends with: the best ones if it could stop early, otherwise the last.
    fn final_parameters(&mut self) -> Result<Parameters, TrainError> {
        match &self.best {
            Some(best) => Ok(best.clone()),
            None => published(&self.learner, self.statistics.as_mut()),
        }
    }

    /// Evaluates the evaluator's weights; `None` if the split is empty, and breaks if interrupted.
    fn evaluate(
        &mut self,
        split: Split,
        interrupt: &AtomicBool,
        sinks: &mut Sinks<'_>,
    ) -> Result<ControlFlow<(), Option<Evaluation>>, TrainError> {
        if self.source.is_empty(split) {
            return Ok(ControlFlow::Continue(None));
        }
        sinks.tell(|sink| sink.evaluating(split))?;
        let batch_size = self.config.batch_size;
        let kept = self.features.as_ref().and_then(|features| {
            let indices = (0..self.source.len(split)).collect();
            FeatureBatches::new(features, (Arc::clone(&self.source), split), (indices, batch_size), 0, 0)
        });
        if let Some(batches) = kept {
            let batches = Batches::Features(batches);
            let predictor = &mut self.evaluator;
            let classes = predictor.graph().classes();
            let logits = |features: ArrayView4<'_, f32>| Ok(predictor.logits(features)?);
            return Ok(evaluate_unless(interrupt, classes, batches, split, logits)?.map_continue(Some));
        }
        let batches = Batches::Images(self.in_order(split, batch_size)?.epoch(0, 0));
        let Session { evaluator, learner, .. } = self;
        let classes = evaluator.graph().classes();
        let evaluated = match learner.frozen_mut() {
            None => {
                evaluate_unless(interrupt, classes, batches, split, |images| Ok(evaluator.logits(images)?))?
            }
            Some(frozen) => {
                let logits =
                    |images: ArrayView4<'_, f32>| Ok(evaluator.logits(frozen.features(images)?.view())?);
                evaluate_unless(interrupt, classes, batches, split, logits)?
            }
        };
        Ok(evaluated.map_continue(Some))
    }

    /// Loads the parameters that are evaluated next.
    fn load_evaluator(&mut self, parameters: &Parameters) {
        match self.learner.frozen() {
            Some(frozen) => self.evaluator.load(&frozen.divided().head_parameters(parameters)),
            None => self.evaluator.load(parameters),
        }
    }

    /// The first validation images, or training images if there are none.
    fn shown_images(&self) -> Result<Array4<f32>, TrainError> {
        let split = if self.source.is_empty(Split::Val) { Split::Train } else { Split::Val };
        let loader = self.in_order(split, self.config.batch_size.min(SHOWN))?;
        let first = loader.epoch(0, 0).next().transpose()?;
        Ok(first.expect("a loader has a batch").images)
    }

    fn in_order(&self, split: Split, batch_size: usize) -> Result<Loader, TrainError> {
        let source = Arc::clone(&self.source);
        Ok(Loader::new(source, split, batch_size, Order::Sequential, &self.normalization)?)
    }

    fn summary(&self, val: Option<&Evaluation>, test: Option<&Evaluation>) -> Summary {
        let progress = &self.progress;
        Summary {
            model: self.graph().name().to_string(),
            data: self.config.data.source.clone(),
            parameters: self.graph().trained_parameters() as u64,
            epochs: progress.epochs_done,
            best_epoch: progress.stopping.best().map(|best| best.epoch),
            train_loss: progress.train_loss,
            val_loss: val.map(|val| val.loss),
            test_loss: test.map(|test| test.loss),
            train_accuracy: progress.train_accuracy,
            val_accuracy: val.map(|val| val.accuracy),
            test_accuracy: test.map(|test| test.accuracy),
            seconds: progress.seconds,
            images_per_second: progress.images as f64 / progress.train_seconds.max(1e-9),
            peak_memory_bytes: peak_memory_bytes(),
            predicted_memory_bytes: Some(self.footprint.total()),
            version: self.config.version.clone(),
            seed: self.config.seed,
        }
    }
}

/// Images that sinks can use after an epoch, if the batch size allows.
const SHOWN: usize = 32;

impl Clock {
    /// Training starts or continues now.
    fn now(progress: &RunProgress) -> Clock {
        Clock { started: Instant::now(), before: progress.seconds }
    }

    fn seconds(self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }
}

/// The factor that the pixel values of a source are multiplied by first.
fn scale_of(source: &dyn Source) -> f64 {
    match source.pixel_type() {
        PixelType::U8 => 1.0 / 255.0,
        PixelType::F32 => 1.0,
    }
}

/// The best weights that a run has written.
fn best_of(run: &RunDir) -> Result<Parameters, TrainError> {
    Ok(WeightsFile::read(&run.best_weights_path())?.parameters)
}
