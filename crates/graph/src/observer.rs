//! Looking at values as they pass through the executor.

use convscope_ops::Shape;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Is shown every node's value while the executor runs.
///
/// Several chunks run at once, so calls come from several threads and in no fixed order; an observer that adds up
/// numbers keeps one sum for each `first_image` and adds those in their order.
pub trait Observer: Sync {
    /// A node has computed its value for a few images.
    fn observe(&self, observation: &Observation<'_>);

    /// The gradient of the loss by a node's value is complete for a few images. Of a last node with a softmax it is
    /// the gradient by the logits.
    fn observe_gradient(&self, _observation: &Observation<'_>) {}
}

/// The value of one node, or the gradient by it, for the images of one chunk.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// Index of the node in the graph.
    pub node: usize,
    /// Position in the batch of the first image.
    pub first_image: usize,
    /// Number of images.
    pub images: usize,
    /// Shape of one image's value.
    pub shape: Shape,
    /// The values channels-last: `[images, height, width, channels]`; of a value after the node's activation.
    pub values: &'a [f32],
    /// The value that came in, channels-last, of a node with one input; not beside a gradient.
    pub input: Option<&'a [f32]>,
}

/// Finds the first node, in the network's order, that outputs a value that is not finite.
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
