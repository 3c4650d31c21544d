//! The state of a run for sinks.

use std::sync::Arc;
use std::time::Instant;

use convscope_data::{Framing, Normalization};
use convscope_graph::{Executor, Graph, InputDescription, Observer, Parameters, WeightsFile};
use convscope_kernels::threads;
use convscope_ops::Mode;
use ndarray::ArrayView4;

use super::TensorBoardSummary;
use crate::checkpoint::Checkpoint;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::evaluate::Evaluation;
use crate::layer_meter::LayerMetrics;
use crate::learner::Learner;
use crate::metrics::EpochMetrics;
use crate::run_dir::{DataRecord, Summary};
use crate::session::RunProgress;
use crate::statistics::RunningStatistics;

/// A run at one moment.
#[derive(Clone, Copy)]
pub struct RunState<'a> {
    pub(crate) config: &'a TrainConfig,
    pub(crate) learner: &'a Learner,
    pub(crate) classes: &'a [String],
    pub(crate) normalization: &'a Normalization,
    /// Factor that pixel values are multiplied by before that.
    pub(crate) scale: f64,
    pub(crate) data: Option<&'a DataRecord>,
    pub(crate) progress: &'a RunProgress,
    pub(crate) clock: Clock,
}

/// When training started, and how long it had run before.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) started: Instant,
    pub(crate) before: f64,
}

/// The end of an epoch.
pub struct EpochEnd<'a> {
    /// The run.
    pub state: RunState<'a>,
    /// The metrics of the epoch.
    pub metrics: &'a EpochMetrics,
    /// How each layer learned.
    pub layers: &'a [LayerMetrics],
    /// The parameters that were validated: the moving average if there is one.
    pub published: &'a Parameters,
    /// Whether the validation loss is the lowest so far.
    pub is_best: bool,
    /// What TensorBoard shows in addition to the metrics.
    pub summaries: Vec<TensorBoardSummary>,
    pub(crate) shown: ArrayView4<'a, f32>,
}

/// An interruption of training.
pub struct Interruption<'a> {
    /// The run.
    pub state: RunState<'a>,
    pub(crate) statistics: Option<&'a mut RunningStatistics>,
}

/// The end of a run.
pub struct RunEnd<'a> {
    /// The run.
    pub state: RunState<'a>,
    /// The contents of `summary.json`.
    pub summary: &'a Summary,
    /// The evaluation of the final parameters on the validation images, if any.
    pub val: Option<&'a Evaluation>,
    /// The evaluation on the test images, if any.
    pub test: Option<&'a Evaluation>,
}

impl<'a> RunState<'a> {
    /// The configuration of the run.
    pub fn config(&self) -> &'a TrainConfig {
        self.config
    }

    /// The network.
    pub fn graph(&self) -> &'a Graph {
        self.learner.graph()
    }

    /// The learner.
    pub fn learner(&self) -> &'a Learner {
        self.learner
    }

    /// Names of the classes in the order of the labels.
    pub fn classes(&self) -> &'a [String] {
        self.classes
    }

    /// Number of finished epochs.
    pub fn epochs_done(&self) -> u64 {
        self.progress.epochs_done
    }

    /// Whether all epochs are finished, or the run stops early.
    pub fn is_over(&self) -> bool {
        self.progress.has_stopped || self.progress.epochs_done == self.config.epochs
    }

    /// Seconds that the run has taken, over all its sessions.
    pub fn seconds(&self) -> f64 {
        self.clock.before + self.clock.started.elapsed().as_secs_f64()
    }

    /// Everything that is needed to continue from here.
    ///
    /// # Errors
    /// [`TrainError::StateMismatch`] for numbers without a JSON form.
    pub fn checkpoint(&self) -> Result<Checkpoint, TrainError> {
        let mut checkpoint = Checkpoint::new();
        self.learner.save_into(&mut checkpoint);
        let (layers, seconds) = (self.learner.meter().clone(), self.seconds());
        checkpoint.set_value(&RunProgress { layers, seconds, ..self.progress.clone() })?;
        Ok(checkpoint)
    }

    /// Identifies the model in a checkpoint.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.graph())
    }

    /// A weights file of these parameters, with everything that is needed to use them.
    pub fn weights(&self, parameters: &Parameters) -> WeightsFile {
        let Normalization { mean, std } = self.normalization.clone();
        let [_, height, width] = self.graph().image();
        let Framing { resize, background } = match self.data {
            Some(data) => data.treatment.framing(),
            None => self.config.data.framing(),
        };
        WeightsFile {
            model: self.graph().description().clone(),
            classes: self.classes.to_vec(),
            input: InputDescription {
                size: [height, width],
                resize: resize.to_string(),
                background: background.to_string(),
                scale: self.scale,
                mean,
                std,
            },
            data: self.data.and_then(DataRecord::description),
            parameters: parameters.clone(),
        }
    }
}

/// Images that observers see together at the end of an epoch.
pub(crate) const OBSERVED_AT_ONCE: usize = 4;

impl EpochEnd<'_> {
    /// The first validation images, or training images if there are none, in the network's form: `[N, C, H, W]`, at
    /// most 32.
    pub fn images(&self) -> ArrayView4<'_, f32> {
        self.shown.view()
    }

    /// Runs the [`images`](Self::images) through the network for inference, with its [published](Self::published) parameters.
    ///
    /// # Errors
    /// The system cannot provide the memory.
    pub fn observe(&mut self, observer: &dyn Observer) -> Result<(), TrainError> {
        // On one thread, because every thread would need memory of its own.
        let graph = Arc::clone(self.state.learner.graph());
        let (published, shown) = (self.published, self.shown);
        let observed = || -> Result<(), TrainError> {
            let mut executor = Executor::new(graph, Mode::Inference, OBSERVED_AT_ONCE)?;
            executor.load(published);
            executor.logits(shown, Some(observer))?;
            Ok(())
        };
        match threads::pool(1) {
            Ok(pool) => pool.install(observed)?,
            Err(_) => observed()?,
        }
        Ok(())
    }
}

impl Interruption<'_> {
    /// The parameters that would be published now.
    ///
    /// # Errors
    /// A training image cannot be read while running statistics are recomputed.
    pub fn published(&mut self) -> Result<Parameters, TrainError> {
        published(self.state.learner, self.statistics.as_deref_mut())
    }
}

/// The parameters that are evaluated and written: the moving average if there is one, with its own running statistics.
pub(crate) fn published(
    learner: &Learner,
    statistics: Option<&mut RunningStatistics>,
) -> Result<Parameters, TrainError> {
    let mut published = learner.averaged();
    // A frozen body keeps its statistics.
    if let Some(statistics) = statistics.filter(|_| learner.frozen().is_none()) {
        statistics.renew(&mut published)?;
    }
    Ok(published)
}

/// Identifies the model in a checkpoint.
pub(crate) fn fingerprint(graph: &Graph) -> String {
    let description = graph.description();
    let [channels, height, width] = graph.image();
    // FNV-1a: short, and the same in every version of the program.
    let hash = description.to_toml().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let classes = graph.classes();
    format!("{} for {channels}x{height}x{width} images of {classes} classes ({hash:016x})", description.name)
}
