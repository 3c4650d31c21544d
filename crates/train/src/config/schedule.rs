//! The settings of schedules in a configuration file.

use super::declare::Group::Training;
use super::declare::{Setting, settings, value};
use super::merge::{from_table, table_of};
use super::names::ScheduleName;
use super::value::SettingValue;
use super::{is_at_least_0, is_at_least_1, is_inside_0_to_1};
use crate::schedule::ScheduleConfig;

settings! {
    /// Some of the settings of a schedule. A `name` that differs from the schedule it is merged into starts from the named
    /// schedule's defaults.
    pub struct PartialSchedule in "schedule.";

    /// The learning rate schedule; its settings are keys of `schedule` in a --config file
    name: ScheduleName = "one-cycle", Some(value(Training, "NAME").named("schedule")), any;
    /// How many epochs step keeps a rate
    step_size: u64 = "10", None, (|size| *size >= 1, "at least 1 epoch");
    /// The factor of step after each of them
    gamma: f64 = "0.1", None, (|gamma| *gamma > 0.0 && *gamma <= 1.0, "in (0, 1]");
    /// The length of cosine's warm-up in epochs, fractions allowed
    warmup_epochs: f64 = "0", None, (is_at_least_0, "a finite number of at least 0");
    /// The rate at the end of cosine
    final_lr: f64 = "0", None, (is_at_least_0, "a finite number of at least 0");
    /// The share of the steps in which the rate of one-cycle rises
    pct_start: f64 = "0.3", None, (is_inside_0_to_1, "in (0, 1)");
    /// The factor by which the first rate of one-cycle is below --lr
    div_factor: f64 = "25", None, (is_at_least_1, "a finite number of at least 1");
    /// The factor by which the last rate of one-cycle is below its first
    final_div_factor: f64 = "10000", None, (is_at_least_1, "a finite number of at least 1");
}

impl From<&ScheduleConfig> for PartialSchedule {
    fn from(config: &ScheduleConfig) -> PartialSchedule {
        from_table(table_of(config))
    }
}
