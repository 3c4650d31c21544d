//! A network that learns, one batch at a time.

mod diverged;
mod exchange;
mod frozen;
mod setup;
mod state;

pub use exchange::Exchange;
pub(crate) use frozen::Frozen;
pub(crate) use setup::check_batches;

use std::sync::Arc;

use convscope_data::Batch;
use convscope_graph::{Executor, Graph, Parameters, StepOutcome, TrainingBatch};
use convscope_kernels::threads;
use convscope_ops::{Labels, Loss, Parameter, Sample};
use ndarray::ArrayView4;

use crate::clip::{clip_gradients, gradient_norm};
use crate::config::TrainConfig;
use crate::ema::Ema;
use crate::error::TrainError;
use crate::layer_meter::{LayerMeter, LayerMetrics, layers_of_tensors};
use crate::optimizer::Optimizer;
use crate::sam::{Sam, gradients_of};
use crate::schedule::{RunLength, Schedule};
use crate::teachers::Teachers;

/// A network with everything that turns a batch of images into better parameters: loss, gradients, clipping, optimizer, schedule,
/// and, if configured, SAM, a moving average and teachers.
///
/// It knows nothing about files or data sets. A [`Session`](crate::Session) feeds it the images of a
/// [source](convscope_data::Source) and records the results.
///
/// ```
/// use std::sync::Arc;
/// use convscope_data::Batch;
/// use convscope_graph::{Graph, preset};
/// use convscope_train::{Learner, RunLength, TrainConfig};
/// use ndarray::Array4;
///
/// let graph = Arc::new(Graph::new(preset("plain8", [3, 8, 8], 2)?)?);
/// let config = TrainConfig { batch_size: 4, ..TrainConfig::default() };
/// let mut learner = Learner::new(graph, &config, RunLength { epochs: 10, steps_per_epoch: 1 })?;
/// let batch = Batch { images: Array4::ones([4, 3, 8, 8]), labels: vec![1; 4], mixed: None, indices: (0..4).collect() };
/// let first = learner.step(&batch)?;
/// for _ in 1..10 {
///     learner.step(&batch)?;
/// }
/// assert!(learner.step(&batch)?.loss < first.loss);
/// # Ok::<(), convscope_train::TrainError>(())
/// ```
pub struct Learner {
    graph: Arc<Graph>,
    /// Runs what is trained: the whole network or its head.
    executor: Executor,
    /// Of the whole network.
    parameters: Parameters,
    /// `None` once everything is trained.
    frozen: Option<Frozen>,
    /// For each array of the executor's graph, its index among the parameters.
    part: Vec<usize>,
    /// For each array, how many trained ones come before it.
    ordinals: Vec<usize>,
    config: TrainConfig,
    /// The layer of each array that is trained.
    layers: Vec<Option<usize>>,
    meter: LayerMeter,
    loss: Loss,
    /// One per class; empty if all count equally.
    class_weights: Vec<f64>,
    clip_norm: Option<f64>,
    optimizer: Optimizer,
    schedule: Schedule,
    length: RunLength,
    sam: Option<Sam>,
    teachers: Option<Teachers>,
    ema: Option<Ema>,
    exchange: Option<Box<dyn Exchange>>,
    /// Copy in which running statistics change while a loss is computed.
    probed: Option<Parameters>,
    seed: u64,
    step: u64,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learned {
    /// The mean loss of the batch, before the step.
    pub loss: f64,
    /// Images whose most probable class was the true one.
    pub correct: usize,
    /// Images in the batch.
    pub images: usize,
    /// The learning rate of the step.
    pub learning_rate: f64,
}

impl Learner {
    /// A network with random parameters from the configuration's seed. Only the parts of the configuration that concern
    /// a step are used; the schedule needs the `length` of the run.
    ///
    /// # Errors
    /// A value of the configuration is out of range, or the system cannot provide the memory.
    pub fn new(graph: Arc<Graph>, config: &TrainConfig, length: RunLength) -> Result<Learner, TrainError> {
        config.validate()?;
        let parameters = Parameters::new(&graph, config.seed)?;
        let divided = config.freeze.divide(&graph)?;
        let frozen =
            divided.map(|divided| Frozen::new(divided, config.batch_size, &parameters)).transpose()?;
        let trained = || parameters.tensors().iter().filter(|tensor| tensor.role.is_trained());
        let ema = config.ema.map(|decay| Ema::new(decay, trained().map(|tensor| tensor.slice())));
        let mut learner = Learner {
            layers: layers_of_tensors(&graph, &parameters),
            meter: LayerMeter::default(),
            loss: Loss::CrossEntropy { label_smoothing: config.label_smoothing },
            class_weights: Vec::new(),
            clip_norm: config.clip_norm,
            optimizer: Optimizer::new(&config.optimizer, [])?,
            schedule: Schedule::new(&config.schedule, config.lr, length),
            length,
            sam: None,
            teachers: None,
            ema: ema.transpose()?,
            exchange: None,
            probed: None,
            seed: config.seed,
            step: 0,
            executor: setup::executor(config, &graph, frozen.as_ref())?,
            part: setup::part(&parameters, frozen.as_ref()),
            ordinals: setup::ordinals(&parameters),
            config: config.clone(),
            frozen,
            graph,
            parameters,
        };
        learner.equip()?;
        Ok(learner)
    }

