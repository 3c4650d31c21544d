//! The result of a search: files, a page, and the printed text or document.

use std::path::{Path, PathBuf};

use anyhow::Result;
use convscope_report::html::{DataOrigin, ReportPage};
use convscope_report::number::percent;
use convscope_report::study::{StudyReport, TrialLine};
use convscope_tune::runner::Ending;
use convscope_tune::{Study, Trial, TrialState, best, importance};
use serde::Serialize;
use serde_json::json;

use crate::console::Console;
use crate::run_page::{self, PAGE_FILE};
use crate::shell::shell_word;
use crate::tune_test::{FINAL, Test};

/// Where everything is.
pub(crate) struct StudyPaths {
    pub(crate) folder: PathBuf,
    pub(crate) journal: PathBuf,
    pub(crate) name: String,
}

/// The result of a search.
pub(crate) struct Found<'a> {
    pub(crate) study: &'a Study,
    /// How many validation images each trial was judged on.
    pub(crate) images: u64,
    pub(crate) unfinished: Option<&'a Unfinished>,
    pub(crate) test: Option<&'a Test>,
}

/// The rest of a search that ended before all of its trials were finished.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Unfinished {
    /// The planned number of trials.
    planned: usize,
    /// How many are complete, pruned, or have failed for good.
    finished: usize,
    /// How many were started and are waiting.
    waiting: usize,
    /// How many are running in other processes.
    running: usize,
    /// How many failed too often because of the machine.
    failed_by_machine: usize,
    /// Why the last of them failed.
    reason: Option<String>,
}

/// The keys of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    study: &'a str,
    folder: &'a Path,
    journal: &'a Path,
    unfinished: Option<&'a Unfinished>,
    best: Option<&'a TrialLine>,
    test: Option<&'a Test>,
    importance: serde_json::Value,
    ranking: &'a [TrialLine],
}

impl Unfinished {
    /// The rest after a search ended this way; `None` if it is complete.
    pub(crate) fn of(study: &Study, ending: &Ending) -> Option<Unfinished> {
        let trials = study.trials();
        let count = |is_meant: &dyn Fn(&Trial) -> bool| trials.iter().filter(|trial| is_meant(trial)).count();
        let waiting = count(&|trial| trial.state == TrialState::Waiting);
        let running = count(&|trial| trial.state == TrialState::Running);
        let failed_by_machine = count(&Trial::failed_by_machine);
        let finished = count(&|trial| trial.state.is_finished()) - failed_by_machine;
        let planned = study.planned().max(trials.len());
        let is_set_back = |trial: &&Trial| trial.state == TrialState::Waiting || trial.failed_by_machine();
        let mut reason = trials.iter().rev().filter(is_set_back).find_map(Trial::reason).map(str::to_owned);
        let mut is_left = waiting + failed_by_machine > 0;
        if let Ending::GaveUp { reason: last } = ending {
            reason = Some(last.clone());
            is_left |= finished < planned;
        }
        is_left.then_some(Unfinished { planned, finished, waiting, running, failed_by_machine, reason })
    }

    /// The rest, the reason, and what to do, in a sentence.
    pub(crate) fn sentence(&self) -> String {
        let Unfinished { planned, finished, waiting, running, failed_by_machine, reason } = self;
        let reason =
            reason.as_deref().map_or_else(String::new, |reason| format!("; the last failure: {reason}"));
        let others = planned.saturating_sub(finished + waiting + running + failed_by_machine);
        let parts = [
            (*waiting, "waiting"),
            (*running, "running in other processes"),
            (*failed_by_machine, "failed because of the machine"),
            (others, "not started"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, state)| format!("{count} {state}"))
            .collect();
        let advice = match (waiting + others, *failed_by_machine) {
            (_, 0) => "the same command continues",
            (0, _) => "--retry-failed repeats the failed ones",
            _ => "the same command continues, and with --retry-failed it repeats the failed ones",
        };
        format!(
            "the search is incomplete: {finished} of {planned} trials are finished, {}{reason}; {advice}",
            parts.join(", ")
        )
    }
}

