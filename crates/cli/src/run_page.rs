//! The page of a run: everything that its directory knows without looking inside the network.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use convscope_data::augment::{Augmentation, PreviewOptions, preview};
use convscope_data::{Source, Split};
use convscope_report::augmentation::augmentation_sheet;
use convscope_report::html::{
    DataOrigin, EvaluationSection, KeyFigure, Preview, ReportPage, RunSection, settings,
};
use convscope_report::number::duration;
use convscope_train::run_dir::{Summary, read_layer_metrics, read_metrics};
use convscope_train::{Evaluation, RunDir};

use crate::flags::config_of_run;
use crate::page_contents::{PageContents, save_unless_fuller};
use crate::{course, source, taught};

/// The name of the page in a run directory.
pub(crate) const PAGE_FILE: &str = "report.html";

/// The generator of pages.
pub(crate) const GENERATOR: &str = concat!("convscope ", env!("CARGO_PKG_VERSION"));

/// Name, figures, configuration and curves of a run directory; for a weights file, its name.
///
/// # Errors
/// A file of the run that cannot be read.
pub(crate) fn section(run: &Path) -> Result<RunSection> {
    let mut section = RunSection { name: name(run), ..RunSection::default() };
    if !run.is_dir() {
        return Ok(section);
    }
    let run = RunDir::open(run)?;
    section.config = settings(&run.config()?);
    if run.metrics_path().is_file() {
        section.metrics = read_metrics(&run.metrics_path())?;
    }
    if run.layer_metrics_path().is_file() {
        section.layer_metrics = read_layer_metrics(&run.layer_metrics_path())?;
    }
    if run.summary_path().is_file() {
        section.figures = figures(&Summary::read(&run.summary_path())?);
        let taught =
            taught::teacher_of(&run)?.and_then(|teacher| teacher.test_accuracy.or(teacher.val_accuracy));
        section.figures.extend(taught.map(|share| KeyFigure::percent("accuracy of the teacher", share)));
    }
    Ok(section)
}

/// A page of these runs, on these images, with some of them augmented as in the first run.
///
/// # Errors
/// A configuration or an image that cannot be read.
pub(crate) fn page(
    title: String,
    source: &Arc<dyn Source>,
    first: &Path,
    runs: Vec<RunSection>,
) -> Result<ReportPage> {
    let previews = augmentation(first, source)?.into_iter().collect();
    Ok(ReportPage { title, runs, previews, ..described(ReportPage::default(), &**source) })
}

/// Variants of training images, if the run was trained on such.
fn augmentation(run: &Path, source: &Arc<dyn Source>) -> Result<Option<Preview>> {
    let Some(config) = config_of_run(run)? else { return Ok(None) };
    if config.augment == Augmentation::NONE || source.is_empty(Split::Train) {
        return Ok(None);
    }
    let options = PreviewOptions { seed: config.seed, ..PreviewOptions::default() };
    let picture = augmentation_sheet(&preview(source, config.augment, options)?);
    let caption = "Training images and their augmented variants in the first epochs".to_owned();
    Ok(Some(Preview { caption, picture }))
}

/// The page with its remarks on the images and the program.
pub(crate) fn described(page: ReportPage, source: &dyn Source) -> ReportPage {
    ReportPage {
        subtitle: format!("{}: {}", data_name(source), source::contents(source)),
        origin: if source.is_synthetic() { DataOrigin::Synthetic } else { DataOrigin::Pictures },
        generator: GENERATOR.to_owned(),
        ..page
    }
}

/// Writes the page of a run that has just been trained: configuration, curves, and what the network gets right and
/// wrong on the test images, or on the validation images if there are none.
///
/// # Errors
/// A file that cannot be read or written.
pub fn save_after_training(
    run: &RunDir,
    source: &Arc<dyn Source>,
    evaluation: Option<&Evaluation>,
) -> Result<()> {
    let mut section = section(run.path())?;
    section.evaluation =
        evaluation.map(|evaluation| EvaluationSection::from_evaluation(evaluation, source.classes()));
    let found = course::findings(run, &**source)?;
    section.findings = (!found.is_empty()).then_some(found);
    let title = format!("{} on {}", section.name, data_name(&**source));
    let judged = section.evaluation.as_ref().map_or(0, |judged| judged.confusion.images());
    let made_from = PageContents { judged, ..PageContents::of_weights(run.path())? };
    let page = page(title, source, run.path(), vec![section])?;
    save_unless_fuller(page, &made_from, &run.path().join(PAGE_FILE))?;
    Ok(())
}

/// The name of the images on a page: for a folder, the last part of its path; the configuration has the full path.
pub(crate) fn data_name(source: &dyn Source) -> String {
    name(Path::new(source.name()))
}

/// The last part of the path that has a name.
fn name(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn figures(summary: &Summary) -> Vec<KeyFigure> {
    let shares = [
        ("test accuracy", summary.test_accuracy),
        ("validation accuracy", summary.val_accuracy),
        ("training accuracy", summary.train_accuracy),
    ];
    let shares = shares.into_iter().filter_map(|(label, share)| Some(KeyFigure::percent(label, share?)));
    let loss = summary.test_loss.map(|loss| KeyFigure::number("test loss", loss));
    let time = duration(Duration::from_secs_f64(summary.seconds.max(0.0)));
    shares
        .chain(loss)
        .chain([
            KeyFigure::count("parameters", summary.parameters),
            KeyFigure::count("epochs", summary.epochs),
            KeyFigure { label: "training time".to_owned(), value: time },
        ])
        .collect()
}
