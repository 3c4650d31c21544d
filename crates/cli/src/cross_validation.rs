//! Cross-validation before a run, and what it shows.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use convscope_data::Source;
use convscope_report::number::{percent, thousands};
use convscope_train::TrainConfig;
use convscope_train::folds::{CrossValidation, FoldSpread};
use convscope_train::run_dir::write_atomic;
use serde::Serialize;

use crate::console::Console;
use crate::{course, interrupt};

/// `folds.json`.
#[derive(Serialize)]
pub(crate) struct Folds {
    #[serde(flatten)]
    spread: FoldSpread,
    folds: Vec<Fold>,
}

#[derive(Serialize)]
struct Fold {
    images: u64,
    loss: f64,
    accuracy: f64,
}

/// Trains and tests the network of each fold, and prints mean and spread; `None` if interrupted.
///
/// # Errors
/// Those of [`CrossValidation::run`].
pub(crate) fn cross_validate(
    config: &TrainConfig,
    source: &Arc<dyn Source>,
    count: usize,
    console: Console,
) -> Result<Option<Folds>> {
    interrupt::finish_first();
    let mut number = 0;
    let found = CrossValidation::run(config, source, count, &interrupt::INTERRUPTED, &mut (), |fold| {
        number += 1;
        let images = thousands(fold.images);
        console.note(&format!("fold {number} of {count}: {} of {images} images", percent(fold.accuracy)));
    });
    let found = found?;
    interrupt::at_once();
    let Some(found) = found else { return Ok(None) };
    let spread = found.spread();
    console.result(&format!(
        "cross-validation over {} images in {count} folds: accuracy {}, standard deviation {} between folds; {} of such pictures with 95 % confidence\n\n",
        thousands(spread.images),
        percent(spread.mean),
        percent(spread.deviation),
        course::confidence(spread.accuracy, spread.images)
    ))?;
    let fold = |fold: &convscope_train::Evaluation| {
        let (images, loss, accuracy) = (fold.images, fold.loss, fold.accuracy);
        Fold { images, loss, accuracy }
    };
    Ok(Some(Folds { spread, folds: found.folds.iter().map(fold).collect() }))
}

impl Folds {
    /// Writes `folds.json` into a run directory.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn write(&self, run: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        Ok(write_atomic(&run.join("folds.json"), |file| file.write_all(text.as_bytes()))?)
    }
}
