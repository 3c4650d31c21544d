//! Works on a study: claims trials, has each trained, follows its figures.

mod in_process;
mod job;
mod keep;
mod progress;
mod setbacks;
mod training;

pub use in_process::InProcess;
pub use keep::Keep;
pub use progress::{RunningTrial, StudyProgress};
pub use training::{Ended, Teller, Training, TrainingEvent, TrialRunner};

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use convscope_train::run_dir::{Summary, write_atomic};
use convscope_train::{RunDir, TrainConfig, TrainError};
use serde_json::{Map, Value, json};

use crate::TuneError;
use crate::study::{Claim, Standing, Study, run_name};
use crate::trial::{Trial, TrialState};
use job::Job;
use progress::Pace;
use setbacks::Setbacks;

/// How to work on a study.
pub struct Runner {
    /// What trains.
    pub trials: Box<dyn TrialRunner>,
    /// The folder of the study.
    pub folder: PathBuf,
    /// How many trials run at once, at least 1.
    pub jobs: usize,
    /// How many threads each of them has, at least 1.
    pub threads: usize,
    /// How long to wait after a failure of the machine before starting another trial; three and nine times as long
    /// after the second and third failure in a row.
    pub retry_pause: Duration,
    /// Which files of finished trials stay on disk.
    pub keep: Keep,
}

/// Follows the progress of a study.
pub trait TuneEvents {
    /// A trial starts or is continued.
    fn started(&mut self, _study: &Study, _trial: &Trial) {}
    /// A trial is over: it is complete, pruned or failed.
    fn finished(&mut self, _study: &Study, _trial: &Trial) {}
    /// A trial failed because of the machine, and waits to be repeated.
    fn set_back(&mut self, _study: &Study, _trial: &Trial) {}
    /// Some time has passed.
    fn tick(&mut self, _study: &Study, _progress: &StudyProgress) {}
}

/// Ignores all events.
impl TuneEvents for () {}

/// How [`Runner::run`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All trials of the search are finished, by this or other processes.
    Done,
    /// The caller asked for it; all work is kept.
    Interrupted,
    /// Four trials in a row failed because of the machine, without an epoch in between. All work is kept, and trials
    /// remain.
    GaveUp {
        /// Why the last of them failed.
        reason: String,
    },
}

/// How a separate training ended; see [`Runner::train_alone`].
#[derive(Clone, Debug, PartialEq)]
pub enum Trained {
    /// It is complete.
    Completed(Box<Summary>),
    /// The caller asked for it; the work is kept.
    Interrupted,
}

/// The result of starting a trial.
enum Begun {
    Job(Job),
    /// It has no process.
    Over(End),
}

/// How this process finishes with a trial.
enum End {
    /// It is complete or has failed, and that is recorded.
    Finished,
    /// It is already finished, or another process continues it.
    Free,
    /// It failed because of the machine, for this reason.
    SetBack(String),
}

/// How long to wait for news before looking whether the caller wants to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How often an idle process looks for work.
const ASK: Duration = Duration::from_secs(1);

impl Runner {
    /// Works on the study until it is done, gives up, or `interrupt` is set. A trial that would fail again, because it
    /// diverges or its settings are rejected, fails with its reason; one that fails because of the machine is repeated
    /// from its last checkpoint, at most three times.
    ///
    /// # Errors
    /// The journal cannot be read or written, a file that a trial wrote cannot be read, or files cannot be removed.
    pub fn run(
        &self,
        study: &mut Study,
        interrupt: &AtomicBool,
        events: &mut dyn TuneEvents,
    ) -> Result<Ending, TuneError> {
        let mut jobs: Vec<Job> = Vec::new();
        let mut news = News::new();
        let worked = self.work(study, &mut jobs, &mut news, interrupt, events);
        let worked = worked.and_then(|ending| self.strip_finished(study).map(|()| ending));
        if worked.is_err() {
            // Running trials are saved and released before the error is returned.
            jobs.iter_mut().for_each(|job| job.training.stop());
            while jobs.iter().any(|job| job.ended.is_none()) {
                let Ok((number, event)) = news.from.recv() else { break };
                hear(&mut jobs, number, event);
            }
            for job in &jobs {
                let _ = study.release(job.trial);
            }
        }
        worked
    }

