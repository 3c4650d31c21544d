//! Observing values while the executor computes them.

use convscope_ops::Shape;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Receives every node's value while the executor runs.
///
/// Several chunks run at once, so calls come from several threads and in no fixed order. An observer that sums numbers
/// should keep one sum for each `first_image` and add those in order.
pub trait Observer: Sync {
    /// A node has computed its value for a few images.
    fn observe(&self, observation: &Observation<'_>);

    /// The gradient of the loss with respect to a node's value is complete for a few images. For a last node with a
    /// softmax, it is the gradient with respect to the logits.
    fn observe_gradient(&self, _observation: &Observation<'_>) {}
}

/// The value of one node, or the gradient with respect to it, for the images of one chunk.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// Index of the node in the graph.
    pub node: usize,
    /// Which share of the batch the images belong to, below [`Executor::shares`](crate::Executor::shares). The images of a share
    /// come one after the other, in their order.
    pub share: usize,
    /// Position in the batch of the first image.
    pub first_image: usize,
    /// Number of images.
    pub images: usize,
    /// Shape of the value for one image.
    pub shape: Shape,
    /// The values, channels-last: `[images, height, width, channels]`; a node's value is taken after its activation.
    pub values: &'a [f32],
    /// The node's input, channels-last, if it has exactly one; `None` with a gradient.
    pub input: Option<&'a [f32]>,
}

/// Finds the first node, in network order, whose output is not finite.
#[derive(Debug)]
pub struct FirstNonFinite {
    first: AtomicUsize,
}

impl FirstNonFinite {
    /// Nothing found yet.
    pub fn new() -> FirstNonFinite {
        FirstNonFinite { first: AtomicUsize::new(usize::MAX) }
    }

    /// Index of the first such node, if one was seen.
    pub fn node(&self) -> Option<usize> {
        Some(self.first.load(Ordering::Relaxed)).filter(|&node| node != usize::MAX)
    }
}

impl Default for FirstNonFinite {
    fn default() -> Self {
        FirstNonFinite::new()
    }
}

impl Observer for FirstNonFinite {
    fn observe(&self, observation: &Observation<'_>) {
        if observation.values.iter().any(|value| !value.is_finite()) {
            self.first.fetch_min(observation.node, Ordering::Relaxed);
        }
    }
}
