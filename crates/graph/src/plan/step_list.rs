//! The actions of a plan in their order.

use std::collections::HashSet;

use super::Action;

/// Actions in their order, each with its stage.
#[derive(Default)]
pub(super) struct StepList {
    pub(super) actions: Vec<(Action, usize)>,
    pub(super) stages: usize,
    /// Positions of each `BackwardInput` that is not the first gradient of its value.
    pub(super) further: HashSet<usize>,
    /// Nodes whose values are computed again in a stage after their own, with that stage.
    pub(super) recomputed: HashSet<(usize, usize)>,
}
