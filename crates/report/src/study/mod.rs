//! The results of a search: the ranking, `study.csv`, plots, and the page of a study.

mod charts;
mod importance;
mod parallel;

pub use charts::{accuracy_against, accuracy_over_epochs};
pub use importance::importance_diagram;
pub use parallel::parallel_coordinates;

use std::collections::HashMap;
use std::path::Path;

use convscope_train::metrics::are_told_apart;
use convscope_tune::{Space, Trial, TrialState, importance as importances, ranked};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::chart::Diagram;
use crate::html::{ExtraCell, ExtraRow, ExtraSection, ExtraTable};
use crate::number::{percent, significant, thousands};
use crate::table::shorten;
use crate::{Cell, Column, ReportError, Table, Tone, chart, csv};

/// How much of a reason fits in the terminal table; `study.csv` has all of it.
const REASON: usize = 80;

/// How trials are judged, as text for a page.
const JUDGED: &str = "Trials are judged by their accuracy on the validation images alone.";

/// A search and its trials.
#[derive(Clone, Copy, Debug)]
pub struct StudyReport<'a> {
    /// The search space.
    pub space: &'a Space,
    /// The trials in the order of their numbers.
    pub trials: &'a [Trial],
    /// How many validation images each of them is judged on.
    pub images: u64,
}

/// A trial in machine-readable form.
#[derive(Clone, Debug, Serialize)]
pub struct TrialLine {
    /// Its rank among the finished trials, from 1; `None` for one that failed or is not finished.
    pub rank: Option<usize>,
    /// Its number, from 0.
    pub trial: usize,
    /// `COMPLETE`, `PRUNED`, `FAIL`, `RUNNING` or `WAITING`.
    pub state: &'static str,
    /// Its parameters.
    pub parameters: Map<String, Value>,
    /// The accuracy that it is judged on, as a fraction.
    pub validation_accuracy: Option<f64>,
    /// The corresponding loss.
    pub validation_loss: Option<f64>,
    /// The accuracy on the training images, during training.
    pub training_accuracy: Option<f64>,
    /// How many epochs it ran.
    pub epochs: u64,
    /// How long it took.
    pub seconds: Option<f64>,
    /// Why it failed.
    pub reason: Option<String>,
}

impl<'a> StudyReport<'a> {
    /// The finished trials, the best first.
    pub fn lines(&self) -> Vec<TrialLine> {
        self.places().map(|(rank, trial)| self.line(rank, trial)).collect()
    }

