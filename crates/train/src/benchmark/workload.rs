//! Synthetic images, and a training run on them.

use std::sync::Arc;

use convscope_data::Batch;
use convscope_graph::{Executor, Graph};
use convscope_kernels::memory;
use convscope_ops::{OutOfMemory, Precision};
use ndarray::{Array4, ArrayView4};

use crate::schedule::RunLength;
use crate::{Learner, OptimizerConfig, ScheduleConfig, TrainConfig, TrainError};

/// The seed of the initial weights.
pub(super) const SEED: u64 = 1;
const LEARNING_RATE: f64 = 0.001;

/// The noise repeats after this many values, a prime number, so that generating it does not slow down a measured start.
const PERIOD: usize = 8191;

/// A batch of images of noise, uniform between -1 and 1.
pub(super) struct Images(Array4<f32>);

impl Images {
    pub(super) fn new(graph: &Graph, count: usize) -> Result<Images, OutOfMemory> {
        let [channels, rows, columns] = graph.image();
        let mut state = 1_u32;
        let block: [f32; PERIOD] = std::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        });
        let len = count * channels * rows * columns;
        let mut noise = memory::room(len)?;
        while noise.len() < len {
            noise.extend_from_slice(&block[..PERIOD.min(len - noise.len())]);
        }
        let noise = Array4::from_shape_vec((count, channels, rows, columns), noise);
        Ok(Images(noise.expect("there are as many values as the shape needs")))
    }

    pub(super) fn view(&self) -> ArrayView4<'_, f32> {
        self.0.view()
    }
}

/// A training run with Adam that learns the same batch again and again.
pub struct TrainingWorkload {
    learner: Learner,
    batch: Batch,
}

impl TrainingWorkload {
    pub(super) fn new(
        graph: &Arc<Graph>,
        precision: Precision,
        batch_size: usize,
    ) -> Result<TrainingWorkload, TrainError> {
        let config = TrainConfig {
            batch_size,
            precision,
            seed: SEED,
            lr: LEARNING_RATE,
            optimizer: OptimizerConfig::adam(),
            schedule: ScheduleConfig::Constant,
            ..TrainConfig::default()
        };
        let length = RunLength { epochs: 1, steps_per_epoch: 1 };
        let labels = (0..batch_size).map(|image| image % graph.classes()).collect();
        let Images(images) = Images::new(graph, batch_size)?;
        Ok(TrainingWorkload {
            learner: Learner::new(Arc::clone(graph), &config, length)?,
            batch: Batch { images, labels, mixed: None, indices: (0..batch_size).collect() },
        })
    }

    /// One step: forward, backward, update.
    ///
    /// # Errors
    /// As [`Learner::step`].
    pub fn step(&mut self) -> Result<(), TrainError> {
        self.learner.step(&self.batch)?;
        Ok(())
    }

    /// The first part of a step: loss and gradients.
    pub(super) fn differentiate(&mut self) -> Result<(), TrainError> {
        self.learner.differentiate(&self.batch)?;
        Ok(())
    }

    /// The second part of a step: Adam.
    pub(super) fn update(&mut self) -> Result<(), TrainError> {
        self.learner.update(LEARNING_RATE)
    }

    pub(super) fn executor_mut(&mut self) -> &mut Executor {
        self.learner.executor_mut()
    }
}