    /// Sets up what has a state for each array that is trained.
    fn equip(&mut self) -> Result<(), TrainError> {
        self.optimizer = setup::optimizer(&self.config, &self.graph, &self.parameters, &self.part)?;
        let rho = self.config.sam;
        self.sam = match &mut self.frozen {
            Some(frozen) => frozen.with_head(&mut self.parameters, |head| Sam::wanted(rho, head))?,
            None => Sam::wanted(rho, &self.parameters)?,
        };
        Ok(())
    }

    /// Trains the frozen part too from now on, with an optimizer that starts anew.
    ///
    /// # Errors
    /// The system cannot provide the memory.
    pub(crate) fn unfreeze(&mut self) -> Result<(), TrainError> {
        if self.frozen.take().is_none() {
            return Ok(());
        }
        self.executor = setup::executor(&self.config, &self.graph, None)?;
        self.part = setup::part(&self.parameters, None);
        self.equip()
    }

    /// The part that is not trained, if there is one.
    pub(crate) fn frozen(&self) -> Option<&Frozen> {
        self.frozen.as_ref()
    }

    pub(crate) fn frozen_mut(&mut self) -> Option<&mut Frozen> {
        self.frozen.as_mut()
    }

    /// The same learner, which also learns from these networks' predictions.
    pub fn with_teachers(self, teachers: Option<Teachers>) -> Learner {
        Learner { teachers, ..self }
    }

    /// The same learner with a loss in which images of class `i` count `weights[i]` times; empty if all count equally.
    pub fn with_class_weights(self, weights: Vec<f64>) -> Learner {
        Learner { class_weights: weights, ..self }
    }

    /// The same learner with gradients that go through `exchange` before each update.
    pub fn with_exchange(self, exchange: Box<dyn Exchange>) -> Learner {
        Learner { exchange: Some(exchange), ..self }
    }

    /// The network.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// The current values of the trained parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The arrays of what is trained: not those of a frozen body.
    pub fn trained_arrays(&self) -> impl Iterator<Item = &Parameter> {
        self.part.iter().map(|&index| &self.parameters.tensors()[index])
    }

    /// Replaces the parameters, from which training continues.
    ///
    /// # Errors
    /// [`TrainError::OtherParameters`] for those of a different network.
    pub fn set_parameters(&mut self, parameters: Parameters) -> Result<(), TrainError> {
        let shapes = |parameters: &Parameters| -> Vec<_> {
            parameters
                .tensors()
                .iter()
                .map(|tensor| (tensor.key.clone(), tensor.values.shape().to_vec()))
                .collect()
        };
        if shapes(&parameters) != shapes(&self.parameters) {
            return Err(TrainError::OtherParameters { network: self.graph().name().to_owned() });
        }
        self.parameters = parameters;
        self.reload_body();
        Ok(())
    }

    fn reload_body(&mut self) {
        if let Some(frozen) = &mut self.frozen {
            frozen.load(&self.parameters);
        }
    }

    /// Replaces the parameters before the first step; their moving average starts from them too.
    pub(crate) fn start_from(&mut self, parameters: Parameters) -> Result<(), TrainError> {
        self.set_parameters(parameters)?;
        if let Some(ema) = &mut self.ema {
            let trained = self.parameters.tensors().iter().filter(|tensor| tensor.role.is_trained());
            *ema = Ema::new(ema.decay(), trained.map(|tensor| tensor.slice()))?;
        }
        Ok(())
    }

