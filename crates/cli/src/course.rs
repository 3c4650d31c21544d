//! What the course of a run means, and what to try next.

use anyhow::Result;
use convscope_data::{Source, Split};
use convscope_inspect::{Course, Finding, FindingKind};
use convscope_report::number::interval;
use convscope_train::metrics::Interval;
use convscope_train::run_dir::{Summary, read_metrics};
use convscope_train::{RunDir, TrainConfig};

/// Findings about a run on these images; none without a finished epoch.
///
/// # Errors
/// A file of the run that cannot be read.
pub(crate) fn findings(run: &RunDir, source: &dyn Source) -> Result<Vec<Finding>> {
    if !run.metrics_path().is_file() {
        return Ok(Vec::new());
    }
    let metrics = read_metrics(&run.metrics_path())?;
    let summary = run.summary_path().is_file().then(|| Summary::read(&run.summary_path())).transpose()?;
    let best = summary.as_ref().and_then(|summary| summary.best_epoch);
    let last = metrics.last().map_or(0, |line| line.epoch);
    let config = run.config()?;
    let epoch = if config.patience.is_some() { best.unwrap_or(last) } else { last };
    let images = |split| source.len(split) as u64;
    let test = summary.and_then(|summary| Some((summary.test_accuracy?, images(Split::Test))));
    let course = Course {
        metrics: &metrics,
        epoch,
        classes: source.classes().len(),
        validation_images: images(Split::Val),
        test: test.filter(|(_, images)| *images > 0),
    };
    Ok(course.findings().into_iter().map(|finding| with_advice(finding, &config)).collect())
}

/// The finding with the flags that help.
fn with_advice(mut finding: Finding, config: &TrainConfig) -> Finding {
    let is_frozen = !config.freeze.is_none() && config.unfreeze_at.is_none();
    let advice = match finding.kind {
        FindingKind::ExplodedLoss => "`convscope lr-find` suggests one; --clip-norm 1 limits the steps.",
        FindingKind::NothingLearned => "`convscope lr-find` suggests one.",
        // Other pictures in each epoch cost the kept features.
        FindingKind::Overfitting if is_frozen => "Try --cached-views 8 and --patience 5.",
        FindingKind::Overfitting => "Try --augment auto and --patience 5.",
        _ => return finding,
    };
    finding.text = format!("{} {advice}", finding.text);
    finding
}

/// `47 to 83 %`: the 95 % confidence interval of an accuracy on this many images; empty if nothing was measured.
pub(crate) fn confidence(accuracy: f64, images: u64) -> String {
    Interval::of_accuracy(accuracy, images).map_or_else(String::new, |found| interval(found.low, found.high))
}
