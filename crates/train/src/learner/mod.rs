//! A network that learns, one batch at a time.

mod diverged;
mod exchange;
mod setup;
mod state;

pub use exchange::Exchange;
pub(crate) use setup::check_batches;

use std::sync::Arc;

use convscope_data::Batch;
use convscope_graph::{Executor, Graph, Parameters, StepOutcome, TrainingBatch};
use convscope_kernels::threads;
use convscope_ops::{Labels, Loss, Mode, Sample};

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
/// use convscope_train::{Learner, TrainConfig, schedule::RunLength};
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
    executor: Executor,
    parameters: Parameters,
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
        let trained = || parameters.tensors().iter().filter(|tensor| tensor.role.is_trained());
        let ema = config.ema.map(|decay| Ema::new(decay, trained().map(|tensor| tensor.slice())));
        Ok(Learner {
            layers: layers_of_tensors(&graph, &parameters),
            meter: LayerMeter::default(),
            loss: Loss::CrossEntropy { label_smoothing: config.label_smoothing },
            class_weights: Vec::new(),
            clip_norm: config.clip_norm,
            optimizer: setup::optimizer(config, &parameters)?,
            schedule: Schedule::new(&config.schedule, config.lr, length),
            length,
            sam: Sam::wanted(config.sam, &parameters)?,
            teachers: None,
            ema: ema.transpose()?,
            exchange: None,
            probed: None,
            seed: config.seed,
            step: 0,
            executor: Executor::with_precision(graph, Mode::Training, config.precision, config.batch_size)?,
            parameters,
        })
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
        self.executor.graph()
    }

    /// The current values of the trained parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
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
        Ok(())
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
            self.update(learning_rate)?;
            Ok(Learned {
                loss: outcome.loss,
                correct: outcome.correct,
                images: batch.labels.len(),
                learning_rate,
            })
        })
    }

    /// The loss of a batch with the statistics of its own images, as in training. Nothing changes.
    pub(crate) fn loss_of(&mut self, batch: &Batch) -> Result<f64, TrainError> {
        let sample = Sample { seed: self.seed, step: self.step, ..Sample::default() };
        let labels = Labels::new(&batch.labels);
        let training = TrainingBatch { images: batch.images.view(), labels, sample };
        let probed = self.probed.get_or_insert_with(|| self.parameters.clone());
        probed.clone_from(&self.parameters);
        Ok(self.executor.train_step(probed, training, &self.loss, None)?.loss)
    }

    /// The first half of a step: loss and gradients.
    pub(crate) fn differentiate(&mut self, batch: &Batch) -> Result<StepOutcome, TrainError> {
        let labels = labels_of(batch, self.teachers.as_mut())?.with_class_weights(&self.class_weights);
        let sample = Sample { seed: self.seed, step: self.step, ..Sample::default() };
        let training = TrainingBatch { images: batch.images.view(), labels, sample };
        let (executor, parameters) = (&mut self.executor, &mut self.parameters);
        let outcome = gradients_of(training, executor, parameters, &self.loss, self.sam.as_mut())?;
        if !outcome.loss.is_finite() {
            let place = diverged::place_of_loss(training, executor, parameters, &self.loss);
            return Err(self.diverged(place));
        }
        Ok(outcome)
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
            return Err(self.diverged(diverged::place_of_gradient(&self.parameters, &self.executor)));
        }
        let gradients = self.parameters.tensors().iter().zip(self.executor.gradients());
        let gradients = gradients.filter(|(tensor, _)| tensor.role.is_trained());
        self.optimizer.begin_step(learning_rate, gradients.map(|(_, gradient)| gradient.as_slice()))?;
        if let Some(ema) = &mut self.ema {
            ema.begin_step();
        }
        let tensors = self.parameters.tensors_mut().iter_mut().zip(self.executor.gradients());
        let trained = tensors.zip(&self.layers).filter_map(|(pair, &layer)| Some((pair, layer?)));
        let meter = &mut self.meter;
        let is_measured = meter.begin_step(self.layers.iter().flatten().max().map_or(0, |last| last + 1));
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
        self.step += 1;
        Ok(())
    }

    /// How each layer has learned since the last call, as the lines of an epoch.
    pub fn take_layer_metrics(&mut self, epoch: u64) -> Vec<LayerMetrics> {
        self.meter.take(epoch, self.executor.graph(), &self.parameters)
    }

    pub(crate) fn executor_mut(&mut self) -> &mut Executor {
        &mut self.executor
    }

    fn diverged(&self, place: String) -> TrainError {
        let epoch = self.step / self.length.steps_per_epoch.max(1) + 1;
        TrainError::Diverged { place, epoch, step: self.step + 1 }
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
