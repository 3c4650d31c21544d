//! Runs a session, and shows how it goes.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use convscope_data::Source;
use convscope_report::glance::{Glance, GlanceSink};
use convscope_report::number::thousands;
use convscope_train::{Ending, Outcome, Session, Warning};
use convscope_train::{RunDir, TrainError};

use crate::console::Console;
use crate::fine_tuning::described;
use crate::progress::TrainingProgress;
use crate::shell::shell_word;
use crate::{interrupt, small_sets, source};

/// One of the trainings that a command does.
pub(crate) struct Part<'a> {
    /// What stands before its lines; empty if there is only one.
    pub(crate) label: &'static str,
    /// The run that is continued to continue this training.
    pub(crate) resumed: &'a RunDir,
}

/// Trains with progress; none if interrupted.
///
/// # Errors
/// Those of [`Session::run`], with advice.
pub(crate) fn follow(
    session: &mut Session,
    source: &Arc<dyn Source>,
    part: &Part<'_>,
    glance: Option<Glance>,
    console: Console,
    explain: impl FnOnce(TrainError, &RunDir) -> anyhow::Error,
) -> Result<Option<Outcome>> {
    let Part { label, resumed } = part;
    let run = recorded(session).clone();
    let graph = session.graph();
    let parameters = thousands(graph.trained_parameters() as u64);
    console.note(&format!("{label}{}: {parameters} parameters", graph.name()));
    console.note(&format!("{}: {}", source::describe(&**source), source::contents(&**source)));
    // What a resumed run started from may be gone.
    for line in described(session.config()).unwrap_or_default() {
        console.note(&line);
    }
    for warning in session.warnings() {
        match warning {
            Warning::NewClassifier { .. } => console.note(&warning.to_string()),
            warning => console.warning(&format!("warning: {warning}")),
        }
    }
    for words in small_sets::words(&**source) {
        console.note(&words);
    }
    console.note(&format!("run directory: {}", run.path().display()));

    interrupt::finish_first();
    let is_frozen = !session.config().freeze.is_none();
    let glance = glance.unwrap_or(if is_frozen { Glance::Last } else { Glance::Every });
    let progress = TrainingProgress::new(session.config().epochs, console).labelled(label);
    let mut sinks = (GlanceSink::new(glance), progress);
    let outcome = session.run(&interrupt::INTERRUPTED, &mut sinks);
    sinks.1.finish();
    let outcome = outcome.map_err(|error| explain(error, &run))?;
    if outcome.ending == Ending::Interrupted {
        let done = epochs(outcome.summary.epochs);
        let command = resume_command(resumed.path());
        console.warning(&format!(
            "{label}interrupted after {done}; everything is saved, continue with: {command}"
        ));
        return Ok(None);
    }
    Ok(Some(outcome))
}

/// The run directory of a session.
pub(crate) fn recorded(session: &Session) -> &RunDir {
    session.run_dir().expect("every run of this program is recorded")
}

/// Says how to continue after a failure in `run`, which is `resumed` or its teacher. Resuming after a loss that is not
/// finite would fail again.
pub(crate) fn what_is_left(error: TrainError, run: &RunDir, resumed: &RunDir) -> anyhow::Error {
    let repeats = matches!(error, TrainError::Diverged { .. });
    if repeats || !run.checkpoint_path().is_file() {
        return error.into();
    }
    let advice =
        format!("{error}; the last checkpoint is intact; continue with: {}", resume_command(resumed.path()));
    anyhow!(error).context(advice)
}

pub(crate) fn resume_command(run: &Path) -> String {
    format!("convscope train --resume {}", shell_word(run))
}

pub(crate) fn epochs(count: u64) -> String {
    if count == 1 { "1 epoch".into() } else { format!("{} epochs", thousands(count)) }
}
