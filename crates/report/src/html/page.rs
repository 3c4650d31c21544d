//! The contents of a page, as plain data; anything that a run does not have is left empty.

use convscope_data::Split;
use convscope_inspect::compare::Difference;
use convscope_inspect::survey::Mistake;
use convscope_inspect::{Comparison, FeatureMaps, Finding, HeatMap, LayerTable, Survey};
use convscope_train::metrics::{Confusion, EpochMetrics};
use convscope_train::{Evaluation, LayerMetrics, TrainConfig};
use image::RgbImage;
use serde::Serialize;

use crate::chart::{Chart, Diagram};
use crate::number::{percent, significant, thousands};

/// The contents of a page. Every part may be empty; the page then leaves it out.
///
/// ```
/// use convscope_report::html::{DataOrigin, ReportPage, RunSection};
///
/// let run = RunSection { name: "plain8".into(), ..RunSection::default() };
/// let page = ReportPage {
///     title: "plain8 on shapes".into(),
///     origin: DataOrigin::Synthetic,
///     runs: vec![run],
///     ..ReportPage::default()
/// };
/// assert!(page.render()?.contains("Synthetic data"));
/// # Ok::<(), convscope_report::ReportError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReportPage {
    /// The headline.
    pub title: String,
    /// The text below it.
    pub subtitle: String,
    /// The origin of the images.
    pub origin: DataOrigin,
    /// The program and its version.
    pub generator: String,
    /// The runs. If there are several, curves and activations are also drawn together.
    pub runs: Vec<RunSection>,
    /// The comparison of several runs.
    pub comparison: Option<ComparisonSection>,
    /// Pictures of the data: a contact sheet, augmented images.
    pub previews: Vec<Preview>,
    /// Further sections, such as those of a study.
    pub extra: Vec<ExtraSection>,
    /// What the page was made from, for programs: it is in the page's head, where [`contents`] finds it.
    pub contents: Option<String>,
}

/// The origin of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataOrigin {
    /// Real pictures.
    #[default]
    Pictures,
    /// Drawn by the program; the page says so.
    Synthetic,
}

/// One run.
#[derive(Clone, Debug, Default)]
pub struct RunSection {
    /// Its name.
    pub name: String,
    /// Its results in a few numbers, the most important first.
    pub figures: Vec<KeyFigure>,
    /// The configuration.
    pub config: Vec<ConfigValue>,
    /// One entry per epoch.
    pub metrics: Vec<EpochMetrics>,
    /// How each layer learned: for each epoch, a line per layer.
    pub layer_metrics: Vec<LayerMetrics>,
    /// What it gets right and wrong.
    pub evaluation: Option<EvaluationSection>,
    /// The layer table.
    pub layers: Option<LayerTable>,
    /// The images of the layer table and the findings: `40,000 training images`.
    pub layers_over: String,
    /// The findings; `None` if the network was not inspected.
    pub findings: Option<Vec<Finding>>,
    /// The images shown in detail; the first is shown first, and a reader can choose among them.
    pub closeups: Vec<CloseupSection>,
    /// Further charts of training.
    pub charts: Vec<Chart>,
}

/// An image shown in detail.
#[derive(Clone, Debug)]
pub struct CloseupSection {
    /// The output of each layer.
    pub maps: FeatureMaps,
    /// Where the network looks in it.
    pub heat_maps: Vec<HeatMap>,
    /// Grad-CAM at the layers and for the classes that a reader can choose.
    pub grad_cams: Vec<HeatMap>,
}

/// A number and its label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyFigure {
    /// Its label: `test accuracy`.
    pub label: String,
    /// The formatted number: `84.20 %`.
    pub value: String,
}

/// A key of the configuration and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConfigValue {
    /// The key, with those above it: `optimizer.name`.
    pub key: String,
    /// The formatted value.
    pub value: String,
}

/// What a network gets right and wrong on a split.
#[derive(Clone, Debug)]
pub struct EvaluationSection {
    /// The images: `10,000 test images`.
    pub over: String,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Share of images whose most probable class is the true one.
    pub accuracy: f64,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Labels against predictions, over these classes.
    pub confusion: Confusion,
    /// The most confidently wrong pictures.
    pub mistakes: Vec<Mistake>,
}

/// The comparison of several runs.
#[derive(Clone, Debug, Default)]
pub struct ComparisonSection {
    /// Settings that differ, with a value for each run of the page.
    pub differences: Vec<Difference>,
    /// The results of the comparison, in words.
    pub statements: Vec<Finding>,
}

/// A picture with a caption.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// What it shows.
    pub caption: String,
    /// The picture.
    pub picture: RgbImage,
}

