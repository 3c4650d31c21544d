//! Measures how fast a network trains and predicts, on synthetic images in memory.

mod layers;
mod spread;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use convscope_graph::{Ceiling, Graph, PlanSummary, Predictor};
use convscope_kernels::peak::Peak;
use convscope_ops::{BindOptions, Isa, Mode, Precision};
use serde::Serialize;

use crate::TrainError;
pub use layers::{LayerTimes, OtherTime, PassTime};
pub use spread::{Latency, Throughput};
pub use workload::TrainingWorkload;

use spread::repeat;
use workload::{Images, SEED};

/// A network and how it is measured. Everything runs on the rayon pool of the caller.
#[derive(Clone, Debug)]
pub struct Benchmark {
    graph: Arc<Graph>,
    batch_size: usize,
    precision: Precision,
    budget: Duration,
}

/// What was measured on which machine.
#[derive(Clone, Debug, Serialize)]
pub struct Setup {
    /// Name of the model.
    pub model: String,
    /// Channels, rows and columns of the images.
    pub input: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// Images in a batch.
    pub batch_size: usize,
    /// The precision of products.
    pub precision: Precision,
    /// Threads of the pool.
    pub threads: usize,
    /// The vector instructions in use.
    pub instructions: String,
    /// Multiply-adds per second of all threads in registers.
    pub peak: Peak,
    /// Upper bound from the multiply-adds alone in training, in images per second.
    pub train_ceiling: Ceiling,
    /// Upper bound from the multiply-adds alone in inference, in images per second.
    pub inference_ceiling: Ceiling,
}

impl Benchmark {
    /// Measures `graph` with batches of `batch_size` images (at least 1), each figure for about `budget`.
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use convscope_graph::{Graph, preset};
    /// use convscope_ops::Precision;
    /// let graph = Arc::new(Graph::new(preset("plain8", [3, 8, 8], 2)?)?);
    /// let benchmark = convscope_train::Benchmark::new(graph, 4, Precision::F32, Duration::ZERO);
    /// assert!(benchmark.train()?.images_per_second > 0.0);
    /// # Ok::<(), convscope_train::TrainError>(())
    /// ```
    pub fn new(graph: Arc<Graph>, batch_size: usize, precision: Precision, budget: Duration) -> Benchmark {
        Benchmark { graph, batch_size: batch_size.max(1), precision, budget }
    }

    /// Measures the machine's peak and describes what is measured.
    pub fn setting(&self) -> Setup {
        let peak = Peak::measure(Isa::best());
        let ceiling = |mode| self.plan(mode).ceiling(&peak);
        Setup {
            model: self.graph.name().to_owned(),
            input: self.graph.image(),
            classes: self.graph.classes(),
            batch_size: self.batch_size,
            precision: self.precision,
            threads: rayon::current_num_threads(),
            instructions: Isa::best().to_string(),
            train_ceiling: ceiling(Mode::Training),
            inference_ceiling: ceiling(Mode::Inference),
            peak,
        }
    }

    /// Training steps, each with its forward and backward pass and the update of all weights by Adam.
    ///
    /// # Errors
    /// Those of [`Executor::train_step`](convscope_graph::Executor::train_step).
    pub fn train(&self) -> Result<Throughput, TrainError> {
        let mut workload = self.training_workload()?;
        let seconds = repeat(self.budget, || workload.step())?;
        Ok(Throughput::new(self.batch_size, &seconds))
    }

    /// Logits of a batch.
    ///
    /// # Errors
    /// Those of [`Predictor::logits`].
    pub fn inference(&self) -> Result<Throughput, TrainError> {
        Ok(Throughput::new(self.batch_size, &self.forward_seconds(self.batch_size)?))
    }

    /// Logits of one image.
    ///
    /// # Errors
    /// Those of [`Predictor::logits`].
    pub fn latency(&self) -> Result<Latency, TrainError> {
        Ok(Latency::new(&self.forward_seconds(1)?))
    }

    /// Where the time of a training step goes: layer by layer, and everything else.
    ///
    /// # Errors
    /// Those of [`Executor::train_step`](convscope_graph::Executor::train_step).
    pub fn layers(&self, peak: &Peak) -> Result<(Vec<LayerTimes>, Vec<OtherTime>), TrainError> {
        layers::measure(self, peak)
    }

    /// A training run on the benchmark's images that the caller advances step by step.
    ///
    /// # Errors
    /// The system cannot provide the memory.
    pub fn training_workload(&self) -> Result<TrainingWorkload, TrainError> {
        TrainingWorkload::new(&self.graph, self.precision, self.batch_size)
    }

    fn plan(&self, mode: Mode) -> PlanSummary {
        PlanSummary::new(&self.graph, BindOptions { mode, precision: self.precision }, self.batch_size)
    }

    fn forward_seconds(&self, batch_size: usize) -> Result<Vec<f64>, TrainError> {
        let graph = Arc::clone(&self.graph);
        let mut predictor = Predictor::new(graph, self.precision, batch_size)?;
        predictor.load(&convscope_graph::Parameters::new(&self.graph, SEED)?);
        let images = Images::new(&self.graph, batch_size)?;
        repeat(self.budget, || {
            std::hint::black_box(predictor.logits(images.view())?);
            Ok(())
        })
    }
}
