//! PyTorch's results from `fixtures/optimizers.py`, for the tests of this crate.

use serde::Deserialize;

use crate::optimizer::OptimizerConfig;
use crate::schedule::ScheduleConfig;

#[derive(Deserialize)]
pub(crate) struct Reference {
    pub(crate) start: Vec<Vec<f32>>,
    pub(crate) gradients: Vec<Vec<Vec<f32>>>,
    pub(crate) rates: Vec<f64>,
    pub(crate) optimizers: Vec<OptimizerCase>,
    pub(crate) muon: Vec<MuonCase>,
    pub(crate) schedules: Vec<ScheduleCase>,
    pub(crate) clip: Vec<ClipCase>,
}

#[derive(Deserialize)]
pub(crate) struct OptimizerCase {
    pub(crate) config: OptimizerConfig,
    pub(crate) after: Vec<Vec<Vec<f64>>>,
}

/// Matrices that come before the vectors of [`Reference::start`].
#[derive(Deserialize)]
pub(crate) struct MuonCase {
    pub(crate) config: OptimizerConfig,
    pub(crate) matrices: Vec<[usize; 2]>,
    pub(crate) start: Vec<Vec<f32>>,
    pub(crate) gradients: Vec<Vec<Vec<f32>>>,
    pub(crate) after: Vec<Vec<Vec<f64>>>,
}

#[derive(Deserialize)]
pub(crate) struct ScheduleCase {
    pub(crate) config: ScheduleConfig,
    pub(crate) lr: f64,
    pub(crate) epochs: u64,
    pub(crate) steps_per_epoch: u64,
    pub(crate) rates: Vec<f64>,
}

#[derive(Deserialize)]
pub(crate) struct ClipCase {
    pub(crate) max_norm: f64,
    pub(crate) norm: f64,
    pub(crate) clipped: Vec<Vec<f64>>,
}

pub(crate) fn reference() -> Reference {
    serde_json::from_str(include_str!("../../../fixtures/optimizers.json"))
        .expect("the recorded answers parse")
}
