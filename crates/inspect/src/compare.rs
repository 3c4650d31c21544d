//! Several networks over the same images.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convscope_data::{Source, Split};
use convscope_train::metrics::EpochMetrics;
use convscope_train::run_dir::read_metrics;
use serde::Serialize;

use crate::depth::{DEPTH_FACTOR, DepthTrend, DepthVerdict, HELD_SPREAD};
use crate::findings::Severity;
use crate::number::{figure, thousands};
use crate::{
    Choice, FeatureMaps, Finding, FindingKind, InspectError, Inspector, Survey, SurveyOptions, SurveyProgress,
};

/// The factor from which two networks count as different in the spread of their layers' mean |activation|.
pub const SPREAD_FACTOR: f64 = 1.5;

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
    /// Its name: the last part of its path, longer if two are the same.
    pub name: String,
    /// Accuracy, confusion matrix and mistakes, over the same images for all of them.
    pub survey: Survey,
    /// Layer table and findings, over the same images for all of them: the same survey, or one over the training images.
    pub layers: Survey,
    /// An epoch each; empty for a weights file without a run.
    pub curves: Vec<EpochMetrics>,
    /// The same image for all of them.
    pub feature_maps: FeatureMaps,
}

/// A setting that is not the same in all runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its key in `config.toml` (`optimizer.name`), or `network.nodes` or `network.trained_parameters`.
    pub key: String,
    /// Its value in each run, in TOML syntax; `None` if a run does not have it.
    pub values: Vec<Option<String>>,
}

/// What networks are compared over.
#[derive(Clone, Debug)]
pub struct CompareOptions {
    /// The images for accuracy, confusion matrix and mistakes.
    pub survey: SurveyOptions,
    /// The split for layer tables and findings.
    pub layers: Split,
    /// The image that all networks are shown. A choice that depends on the network is made by the first one.
    pub example: Choice,
}

/// Surveys all networks over the same images, and looks at the same example image with each.
///
/// # Errors
/// Fewer than two networks, or networks for images of different sizes; those of [`Inspector::survey`] and
/// [`Inspector::example`].
pub fn compare(
    inspectors: &mut [Inspector],
    source: &Arc<dyn Source>,
    options: &CompareOptions,
    progress: &mut dyn FnMut(usize, SurveyProgress),
) -> Result<Comparison, InspectError> {
    let CompareOptions { survey: options, layers, example } = options;
    let given = inspectors.len();
    let Some(first) = inspectors.first().filter(|_| given > 1) else {
        return Err(InspectError::TooFewRuns { given });
    };
    let expected = first.image_size();
    let sizes: Vec<_> = inspectors.iter().map(Inspector::image_size).collect();
    let names = names(inspectors);
    if let Some(at) = sizes.iter().position(|size| *size != expected) {
        let (first, other) = (names[0].clone(), names[at].clone());
        let (expected, found) = (expected.to_string(), sizes[at].to_string());
        return Err(InspectError::SizesDiffer { first, expected, other, found });
    }
    let chosen = inspectors[0].example(Some(source), example)?;
    let choice = match (chosen.split, chosen.index) {
        (Some(split), Some(index)) => Choice::Index(split, index),
        _ => example.clone(),
    };
    let differences = differences(inspectors)?;
    let mut runs = Vec::new();
    for (index, (inspector, name)) in inspectors.iter_mut().zip(names).enumerate() {
        let mut survey = |split| {
            let options = SurveyOptions { split, ..*options };
            inspector.survey(Arc::clone(source), options, &mut |done| progress(index, done))
        };
        let of_layers = survey(*layers)?;
        let survey = if *layers == options.split { of_layers.clone() } else { survey(options.split)? };
        let image = inspector.example(Some(source), &choice)?;
        let feature_maps = inspector.feature_maps(&image)?;
        let curves = match inspector.run_dir().map(|run| run.metrics_path()) {
            Some(path) if path.is_file() => read_metrics(&path)?,
            _ => Vec::new(),
        };
        runs.push(ComparedRun { name, survey, layers: of_layers, curves, feature_maps });
    }
    Ok(Comparison { statements: statements(&runs), runs, differences })
}