/// Writes `study.csv`, the plots and the page.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn save(place: &StudyPaths, found: &Found<'_>, console: Console) -> Result<()> {
    let Found { study, images, test, .. } = *found;
    let trials = study.trials();
    let plan = study.plan();
    let report = StudyReport { space: &plan.space, trials: &trials, images };
    report.save_csv(&place.folder.join("study.csv"))?;
    report.save_plots(&place.folder)?;
    let count = |state| trials.iter().filter(|trial| trial.state == state).count();
    use TrialState::{Complete, Failed, Pruned, Waiting};
    let mut subtitle = format!(
        "{} completed, {} pruned and {} failed trials",
        count(Complete),
        count(Pruned),
        count(Failed)
    );
    if count(Waiting) > 0 {
        subtitle += &format!(", {} waiting to be repeated", count(Waiting));
    }
    if let Some(best) = best(&trials) {
        let value = percent(best.value.unwrap_or(f64::NAN));
        subtitle += &format!("; best: trial {} with {value} validation accuracy", best.number);
    }
    if let Some(test) = test {
        subtitle += &format!(", {} on the test images", percent(test.accuracy));
    }
    let synthetic = plan.base.data.source == "shapes";
    let page = ReportPage {
        title: format!("Search: {} on {}", plan.base.model, plan.base.data.source),
        subtitle,
        origin: if synthetic { DataOrigin::Synthetic } else { DataOrigin::Pictures },
        generator: run_page::GENERATOR.to_owned(),
        extra: report.sections(&|trial| page_of(trial, &place.folder)),
        ..ReportPage::default()
    };
    page.save(&place.folder.join(PAGE_FILE))?;
    console.note(&format!("report: {}", place.folder.join(PAGE_FILE).display()));
    Ok(())
}

/// The page of a trial, as linked from the page of the study; `None` if it is gone.
fn page_of(trial: &Trial, folder: &Path) -> Option<String> {
    let run = trial.run()?;
    folder.join(run).join(PAGE_FILE).is_file().then(|| format!("{run}/{PAGE_FILE}"))
}

/// The document of `--json`.
///
/// # Errors
/// A number has no JSON form.
pub(crate) fn document(place: &StudyPaths, found: &Found<'_>) -> Result<String> {
    let Found { study, images, unfinished, test } = *found;
    let trials = study.trials();
    let report = StudyReport { space: &study.plan().space, trials: &trials, images };
    let ranking = report.lines();
    let importance = importance(report.space, report.trials);
    let shares = importance.into_iter().map(|found| (found.name, json!(found.explained)));
    let document = Document {
        study: &place.name,
        folder: &place.folder,
        journal: &place.journal,
        unfinished,
        best: ranking.first().filter(|line| line.state == TrialState::Complete.name()),
        test,
        importance: serde_json::Value::Object(shares.collect()),
        ranking: &ranking,
    };
    Ok(format!("{}\n", serde_json::to_string_pretty(&document)?))
}

/// The ranking and where everything is; only the ranking if no trial was completed.
pub(crate) fn render(place: &StudyPaths, found: &Found<'_>, console: Console) -> String {
    let Found { study, images, test, .. } = *found;
    let space = &study.plan().space;
    let trials = study.trials();
    let report = StudyReport { space, trials: &trials, images };
    let table = report.table().render(console.style());
    let Some(winner) = best(&trials) else {
        return format!("no trial was completed\n\n{table}");
    };
    let settings = space.describe(&winner.point(space).unwrap_or_default());
    let value = percent(winner.value.unwrap_or(f64::NAN));
    let folder = &place.folder;
    let run = folder.join(test.map_or_else(|| winner.run().unwrap_or_default(), |test| test.run.as_str()));
    let tested = match test {
        Some(test) if test.run == FINAL => {
            format!("retrained     {} on the test images\n", percent(test.accuracy))
        }
        Some(test) => format!("test          {}\n", percent(test.accuracy)),
        None => String::new(),
    };
    format!(
        "{table}\n{chance}\
         best          trial {number}: {settings}\n\
         validation    {value}\n\
         {tested}\
         run           {run}\n\
         report        {page}\n\
         table         {csv}\n\
         journal       {journal}\n\
         look closer   convscope inspect {word}\n",
        chance = report.chance().map_or_else(String::new, |text| format!("{text}\n\n")),
        number = winner.number,
        run = run.display(),
        page = folder.join(PAGE_FILE).display(),
        csv = folder.join("study.csv").display(),
        journal = place.journal.display(),
        word = shell_word(&run),
    )
}
