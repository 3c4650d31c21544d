//! The order of steps and the location of every value, as data.
//!
//! A plan runs a few images at a time (a chunk) through a whole stage of steps, forward and backward, while their
//! values are in the cache. Only nodes that couple the images of a batch (batch normalisation in training) end a stage:
//! all chunks are reduced to sums, the sums are added in order, and the next stage uses them. Values that live within
//! one stage have a region for one chunk in the shard; values that outlive a stage have one for all images of the
//! shard. Values of batch normalisations, and activations of them, are computed again in the stages that read them, which
//! costs less than keeping them.

mod memory;
mod recompute;
mod regions;
mod step_list;
mod steps;
mod summary;
mod wiring;

use crate::{Graph, ValueId};
use convscope_ops::{BindOptions, Bound, Mode};
pub use memory::PlanMemory;
use regions::assign;
use serde::Serialize;
use std::collections::HashSet;
use step_list::StepList;
pub use summary::{Ceiling, PlanSummary, RegionSummary, StepSummary};
pub(crate) use wiring::{Joining, Wiring};

/// One thing to do with a chunk of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Converts the images to channels-last.
    LoadInput {
        /// The input.
        input: usize,
    },
    /// Computes a node's value, with its activation if the operator fuses it.
    Forward {
        /// The node.
        node: usize,
    },
    /// Computes a node's value once more, in a later stage that reads it.
    Recompute {
        /// The node.
        node: usize,
    },
    /// Applies a node's activation to its value, in place.
    Activate {
        /// The node.
        node: usize,
    },
    /// Adds the chunk to a coupled node's forward sums.
    ReduceForward {
        /// The node.
        node: usize,
    },
    /// Returns the last node's value, before its softmax, to the caller.
    Output,
    /// Computes the loss and the gradient of the last node's value.
    Loss,
    /// Sets the gradient of the last node's value: one for the class to explain, zero for the others.
    SelectClass,
    /// Returns the gradient with respect to the images to the caller.
    InputGradient,
    /// Turns the gradient with respect to a node's value into that with respect to its activation's input, in place.
    ActivateBackward {
        /// The node.
        node: usize,
    },
    /// Adds the chunk to a coupled node's backward sums.
    ReduceBackward {
        /// The node.
        node: usize,
    },
    /// Adds the gradients with respect to a node's parameters.
    BackwardParameters {
        /// The node.
        node: usize,
    },
    /// Writes the gradient with respect to a node's input.
    BackwardInput {
        /// The node.
        node: usize,
        /// Which input.
        input: usize,
    },
    /// Adds an additional gradient of a value to its first one, if several nodes use the value.
    Accumulate {
        /// The value.
        value: ValueId,
    },
}

impl Action {
    /// The node that it belongs to, if any.
    pub fn node(self) -> Option<usize> {
        match self {
            Action::Forward { node }
            | Action::Recompute { node }
            | Action::Activate { node }
            | Action::ReduceForward { node }
            | Action::ActivateBackward { node }
            | Action::ReduceBackward { node }
            | Action::BackwardParameters { node }
            | Action::BackwardInput { node, .. }
            | Action::Accumulate { value: ValueId::Node(node) } => Some(node),
            Action::LoadInput { .. }
            | Action::Output
            | Action::Loss
            | Action::SelectClass
            | Action::InputGradient
            | Action::Accumulate { value: ValueId::Input(_) } => None,
        }
    }
}

/// An action with its stage and the memory it uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Its stage.
    pub stage: usize,
    /// The region it writes.
    pub writes: Option<Region>,
    /// The regions of the node's inputs that it reads, in order.
    pub inputs: Vec<Region>,
    /// The region of the node's value, if it reads it.
    pub output: Option<Region>,
    /// The region of the gradient that it reads, if any.
    pub gradient: Option<Region>,
}

/// The memory that holds a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// A slot of the shard, freed within the stage.
    Shard(usize),
    /// A slot for all images of the shard, kept from stage to stage.
    Kept(usize),
}

/// Where a value or gradient is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// The slot.
    pub slot: Slot,
    /// Elements of one image.
    pub len: usize,
}