/// The shortest ends of the paths that tell the runs apart.
fn names(inspectors: &[Inspector]) -> Vec<String> {
    let paths: Vec<PathBuf> = inspectors
        .iter()
        .map(|inspector| {
            inspector.path().map_or_else(|| PathBuf::from(inspector.graph().name()), Path::to_path_buf)
        })
        .collect();
    let ending = |path: &Path, parts: usize| {
        let all: Vec<_> = path.components().collect();
        let end: PathBuf = all[all.len().saturating_sub(parts)..].iter().collect();
        end.display().to_string()
    };
    let most = paths.iter().map(|path| path.components().count()).max().unwrap_or(1);
    let tries = (1..=most).map(|parts| paths.iter().map(|path| ending(path, parts)).collect::<Vec<_>>());
    let are_distinct = |names: &Vec<String>| names.iter().collect::<HashSet<_>>().len() == names.len();
    let numbered =
        || (1..).zip(&paths).map(|(number, path)| format!("{} ({number})", path.display())).collect();
    tries.into_iter().find(are_distinct).unwrap_or_else(numbered)
}

/// The differences between configurations and networks.
fn differences(inspectors: &[Inspector]) -> Result<Vec<Difference>, InspectError> {
    let mut settings: Vec<BTreeMap<String, String>> = Vec::new();
    for inspector in inspectors {
        let mut of_run = BTreeMap::new();
        if let Some(run) = inspector.run_dir() {
            of_run.extend(run.config()?.texts());
        }
        let graph = inspector.graph();
        of_run.insert("network.nodes".to_string(), graph.nodes().len().to_string());
        of_run.insert("network.trained_parameters".to_string(), graph.trained_parameters().to_string());
        settings.push(of_run);
    }
    let keys: BTreeSet<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
    let each = keys.into_iter().map(|key| Difference {
        key: key.clone(),
        values: settings.iter().map(|of_run| of_run.get(key).cloned()).collect(),
    });
    Ok(each
        .filter(|difference| difference.values.iter().any(|value| *value != difference.values[0]))
        .collect())
}

/// In plain words: which network is more accurate, and whose activations stay similar in size.
fn statements(runs: &[ComparedRun]) -> Vec<Finding> {
    let mut statements = Vec::new();
    let by_accuracy = |run: &&ComparedRun| run.survey.accuracy;
    let best = runs.iter().rev().max_by(|a, b| by_accuracy(a).total_cmp(&by_accuracy(b)));
    let worst = runs.iter().min_by(|a, b| by_accuracy(a).total_cmp(&by_accuracy(b)));
    if let (Some(best), Some(worst)) = (best, worst) {
        let gap = 100.0 * (best.survey.accuracy - worst.survey.accuracy);
        let (split, images) = (best.survey.split.adjective(), thousands(best.survey.images));
        let text = if gap > 0.0 {
            format!(
                "{} is the most accurate on the {images} {split} images, with {:.2} %; {} is the least, with {:.2} %, {gap:.2} \
                 percentage points less.",
                best.name,
                100.0 * best.survey.accuracy,
                worst.name,
                100.0 * worst.survey.accuracy,
            )
        } else {
            format!(
                "All are equally accurate on the {images} {split} images: {:.2} %.",
                100.0 * best.survey.accuracy
            )
        };
        statements.push(statement(gap, 0.0, text));
    }
    statements.extend(runs.iter().filter_map(about_depth));
    statements.extend(about_batch_norm(runs).or_else(|| about_spread(runs)));
    statements
}

/// How a network's activations change with depth: `stay similar in size`.
fn verb(trend: &DepthTrend) -> &'static str {
    match trend.verdict() {
        DepthVerdict::HeldTogether => "stay similar in size",
        DepthVerdict::Growing => "grow with depth",
        DepthVerdict::Fading => "fade with depth",
        DepthVerdict::Uneven => "vary in size, but neither grow nor fade steadily",
    }
}

fn about_depth(run: &ComparedRun) -> Option<Finding> {
    let trend = run.layers.layers.trend.as_ref()?;
    let text = format!(
        "In {}, the activations of the {} layers with weights {}: the largest, of {}, is {} times the smallest, of {}; from \
         layer to layer the trend is a factor of {}.",
        run.name,
        trend.layers,
        verb(trend),
        trend.largest.0,
        figure(trend.spread),
        trend.smallest.0,
        figure(trend.factor_per_layer),
    );
    let (value, threshold) = match trend.verdict() {
        DepthVerdict::HeldTogether | DepthVerdict::Uneven => (trend.spread, HELD_SPREAD),
        DepthVerdict::Growing => (trend.factor_per_layer, DEPTH_FACTOR),
        DepthVerdict::Fading => (trend.factor_per_layer, 1.0 / DEPTH_FACTOR),
    };
    Some(statement(value, threshold, text))
}

