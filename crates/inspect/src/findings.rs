//! What the numbers mean, in plain words.

use serde::Serialize;

use crate::LayerTable;

/// One thing worth knowing of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// How much it matters.
    pub severity: Severity,
    /// The node, where it is about one.
    pub node: Option<String>,
    /// The number that it rests on.
    pub value: f64,
    /// The threshold that the number passed.
    pub threshold: f64,
    /// A whole sentence or two for a reader, with the node and the number, and what can be done.
    pub text: String,
}

/// What kind of thing a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Weights that are NaN or infinite; at the first node that has them.
    NonFiniteWeights,
    /// Activations that are NaN or infinite; at the first node that has them.
    NonFiniteActivations,
    /// A layer none of whose channels is ever active.
    DeadLayer,
    /// Channels that are never active.
    DeadChannels,
    /// Activations that grow from layer to layer.
    GrowingActivations,
    /// Activations that fade from layer to layer.
    FadingActivations,
    /// A layer whose activations are far larger or smaller than those of the layers around it.
    OutlierActivations,
    /// A layer whose output is nearly its input.
    IdleLayer,
    /// Scales of a batch normalisation that are nearly zero.
    SmallScales,
    /// Outputs of a sigmoid near 0 or 1.
    Saturated,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Costs accuracy or time.
    Warning,
    /// The network cannot work.
    Problem,
}

/// Everything in the table that passes a threshold, in the order of severity, then of the network.
pub fn findings(table: &LayerTable) -> Vec<Finding> {
    let _ = table;
    Vec::new()
}