/// A section with charts, tables and pictures.
#[derive(Clone, Debug, Default)]
pub struct ExtraSection {
    /// Its headline.
    pub title: String,
    /// The text below it.
    pub text: String,
    /// Charts.
    pub charts: Vec<Diagram>,
    /// Tables.
    pub tables: Vec<ExtraTable>,
    /// Pictures.
    pub pictures: Vec<Preview>,
}

/// A table of text, sortable by its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExtraTable {
    /// What it shows.
    pub caption: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows of as many cells.
    pub rows: Vec<ExtraRow>,
}

/// A row of an [`ExtraTable`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExtraRow {
    /// A cell for each column.
    pub cells: Vec<ExtraCell>,
    /// Whether it is highlighted.
    pub is_marked: bool,
}

/// A cell of an [`ExtraTable`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExtraCell {
    /// Its text.
    pub text: String,
    /// Its link: a path relative to the page.
    pub link: Option<String>,
}

impl ReportPage {
    /// The page of a comparison: its runs with everything known about them, and their differences.
    pub fn from_comparison(comparison: &Comparison) -> Self {
        let runs = comparison.runs.iter().map(|run| {
            let section = RunSection {
                name: run.name.clone(),
                metrics: run.curves.clone(),
                closeups: vec![CloseupSection {
                    maps: run.feature_maps.clone(),
                    heat_maps: Vec::new(),
                    grad_cams: Vec::new(),
                }],
                ..RunSection::default()
            };
            RunSection {
                evaluation: Some(EvaluationSection::from_survey(&run.survey)),
                ..section.with_survey(&run.layers)
            }
        });
        let names: Vec<&str> = comparison.runs.iter().map(|run| run.name.as_str()).collect();
        Self {
            title: names.join(" and "),
            runs: runs.collect(),
            comparison: Some(ComparisonSection {
                differences: comparison.differences.clone(),
                statements: comparison.statements.clone(),
            }),
            ..Self::default()
        }
    }
}

impl RunSection {
    /// Adds the results of a survey: the layer table, the findings, and correct and wrong predictions if they are
    /// missing.
    #[must_use]
    pub fn with_survey(mut self, survey: &Survey) -> Self {
        self.evaluation.get_or_insert_with(|| EvaluationSection::from_survey(survey));
        self.layers = Some(survey.layers.clone());
        self.layers_over = over(survey.images, survey.split);
        self.findings = Some(survey.findings.clone());
        self
    }
}

impl EvaluationSection {
    /// The correct and wrong predictions in a survey.
    pub fn from_survey(survey: &Survey) -> Self {
        Self {
            over: over(survey.images, survey.split),
            loss: survey.loss,
            accuracy: survey.accuracy,
            classes: survey.classes.clone(),
            confusion: survey.confusion.clone(),
            mistakes: survey.mistakes.clone(),
        }
    }

    /// An evaluation with these class names; the mistakes are unknown.
    pub fn from_evaluation(evaluation: &Evaluation, classes: &[String]) -> Self {
        Self {
            over: over(evaluation.images, evaluation.split),
            loss: evaluation.loss,
            accuracy: evaluation.accuracy,
            classes: classes.to_vec(),
            confusion: evaluation.confusion.clone(),
            mistakes: Vec::new(),
        }
    }
}

/// `10,000 test images`.
fn over(images: u64, split: Split) -> String {
    format!("{} {} image{}", thousands(images), split.adjective(), if images == 1 { "" } else { "s" })
}

impl KeyFigure {
    /// A share as a percentage.
    pub fn percent(label: &str, share: f64) -> Self {
        Self { label: label.to_owned(), value: percent(share) }
    }

    /// A number with four significant digits.
    pub fn number(label: &str, value: f64) -> Self {
        Self { label: label.to_owned(), value: significant(value) }
    }

    /// A count.
    pub fn count(label: &str, value: u64) -> Self {
        Self { label: label.to_owned(), value: thousands(value) }
    }
}

/// What a page was made from, according to its head ([`ReportPage::contents`]); `None` if it does not say, or is not a
/// page.
pub fn contents(html: &str) -> Option<String> {
    let (_, rest) = html.split_once("<meta name=\"convscope-contents\" content=\"")?;
    let (escaped, _) = rest.split_once('"')?;
    let plain = escaped.replace("&quot;", "\"").replace("&#x27;", "'").replace("&#x2f;", "/");
    Some(plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

/// Every value of a configuration under its whole key, sorted; keys without a value are left out.
///
/// ```
/// let settings = convscope_report::html::settings(&convscope_train::TrainConfig::default());
/// let lr = settings.iter().find(|setting| setting.key == "lr").unwrap();
/// assert_eq!(lr.value, "0.002");
/// ```
pub fn settings(config: &TrainConfig) -> Vec<ConfigValue> {
    config.texts().into_iter().map(|(key, value)| ConfigValue { key, value }).collect()
}
