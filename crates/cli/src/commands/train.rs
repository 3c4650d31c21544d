//! `convscope train`: trains on images and writes a run directory.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use convscope_data::{Source, Split};
use convscope_inspect::FindingKind;
use convscope_report::glance::Glance;
use convscope_report::number::{duration, percent, thousands};
use convscope_report::{Cell, Column, Style, Table, Tone, findings};
use convscope_train::folds::CrossValidation;
use convscope_train::run_dir::{LockedRun, RunLocation, Summary};
use convscope_train::{Ending, Outcome, Session};
use convscope_train::{RunDir, TaughtRun, TrainConfig, TrainError};

use crate::commands::compare;
use crate::console::Console;
use crate::cross_validation::cross_validate;
use crate::exit::{Exit, UsageError, sentence};
use crate::flags::{GLANCES, MaxPixels, Threads, named};
use crate::follow::{Part, epochs, follow, recorded, what_is_left};
use crate::progress::loss;
use crate::shell::shell_word;
use crate::train_flags::TrainFlags;
use crate::{course, interrupt, resume, run_page, source, taught, trial};

/// Train a network on images
///
/// Without flags, it trains the reference network `plain8` on the built-in synthetic pictures. The same seed gives the
/// same weights, bit for bit, for any number of threads.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: TrainFlags,

    /// Write the run to this folder, which must not exist or be empty [default: runs/<model>, numbered if taken]
    #[arg(long, value_name = "DIR", help_heading = RUN)]
    out: Option<PathBuf>,

    /// Continue the run in this folder with its own configuration, bit for bit as if it had not been stopped; only
    /// these flags may differ: --threads, --data if the same images have moved, and --epochs if the schedule is
    /// constant or step
    #[arg(long, value_name = "RUN", help_heading = RUN, conflicts_with = "out")]
    resume: Option<PathBuf>,

    /// First divide all images into K parts and train K networks, each on all parts but one, on which it is tested: with few
    /// images, their mean accuracy says more than one small test set; writes folds.json
    #[arg(long, value_name = "K", help_heading = RUN, conflicts_with_all = ["resume", "compare_batch_norm"])]
    folds: Option<usize>,

    /// Train plain8 and plain8-bn, which differ only in batch normalisation, from the same seed, and compare them; with
    /// --out, the runs and the comparison go to DIR/plain8, DIR/plain8-bn and DIR/comparison.html
    #[arg(long, help_heading = RUN, conflicts_with = "resume")]
    compare_batch_norm: bool,

    /// Epochs after which feature maps and activation distributions are written for TensorBoard: `every`, `last` or
    /// `off` [default: every; last if a part of the network is frozen]
    #[arg(long, value_name = "WHEN", help_heading = RUN, value_parser = named::<Glance>(GLANCES))]
    glance: Option<Glance>,

    /// Train what a file describes, into the folder with its name; used by `convscope tune`
    #[arg(long, value_name = "FILE.toml", hide = true, conflicts_with_all = ["out", "resume", "compare_batch_norm"])]
    trial: Option<PathBuf>,

    #[command(flatten)]
    threads: Threads,
}

const RUN: &str = "Run";

const AFTER_HELP: &str = "\
Ctrl-C, SIGTERM and a closed terminal finish the current batch, save everything and end with exit code 130; a second \
Ctrl-C ends at once. Only one process at a time trains a run. \
A value that is out of range, in a flag or in the --config file, ends with exit code 2 \
before anything is written.

Examples:
  convscope train
  convscope train --data cifar10 --epochs 20 --optimizer adamw --schedule cosine
  convscope train --data photos --image-size 64 --model resnet8 --patience 5 --out runs/photos
  convscope train --data cifar10 --recipe report --augment none
  convscope train --data cifar10 --model plain8-bn --recipe distilled
  convscope train --data photos --model small.toml --teachers runs/photos,runs/photos-2
  convscope train --data photos --model resnet18 --weights resnet18.pth
  convscope train --data photos --model runs/old --freeze none --epochs 5
  convscope train --config runs/photos/config.toml --seed 2
  convscope train --resume runs/photos
  convscope train --data cifar10 --epochs 20 --compare-batch-norm";