    /// The moving average of the parameters, or the parameters themselves if none is kept. In both cases, the running
    /// statistics are those of the parameters.
    pub fn averaged(&self) -> Parameters {
        let mut averaged = self.parameters.clone();
        if let Some(ema) = &self.ema {
            let trained = averaged.tensors_mut().iter_mut().filter(|tensor| tensor.role.is_trained());
            let of_each = trained.enumerate();
            of_each.for_each(|(index, tensor)| tensor.slice_mut().copy_from_slice(ema.average(index)));
        }
        averaged
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// The scheduled learning rate of a step, counted from 0.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        self.schedule.lr_at(step)
    }

    /// Learns from a batch at the rate of the schedule.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] if the loss or gradient is not finite (the parameters are then unchanged); images of a
    /// different shape from the network's, too many images, or too few for a batch normalisation; errors of an
    /// [`Exchange`].
    pub fn step(&mut self, batch: &Batch) -> Result<Learned, TrainError> {
        self.step_at(batch, self.schedule.lr_at(self.step))
    }

    /// Learns from a batch at a given rate.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn step_at(&mut self, batch: &Batch, learning_rate: f64) -> Result<Learned, TrainError> {
        threads::in_pool(|| {
            let outcome = self.differentiate(batch)?;
            self.learn(outcome, batch.labels.len(), learning_rate)
        })
    }

    /// As [`step`](Self::step), from the features that the frozen part computes from images.
    pub(crate) fn step_on_features(
        &mut self,
        features: ArrayView4<'_, f32>,
        labels: &[usize],
    ) -> Result<Learned, TrainError> {
        threads::in_pool(|| {
            let labels = Labels::new(labels).with_class_weights(&self.class_weights);
            let sample = Sample { seed: self.seed, step: self.step, ..Sample::default() };
            let training = TrainingBatch { images: features, labels, sample };
            let Learner { executor, parameters, frozen, loss, sam, .. } = self;
            let found = gradients(training, executor, parameters, frozen.as_mut(), loss, sam.as_mut())?;
            let outcome = found.map_err(|place| self.diverged(place))?;
            self.learn(outcome, features.dim().0, self.schedule.lr_at(self.step))
        })
    }

    fn learn(
        &mut self,
        outcome: StepOutcome,
        images: usize,
        learning_rate: f64,
    ) -> Result<Learned, TrainError> {
        self.update(learning_rate)?;
        Ok(Learned { loss: outcome.loss, correct: outcome.correct, images, learning_rate })
    }

    /// The loss of a batch with the statistics of its own images, as in training. Nothing changes.
    pub(crate) fn loss_of(&mut self, batch: &Batch) -> Result<f64, TrainError> {
        let features = self.frozen.as_mut().map(|frozen| frozen.features(batch.images.view())).transpose()?;
        let sample = Sample { seed: self.seed, step: self.step, ..Sample::default() };
        let labels = Labels::new(&batch.labels);
        let images = features.as_ref().map_or(batch.images.view(), |features| features.view());
        let training = TrainingBatch { images, labels, sample };
        let probed = self.probed.get_or_insert_with(|| self.parameters.clone());
        probed.clone_from(&self.parameters);
        let (executor, loss) = (&mut self.executor, &self.loss);
        let mut step = |parameters: &mut Parameters| executor.train_step(parameters, training, loss, None);
        let outcome = match &mut self.frozen {
            Some(frozen) => frozen.with_head(probed, step),
            None => step(probed),
        };
        Ok(outcome?.loss)
    }

    /// The first half of a step: loss and gradients.
    pub(crate) fn differentiate(&mut self, batch: &Batch) -> Result<StepOutcome, TrainError> {
        let features = self.frozen.as_mut().map(|frozen| frozen.features(batch.images.view())).transpose()?;
        let labels = labels_of(batch, self.teachers.as_mut())?.with_class_weights(&self.class_weights);
        let sample = Sample { seed: self.seed, step: self.step, ..Sample::default() };
        let images = features.as_ref().map_or(batch.images.view(), |features| features.view());
        let training = TrainingBatch { images, labels, sample };
        let Learner { executor, parameters, frozen, loss, sam, .. } = self;
        let found = gradients(training, executor, parameters, frozen.as_mut(), loss, sam.as_mut())?;
        found.map_err(|place| self.diverged(place))
    }

