//! Sets up a network from a configuration before its first step.

use convscope_data::Loader;
use convscope_graph::{Graph, Parameters};
use convscope_ops::{OutOfMemory, Role};

use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::optimizer::{DecayScope, Optimizer};

/// Fails if the batches of an epoch, or its last one, have too few images for the network.
pub(crate) fn check_batches(graph: &Graph, loader: &Loader) -> Result<(), TrainError> {
    let (images, size) = (loader.images(), loader.batch_size());
    let last = images - (loader.batches() - 1) * size;
    [size.min(images), last].into_iter().try_for_each(|images| Ok(graph.check_batch(images)?))
}

/// The configured optimizer for the trained arrays of a network.
pub(super) fn optimizer(config: &TrainConfig, parameters: &Parameters) -> Result<Optimizer, OutOfMemory> {
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
    Optimizer::new(&config.optimizer, trained().map(|tensor| tensor.values.len()))?
        .sparing(spared)
        .with_matrices(matrices)
}
