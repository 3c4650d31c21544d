//! Optimizers and schedules by name.

/// The optimizers by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// [`OptimizerConfig::Adam`](crate::OptimizerConfig::Adam).
    Adam,
    /// [`OptimizerConfig::AdamW`](crate::OptimizerConfig::AdamW).
    AdamW,
    /// [`OptimizerConfig::Sgd`](crate::OptimizerConfig::Sgd).
    Sgd,
    /// [`OptimizerConfig::Muon`](crate::OptimizerConfig::Muon).
    Muon,
}

/// The schedules by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleName {
    /// [`ScheduleConfig::Constant`](crate::ScheduleConfig::Constant).
    Constant,
    /// [`ScheduleConfig::Step`](crate::ScheduleConfig::Step).
    Step,
    /// [`ScheduleConfig::Cosine`](crate::ScheduleConfig::Cosine).
    Cosine,
    /// [`ScheduleConfig::OneCycle`](crate::ScheduleConfig::OneCycle).
    OneCycle,
}