/// Runs the command.
pub(crate) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let console = *console;
    if let Some(file) = &args.trial {
        return trial::run(file, args.threads, console);
    }
    match &args.resume {
        Some(path) => {
            let run = LockedRun::open(path)?;
            let config = resume::configure(&run, &args.flags)?;
            let threads = config.threads;
            args.threads.run(threads, || {
                let source = if config.teacher.is_some() && run.data()?.is_none() {
                    // It ended before anything was recorded.
                    source::open_new(&config, console)?
                } else {
                    source::open_own(&run, args.flags.data(), MaxPixels::default(), console)?
                };
                let session = if config.teacher.is_some() {
                    taught::session(TaughtRun::resume(run, source.clone())?, &source, args.glance, console)?
                } else {
                    ControlFlow::Continue(Session::resume(run, source.clone())?)
                };
                train_and_judge(session, &source, args.glance, console)
            })
        }
        None if args.compare_batch_norm => train_both(args, console),
        None => {
            let config = new_config(args)?;
            let location = match &args.out {
                Some(path) => RunLocation::Exact(path.clone()),
                None => RunLocation::default_for(&config.model),
            };
            let threads = config.threads;
            args.threads.run(threads, || {
                let source = source::open_new(&config, console)?;
                let config = args.flags.fitted(config, &*source, console)?;
                let session = match args.folds {
                    Some(count) => begin_after_folds(config, &source, count, &location, console)?,
                    None => begin(config, &source, &location, args.glance, console)?,
                };
                train_and_judge(session, &source, args.glance, console)
            })
        }
    }
}

/// Starts a run, with its teacher if it trains one. Breaks if that was interrupted.
fn begin(
    config: TrainConfig,
    source: &Arc<dyn Source>,
    location: &RunLocation,
    glance: Option<Glance>,
    console: Console,
) -> Result<ControlFlow<Exit, Session>> {
    if config.teacher.is_some() {
        let run = TaughtRun::start(config, source.clone(), location)?;
        return taught::session(run, source, glance, console);
    }
    Ok(ControlFlow::Continue(Session::start(config, source.clone(), location)?))
}

/// Starts a run after cross-validation, whose result its folder gets. Breaks if that was interrupted.
fn begin_after_folds(
    config: TrainConfig,
    source: &Arc<dyn Source>,
    count: usize,
    location: &RunLocation,
    console: Console,
) -> Result<ControlFlow<Exit, Session>> {
    // What cannot be trained is known before the folds are.
    CrossValidation::check(&config, &**source, count)?;
    let session = Session::new(config.clone(), source.clone())?;
    let Some(folds) = cross_validate(&config, source, count, console)? else {
        return Ok(ControlFlow::Break(Exit::Interrupted));
    };
    let session = session.record_in(location)?;
    folds.write(recorded(&session).path())?;
    Ok(ControlFlow::Continue(session))
}

/// Trains, and prints the result and what to try next. A useless network is a failure.
fn train_and_judge(
    session: ControlFlow<Exit, Session>,
    source: &Arc<dyn Source>,
    glance: Option<Glance>,
    console: Console,
) -> Result<Exit> {
    let session = match session {
        ControlFlow::Continue(session) => session,
        ControlFlow::Break(exit) => return Ok(exit),
    };
    let run = recorded(&session).clone();
    let exit = train(session, source, glance, console, |error, run| what_is_left(error, run, run))?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    let found = course::findings(&run, &**source)?;
    if !found.is_empty() {
        console.result(&format!("\n{}", findings::render(&found, console.style())))?;
    }
    let is_useless = found.iter().any(|finding| finding.kind == FindingKind::ExplodedLoss);
    Ok(if is_useless { Exit::Failed } else { Exit::Done })
}

fn new_config(args: &Args) -> Result<TrainConfig> {
    let config = args.flags.checked()?;
    let asked = args.threads.threads.map(usize::try_from).transpose()?;
    Ok(TrainConfig { threads: asked.or(config.threads), ..config })
}

/// Trains the model and its counterpart with or without batch norm, and compares them.
fn train_both(args: &Args, console: Console) -> Result<Exit> {
    let config = new_config(args)?;
    let other = TrainConfig { model: counterpart(&config.model)?.to_owned(), ..config.clone() };
    let threads = config.threads;
    args.threads.run(threads, || {
        let source = source::open_new(&config, console)?;
        let mut runs = Vec::new();
        for config in [config, other] {
            let config = args.flags.fitted(config, &*source, console)?;
            let location = match &args.out {
                Some(folder) => RunLocation::Exact(folder.join(&config.model)),
                None => RunLocation::default_for(&config.model),
            };
            let session = match begin(config, &source, &location, args.glance, console)? {
                ControlFlow::Continue(session) => session,
                ControlFlow::Break(exit) => return Ok(exit),
            };
            runs.push(recorded(&session).path().to_owned());
            let explain = |error, run: &RunDir| what_is_left(error, run, run);
            let exit = train(session, &source, args.glance, console, explain)?;
            if exit != Exit::Done {
                return Ok(exit);
            }
            console.result("\n")?;
        }
        interrupt::at_once();
        // Next to its second run, a comparison is never overwritten by the next one.
        let folder = args.out.clone().unwrap_or_else(|| runs[1].clone());
        compare::compare_runs(runs, folder.join(compare::PAGE_FILE), console)
    })
}

