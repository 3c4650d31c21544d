//! The settings of optimizers in a configuration file.

use super::declare::Group::Training;
use super::declare::{Setting, settings, switch, value};
use super::merge::{from_table, table_of};
use super::names::OptimizerName;
use super::value::SettingValue;
use super::{Check, is_above_0, is_at_least_0};
use crate::optimizer::OptimizerConfig;

settings! {
    /// Some of the settings of an optimizer. A `name` that differs from the optimizer it is merged into starts from the
    /// named optimizer's defaults.
    pub struct PartialOptimizer in "optimizer.";

    /// The optimizer
    name: OptimizerName = "adam", Some(value(Training, "NAME").named("optimizer")), any;
    /// The decay rates of the two running means of adam, adamw and muon
    betas: [f64; 2] = "0.9,0.999", None, (|betas| betas.iter().all(|beta| (0.0..1.0).contains(beta)), "two numbers in [0, 1)");
    /// Added to the denominator of adam, adamw and muon
    eps: f64 = "1e-8", None, (is_above_0, "a finite number above 0");
    /// Weight decay: an L2 term for adam and sgd, decoupled for adamw and muon
    weight_decay: f64 = "0, adamw 0.01, muon 0.1", Some(value(Training, "FACTOR")), (is_at_least_0, "a finite number of at least 0");
    /// The share of the last step that sgd and muon keep
    momentum: f64 = "0, muon 0.95", Some(value(Training, "SHARE")), (|momentum| (0.0..1.0).contains(momentum), "in [0, 1)");
    /// Let sgd look ahead along its momentum, as muon does
    nesterov: bool = "false, muon true", Some(switch(Training)), any;
}

impl From<&OptimizerConfig> for PartialOptimizer {
    fn from(config: &OptimizerConfig) -> PartialOptimizer {
        from_table(table_of(config))
    }
}

/// Checks what does not go together.
pub(super) fn check(config: &OptimizerConfig, check: &mut Check<'_>) {
    if let OptimizerConfig::Sgd { momentum, nesterov, .. } = *config {
        let fits = !nesterov || momentum != 0.0;
        check(fits, "optimizer.nesterov", &nesterov, "false if optimizer.momentum is 0");
    }
}
