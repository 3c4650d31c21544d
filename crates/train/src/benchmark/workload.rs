//! Synthetic images, and a training run on them.

use std::sync::Arc;

use convscope_graph::{Executor, Graph, Parameters, TrainingBatch};
use convscope_ops::{Labels, Loss, Mode, Precision, Sample};
use ndarray::{Array4, ArrayView4};

use crate::session::trained_gradients;
use crate::{Optimizer, OptimizerConfig, TrainError};

/// Where the first weights come from.
pub(super) const SEED: u64 = 1;
const LEARNING_RATE: f64 = 0.001;

/// After so many values, a prime number, the noise repeats, so that it takes no time from a start that is measured.
const PERIOD: usize = 8191;

/// A batch of images of noise, uniform between -1 and 1.
pub(super) struct Images(Array4<f32>);

impl Images {
    pub(super) fn new(graph: &Graph, count: usize) -> Images {
        let [channels, rows, columns] = graph.description().input;
        let mut state = 1_u32;
        let block: [f32; PERIOD] = std::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        });
        let len = count * channels * rows * columns;
        let mut noise = Vec::with_capacity(len);
        while noise.len() < len {
            noise.extend_from_slice(&block[..PERIOD.min(len - noise.len())]);
        }
        let noise = Array4::from_shape_vec((count, channels, rows, columns), noise);
        Images(noise.expect("there are as many values as the shape asks for"))
    }

    pub(super) fn view(&self) -> ArrayView4<'_, f32> {
        self.0.view()
    }
}

/// A training run with Adam that learns the same batch again and again.
pub struct TrainingWorkload {
    executor: Executor,
    parameters: Parameters,
    optimizer: Optimizer,
    images: Images,
    labels: Vec<usize>,
    step: u64,
}

impl TrainingWorkload {
    pub(super) fn new(graph: &Arc<Graph>, precision: Precision, batch_size: usize) -> TrainingWorkload {
        let parameters = Parameters::new(graph, SEED);
        let trained = parameters.tensors().iter().filter(|tensor| tensor.role.is_trained());
        TrainingWorkload {
            executor: Executor::with_precision(Arc::clone(graph), Mode::Training, precision, batch_size),
            optimizer: Optimizer::new(&OptimizerConfig::adam(), trained.map(|tensor| tensor.values.len())),
            images: Images::new(graph, batch_size),
            labels: (0..batch_size).map(|image| image % graph.classes()).collect(),
            parameters,
            step: 0,
        }
    }

    /// One step: forward, backward, update.
    ///
    /// # Errors
    /// What [`Executor::train_step`] says.
    pub fn step(&mut self) -> Result<(), TrainError> {
        self.differentiate()?;
        self.update();
        Ok(())
    }

    /// The first part of a step: loss and gradients.
    pub(super) fn differentiate(&mut self) -> Result<(), TrainError> {
        let sample = Sample { seed: SEED, step: self.step, ..Sample::default() };
        let batch = TrainingBatch { images: self.images.view(), labels: Labels::new(&self.labels), sample };
        self.executor.train_step(&mut self.parameters, batch, &Loss::CROSS_ENTROPY, None)?;
        self.step += 1;
        Ok(())
    }

    /// The second part of a step: Adam.
    pub(super) fn update(&mut self) {
        self.optimizer.begin_step(LEARNING_RATE, trained_gradients(&self.parameters, &self.executor));
        let tensors = self.parameters.tensors_mut().iter_mut().zip(self.executor.gradients());
        let trained = tensors.filter(|(tensor, _)| tensor.role.is_trained());
        for (index, (tensor, gradient)) in trained.enumerate() {
            self.optimizer.update(index, tensor.slice_mut(), gradient);
        }
    }

    pub(super) fn executor_mut(&mut self) -> &mut Executor {
        &mut self.executor
    }
}
