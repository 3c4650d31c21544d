//! The test images at the end of a search: used once, for the best network.

use std::sync::Arc;

use anyhow::{Context, Result};
use convscope_data::Split;
use convscope_files::FileLock;
use convscope_train::model::TrainedModel;
use convscope_train::run_dir::Summary;
use convscope_train::{RunDir, TrainConfig};
use convscope_tune::runner::{Runner, Trained};
use convscope_tune::{Study, Trial};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::console::Console;
use crate::flags::{MaxPixels, Threads};
use crate::{interrupt, source};

/// The best network's result on the test images, as stored in the study.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Test {
    /// The best trial.
    pub(crate) trial: usize,
    /// The run directory of the network that was tested, within the study's folder.
    pub(crate) run: String,
    loss: f64,
    pub(crate) accuracy: f64,
}

/// The network to test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tested {
    /// That of the best trial.
    Winner,
    /// One with the settings of the best trial, trained on all images except the test images.
    Retrained,
}

/// The folder of the retrained network within the study's.
pub(crate) const FINAL: &str = "final";

/// The best network's result on the test images: looked up, or computed by the one process that gets the lock. The
/// outer `None` means an interruption, the inner one data without test images or a network that was not kept.
pub(crate) fn test(
    tested: Tested,
    study: &mut Study,
    runner: &Runner,
    winner: &Trial,
    threads: Threads,
    console: Console,
) -> Result<Option<Option<Test>>> {
    let path = runner.folder.join("workers").join("test.lock");
    // Without locks, several processes may compute the same.
    let _lock = FileLock::wait(&path).with_context(|| format!("{} cannot be locked", path.display()))?;
    study.refresh()?;
    let wanted = match tested {
        Tested::Winner => winner.run().unwrap_or_default().to_owned(),
        Tested::Retrained => FINAL.to_owned(),
    };
    let known = study.attribute(&format!("test {wanted}")).cloned();
    let known: Option<Test> = known.and_then(|known| serde_json::from_value(known).ok());
    if let Some(known) = known.filter(|known| known.trial == winner.number) {
        return Ok(Some(Some(known)));
    }
    let run = RunDir::open(&runner.run_dir(winner.number))?;
    let config = moved_data(run.config()?, study);
    let data = config.data.source.clone();
    let judged = match tested {
        Tested::Retrained => {
            let config = final_config(config, winner);
            console.note(&format!(
                "retraining the settings of trial {} on all images except the test images",
                winner.number
            ));
            match runner.train_alone(FINAL, &config, &interrupt::INTERRUPTED)? {
                Trained::Interrupted => return Ok(None),
                Trained::Completed(summary) => {
                    let Summary { test_loss, test_accuracy, .. } = *summary;
                    test_loss.zip(test_accuracy)
                }
            }
        }
        Tested::Winner => {
            let source = source::open_own(&run, Some(&data), MaxPixels::default(), console)?;
            if source.is_empty(Split::Test) {
                None
            } else if !run.last_weights_path().is_file() {
                console.warning(&format!(
                    "trial {} is the best and cannot be tested, because its weights were not kept; --final retrains its settings",
                    winner.number
                ));
                None
            } else {
                let evaluation = threads.run(None, || {
                    let mut model = TrainedModel::open(run.path(), config.batch_size)?;
                    Ok(model.evaluate(Arc::clone(&source), Split::Test)?)
                })?;
                Some((evaluation.loss, evaluation.accuracy))
            }
        }
    };
    let test =
        judged.map(|(loss, accuracy)| Test { trial: winner.number, run: wanted.clone(), loss, accuracy });
    if let Some(test) = &test {
        study.set_attribute(&format!("test {wanted}"), json!(test))?;
    }
    Ok(Some(test))
}

/// The configuration with the current path of the data, which may have moved since the trial was trained.
fn moved_data(mut config: TrainConfig, study: &Study) -> TrainConfig {
    let plan = study.plan();
    if !plan.space.parameters().iter().any(|parameter| sets_the_data(&parameter.name)) {
        config.data.source.clone_from(&plan.base.data.source);
    }
    config
}

/// Whether a parameter with this name affects the images.
pub(crate) fn sets_the_data(name: &str) -> bool {
    matches!(name, "data" | "data.source" | "source")
}

/// The winner's settings, to be trained on all images except the test images. If it stopped early, there is no
/// validation to stop by, so it gets the best number of epochs.
fn final_config(config: TrainConfig, winner: &Trial) -> TrainConfig {
    let epochs = match (config.patience, winner.attribute("best_epoch")) {
        (Some(_), Some(best)) => best as u64,
        _ => config.epochs,
    };
    let data = convscope_train::config::DataConfig { train_on_val: true, ..config.data };
    TrainConfig { epochs, patience: None, data, ..config }
}