    /// The configuration of a trial. The run directory has the same name without `.toml`; with `.lock` it is the file
    /// that the training process locks, with `.log` its output.
    pub fn trial_file(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{}.toml", run_name(number)))
    }

    /// The run directory of a trial.
    pub fn run_dir(&self, number: usize) -> PathBuf {
        self.folder.join(run_name(number))
    }

    /// Trains outside the study, into the folder with this name next to the trials, as long as it takes. If it was
    /// trained with the same configuration before, it is not trained again.
    ///
    /// # Errors
    /// [`TuneError::Training`] with the message of the process; files that cannot be read or written.
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
            let mut news = News::new();
            let mut training = self.trials.start(&file, self.threads * self.jobs, news.teller().1)?;
            let ended = loop {
                if interrupt.load(Ordering::Relaxed) {
                    training.stop();
                }
                if let Some((_, TrainingEvent::Ended(ended))) = news.wait() {
                    break ended;
                }
            };
            match ended {
                Ended::Completed => {}
                Ended::Stopped if interrupt.load(Ordering::Relaxed) => return Ok(Trained::Interrupted),
                Ended::Stopped => {
                    return Err(TuneError::Training { run, reason: "it was interrupted".to_owned() });
                }
                Ended::Failed(reason) | Ended::SetBack(reason) => {
                    return Err(TuneError::Training { run, reason });
                }
            }
        }
        Ok(Trained::Completed(Box::new(Summary::read(&summary)?)))
    }

    fn work(
        &self,
        study: &mut Study,
        jobs: &mut Vec<Job>,
        news: &mut News,
        interrupt: &AtomicBool,
        events: &mut dyn TuneEvents,
    ) -> Result<Ending, TuneError> {
        let pace = Pace::start(study);
        let mut setbacks = Setbacks::new(self.retry_pause);
        let mut asked: Option<Instant> = None;
        let mut is_done = false;
        loop {
            let is_interrupted = interrupt.load(Ordering::Relaxed);
            let may_ask = asked.is_none_or(|asked| asked.elapsed() >= ASK) && setbacks.allows(Instant::now());
            if jobs.len() < self.jobs.max(1) && !is_interrupted && !is_done && may_ask {
                match study.claim()? {
                    Claim::Trial(trial) => match self.begin(study, &trial, news)? {
                        Begun::Job(job) => {
                            events.started(study, &trial);
                            jobs.push(job);
                        }
                        Begun::Over(end) => self.close(study, trial.id, end, &mut setbacks, events)?,
                    },
                    Claim::Wait => asked = Some(Instant::now()),
                    // A trial of this process may still be released, so ask again until none is left.
                    Claim::Done if jobs.is_empty() => is_done = true,
                    Claim::Done => asked = Some(Instant::now()),
                }
                study.refresh()?;
            }
            let mut index = 0;
            while index < jobs.len() {
                if is_interrupted {
                    jobs[index].training.stop();
                }
                match self.follow(study, &mut jobs[index], &mut setbacks, events)? {
                    Some(end) => {
                        let job = jobs.swap_remove(index);
                        let end = match end {
                            // It was asked to stop, and whatever the result, another call continues it.
                            End::SetBack(_) if is_interrupted => End::Free,
                            end => end,
                        };
                        self.close(study, job.trial, end, &mut setbacks, events)?;
                        asked = None;
                    }
                    None => index += 1,
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
            if let Some(reason) = setbacks.gave_up().filter(|_| jobs.is_empty()) {
                return Ok(Ending::GaveUp { reason: reason.to_owned() });
            }
            if let Some((number, event)) = news.wait() {
                hear(jobs, number, event);
            }
        }
    }

    /// Starts the training of a trial.
    fn begin(&self, study: &mut Study, trial: &Trial, news: &mut News) -> Result<Begun, TuneError> {
        let plan = study.plan();
        let point = trial.point(&plan.space).unwrap_or_default();
        let config = match plan.space.configure(&plan.base, &point) {
            Ok(config) => TrainConfig { threads: None, ..config },
            Err(problem) => {
                study.fail(trial.id, &problem.to_string())?;
                return Ok(Begun::Over(End::Finished));
            }
        };
        let (number, teller) = news.teller();
        let started = self
            .write_trial(trial.number, &config)
            .and_then(|()| self.trials.start(&self.trial_file(trial.number), self.threads, teller));
        match started {
            Ok(training) => {
                let run = self.run_dir(trial.number);
                Ok(Begun::Job(Job::new(trial, number, config.epochs, run, training)))
            }
            Err(
                problem @ (TuneError::Io { .. }
                | TuneError::Start { .. }
                | TuneError::Train(TrainError::Io { .. })),
            ) => Ok(Begun::Over(End::SetBack(problem.to_string()))),
            Err(problem) => {
                study.release(trial.id)?;
                Err(problem)
            }
        }
    }

    /// Writes the file of a trial if it is missing. The path of the data may have changed since the last time.
    fn write_trial(&self, number: usize, config: &TrainConfig) -> Result<(), TuneError> {
        let file = self.trial_file(number);
        let mut text = config.to_toml()?;
        if file.exists() {
            let mut before = TrainConfig::read(&file)?;
            let is_moved = before.data.source != config.data.source;
            before.data.source.clone_from(&config.data.source);
            let (version, arithmetic) = (config.version.clone(), config.arithmetic);
            if (TrainConfig { version, arithmetic, ..before.clone() }) != *config {
                return Err(TuneError::Taken { path: file });
            }
            if !is_moved {
                return Ok(());
            }
            text = before.to_toml()?;
        } else {
            let folder = self.folder.join("trials");
            convscope_files::create_folders(&folder).map_err(TuneError::io("create the folder", &folder))?;
        }
        Ok(write_atomic(&file, |file| file.write_all(text.as_bytes()))?)
    }

    /// Reports the new epochs of a trial and checks whether its training has ended.
    fn follow(
        &self,
        study: &mut Study,
        job: &mut Job,
        setbacks: &mut Setbacks,
        events: &mut dyn TuneEvents,
    ) -> Result<Option<End>, TuneError> {
        for (epoch, accuracy) in std::mem::take(&mut job.new_epochs) {
            if job.is_settled {
                break;
            }
            if epoch > job.done_before {
                setbacks.forget();
            }
            match study.report(job.trial, epoch, accuracy)? {
                Standing::Continue => {}
                Standing::Pruned => {
                    job.is_settled = true;
                    job.training.stop();
                    self.tell_finished(study, job.trial, events);
                }
                Standing::Lost => {
                    job.is_settled = true;
                    job.training.stop();
                }
            }
        }
        let Some(ended) = job.ended.take() else { return Ok(None) };
        if job.is_settled {
            return Ok(Some(End::Free));
        }
        match ended {
            Ended::Completed => {
                setbacks.forget();
                self.settle(study, job).map(Some)
            }
            Ended::Failed(reason) => {
                study.fail(job.trial, &reason)?;
                Ok(Some(End::Finished))
            }
            Ended::Stopped => Ok(Some(End::SetBack("it was interrupted".to_owned()))),
            Ended::SetBack(reason) => Ok(Some(End::SetBack(reason))),
        }
    }

    /// Releases a trial whose training is over, or reports that it is finished.
    fn close(
        &self,
        study: &mut Study,
        trial: usize,
        end: End,
        setbacks: &mut Setbacks,
        events: &mut dyn TuneEvents,
    ) -> Result<(), TuneError> {
        match end {
            End::Free => study.release(trial)?,
            End::Finished => self.tell_finished(study, trial, events),
            End::SetBack(reason) => {
                study.set_back(trial, &reason)?;
                setbacks.count(reason, Instant::now());
                match study.trial(trial) {
                    Some(trial) if trial.state == TrialState::Waiting => events.set_back(study, trial),
                    _ => self.tell_finished(study, trial, events),
                }
            }
        }
        // Files that cannot be removed now are reported at the end.
        let _ = self.strip_finished(study);
        Ok(())
    }

    /// Records the outcome of a trial.
    fn settle(&self, study: &mut Study, job: &Job) -> Result<End, TuneError> {
        let summary = match Summary::read(&job.run.join("summary.json")) {
            Ok(summary) => summary,
            Err(problem) => return Ok(End::SetBack(problem.to_string())),
        };
        if self.has_other_images(study, job)? {
            study.fail(job.trial, "the images have changed since the study was started")?;
            return Ok(End::Finished);
        }
        let (accuracy, loss) = (summary.val_accuracy, summary.val_loss);
        let (Some(accuracy), Some(loss)) = (accuracy, loss) else {
            study.fail(job.trial, "there are no validation images to judge it on")?;
            return Ok(End::Finished);
        };
        if !loss.is_finite() {
            study.fail(job.trial, "the validation loss is not finite; try a lower learning rate")?;
            return Ok(End::Finished);
        }
        let mut known = Map::new();
        let mut put = |key: &str, value: Value| known.insert(key.to_owned(), value);
        put("val_loss", json!(loss));
        put("train_loss", json!(summary.train_loss));
        put("train_accuracy", json!(summary.train_accuracy));
        put("best_epoch", json!(summary.best_epoch));
        put("parameters", json!(summary.parameters));
        put("seconds", json!(summary.seconds));
        study.complete(job.trial, accuracy, known)?;
        Ok(End::Finished)
    }

    /// Whether a trial was trained on images other than those of the study. A search over how images are divided or
    /// read has different images in each trial.
    fn has_other_images(&self, study: &Study, job: &Job) -> Result<bool, TuneError> {
        let Some(wanted) = study.data().filter(|_| !study.searches_data()) else { return Ok(false) };
        let record = RunDir::open(&job.run)?.data()?;
        let manifest = record.and_then(|record| record.manifest);
        Ok(manifest.is_some_and(|manifest| manifest.digest() != wanted))
    }

    fn tell_finished(&self, study: &Study, id: usize, events: &mut dyn TuneEvents) {
        if let Some(trial) = study.trial(id) {
            events.finished(study, trial);
        }
    }
}

/// What the trainings tell.
struct News {
    to: Sender<(u64, TrainingEvent)>,
    from: Receiver<(u64, TrainingEvent)>,
    trainings: u64,
}

impl News {
    fn new() -> News {
        let (to, from) = channel();
        News { to, from, trainings: 0 }
    }

    /// The number of a new training, and the place for what it tells.
    fn teller(&mut self) -> (u64, Teller) {
        self.trainings += 1;
        (self.trainings, Teller { training: self.trainings, to: self.to.clone() })
    }

    /// The next event, if there is one within a short time.
    fn wait(&self) -> Option<(u64, TrainingEvent)> {
        self.from.recv_timeout(LOOK).ok()
    }
}

/// Notes what a training tells with its trial.
fn hear(jobs: &mut [Job], number: u64, event: TrainingEvent) {
    let Some(job) = jobs.iter_mut().find(|job| job.number_of_training == number) else { return };
    match event {
        TrainingEvent::Epoch { epoch, accuracy } => job.new_epochs.push((epoch, accuracy)),
        TrainingEvent::Ended(ended) => job.ended = Some(ended),
    }
}
