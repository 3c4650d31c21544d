//! What sinks are shown of a run.

use std::time::Instant;

use convscope_data::{Framing, Normalization};
use convscope_graph::{Executor, Graph, InputDescription, Observer, Parameters, WeightsFile};
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
use crate::session::Progress;
use crate::statistics::RunningStatistics;

/// A run at one moment.
#[derive(Clone, Copy)]
pub struct RunState<'a> {
    pub(crate) config: &'a TrainConfig,
    pub(crate) learner: &'a Learner,
    pub(crate) classes: &'a [String],
    pub(crate) normalization: &'a Normalization,
    /// What pixel values are multiplied by before that.
    pub(crate) scale: f64,
    pub(crate) data: Option<&'a DataRecord>,
    pub(crate) progress: &'a Progress,
    pub(crate) clock: Clock,
}

/// When training began, and how long it had gone on before.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) started: Instant,
    pub(crate) before: f64,
}

/// The end of an epoch.
pub struct EpochEnd<'a> {
    /// The run.
    pub state: RunState<'a>,
    /// The figures of the epoch.
    pub metrics: &'a EpochMetrics,
    /// How each layer learned.
    pub layers: &'a [LayerMetrics],
    /// The parameters that were validated: the moving average where there is one.
    pub published: &'a Parameters,
    /// Whether the validation loss is the lowest so far.
    pub is_best: bool,
    /// What TensorBoard is to show beside the figures.
    pub summaries: Vec<TensorBoardSummary>,
    pub(crate) shown: ArrayView4<'a, f32>,
    pub(crate) evaluator: &'a mut Executor,
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
    /// What `summary.json` holds.
    pub summary: &'a Summary,
    /// What the final parameters do on the validation images, where there are any.
    pub val: Option<&'a Evaluation>,
    /// What they do on the test images, where there are any.
    pub test: Option<&'a Evaluation>,
}

impl<'a> RunState<'a> {
    /// What was asked of the run.
    pub fn config(&self) -> &'a TrainConfig {
        self.config
    }

    /// The network.
    pub fn graph(&self) -> &'a Graph {
        self.learner.graph()
    }

    /// What learns.
    pub fn learner(&self) -> &'a Learner {
        self.learner
    }

    /// Names of the classes in the order of the labels.
    pub fn classes(&self) -> &'a [String] {
        self.classes
    }

    /// Epochs that are over.
    pub fn epochs_done(&self) -> u64 {
        self.progress.epochs_done
    }

    /// Whether all epochs are over, or the run stops early.
    pub fn is_over(&self) -> bool {
        self.progress.has_stopped || self.progress.epochs_done == self.config.epochs
    }

    /// Seconds that the run has taken, over all its sessions.
    pub fn seconds(&self) -> f64 {
        self.clock.before + self.clock.started.elapsed().as_secs_f64()
    }

    /// All that is needed to go on from here.
    ///
    /// # Errors
    /// [`TrainError::StateMismatch`] for figures without a JSON form.
    pub fn checkpoint(&self) -> Result<Checkpoint, TrainError> {
        let mut checkpoint = Checkpoint::new();
        self.learner.save_into(&mut checkpoint);
        let (layers, seconds) = (self.learner.meter().clone(), self.seconds());
        checkpoint.set_value(&Progress { layers, seconds, ..self.progress.clone() })?;
        Ok(checkpoint)
    }

    /// Tells one model from another in a checkpoint.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.graph())
    }

    /// A weights file of these parameters, with all that is needed to ask them.
    pub fn weights(&self, parameters: &Parameters) -> WeightsFile {
        let Normalization { mean, std } = self.normalization.clone();
        let [_, height, width] = self.graph().description().input;
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

impl EpochEnd<'_> {
    /// The first validation images, or training images where there are none, as the network takes them: `[N, C, H, W]`, at most 32.
    pub fn images(&self) -> ArrayView4<'_, f32> {
        self.shown.view()
    }

    /// Runs the [`images`](Self::images) through the network for inference, with its [published](Self::published) parameters.
    ///
    /// # Errors
    /// None that a network has which was just validated.
    pub fn observe(&mut self, observer: &dyn Observer) -> Result<(), TrainError> {
        self.evaluator.logits(self.shown, Some(observer))?;
        Ok(())
    }
}

impl Interruption<'_> {
    /// The parameters as they would be published now.
    ///
    /// # Errors
    /// A training image that cannot be read, where running statistics are taken anew.
    pub fn published(&mut self) -> Result<Parameters, TrainError> {
        published(self.state.learner, self.statistics.as_deref_mut())
    }
}

/// The parameters that are evaluated and written: the moving average where there is one, with running statistics of its own.
pub(crate) fn published(
    learner: &Learner,
    statistics: Option<&mut RunningStatistics>,
) -> Result<Parameters, TrainError> {
    let mut published = learner.averaged();
    if let Some(statistics) = statistics {
        statistics.renew(&mut published)?;
    }
    Ok(published)
}

/// Tells one model from another in a checkpoint.
pub(crate) fn fingerprint(graph: &Graph) -> String {
    let description = graph.description();
    let [channels, height, width] = description.input;
    // FNV-1a: short, and the same in every version of the program.
    let hash = description.to_toml().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let classes = graph.classes();
    format!("{} for {channels}x{height}x{width} images of {classes} classes ({hash:016x})", description.name)
}
