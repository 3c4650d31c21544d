//! Learning-rate schedules, evaluated before every optimizer step, with PyTorch's formulas.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// The choice of a schedule; `lr` below is the configured learning rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// `lr` throughout.
    Constant,
    /// `lr * gamma^floor(epoch / step_size)`, as `StepLR`, stepped once per epoch.
    Step {
        /// How many epochs a rate is kept; default 10.
        #[serde(default = "step_size")]
        step_size: u64,
        /// The factor after each of them, in `(0, 1]`; default 0.1.
        #[serde(default = "gamma")]
        gamma: f64,
    },
    /// `final_lr + (lr - final_lr) * (1 + cos(pi * t / T)) / 2` over the T steps after the warm-up, as
    /// `CosineAnnealingLR` (Loshchilov and Hutter 2017), stepped once per batch; during the W steps of the warm-up the
    /// rate is `lr * (t + 1) / W`.
    Cosine {
        /// The length of the warm-up in epochs, fractions allowed; default 0.
        #[serde(default)]
        warmup_epochs: f64,
        /// The rate at the end of the curve; default 0.
        #[serde(default)]
        final_lr: f64,
    },
    /// `OneCycleLR` with cosine annealing (Smith and Topin 2018): from `lr / div_factor` up to `lr`, then down to
    /// `lr / div_factor / final_div_factor`. The momentum is left alone.
    OneCycle {
        /// The share of the steps in which the rate rises, in `(0, 1)`; default 0.3.
        #[serde(default = "pct_start")]
        pct_start: f64,
        /// The factor by which the first rate is below `lr`; default 25.
        #[serde(default = "div_factor")]
        div_factor: f64,
        /// The factor by which the last rate is below the first; default 1e4.
        #[serde(default = "final_div_factor")]
        final_div_factor: f64,
    },
}

impl ScheduleConfig {
    /// Every schedule with its defaults.
    pub(crate) const ALL: [fn() -> ScheduleConfig; 4] =
        [|| ScheduleConfig::Constant, Self::step, Self::cosine, Self::one_cycle];

    /// A step schedule with its defaults.
    pub fn step() -> Self {
        Self::Step { step_size: step_size(), gamma: gamma() }
    }

    /// A cosine schedule without warm-up.
    pub fn cosine() -> Self {
        Self::Cosine { warmup_epochs: 0.0, final_lr: 0.0 }
    }

    /// A one-cycle schedule with its defaults.
    pub fn one_cycle() -> Self {
        Self::OneCycle {
            pct_start: pct_start(),
            div_factor: div_factor(),
            final_div_factor: final_div_factor(),
        }
    }

    /// The name in configuration files: `constant`, `step`, `cosine` or `one-cycle`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Step { .. } => "step",
            Self::Cosine { .. } => "cosine",
            Self::OneCycle { .. } => "one-cycle",
        }
    }
}

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLength {
    /// How many times the run goes through the training images.
    pub epochs: u64,
    /// How many batches, and thus optimizer steps, that takes each time.
    pub steps_per_epoch: u64,
}

/// A schedule for a run of known length.
///
/// ```
/// use convscope_train::{RunLength, Schedule, ScheduleConfig};
/// let length = RunLength { epochs: 5, steps_per_epoch: 100 };
/// let schedule = Schedule::new(&ScheduleConfig::Step { step_size: 2, gamma: 0.1 }, 0.5, length);
/// assert_eq!(schedule.lr_at(199), 0.5);
/// assert_eq!(schedule.lr_at(200), 0.05);
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    config: ScheduleConfig,
    lr: f64,
    length: RunLength,
}

impl Schedule {
    /// The schedule `config` with the learning rate `lr` over `length`.
    pub fn new(config: &ScheduleConfig, lr: f64, length: RunLength) -> Self {
        Self { config: config.clone(), lr, length }
    }

    /// The learning rate of optimizer step `step` of the run, counted from 0; past the end, that of the last one.
    pub fn lr_at(&self, step: u64) -> f64 {
        let total = self.length.epochs * self.length.steps_per_epoch;
        let last = total.saturating_sub(1);
        let step = step.min(last);
        match self.config {
            ScheduleConfig::Constant => self.lr,
            ScheduleConfig::Step { step_size, gamma } => {
                let epoch = step / self.length.steps_per_epoch.max(1);
                self.lr * libm::pow(gamma, (epoch / step_size.max(1)) as f64)
            }
            ScheduleConfig::Cosine { warmup_epochs, final_lr } => {
                let warmup = (warmup_epochs * self.length.steps_per_epoch as f64).round();
                let step = step as f64;
                if step < warmup {
                    return self.lr * (step + 1.0) / warmup;
                }
                anneal(self.lr, final_lr, (step - warmup) / (total as f64 - warmup))
            }
            ScheduleConfig::OneCycle { pct_start, div_factor, final_div_factor } => {
                let (step, last) = (step as f64, last as f64);
                let first_lr = self.lr / div_factor;
                let peak = pct_start * total as f64 - 1.0;
                // A rise of a single step would divide by zero; that step is the peak.
                if step <= peak && peak > 0.0 {
                    anneal(first_lr, self.lr, step / peak)
                } else if last > peak {
                    anneal(self.lr, first_lr / final_div_factor, (step - peak) / (last - peak))
                } else {
                    self.lr
                }
            }
        }
    }
}

/// From `start` at share 0 to `end` at share 1 along half a cosine wave.
fn anneal(start: f64, end: f64, share: f64) -> f64 {
    end + (start - end) * (1.0 + libm::cos(PI * share)) / 2.0
}

fn step_size() -> u64 {
    10
}

fn gamma() -> f64 {
    0.1
}

fn pct_start() -> f64 {
    0.3
}

fn div_factor() -> f64 {
    25.0
}

fn final_div_factor() -> f64 {
    1e4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::reference;

    #[test]
    fn follows_pytorch_step_by_step() {
        let cases = reference().schedules;
        assert_eq!(cases.len(), 6);
        for case in cases {
            let length = RunLength { epochs: case.epochs, steps_per_epoch: case.steps_per_epoch };
            let schedule = Schedule::new(&case.config, case.lr, length);
            assert_eq!(case.rates.len() as u64, case.epochs * case.steps_per_epoch);
            for (step, expected) in case.rates.iter().enumerate() {
                let ours = schedule.lr_at(step as u64);
                assert!(
                    (ours - expected).abs() <= 1e-12,
                    "{:?} step {step}: {ours}, not {expected}",
                    case.config
                );
            }
        }
    }

    #[test]
    fn runs_of_any_length_have_finite_rates() {
        let configs = [
            ScheduleConfig::Constant,
            ScheduleConfig::step(),
            ScheduleConfig::cosine(),
            ScheduleConfig::Cosine { warmup_epochs: 9.0, final_lr: 0.01 },
            ScheduleConfig::one_cycle(),
            ScheduleConfig::OneCycle { pct_start: 0.5, div_factor: 2.0, final_div_factor: 2.0 },
        ];
        for config in configs {
            for steps_per_epoch in 1..12 {
                let schedule = Schedule::new(&config, 0.1, RunLength { epochs: 1, steps_per_epoch });
                for step in 0..steps_per_epoch + 2 {
                    let lr = schedule.lr_at(step);
                    assert!(
                        (0.0..=0.1 + 1e-15).contains(&lr),
                        "{config:?} step {step} of {steps_per_epoch}: {lr}"
                    );
                }
            }
        }
    }
}
