//! Runs that train their own teacher first.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use convscope_data::Source;
use convscope_report::glance::Glance;
use convscope_report::number::{duration, percent};
use convscope_train::Session;
use convscope_train::run_dir::Summary;
use convscope_train::{RunDir, TaughtRun};

use crate::console::Console;
use crate::exit::{Exit, sentence};
use crate::follow::{Part, follow, what_is_left};

/// Trains the teacher of a run unless it is trained already, and returns the session of the run itself. Breaks if
/// training was interrupted.
///
/// # Errors
/// Those of [`TaughtRun`], and of training.
pub(crate) fn session(
    run: TaughtRun,
    source: &Arc<dyn Source>,
    glance: Option<Glance>,
    console: Console,
) -> Result<ControlFlow<Exit, Session>> {
    let whole = run.run_dir().clone();
    if let Some(mut session) = run.teacher()? {
        console
            .note(&format!("run directory: {}; first the teacher, then its student", whole.path().display()));
        let part = Part { label: "teacher: ", resumed: &whole };
        let explain = |error, teacher: &RunDir| {
            let error = what_is_left(error, teacher, &whole);
            let text = format!("the teacher: {}", sentence(&error));
            anyhow!(error).context(text)
        };
        if follow(&mut session, source, &part, glance, console, explain)?.is_none() {
            return Ok(ControlFlow::Break(Exit::Interrupted));
        }
    }
    if let Some(summary) = teacher_of(&whole)? {
        console.note(&format!("teacher: {}", achieved(&summary)));
    }
    Ok(ControlFlow::Continue(run.student()?))
}

/// The results of a run's own teacher; none if it has none, or is still training it.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn teacher_of(run: &RunDir) -> Result<Option<Summary>> {
    if run.config()?.teacher.is_none() || !run.has_trained_teacher() {
        return Ok(None);
    }
    let teacher = RunDir::open(&run.teacher_path())?;
    Ok(Some(Summary::read(&teacher.summary_path())?))
}

/// What a teacher reached: `validation 90.14 %, test 89.53 %, trained in 25 min`.
pub(crate) fn achieved(summary: &Summary) -> String {
    let share = |name: &str, share: Option<f64>| share.map(|share| format!("{name} {}, ", percent(share)));
    let shares = [share("validation", summary.val_accuracy), share("test", summary.test_accuracy)];
    let time = duration(std::time::Duration::from_secs_f64(summary.seconds.max(0.0)));
    format!("{}trained in {time}", shares.into_iter().flatten().collect::<String>())
}