    /// The best completed trial.
    fn best(&self) -> Option<&'a Trial> {
        self.places().map(|(_, trial)| trial).find(|trial| trial.state == TrialState::Complete)
    }

    /// The completed trials whose accuracy is so close to the best one's that the difference may be chance, the best
    /// first; empty if there are none.
    fn like_the_best(&self) -> Vec<usize> {
        let completed = |trial: &&Trial| trial.state == TrialState::Complete;
        let mut completed = ranked(self.trials).into_iter().filter(completed);
        let Some(best) = completed.next().and_then(|trial| trial.value) else { return Vec::new() };
        let is_like =
            |trial: &&Trial| trial.value.is_some_and(|value| !are_told_apart(best, value, self.images));
        completed.filter(is_like).map(|trial| trial.number).collect()
    }

    /// A sentence on the trials that cannot be distinguished from the best one; `None` if there are none.
    pub fn chance(&self) -> Option<String> {
        let like: Vec<String> = self.like_the_best().iter().map(usize::to_string).collect();
        let (noun, verb) = if like.len() == 1 { ("Trial", "is") } else { ("Trials", "are") };
        (!like.is_empty()).then(|| {
            format!(
                "{noun} {} {verb} within chance of the best: {} validation images cannot distinguish them (95 %).",
                like.join(", "),
                thousands(self.images)
            )
        })
    }

    /// The ranking as a table for a terminal.
    pub fn table(&self) -> Table {
        let parameters =
            self.space.parameters().iter().map(|parameter| Column::right(parameter.name.as_str()));
        let first = [Column::right("rank"), Column::right("trial")].into_iter().chain(parameters);
        let last = [
            Column::right("epochs"),
            Column::right("validation"),
            Column::right("training"),
            Column::left("state"),
        ];
        let mut table = Table::new(first.chain(last));
        let like = self.like_the_best();
        for (rank, trial) in self.places() {
            let mut cells: Vec<Cell> = self.cells(rank, trial).into_iter().map(Cell::from).collect();
            let state = cells.len() - 1;
            cells[state] = match (trial.state, trial.reason()) {
                (TrialState::Failed, Some(reason)) => {
                    Cell::new(shorten(&format!("failed: {reason}"), REASON), Tone::Bad)
                }
                (TrialState::Pruned, _) => Cell::new("pruned", Tone::Dim),
                (_, _) if rank == Some(1) => Cell::new("best", Tone::Good),
                (_, _) if like.contains(&trial.number) => Cell::new("within chance of the best", Tone::Dim),
                _ => Cell::from(""),
            };
            table.row(cells);
        }
        table
    }

    /// Writes `study.csv`: a line per trial, in the order of their numbers. The columns are those of [`TrialLine`],
    /// with one for each parameter, named after it.
    ///
    /// # Errors
    /// Those of [`csv::save`].
    pub fn save_csv(&self, path: &Path) -> Result<(), ReportError> {
        let parameters = self.space.parameters();
        let ranks: HashMap<usize, usize> =
            self.places().filter_map(|(rank, trial)| Some((trial.number, rank?))).collect();
        let mut names = vec!["trial", "state", "rank"];
        names.extend(parameters.iter().map(|parameter| parameter.name.as_str()));
        names.extend([
            "validation_accuracy",
            "validation_loss",
            "training_accuracy",
            "epochs",
            "seconds",
            "reason",
        ]);
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let rows = self.trials.iter().map(|trial| {
            let line = self.line(ranks.get(&trial.number).copied(), trial);
            let rank = line.rank.map(|rank| rank.to_string()).unwrap_or_default();
            let mut row = vec![line.trial.to_string(), line.state.to_owned(), rank];
            row.extend(self.values(trial));
            row.extend([line.validation_accuracy, line.validation_loss, line.training_accuracy].map(number));
            row.extend([line.epochs.to_string(), number(line.seconds), line.reason.unwrap_or_default()]);
            row
        });
        csv::save(path, &names, rows)
    }

    /// Writes the plots into a folder: `accuracy_over_epochs.png`, `accuracy_by_parameter.png`,
    /// `parallel_coordinates.png` and `importance.png`.
    ///
    /// # Errors
    /// Those of [`Diagram::save`].
    pub fn save_plots(&self, folder: &Path) -> Result<(), ReportError> {
        chart::save(&[accuracy_over_epochs(self)], &folder.join("accuracy_over_epochs.png"))?;
        chart::save(&accuracy_against(self), &folder.join("accuracy_by_parameter.png"))?;
        Diagram::save(&[parallel_coordinates(self)], &folder.join("parallel_coordinates.png"))?;
        let importance = importance_diagram(&importances(self.space, self.trials));
        Diagram::save(&[importance], &folder.join("importance.png"))
    }

    /// The sections of a page: ranking, curves, accuracy against each parameter, parallel coordinates, importance. The
    /// ranking links to the page of each trial that `page_of` knows.
    pub fn sections(&self, page_of: &dyn Fn(&Trial) -> Option<String>) -> Vec<ExtraSection> {
        let importances = importances(self.space, self.trials);
        let section = |title: &str, text: &str, charts| ExtraSection {
            title: title.to_owned(),
            text: text.to_owned(),
            charts,
            ..ExtraSection::default()
        };
        let chance = self.chance().map_or_else(String::new, |text| format!(" {text}"));
        let against: Vec<Diagram> = accuracy_against(self).iter().map(chart::Chart::diagram).collect();
        vec![
            ExtraSection {
                tables: vec![ExtraTable {
                    caption: "Finished trials, the best first".to_owned(),
                    columns: self.columns(),
                    rows: self.rows(page_of),
                }],
                ..section("Ranking", &format!("{JUDGED}{chance}"), Vec::new())
            },
            section(
                "Accuracy over epochs",
                "The best five trials in colour, all others behind them.",
                vec![accuracy_over_epochs(self).diagram()],
            ),
            section(
                "Accuracy against each parameter",
                "Each point is a trial, at its final accuracy; the best one has a ring.",
                against,
            ),
            section(
                "Parallel coordinates",
                "Each line is a completed trial, from its parameters to its accuracy: the best five in colour, and the best of all with \
                   a thick line and a ring.",
                vec![parallel_coordinates(self)],
            ),
            section(
                "Importance of the parameters",
                "The share of the variance of the validation accuracy that a parameter explains by itself: the means of its \
                   groups, corrected for their number (epsilon squared). The rest to 100 % is due to interactions and \
                 chance.",
                vec![importance_diagram(&importances)],
            ),
        ]
    }

    fn columns(&self) -> Vec<String> {
        let first = ["rank", "trial"].map(String::from).into_iter();
        let parameters = self.space.parameters().iter().map(|parameter| parameter.name.clone());
        first
            .chain(parameters)
            .chain(["epochs", "validation", "training", "state"].map(String::from))
            .collect()
    }

    fn rows(&self, page_of: &dyn Fn(&Trial) -> Option<String>) -> Vec<ExtraRow> {
        self.places()
            .map(|(rank, trial)| {
                let mut cells = self.cells(rank, trial);
                if let (Some(state), Some(reason)) = (cells.last_mut(), trial.reason()) {
                    *state = format!("{state}: {reason}");
                }
                let is_best = rank == Some(1);
                if let Some(state) = cells.last_mut().filter(|_| is_best) {
                    *state = "best".to_owned();
                }
                let mut cells: Vec<ExtraCell> =
                    cells.into_iter().map(|text| ExtraCell { text, link: None }).collect();
                // The number of the trial.
                cells[1].link = page_of(trial);
                ExtraRow { cells, is_marked: is_best }
            })
            .collect()
    }

    /// The finished trials, the best first, with the rank of each; those that failed have none.
    fn places(&self) -> impl Iterator<Item = (Option<usize>, &'a Trial)> {
        let is_ranked = |trial: &Trial| trial.state != TrialState::Failed;
        ranked(self.trials)
            .into_iter()
            .enumerate()
            .map(move |(place, trial)| (is_ranked(trial).then_some(place + 1), trial))
    }

    /// Rank, number, parameters, epochs, accuracies and state.
    fn cells(&self, rank: Option<usize>, trial: &Trial) -> Vec<String> {
        let accuracy = |value: Option<f64>| value.map_or_else(String::new, percent);
        let mut cells = vec![rank.map(|rank| rank.to_string()).unwrap_or_default(), trial.number.to_string()];
        cells.extend(self.values(trial));
        cells.extend([
            trial.epoch().to_string(),
            accuracy(trial.value),
            accuracy(trial.attribute("train_accuracy")),
        ]);
        cells.push(trial.state.name().to_lowercase());
        cells
    }

    /// The parameters in readable form.
    fn values(&self, trial: &Trial) -> Vec<String> {
        let point = trial.point(self.space).unwrap_or_default();
        self.space.values(&point).map(|(_, value)| short(&value)).collect()
    }

    fn line(&self, rank: Option<usize>, trial: &Trial) -> TrialLine {
        let point = trial.point(self.space).unwrap_or_default();
        TrialLine {
            rank,
            trial: trial.number,
            state: trial.state.name(),
            parameters: self
                .space
                .values(&point)
                .map(|(name, value)| (name.to_owned(), value.to_json()))
                .collect(),
            validation_accuracy: trial.value,
            validation_loss: trial.attribute("val_loss"),
            training_accuracy: trial.attribute("train_accuracy"),
            epochs: trial.epoch(),
            seconds: trial.attribute("seconds"),
            reason: trial.reason().map(str::to_owned),
        }
    }
}

