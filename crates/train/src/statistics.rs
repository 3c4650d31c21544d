//! Running statistics for averaged weights.

use std::sync::Arc;

use convscope_data::{Loader, Normalization, Order, Source, Split};
use convscope_graph::{Executor, Graph, Parameters};
use convscope_ops::{BindOptions, Mode, Role, Sample};

use crate::config::TrainConfig;
use crate::error::TrainError;

/// Recomputes the running statistics of batch normalisation from training images.
///
/// Those of a run belong to its weights; with averaged weights, the same images have a different mean and variance. So
/// each statistic becomes its mean over batches of the first [`IMAGES`] images in a random order, without augmentation
/// (Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018;
/// `torch.optim.swa_utils.update_bn`).
pub(crate) struct RunningStatistics {
    executor: Executor,
    loader: Loader,
    seed: u64,
}

/// How many training images are used, if there are enough.
const IMAGES: usize = 4096;

impl RunningStatistics {
    /// `None` for a network without running statistics.
    ///
    /// # Errors
    /// Training images that cannot form batches of the configured size.
    pub(crate) fn of(
        graph: &Graph,
        config: &TrainConfig,
        source: &Arc<dyn Source>,
        normalization: &Normalization,
    ) -> Result<Option<RunningStatistics>, TrainError> {
        let mut description = graph.description().clone();
        let mut has_any = false;
        for node in &mut description.nodes {
            if let Some(cumulative) = node.operator.layer().with_cumulative_statistics() {
                node.operator = cumulative;
                has_any = true;
            }
        }
        if !has_any {
            return Ok(None);
        }
        let graph = Arc::new(Graph::new(description)?);
        let (batch, seed) = (config.batch_size, config.seed);
        let order = Order::Shuffled { seed };
        Ok(Some(RunningStatistics {
            executor: Executor::new(
                graph,
                BindOptions { mode: Mode::Training, precision: config.precision },
                batch,
            )?,
            loader: Loader::new(Arc::clone(source), Split::Train, batch, order, normalization)?,
            seed,
        }))
    }

    /// Replaces the statistics with those of these weights; deterministic for given weights.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub(crate) fn renew(&mut self, parameters: &mut Parameters) -> Result<(), TrainError> {
        let mut tracked = Vec::new();
        for tensor in parameters.tensors_mut() {
            if tensor.role == Role::BatchesTracked {
                tracked.push(std::mem::take(&mut tensor.batches));
            }
        }
        let batches = IMAGES.div_ceil(self.loader.batch_size()).min(self.loader.batches());
        let mut epoch = self.loader.epoch(0, 0);
        for step in 0..batches {
            let Some(batch) = epoch.next() else { break };
            let batch = batch?;
            let sample = Sample { seed: self.seed, step: step as u64, ..Sample::default() };
            self.executor.follow_statistics(parameters, batch.images.view(), sample)?;
            epoch.recycle(batch);
        }
        let counts = parameters.tensors_mut().iter_mut().filter(|tensor| tensor.role == Role::BatchesTracked);
        counts.zip(tracked).for_each(|(tensor, count)| tensor.batches = count);
        Ok(())
    }
}
