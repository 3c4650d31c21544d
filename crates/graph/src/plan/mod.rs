//! The order of steps and the place of every value, as data.
//!
//! A plan runs a few images at a time (a chunk) through a whole stage of steps, forward and backward, while their
//! values are in the cache. Only nodes that couple the images of a batch (batch normalisation in training) end a
//! stage: all chunks are reduced to sums, the sums are added in their order, and the next stage goes on with them.
//! Values that live within one stage have a buffer of the lane that runs the chunk; values that outlive a stage have
//! one for each chunk.

mod buffers;
mod print;
mod steps;

use crate::{Graph, ValueId};
use buffers::assign;
use convscope_ops::{Bound, Mode, Precision};
use steps::StepList;

/// One thing to do with a chunk of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Turns the images channels-last.
    LoadInput,
    /// Computes a node's value, with its activation where the operator fuses it.
    Forward {
        /// The node.
        node: usize,
    },
    /// Applies a node's activation to its value, in place.
    Activate {
        /// The node.
        node: usize,
    },
    /// Adds the chunk to the sums of a coupled node's forward direction.
    ReduceForward {
        /// The node.
        node: usize,
    },
    /// Keeps the last node's value for the caller, before its softmax.
    Output,
    /// Computes the loss and the gradient of the last node's value.
    Loss,
    /// Sets the gradient of the last node's value: one for the class that is asked about, zero for the others.
    SelectClass,
    /// Keeps the gradient by the images for the caller.
    InputGradient,
    /// Turns the gradient by a node's value into the gradient by what went into its activation, in place.
    ActivateBackward {
        /// The node.
        node: usize,
    },
    /// Adds the chunk to the sums of a coupled node's backward direction.
    ReduceBackward {
        /// The node.
        node: usize,
    },
    /// Adds the gradients by a node's parameters.
    BackwardParameters {
        /// The node.
        node: usize,
    },
    /// Writes the gradient by a node's input.
    BackwardInput {
        /// The node.
        node: usize,
        /// Which input.
        input: usize,
    },
    /// Adds a further gradient of a value to its first one, where several nodes use the value.
    Accumulate {
        /// The value.
        value: ValueId,
    },
}

/// An action with its stage and its buffers.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// The stage that it belongs to.
    pub stage: usize,
    /// The buffer it writes.
    pub writes: Option<Buffer>,
    /// The buffers it reads: of a node's inputs, in their order.
    pub inputs: Vec<Buffer>,
    /// The buffer of the node's value, where it is read.
    pub output: Option<Buffer>,
    /// The buffer of the gradient that it reads.
    pub gradient: Option<Buffer>,
}

/// Which memory a buffer lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Slot of the lane, free again within the stage.
    Lane(usize),
    /// Slot of the chunk, kept from stage to stage.
    Chunk(usize),
}

/// Where a value or gradient lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// The slot.
    pub place: Place,
    /// Elements of one image.
    pub len: usize,
}

/// What to do, in which order and in which memory.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is for.
    pub mode: Mode,
    /// Steps in order; those of a stage are adjacent.
    pub steps: Vec<Step>,
    /// Number of stages.
    pub stages: usize,
    /// Elements for one image of each lane slot.
    pub lane_slots: Vec<usize>,
    /// Elements for one image of each chunk slot.
    pub chunk_slots: Vec<usize>,
    /// Images that run through a stage together.
    pub chunk: usize,
    /// Chunks that may run at the same time. It does not depend on the number of threads, so neither do results.
    pub lanes: usize,
}

/// Values of a chunk that a plan tries not to exceed, so that they stay in a core's cache.
const CHUNK_VALUES: usize = 1 << 19;
/// Images of a chunk at most.
const LARGEST_CHUNK: usize = 16;
/// Lanes at most; more would cost memory for gradients and gain nothing on fewer cores.
const MOST_LANES: usize = 16;
/// Gradient values of all lanes at most, so that large networks do not multiply their size.
const LANE_GRADIENTS: usize = 1 << 26;

impl Plan {
    /// The plan for batches of at most `batch` images.
    pub fn new(graph: &Graph, mode: Mode, precision: Precision, batch: usize) -> Plan {
        Plan::for_bound(graph, &bind_all(graph, mode, precision), mode, batch)
    }

    pub(crate) fn for_bound(graph: &Graph, bound: &[Box<dyn Bound>], mode: Mode, batch: usize) -> Plan {
        let list = StepList::new(graph, bound, mode);
        let assigned = assign(graph, bound, &list);
        let values: usize = assigned.lane_slots.iter().chain(&assigned.chunk_slots).sum();
        let batch = batch.max(1);
        let gradients = match mode {
            Mode::Training => bound.iter().map(|bound| bound.gradient_len()).sum::<usize>().max(1),
            Mode::Inference | Mode::Attribution => 1,
        };
        let lanes = (LANE_GRADIENTS / gradients).clamp(2, MOST_LANES).min(batch.div_ceil(lane_images(mode)));
        // All chunks of a full batch are of nearly the same size, and all lanes have as many of them.
        let of_lane = batch.div_ceil(lanes);
        let largest = (CHUNK_VALUES / values.max(1)).clamp(1, LARGEST_CHUNK);
        let chunk = of_lane.div_ceil(of_lane.div_ceil(largest));
        Plan {
            mode,
            steps: assigned.steps,
            stages: list.stages,
            lane_slots: assigned.lane_slots,
            chunk_slots: assigned.chunk_slots,
            chunk,
            lanes,
        }
    }

    /// Chunks that each lane runs when there are `images` images.
    pub fn chunks_per_lane(&self, images: usize) -> usize {
        images.div_ceil(self.chunk).div_ceil(self.lanes)
    }
}

/// Every node's operator with its sizes settled.
pub(crate) fn bind_all(graph: &Graph, mode: Mode, precision: Precision) -> Vec<Box<dyn Bound>> {
    let nodes = graph.nodes().iter();
    nodes.map(|node| node.operator.layer().bind_with(&node.input_shapes, mode, precision)).collect()
}

/// Images for which a further lane is worth its cost: in training its gradients must be cleared and added up.
fn lane_images(mode: Mode) -> usize {
    if mode.is_training() { 4 } else { 1 }
}

/// Whether the last node's activation is left to the loss, which works on logits.
pub(crate) fn ends_in_softmax(graph: &Graph) -> bool {
    graph.output().activation == Some(convscope_ops::Activation::Softmax)
}