/// The steps, their order, and the memory they use.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is for.
    pub mode: Mode,
    /// Steps in order; those of a stage are adjacent.
    pub steps: Vec<Step>,
    /// Number of stages.
    pub stages: usize,
    /// Elements per image of each shard slot.
    pub shard_slots: Vec<usize>,
    /// Elements per image of each slot that is kept from stage to stage.
    pub kept_slots: Vec<usize>,
    /// For each stage, how many images run through it together.
    pub chunks: Vec<usize>,
    /// Parts of the batch that may run at the same time. Their number does not depend on the number of threads, so the
    /// results do not either.
    pub shards: usize,
    /// Most images in a batch.
    pub batch: usize,
}

/// Most values of a chunk that a plan aims for, so that they stay in a core's cache.
const CHUNK_VALUES: usize = 1 << 19;
/// Most shards; more would cost memory for gradients and gain nothing on fewer cores.
const MOST_SHARDS: usize = 16;
/// Most gradient values of all shards, so that large networks do not multiply their size.
const SHARD_GRADIENTS: usize = 1 << 26;

impl Plan {
    /// The plan for batches of at most `batch` images.
    pub fn new(graph: &Graph, options: impl Into<BindOptions>, batch: usize) -> Plan {
        let options = options.into();
        Plan::of(&Wiring::new(graph, options, Joining::of(options.mode)), options.mode, batch)
    }

    pub(crate) fn of(wiring: &Wiring, mode: Mode, batch: usize) -> Plan {
        let Wiring { graph, bound, .. } = wiring;
        let list = StepList::new(wiring, mode);
        let assigned = assign(graph, bound, &list);
        let batch = batch.max(1);
        let gradients = match mode {
            Mode::Training => wiring.own_lens(|bound| bound.gradient_len()).sum::<usize>().max(1),
            Mode::Inference | Mode::Attribution => 1,
        };
        // A power of two, so that any common number of threads has equal work.
        let most = (SHARD_GRADIENTS / gradients).clamp(2, MOST_SHARDS);
        let shards = (1 << most.ilog2()).min(shards_of_batch(mode, batch));
        let of_shard = batch.div_ceil(shards);
        let chunk = |stage| {
            let largest = chunk_of_stage(stage, &assigned.steps, bound).min(of_shard);
            // Chunks of nearly the same size.
            of_shard.div_ceil(of_shard.div_ceil(largest))
        };
        Plan {
            mode,
            chunks: (0..list.stages).map(chunk).collect(),
            stages: list.stages,
            shard_slots: assigned.shard_slots,
            kept_slots: assigned.kept_slots,
            steps: assigned.steps,
            shards,
            batch,
        }
    }

    /// Images that each shard runs when there are `images` images; the last shard may have fewer.
    pub fn shard_images(&self, images: usize) -> usize {
        images.div_ceil(self.shards).max(1)
    }

    /// Shards that run side by side on the current rayon pool.
    pub fn shards_at_once(&self) -> usize {
        self.shards.min(rayon::current_num_threads())
    }

    /// The largest of [`Plan::chunks`].
    pub fn largest_chunk(&self) -> usize {
        self.chunks.iter().copied().max().unwrap_or(1)
    }
}

/// As many images as fill a core's cache, or enough to make up for reading the stage's weights.
fn chunk_of_stage(stage: usize, steps: &[Step], bound: &[Box<dyn Bound>]) -> usize {
    let steps = || steps.iter().filter(|step| step.stage == stage);
    let regions: HashSet<Region> = steps()
        .flat_map(|step| step.inputs.iter().chain(&step.output).chain(&step.gradient).chain(&step.writes))
        .copied()
        .collect();
    let values: usize = regions.iter().map(|region| region.len).sum();
    let weights: usize = steps()
        .map(|step| match step.action {
            Action::Forward { node } => bound[node].packed_len(),
            Action::BackwardParameters { node } => bound[node].gradient_len(),
            _ => 0,
        })
        .sum();
    (CHUNK_VALUES.max(weights) / values.max(1)).max(1)
}

/// The number of shards for a batch. In training, each shard must clear and add up its gradients, which 32 images make up
/// for; but fewer than eight shards would leave cores idle.
fn shards_of_batch(mode: Mode, batch: usize) -> usize {
    match mode {
        Mode::Training => batch.div_ceil(32).max(batch.div_ceil(4).min(8)),
        Mode::Inference | Mode::Attribution => batch,
    }
}

/// Whether the last node's activation is left to the loss, which takes logits.
pub(crate) fn ends_in_softmax(graph: &Graph) -> bool {
    graph.output().activation == Some(convscope_ops::Activation::Softmax)
}
