//! The memory that a plan needs.

use super::{Joining, Plan, Wiring};
use crate::Graph;
use convscope_ops::BindOptions;
use serde::Serialize;

/// The memory that an executor holds to run a plan, in bytes. Parameters, their gradients in PyTorch's layouts and the
/// optimizer's state are extra.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PlanMemory {
    /// Values that live within a stage, for the shards that run at once: one per thread of the current rayon pool.
    pub shard_slots: usize,
    /// Values that outlive a stage, for all images of a batch.
    pub kept_slots: usize,
    /// Gradients with respect to the parameters, one set per shard.
    pub gradients: usize,
    /// Scratch space of the operators, for the shards that run at once.
    pub scratch: usize,
    /// Parameters, packed in the order in which they are read.
    pub packed_parameters: usize,
}

impl PlanMemory {
    /// The memory for batches of at most `batch` images.
    pub fn new(graph: &Graph, options: impl Into<BindOptions>, batch: usize) -> PlanMemory {
        let options = options.into();
        let wiring = Wiring::new(graph, options, Joining::of(options.mode));
        PlanMemory::of(&Plan::of(&wiring, options.mode, batch), &wiring, batch)
    }

    /// The total.
    pub fn total(&self) -> usize {
        let PlanMemory { shard_slots, kept_slots, gradients, scratch, packed_parameters } = *self;
        shard_slots + kept_slots + gradients + scratch + packed_parameters
    }

    pub(super) fn of(plan: &Plan, wiring: &Wiring, batch: usize) -> PlanMemory {
        let bytes = |values: usize| values * size_of::<f32>();
        let gradients =
            if plan.mode.is_training() { wiring.own_lens(|bound| bound.gradient_len()).sum() } else { 0 };
        let (chunk, at_once) = (plan.largest_chunk(), plan.shards_at_once());
        let scratch = wiring.bound.iter().map(|bound| bound.scratch_len(chunk)).max().unwrap_or(0);
        let kept = plan.kept_slots.iter().sum::<usize>() * plan.shard_images(batch);
        PlanMemory {
            shard_slots: bytes(at_once * chunk * plan.shard_slots.iter().sum::<usize>()),
            kept_slots: bytes(plan.shards * kept),
            gradients: bytes(plan.shards * gradients),
            scratch: bytes(at_once * scratch),
            packed_parameters: bytes(wiring.own_lens(|bound| bound.packed_len()).sum()),
        }
    }
}
