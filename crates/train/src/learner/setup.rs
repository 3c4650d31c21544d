//! Sets up a network from a configuration before its first step.

use std::sync::Arc;

use convscope_data::Loader;
use convscope_graph::{Executor, Graph, GraphError, Parameters};
use convscope_ops::{BindOptions, Mode, Role};

use super::Frozen;
use crate::config::{Freeze, TrainConfig};
use crate::error::TrainError;
use crate::optimizer::{DecayScope, Optimizer};

/// Fails if the batches of an epoch, or its last one, have too few images for the network.
pub(crate) fn check_batches(graph: &Graph, loader: &Loader) -> Result<(), TrainError> {
    let (images, size) = (loader.images(), loader.batch_size());
    let last = images - (loader.batches() - 1) * size;
    [size.min(images), last].into_iter().try_for_each(|images| Ok(graph.check_batch(images)?))
}

/// The executor of what is trained.
pub(super) fn executor(
    config: &TrainConfig,
    graph: &Arc<Graph>,
    frozen: Option<&Frozen>,
) -> Result<Executor, GraphError> {
    let trained = frozen.map_or_else(|| Arc::clone(graph), |frozen| Arc::new(frozen.divided().head.clone()));
    Executor::new(
        trained,
        BindOptions { mode: Mode::Training, precision: config.precision },
        config.batch_size,
    )
}

/// The indices of the arrays of what is trained.
pub(super) fn part(parameters: &Parameters, frozen: Option<&Frozen>) -> Vec<usize> {
    let all = || (0..parameters.tensors().len()).collect();
    frozen.map_or_else(all, |frozen| frozen.divided().head_arrays.clone())
}

/// For each array, how many trained ones come before it.
pub(super) fn ordinals(parameters: &Parameters) -> Vec<usize> {
    let mut before = 0;
    let count = |tensor: &convscope_ops::Parameter| {
        let ordinal = before;
        before += usize::from(tensor.role.is_trained());
        ordinal
    };
    parameters.tensors().iter().map(count).collect()
}

/// The configured optimizer for the trained arrays among those with these indices.
pub(super) fn optimizer(
    config: &TrainConfig,
    graph: &Graph,
    parameters: &Parameters,
    part: &[usize],
) -> Result<Optimizer, TrainError> {
    let arrays = || part.iter().map(|&index| (index, &parameters.tensors()[index]));
    let trained = || arrays().filter(|(_, tensor)| tensor.role.is_trained());
    let is_spared =
        |role: Role| config.weight_decay_on == DecayScope::Weights && !matches!(role, Role::Weight { .. });
    let spared =
        trained().enumerate().filter(|(_, (_, tensor))| is_spared(tensor.role)).map(|(index, _)| index);
    let mut matrices: Vec<(usize, [usize; 2])> = trained()
        .enumerate()
        .filter(|(_, (_, tensor))| matches!(tensor.role, Role::Weight { .. }))
        .map(|(index, (_, tensor))| {
            let rows = tensor.values.shape()[0];
            (index, [rows, tensor.values.len() / rows])
        })
        .collect();
    // The last weight is the classifier's.
    matrices.pop();
    let optimizer = Optimizer::new(&config.optimizer, trained().map(|(_, tensor)| tensor.values.len()))?
        .sparing(spared)
        .with_matrices(matrices)?;
    let Some(lr_body) = config.lr_body else { return Ok(optimizer) };
    let body = if config.freeze.is_none() { &Freeze::AllButHead } else { &config.freeze };
    let body = body.divide(graph)?.map(|divided| divided.body_arrays).unwrap_or_default();
    let slower = trained().enumerate().filter(|(_, (array, _))| body.contains(array)).map(|(index, _)| index);
    Ok(optimizer.slowing(lr_body / config.lr, slower))
}
