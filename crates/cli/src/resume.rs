//! Which settings may change when a run is continued.

use std::collections::BTreeSet;

use anyhow::Result;
use convscope_train::config::TrainConfig;
use convscope_train::run_dir::{read_metrics, write_atomic};
use convscope_train::{RunDir, ScheduleConfig};

use crate::exit::UsageError;
use crate::train_flags::TrainFlags;

/// The configuration that a run continues with: its own. Flags may repeat it. Of those that differ, only `--epochs` is
/// accepted, if the learning rate does not depend on the length of the run; the run's `config.toml` is then changed.
/// `--data` is a new path to the same images, which the run checks when it opens them.
///
/// # Errors
/// Flags that would lead to a different result from the uninterrupted run.
pub(crate) fn configure(run: &RunDir, flags: &TrainFlags) -> Result<TrainConfig> {
    let own = run.config()?;
    let mut asked = flags.over(own.clone())?;
    asked.data.source.clone_from(&own.data.source);
    let changed = changed_keys(&own, &asked);
    if changed.is_empty() {
        return Ok(own);
    }
    if changed != ["epochs"] {
        let changed = changed.iter().filter(|key| *key != "epochs").cloned().collect::<Vec<_>>().join(", ");
        return Err(refused(run, &format!("{changed} cannot change when a run is resumed")));
    }
    if !matches!(own.schedule, ScheduleConfig::Constant | ScheduleConfig::Step { .. }) {
        let reason = format!(
            "epochs cannot change when a run is resumed, because the {} schedule depends on them",
            own.schedule.name()
        );
        return Err(refused(run, &reason));
    }
    asked.validate()?;
    let done = if run.metrics_path().is_file() { read_metrics(&run.metrics_path())?.len() as u64 } else { 0 };
    if asked.epochs < done {
        return Err(refused(run, &format!("{done} epochs are already done, more than {}", asked.epochs)));
    }
    let text = asked.to_toml()?;
    write_atomic(&run.config_path(), |file| file.write_all(text.as_bytes()))?;
    Ok(asked)
}

fn refused(run: &RunDir, reason: &str) -> anyhow::Error {
    let path = run.path().display();
    UsageError(format!("{path}: {reason}; leave the flag out or start a new run")).into()
}

/// The keys with different values, as `optimizer.momentum`.
fn changed_keys(own: &TrainConfig, asked: &TrainConfig) -> Vec<String> {
    let (own, asked) = (own.texts(), asked.texts());
    let keys: BTreeSet<&String> = own.keys().chain(asked.keys()).collect();
    // A configuration file may come from a machine with a different number of cores.
    let is_changed = |key: &&&String| own.get(**key) != asked.get(**key) && ***key != "threads";
    keys.iter().filter(is_changed).map(|key| (*key).clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_keys_are_named_with_their_tables() {
        let own = TrainConfig::default();
        let mut asked = TrainConfig { lr: 0.5, patience: Some(3), threads: Some(7), ..own.clone() };
        asked.data.source = "cats".into();
        assert_eq!(changed_keys(&own, &asked), ["data.source", "lr", "patience"]);
        assert_eq!(changed_keys(&asked, &asked), [""; 0]);
    }
}
