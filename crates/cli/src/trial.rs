//! A training started by `convscope tune`: it resumes where it was, alone, and only as long as tune lives.

use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use convscope_data::without_test;
use convscope_files::FileLock;
use convscope_report::glance::Glance;
use convscope_train::Session;
use convscope_train::metrics::EpochMetrics;
use convscope_train::run_dir::{LockedRun, RunLocation, read_complete_metrics};
use convscope_train::sink::{Sink, SinkResult};
use convscope_train::{RunDir, TrainConfig};

use crate::console::Console;
use crate::exit::{Exit, exit_for_trial, sentence};
use crate::flags::{MaxPixels, Threads};
use crate::trial_process::EpochLine;
use crate::{commands, interrupt, source};

/// Trains what a trial's file describes, into the folder of the same name without `.toml`. The test images are not
/// used, unless the validation images are trained on, so that nothing is left to choose. The exit code distinguishes a
/// failure that would happen again from one of the machine.
pub(crate) fn run(file: &Path, threads: Threads, console: Console) -> Result<Exit> {
    train(file, threads, console).or_else(|error| {
        console.error(&sentence(&error));
        Ok(exit_for_trial(&error))
    })
}

fn train(file: &Path, threads: Threads, console: Console) -> Result<Exit> {
    end_with_standard_input()?;
    let lock_file = file.with_extension("lock");
    // A tune that was killed may have left a process that is still saving.
    let _lock =
        FileLock::wait(&lock_file).with_context(|| format!("{} cannot be locked", lock_file.display()))?;
    let config = TrainConfig::read(file)?;
    threads.run(config.threads, || {
        let folder = file.with_extension("");
        let own = has_checkpoint(&folder).then(|| LockedRun::open(&folder)).transpose()?;
        let source = match &own {
            // The images may have moved since the run started.
            Some(run) => source::open_own(run, Some(&config.data.source), MaxPixels::default(), console)?,
            None => source::open_new(&config, console)?,
        };
        let source = if config.data.train_on_val { source } else { without_test(source) };
        let session = if let Some(run) = own {
            for line in read_complete_metrics(&run.metrics_path())? {
                tell(line.epoch, line.val_accuracy)?;
            }
            Session::resume(run, source.clone())?
        } else {
            clear(&folder)?;
            Session::start(config, source.clone(), &RunLocation::Exact(folder))?
        };
        let session = session.with_sink(Box::new(Epochs));
        // The search decides how to continue.
        commands::train::train(session, &source, Some(Glance::Off), console, |error, _| error.into())
    })
}

/// Prints a line for each epoch that is saved.
struct Epochs;

impl Sink for Epochs {
    fn epoch_saved(&mut self, metrics: &EpochMetrics) -> SinkResult {
        Ok(tell(metrics.epoch, metrics.val_accuracy)?)
    }
}

fn tell(epoch: u64, val_accuracy: f64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &EpochLine { epoch, val_accuracy })?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Removes the remains of a trial that failed without keeping its checkpoint.
fn clear(folder: &Path) -> Result<()> {
    if RunDir::open(folder).is_ok_and(|run| run.metrics_path().exists()) {
        // No other process may train in it.
        drop(LockedRun::open(folder)?);
        std::fs::remove_dir_all(folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    Ok(())
}

fn has_checkpoint(folder: &Path) -> bool {
    RunDir::open(folder).is_ok_and(|run| run.checkpoint_path().is_file())
}

/// Standard input ends when the process at its other end ends, in any way.
fn end_with_standard_input() -> Result<()> {
    let watch = || {
        let mut input = io::stdin().lock();
        let mut ignored = [0; 64];
        while input.read(&mut ignored).is_ok_and(|count| count > 0) {}
        interrupt::end();
    };
    std::thread::Builder::new().spawn(watch).context("no thread can be started")?;
    Ok(())
}
