//! Works on a study: takes trials, trains each in a process of its own, follows its figures.

mod job;
mod process;
mod progress;

pub use progress::{Progress, RunningTrial};

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use convscope_train::TrainConfig;
use convscope_train::run_dir::{Summary, write_atomic};
use serde_json::{Map, Value, json};

use crate::TuneError;
use crate::study::{Claim, Study, Verdict, run_name};
use crate::trial::Trial;
use job::Job;
use process::{Exited, Process};
use progress::Pace;

/// How a study is worked on.
#[derive(Clone, Debug)]
pub struct Runner {
    /// The program that trains. It is started as `<program> train --trial <file> --threads <n> --quiet`; see
    /// [`trial_file`](Self::trial_file).
    pub program: PathBuf,
    /// The folder of the study.
    pub folder: PathBuf,
    /// How many trials run at once, at least 1.
    pub jobs: usize,
    /// How many threads each of them has, at least 1.
    pub threads: usize,
}

/// Is told how a study goes on.
pub trait TuneEvents {
    /// A trial begins or is continued.
    fn started(&mut self, _study: &Study, _trial: &Trial) {}
    /// A trial is over: it is complete, pruned or failed.
    fn finished(&mut self, _study: &Study, _trial: &Trial) {}
    /// Some time has passed.
    fn tick(&mut self, _study: &Study, _progress: &Progress) {}
}

/// Ignores all events.
impl TuneEvents for () {}

/// How [`Runner::run`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All trials of the study are finished, by this or other processes.
    Done,
    /// The caller asked for it; all work is kept.
    Interrupted,
}

/// How a training of its own ended; see [`Runner::train_alone`].
#[derive(Clone, Debug, PartialEq)]
pub enum Trained {
    /// It is complete.
    Completed(Box<Summary>),
    /// The caller asked for it; the work is kept.
    Interrupted,
}

/// How often the trials are looked at.
const LOOK: Duration = Duration::from_millis(40);
/// How often a process without work looks for some.
const ASK: Duration = Duration::from_secs(1);
/// How often a trial is continued whose process was killed, before it counts as failed.
const MOST_KILLS: u64 = 3;

impl Runner {
    /// Works on the study until it is done or `interrupt` is set. A trial that diverges or crashes fails with its
    /// reason; one whose process is killed is continued from its checkpoint, up to three times.
    ///
    /// # Errors
    /// The journal or a file of a trial cannot be read or written, or the program does not start.
    pub fn run(
        &self,
        study: &mut Study,
        interrupt: &AtomicBool,
        events: &mut dyn TuneEvents,
    ) -> Result<Ending, TuneError> {
        let mut jobs: Vec<Job> = Vec::new();
        let worked = self.work(study, &mut jobs, interrupt, events);
        if worked.is_err() {
            // What runs is saved and given back before the error is told.
            jobs.iter_mut().for_each(|job| job.process.stop());
            for job in &mut jobs {
                let _ = job.process.wait();
                let _ = study.release(job.trial);
            }
        }
        worked
    }

    /// The configuration of a trial. The run directory has the same name without `.toml`; with `.lock` it is the file
    /// that the training process locks, with `.log` what that says.
    pub fn trial_file(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{}.toml", run_name(number)))
    }

    /// The run directory of a trial.
    pub fn run_dir(&self, number: usize) -> PathBuf {
        self.folder.join(run_name(number))
    }

    /// Trains outside of the study, into the folder of this name beside the trials, as long as it takes. What was
    /// trained with the same configuration before is not trained again.
    ///
    /// # Errors
    /// [`TuneError::Training`] with what the process said; files that cannot be read or written.
    pub fn train_alone(
        &self,
        name: &str,
        config: &TrainConfig,
        interrupt: &AtomicBool,
    ) -> Result<Trained, TuneError> {
        let run = self.folder.join(name);
        let file = run.with_extension("toml");
        let text = TrainConfig { threads: None, ..config.clone() }.to_toml()?;
        if convscope_files::read_to_string(&file).is_ok_and(|before| before != text) && run.exists() {
            std::fs::remove_dir_all(&run).map_err(TuneError::io("remove the folder", &run))?;
        }
        write_atomic(&file, |file| file.write_all(text.as_bytes()))?;
        let summary = run.join("summary.json");
        if !summary.is_file() {
            let mut process = Process::start(&self.program, &file, self.threads * self.jobs)?;
            let exited = loop {
                if interrupt.load(Ordering::Relaxed) {
                    process.stop();
                }
                if let Some(exited) = process.exited()? {
                    break exited;
                }
                std::thread::sleep(LOOK);
            };
            match exited {
                Exited::Completed => {}
                Exited::Stopped if interrupt.load(Ordering::Relaxed) => return Ok(Trained::Interrupted),
                Exited::Failed => return Err(TuneError::Training { run, reason: process.reason() }),
                other => {
                    return Err(TuneError::Training { run, reason: format!("its process ended: {other}") });
                }
            }
        }
        Ok(Trained::Completed(Box::new(Summary::read(&summary)?)))
    }