/// The effect of batch normalisation: the first network with it against the first one without it.
fn about_batch_norm(runs: &[ComparedRun]) -> Option<Finding> {
    let is_normalized =
        |run: &&ComparedRun| run.layers.layers.rows.iter().any(|row| row.running_statistics > 0);
    let (with, without) = (runs.iter().find(is_normalized)?, runs.iter().find(|run| !is_normalized(run))?);
    let trend = |run: &'_ ComparedRun| run.layers.layers.trend.clone();
    Some(effect_of_batch_norm((&with.name, &trend(with)?), (&without.name, &trend(without)?)))
}

fn effect_of_batch_norm(
    (with, trend_with): (&str, &DepthTrend),
    (without, trend_without): (&str, &DepthTrend),
) -> Finding {
    let ratio = trend_without.spread / trend_with.spread;
    let (spread_with, spread_without) = (figure(trend_with.spread), figure(trend_without.spread));
    let text = if ratio >= SPREAD_FACTOR {
        match (trend_with.verdict(), trend_without.verdict()) {
            (DepthVerdict::HeldTogether, DepthVerdict::HeldTogether) => format!(
                "The activations stay similar in size with and without batch normalisation, more so with it: in {with} the \
                 largest layer mean is {spread_with} times the smallest, in {without}, without it, {spread_without} times."
            ),
            (verdict, _) => {
                let effect = match verdict {
                    DepthVerdict::HeldTogether => "keeps the activations similar in size",
                    _ => "brings the activations closer together",
                };
                format!(
                    "Batch normalisation {effect}: in {with} the largest layer mean is {spread_with} times \
                     the smallest, where in {without}, without it, the activations {} ({spread_without} times).",
                    verb(trend_without)
                )
            }
        }
    } else if ratio <= 1.0 / SPREAD_FACTOR {
        format!(
            "Batch normalisation does not keep the activations similar in size here: in {with} the largest layer mean is \
             {spread_with} times the smallest, in {without}, without it, only {spread_without} times."
        )
    } else {
        format!(
            "Batch normalisation makes no difference here to the spread of the activations: in {with} the largest layer \
             mean is {spread_with} times the smallest, in {without}, without it, {spread_without} times."
        )
    };
    statement(ratio, SPREAD_FACTOR, text)
}

/// Which network's activations are most similar in size.
fn about_spread(runs: &[ComparedRun]) -> Option<Finding> {
    let spreads: Vec<(&str, f64)> = runs
        .iter()
        .map(|run| Some((run.name.as_str(), run.layers.layers.trend.as_ref()?.spread)))
        .collect::<Option<_>>()?;
    let least = spreads.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let most = spreads.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let text = if most.1 > SPREAD_FACTOR * least.1 {
        format!(
            "{} keeps its activations most similar in size: its largest layer mean is {} times its smallest, against {} times in {}.",
            least.0,
            figure(least.1),
            figure(most.1),
            most.0
        )
    } else {
        format!(
            "The networks do not differ much in the spread of their activations: from {} times in {} to {} times in {}.",
            figure(least.1),
            least.0,
            figure(most.1),
            most.0
        )
    };
    Some(statement(most.1 / least.1, SPREAD_FACTOR, text))
}

fn statement(value: f64, threshold: f64, text: String) -> Finding {
    Finding { kind: FindingKind::Comparison, severity: Severity::Note, node: None, value, threshold, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_norm_is_credited_with_what_it_does_and_no_more() {
        let trend = |largest: f64| DepthTrend::of(&[("a", 1.0), ("b", largest), ("c", 1.0)]).unwrap();
        let said = |with: f64, without: f64| {
            effect_of_batch_norm(("bn", &trend(with)), ("plain", &trend(without))).text
        };
        // Both stay similar in size, one more than the other.
        let both = said(1.1, 3.76);
        assert!(
            both.starts_with("The activations stay similar in size with and without batch normalisation"),
            "{both}"
        );
        assert!(both.contains("1.10 times") && both.contains("3.76 times"), "{both}");
        assert!(
            said(1.1, 9.0).starts_with("Batch normalisation keeps the activations similar in size: in bn")
        );
        assert!(said(5.0, 50.0).starts_with("Batch normalisation brings the activations closer together"));
        assert!(said(3.0, 1.5).starts_with("Batch normalisation does not keep"));
        assert!(said(2.0, 2.1).starts_with("Batch normalisation makes no difference"));
    }
}
