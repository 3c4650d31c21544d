//! The progress of a search: a redrawn table on a terminal, otherwise a line per trial.

use std::time::{Duration, Instant};

use convscope_report::number::{duration, percent};
use convscope_report::table::shorten;
use convscope_report::{Cell, Column, Style, Table, Tone};
use convscope_tune::runner::{StudyProgress, TuneEvents};
use convscope_tune::{Study, Trial, TrialState, best, ranked};
use indicatif::{ProgressBar, ProgressStyle};

use crate::console::Console;

/// Shows the events of a search.
pub(crate) struct TuneView {
    console: Console,
    bar: Option<ProgressBar>,
    drawn: Option<Instant>,
}

/// How often the table is redrawn.
const REDRAW: Duration = Duration::from_millis(250);
/// Maximum width of the other columns with their gaps.
const OTHERS: usize = 48;
/// Maximum width of a reason in the table.
const REASON: usize = 40;
/// How many of the best finished trials the table shows.
const FINISHED: usize = 8;

impl TuneView {
    /// Nothing is drawn until the first event.
    pub(crate) fn new(console: Console) -> Self {
        let bar = console.draws_bars().then(|| {
            let style = ProgressStyle::with_template("{msg}").expect("the template is well-formed");
            ProgressBar::no_length().with_style(style)
        });
        TuneView { console, bar, drawn: None }
    }

    /// Removes the table.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl TuneEvents for TuneView {
    fn started(&mut self, study: &Study, trial: &Trial) {
        if self.bar.is_none() {
            let is_new = trial.curve.is_empty() && trial.setbacks() == 0;
            let again = if is_new { "begins" } else { "resumes" };
            self.console.note(&format!("trial {} {again}: {}", trial.number, parameters(study, trial)));
        }
    }

    fn finished(&mut self, study: &Study, trial: &Trial) {
        let trials = study.trials();
        let finished = trials.iter().filter(|trial| trial.state.is_finished()).count();
        if self.bar.is_none() {
            let outcome = outcome(trial);
            let best = best(&trials).map_or_else(String::new, |best| {
                format!("; best {} (trial {})", percent(best.value.unwrap_or(f64::NAN)), best.number)
            });
            let planned = study.planned();
            self.console
                .note(&format!("trial {} {outcome}; {finished}/{planned} trials{best}", trial.number));
        }
        self.drawn = None;
    }

    fn set_back(&mut self, _study: &Study, trial: &Trial) {
        if self.bar.is_none() {
            let reason = trial.reason().unwrap_or("for an unknown reason");
            self.console.note(&format!("trial {} waits to be repeated: {reason}", trial.number));
        }
        self.drawn = None;
    }

    fn tick(&mut self, study: &Study, progress: &StudyProgress) {
        let Some(bar) = &self.bar else { return };
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
            let room = self.console.width().map_or(usize::MAX, |width| width.saturating_sub(OTHERS).max(8));
            bar.set_message(render(study, progress, room, self.console.progress_style()));
            self.drawn = Some(Instant::now());
        }
    }
}

fn parameters(study: &Study, trial: &Trial) -> String {
    let space = &study.plan().space;
    space.describe(&trial.point(space).unwrap_or_default())
}

fn outcome(trial: &Trial) -> String {
    let value = percent(trial.value.unwrap_or(f64::NAN));
    match trial.state {
        TrialState::Complete => format!("done: validation accuracy {value}"),
        TrialState::Pruned => format!("pruned after epoch {} at {value}", trial.epoch()),
        _ => format!("failed: {}", trial.reason().unwrap_or("for an unknown reason")),
    }
}

/// The running trials above the best finished ones, and a line about the search. Parameters wider than `room` are cut
/// off.
fn render(study: &Study, progress: &StudyProgress, room: usize, style: Style) -> String {
    let trials = study.trials();
    let mut table = Table::new([
        Column::right("trial"),
        Column::left("parameters"),
        Column::right("epoch"),
        Column::right("validation"),
        Column::left(""),
    ]);
    for running in &progress.running {
        let trial = trials.iter().find(|trial| trial.number == running.number);
        table.row([
            running.number.to_string().into(),
            trial.map(|trial| shorten(&parameters(study, trial), room)).unwrap_or_default().into(),
            format!("{}/{}", running.epoch, running.epochs).into(),
            running.accuracy.map(percent).unwrap_or_default().into(),
            Cell::new("trains", Tone::Bold),
        ]);
    }
    let others = trials.iter().filter(|trial| {
        trial.state == TrialState::Running && progress.running.iter().all(|own| own.number != trial.number)
    });
    for trial in others {
        let tone = Cell::new("another process", Tone::Dim);
        table.row(cells(study, trial, room, trial.curve.values().next_back().copied(), tone));
    }
    for trial in trials.iter().filter(|trial| trial.state == TrialState::Waiting) {
        let waits = trial.reason().map_or("waits".to_owned(), |reason| format!("waits: {reason}"));
        let waits = Cell::new(shorten(&waits, REASON), Tone::Dim);
        table.row(cells(study, trial, room, trial.curve.values().next_back().copied(), waits));
    }
    table.rule();
    for (rank, trial) in ranked(&trials).into_iter().take(FINISHED).enumerate() {
        let note = match trial.state {
            TrialState::Complete if rank == 0 => Cell::new("best", Tone::Good),
            TrialState::Complete => Cell::from(""),
            TrialState::Pruned => Cell::new("pruned", Tone::Dim),
            _ => Cell::new("failed", Tone::Bad),
        };
        table.row(cells(study, trial, room, trial.value, note));
    }
    let left = progress.left.filter(|_| progress.finished < progress.planned);
    let left = left.map_or_else(String::new, |left| format!(", about {} left", duration(left)));
    format!("{}{} of {} trials finished{left}", table.render(style), progress.finished, progress.planned)
}

fn cells(study: &Study, trial: &Trial, room: usize, accuracy: Option<f64>, note: Cell) -> [Cell; 5] {
    let accuracy = accuracy.map(percent).unwrap_or_default();
    let epoch = trial.epoch().to_string();
    let parameters = shorten(&parameters(study, trial), room);
    [trial.number.to_string().into(), parameters.into(), epoch.into(), accuracy.into(), note]
}