/// A value with few digits if it was drawn at random; one that was typed stays unchanged.
fn short(value: &convscope_tune::Value) -> String {
    let text = value.to_string();
    match value {
        convscope_tune::Value::Float(number) if text.len() > 8 => significant(*number),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Style;
    use crate::html::ReportPage;
    use crate::samples::study;

    #[test]
    fn the_table_and_the_file_hold_every_finished_trial() {
        let (space, trials) = study();
        let report = StudyReport { space: &space, trials: &trials, images: 2000 };
        let table = report.table().render(Style::PLAIN);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 2 + trials.len(), "{table}");
        assert!(lines[2].contains("81.00 %") && lines[2].ends_with("best"), "{table}");
        assert!(lines.last().unwrap().contains("failed: the loss is <b>no</b> longer finite"), "{table}");
        let folder = tempfile::tempdir().unwrap();
        report.save_csv(&folder.path().join("study.csv")).unwrap();
        let csv = std::fs::read_to_string(folder.path().join("study.csv")).unwrap();
        assert!(csv.starts_with("trial,state,rank,lr,optimizer,validation_accuracy,"), "{csv}");
        assert_eq!(csv.lines().count(), 1 + trials.len());
        assert!(csv.lines().nth(1).unwrap().starts_with("0,COMPLETE,3,0.001,adam,0.61,"), "{csv}");
        assert_eq!(report.lines()[0].parameters["optimizer"], "sgd");
        // The sixth trial failed: it comes last and has no rank in any format.
        let ranks: Vec<Option<usize>> = report.lines().iter().map(|line| line.rank).collect();
        assert_eq!(ranks, [1, 2, 3, 4, 5, 6, 7].map(Some).into_iter().chain([None]).collect::<Vec<_>>());
        assert!(csv.lines().nth(6).unwrap().starts_with("5,FAIL,,0.09,"), "{csv}");
        let rows = report.rows(&|_| None);
        let texts: Vec<&str> = rows.last().unwrap().cells.iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(texts[..2], ["", "5"]);
        assert!(rows[0].is_marked && rows[0].cells.last().unwrap().text == "best" && !rows[1].is_marked);
        let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(cells(lines.last().unwrap())[0], "5", "{table}");
    }

    #[test]
    fn trials_that_few_images_do_not_tell_apart_are_named() {
        let (space, trials) = study();
        // 81 % against 70, 61, 55, ...
        for (images, expected) in
            [(150, None), (60, Some("Trial 4 is within")), (30, Some("Trials 4, 0 are"))]
        {
            let report = StudyReport { space: &space, trials: &trials, images };
            let said = report.chance();
            assert_eq!(said.is_some(), expected.is_some(), "{images}: {said:?}");
            assert!(said.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{images}");
            let table = report.table().render(Style::PLAIN);
            assert_eq!(table.contains("within chance"), expected.is_some(), "{table}");
        }
    }

    #[test]
    fn plots_and_page_show_what_there_is() {
        let (space, trials) = study();
        let folder = tempfile::tempdir().unwrap();
        for trials in [&trials[..], &trials[..1], &[]] {
            let report = StudyReport { space: &space, trials, images: 2000 };
            report.save_plots(folder.path()).unwrap();
            let page_of = |trial: &Trial| (trial.number == 3).then(|| "trials/3/report.html".to_owned());
            let page =
                ReportPage { extra: report.sections(&page_of), ..ReportPage::default() }.render().unwrap();
            assert!(page.contains("Parallel coordinates") && !page.contains("<b>no</b>"));
            assert_eq!(page.contains("<a href=\"trials&#x2f;3&#x2f;report.html\">3</a>"), trials.len() > 1);
            assert!(!page.contains("<figure class=\"preview\">"), "every plot is drawn in shapes");
            assert_eq!(page.contains("81.00 %"), trials.len() > 1);
        }
        for name in ["accuracy_over_epochs", "accuracy_by_parameter", "parallel_coordinates", "importance"] {
            let picture = image::open(folder.path().join(format!("{name}.png"))).unwrap();
            assert_eq!(picture.width(), 960, "{name}");
        }
    }
}