    fn work(
        &self,
        study: &mut Study,
        jobs: &mut Vec<Job>,
        interrupt: &AtomicBool,
        events: &mut dyn TuneEvents,
    ) -> Result<Ending, TuneError> {
        let pace = Pace::start(study);
        let mut asked: Option<Instant> = None;
        let mut is_done = false;
        loop {
            let is_interrupted = interrupt.load(Ordering::Relaxed);
            let may_ask = asked.is_none_or(|asked| asked.elapsed() >= ASK);
            if jobs.len() < self.jobs.max(1) && !is_interrupted && !is_done && may_ask {
                match study.claim()? {
                    Claim::Trial(trial) => jobs.extend(self.begin(study, &trial, events)?),
                    Claim::Wait => asked = Some(Instant::now()),
                    // A trial of this process may yet be given back by its process, so ask again until none is left.
                    Claim::Done if jobs.is_empty() => is_done = true,
                    Claim::Done => asked = Some(Instant::now()),
                }
                study.refresh()?;
            }
            let mut index = 0;
            while index < jobs.len() {
                if is_interrupted {
                    jobs[index].process.stop();
                }
                if self.follow(study, &mut jobs[index], is_interrupted, events)? {
                    jobs.swap_remove(index);
                    asked = None;
                } else {
                    index += 1;
                }
            }
            study.refresh()?;
            events.tick(study, &pace.progress(study, jobs));
            if jobs.is_empty() && is_interrupted {
                return Ok(Ending::Interrupted);
            }
            if jobs.is_empty() && is_done {
                return Ok(Ending::Done);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Starts the process of a trial; of one that cannot be configured, or that had ended before it could be noted,
    /// there is none.
    fn begin(
        &self,
        study: &mut Study,
        trial: &Trial,
        events: &mut dyn TuneEvents,
    ) -> Result<Option<Job>, TuneError> {
        let point = trial.point(&study.plan().space).unwrap_or_default();
        let config = match study.plan().space.configure(&study.plan().base, &point) {
            Ok(config) => TrainConfig { threads: None, ..config },
            Err(problem) => {
                study.fail(trial.id, &problem.to_string())?;
                self.tell_finished(study, trial.id, events);
                return Ok(None);
            }
        };
        let file = self.trial_file(trial.number);
        if file.exists() {
            let before = TrainConfig { version: config.version.clone(), ..TrainConfig::read(&file)? };
            if before != config {
                return Err(TuneError::Taken { path: file });
            }
        } else {
            let folder = self.folder.join("trials");
            convscope_files::create_folders(&folder).map_err(TuneError::io("create the folder", &folder))?;
            let text = config.to_toml()?;
            write_atomic(&file, |file| file.write_all(text.as_bytes()))?;
        }
        events.started(study, trial);
        Ok(Some(Job::new(trial, config.epochs, self.run_dir(trial.number), self.process(trial.number)?)))
    }

    fn process(&self, number: usize) -> Result<Process, TuneError> {
        Process::start(&self.program, &self.trial_file(number), self.threads)
    }

    /// Reports the new epochs of a trial and looks whether its process has ended; true when the trial is off the
    /// hands of this process.
    fn follow(
        &self,
        study: &mut Study,
        job: &mut Job,
        is_interrupted: bool,
        events: &mut dyn TuneEvents,
    ) -> Result<bool, TuneError> {
        let exited = job.process.exited()?;
        for (epoch, accuracy) in job.new_epochs()? {
            if job.is_settled {
                break;
            }
            match study.report(job.trial, epoch, accuracy)? {
                Verdict::Continue => {}
                Verdict::Pruned => {
                    job.is_settled = true;
                    job.process.stop();
                    self.tell_finished(study, job.trial, events);
                }
                Verdict::Lost => {
                    job.is_settled = true;
                    job.process.stop();
                }
            }
        }
        let Some(exited) = exited else { return Ok(false) };
        if job.is_settled {
            return Ok(true);
        }
        match exited {
            Exited::Completed => self.settle(study, job)?,
            Exited::Stopped if is_interrupted => {
                study.release(job.trial)?;
                return Ok(true);
            }
            Exited::Stopped | Exited::Killed(_) => {
                job.kills += 1;
                study.note(job.trial, "kills", json!(job.kills))?;
                if job.kills <= MOST_KILLS {
                    job.process = self.process(job.number)?;
                    return Ok(false);
                }
                let reason = format!("its process was ended from outside {} times ({exited})", job.kills);
                study.fail(job.trial, &reason)?;
            }
            Exited::Failed => study.fail(job.trial, &job.process.reason())?,
        }
        self.tell_finished(study, job.trial, events);
        Ok(true)
    }

    /// Notes what a trial has come to.
    fn settle(&self, study: &mut Study, job: &Job) -> Result<(), TuneError> {
        let summary = Summary::read(&job.run.join("summary.json"))?;
        let (accuracy, loss) = (summary.val_accuracy, summary.val_loss);
        let (Some(accuracy), Some(loss)) = (accuracy, loss) else {
            return study.fail(job.trial, "there are no validation images to judge it by");
        };
        if !loss.is_finite() {
            return study
                .fail(job.trial, "the validation loss is no longer finite; try a lower learning rate");
        }
        let mut known = Map::new();
        let mut put = |key: &str, value: Value| known.insert(key.to_owned(), value);
        put("val_loss", json!(loss));
        put("train_loss", json!(summary.train_loss));
        put("train_accuracy", json!(summary.train_accuracy));
        put("best_epoch", json!(summary.best_epoch));
        put("parameters", json!(summary.parameters));
        put("seconds", json!(summary.seconds));
        study.complete(job.trial, accuracy, known)
    }

    fn tell_finished(&self, study: &Study, id: usize, events: &mut dyn TuneEvents) {
        if let Some(trial) = study.trial(id) {
            events.finished(study, trial);
        }
    }
}