    /// The second half: exchange, clipping, and a step of the optimizer and the moving average.
    pub(crate) fn update(&mut self, learning_rate: f64) -> Result<(), TrainError> {
        if let Some(exchange) = &mut self.exchange {
            exchange.exchange(self.executor.gradients_mut())?;
        }
        let norm = match self.clip_norm {
            Some(most) => clip_gradients(self.executor.gradients_mut(), most),
            None => gradient_norm(self.executor.gradients()),
        };
        if !norm.is_finite() {
            let keys = self.part.iter().map(|&index| self.parameters.tensors()[index].key.as_str());
            return Err(self.diverged(diverged::place_of_gradient(keys, &self.executor)));
        }
        let tensors = self.parameters.tensors();
        let gradients = self.part.iter().zip(self.executor.gradients());
        let gradients = gradients.filter(|(index, _)| tensors[**index].role.is_trained());
        self.optimizer.begin_step(learning_rate, gradients.map(|(_, gradient)| gradient.as_slice()))?;
        if let Some(ema) = &mut self.ema {
            ema.begin_step();
        }
        let trained = self.part.iter().zip(self.executor.gradients());
        let trained = trained.filter_map(|(&array, gradient)| Some((array, gradient, self.layers[array]?)));
        let meter = &mut self.meter;
        let is_measured = meter.begin_step(self.layers.iter().flatten().max().map_or(0, |last| last + 1));
        for (index, (array, gradient, layer)) in trained.enumerate() {
            let tensor = &mut self.parameters.tensors_mut()[array];
            let optimizer = &mut self.optimizer;
            let mut update = |values: &mut [f32]| optimizer.update(index, values, gradient);
            if is_measured {
                meter.watch(layer, tensor.slice_mut(), gradient, update);
            } else {
                update(tensor.slice_mut());
            }
            if let Some(ema) = &mut self.ema {
                ema.update(self.ordinals[array], tensor.slice());
            }
        }
        if is_measured {
            meter.end_step();
        }
        self.step += 1;
        Ok(())
    }

    /// How each layer that is trained has learned since the last call, as the lines of an epoch.
    pub fn take_layer_metrics(&mut self, epoch: u64) -> Vec<LayerMetrics> {
        let mut lines = self.meter.take(epoch, &self.graph, &self.parameters);
        if let Some(frozen) = &self.frozen {
            let head = &frozen.divided().head;
            lines.retain(|line| head.nodes().iter().any(|node| node.name == line.layer));
        }
        lines
    }

    pub(crate) fn executor_mut(&mut self) -> &mut Executor {
        &mut self.executor
    }

    fn diverged(&self, place: String) -> TrainError {
        let epoch = self.step / self.length.steps_per_epoch.max(1) + 1;
        TrainError::Diverged { place, epoch, step: self.step + 1 }
    }
}

/// Loss and gradients of what is trained, or where numbers first stopped being finite.
fn gradients(
    batch: TrainingBatch<'_>,
    executor: &mut Executor,
    parameters: &mut Parameters,
    frozen: Option<&mut Frozen>,
    loss: &Loss,
    sam: Option<&mut Sam>,
) -> Result<Result<StepOutcome, String>, TrainError> {
    let differentiate = |parameters: &mut Parameters| {
        let outcome = gradients_of(batch, executor, parameters, loss, sam)?;
        if outcome.loss.is_finite() {
            return Ok(Ok(outcome));
        }
        Ok(Err(diverged::place_of_loss(batch, executor, parameters, loss)))
    };
    match frozen {
        Some(frozen) => frozen.with_head(parameters, differentiate),
        None => differentiate(parameters),
    }
}

/// The labels of a batch, mixed where its images are, with the teachers' predictions.
fn labels_of<'a>(batch: &'a Batch, teachers: Option<&'a mut Teachers>) -> Result<Labels<'a>, TrainError> {
    let labels = match &batch.mixed {
        Some(mixed) => Labels::mixed(&batch.labels, &mixed.labels, &mixed.shares),
        None => Labels::new(&batch.labels),
    };
    teachers.map_or(Ok(labels), |teachers| teachers.teach(batch.images.view(), labels))
}