/// The preset that differs from this one only in batch norm.
fn counterpart(model: &str) -> Result<&'static str> {
    match model {
        "plain8" => Ok("plain8-bn"),
        "plain8-bn" => Ok("plain8"),
        other => {
            let message = format!(
                "{other} has no counterpart with or without batch norm; --compare-batch-norm needs plain8 or plain8-bn"
            );
            Err(UsageError(message).into())
        }
    }
}

/// Trains until the run is done or interrupted, and prints the result.
///
/// # Errors
/// Those of [`Session::run`], with advice; a page that cannot be written.
pub(crate) fn train(
    mut session: Session,
    source: &Arc<dyn Source>,
    glance: Option<Glance>,
    console: Console,
    explain: impl FnOnce(TrainError, &RunDir) -> anyhow::Error,
) -> Result<Exit> {
    let run = recorded(&session).clone();
    let part = Part { label: "", resumed: &run };
    let Some(outcome) = follow(&mut session, source, &part, glance, console, explain)? else {
        return Ok(Exit::Interrupted);
    };
    // Early stopping goes back to the best weights.
    let weights =
        if session.config().patience.is_some() { run.best_weights_path() } else { run.last_weights_path() };
    // Training memory is released, but no other process may write to the run yet.
    let run = session.into_run().expect("every run of this program is recorded");
    let page = run_page::save_after_training(&run, source, outcome.test.as_ref().or(outcome.val.as_ref()));
    let teacher = taught::teacher_of(&run)?;
    console.result(&render(&outcome, teacher.as_ref(), &**source, &run, &weights, console.style()))?;
    page.map(|()| Exit::Done).map_err(|error| {
        let command = format!("convscope report {}", shell_word(run.path()));
        let message = format!(
            "the run is complete, but its report is not: {}; try again with: {command}",
            sentence(&error)
        );
        error.context(message)
    })
}

fn render(
    outcome: &Outcome,
    teacher: Option<&Summary>,
    source: &dyn Source,
    run: &RunDir,
    weights: &Path,
    style: Style,
) -> String {
    let summary = &outcome.summary;
    let mut table = Table::new([
        Column::left("images"),
        Column::right("loss"),
        Column::right("accuracy"),
        Column::left("with 95 % confidence"),
    ]);
    for (split, split_loss, accuracy) in rows(summary) {
        // Training accuracy is measured while the weights change, not on a single network.
        let interval = match split {
            Split::Train => String::new(),
            split => course::confidence(accuracy, source.len(split) as u64),
        };
        table.row([
            Cell::from(split.adjective()),
            loss(split_loss).into(),
            Cell::new(percent(accuracy), if split == Split::Test { Tone::Bold } else { Tone::Normal }),
            interval.into(),
        ]);
    }
    let ending = match (outcome.ending, summary.best_epoch) {
        (Ending::StoppedEarly, Some(best)) => format!(", stopped early, best epoch {best}"),
        (_, Some(best)) => format!(", lowest validation loss in epoch {best}"),
        (_, None) => String::new(),
    };
    let path = run.path();
    let teacher = teacher.map_or_else(String::new, |summary| {
        format!("teacher       {} ({})\n", run.teacher_path().display(), taught::achieved(summary))
    });
    format!(
        "{model} on {data}: {done} in {time} at {speed} images/s{ending}\n\n{table}\n\
         run           {run}\n{teacher}\
         weights       {weights}\n\
         metrics       {metrics}\n\
         summary       {summary_file}\n\
         report        {report}\n\
         look closer   convscope inspect {word}\n",
        model = summary.model,
        data = source::describe(source),
        done = epochs(summary.epochs),
        time = duration(std::time::Duration::from_secs_f64(summary.seconds.max(0.0))),
        speed = thousands(summary.images_per_second.round() as u64),
        table = table.render(style),
        run = path.display(),
        weights = weights.display(),
        metrics = run.metrics_path().display(),
        summary_file = run.summary_path().display(),
        report = path.join(run_page::PAGE_FILE).display(),
        word = shell_word(path),
    )
}

fn rows(summary: &Summary) -> Vec<(Split, f64, f64)> {
    [
        (Split::Train, summary.train_loss, summary.train_accuracy),
        (Split::Val, summary.val_loss, summary.val_accuracy),
        (Split::Test, summary.test_loss, summary.test_accuracy),
    ]
    .into_iter()
    .filter_map(|(name, loss, accuracy)| Some((name, loss?, accuracy?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(shell_word(Path::new("runs/plain8-2")), "runs/plain8-2");
        assert_eq!(shell_word(Path::new("my runs/it's")), r"'my runs/it'\''s'");
    }
}
