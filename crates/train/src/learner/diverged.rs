//! Finds where numbers first stopped being finite.

use convscope_graph::{Executor, FirstNonFinite, Parameters, TrainingBatch};
use convscope_ops::Loss;

/// Runs a batch whose loss is not finite again, to name the node that went wrong.
pub(super) fn place_of_loss(
    batch: TrainingBatch<'_>,
    executor: &mut Executor,
    parameters: &mut Parameters,
    loss: &Loss,
) -> String {
    let watch = FirstNonFinite::new();
    let again = executor.train_step(parameters, batch, loss, Some(&watch));
    let nodes = executor.graph().nodes();
    match (again, watch.node()) {
        (Ok(_), Some(node)) => format!("the output of {}", nodes[node].name),
        _ => "the loss".to_string(),
    }
}

/// Gradients run from the last node to the first, so the last one that is wrong came first.
pub(super) fn place_of_gradient<'a>(
    keys: impl DoubleEndedIterator<Item = &'a str> + ExactSizeIterator,
    executor: &Executor,
) -> String {
    let mut arrays = keys.zip(executor.gradients());
    let wrong = arrays.rfind(|(_, gradient)| gradient.iter().any(|value| !value.is_finite()));
    format!("the gradient of {}", wrong.map_or("the weights", |(key, _)| key))
}
