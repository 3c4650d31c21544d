//! What a search tries.

use convscope_train::TrainConfig;
use serde::{Deserialize, Serialize};

use crate::sampler::Sampler;
use crate::space::Space;

/// The plan of a study.
///
/// Processes that share a study have the same data, model and fixed settings: those in the base that no parameter of
/// the space sets. The space, the sampler and the pruning may differ. Each process works on, and ranks, the trials
/// whose point is in its space and whose search has the same parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchPlan {
    /// The parameters.
    pub space: Space,
    /// How many points are chosen, and how.
    pub sampler: Sampler,
    /// The seed of the sampler.
    pub seed: u64,
    /// Whether bad trials end early.
    pub pruning: Pruning,
    /// The settings that are not searched.
    pub base: TrainConfig,
    /// The digest of the data's manifest; `None` if there is no manifest, or the data is searched.
    pub data: Option<String>,
    /// The digest of the model's file; `None` if it is unknown, or the model is searched.
    pub model: Option<String>,
}

/// Whether bad trials end early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pruning {
    /// Every trial runs all its epochs.
    #[default]
    Off,
    /// See [`rungs`](crate::prune::rungs).
    SuccessiveHalving,
}
