//! A study: the trials of a search, shared by all processes that work on it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::TuneError;
use crate::identity::{Format, Identity};
use crate::journal::{Journal, REPEATS, Record, Replay};
use crate::opening::{self, Opened};
use crate::owner::{Owner, Watch, Worker};
use crate::plan::{Pruning, SearchPlan};

use crate::prune;
use crate::sampler::Sampler;
use crate::space::{Point, Space};
use crate::trial::{CAUSE, Cause, REASON, RUN, SETBACKS, Trial, TrialState};

/// A study in its journal, and this process as one of its workers.
#[derive(Debug)]
pub struct Study {
    plan: SearchPlan,
    journal: Journal,
    opened: Opened,
    worker: Worker,
    watch: Watch,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// This trial, which now belongs to this process.
    Trial(Trial),
    /// Nothing at the moment; other processes are working on the last trials.
    Wait,
    /// Nothing; the study is done.
    Done,
}

/// What a reported accuracy means for its trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It continues.
    Continue,
    /// It has been pruned and is finished.
    Pruned,
    /// It belongs to another process, which considered this one dead.
    Lost,
}

/// The attribute of a trial with its owner.
const OWNER: &str = "owner";
/// The attribute of a trial with the study's search that it belongs to; the first if missing.
const SEARCH: &str = "search";
/// How often a trial is repeated after failures of the machine before it counts as failed.
const MOST_REPEATS: u64 = 3;
/// A trial that the machine failed this often comes after those that it did not.
const STANDS_BACK: u64 = 2;

impl Study {
    /// Opens the study with this name, or starts it. Its trials are in `folder`, where its workers signal that they are
    /// alive. `waiting` is called with the path of the journal's lock if another process keeps it for more than a
    /// second; after 30 seconds without a change its owner counts as dead.
    ///
    /// # Errors
    /// A plan without trials; a journal that cannot be used, or whose study with this name trains something else
    /// ([`TuneError::OtherStudy`]), in another folder ([`TuneError::OtherFolder`]) or for another program
    /// ([`TuneError::ForeignStudy`]). Nothing is then added to the journal.
    pub fn open(
        journal: &Path,
        name: &str,
        plan: SearchPlan,
        folder: &Path,
        waiting: fn(&Path),
    ) -> Result<Study, TuneError> {
        if plan.sampler.planned(&plan.space) == 0 {
            return Err(TuneError::NoTrials);
        }
        plan.space.check(&plan.base)?;
        let mut journal = Journal::open(journal, waiting)?;
        let path = journal.path().to_owned();
        let opened = journal.update(|replay| opening::open(replay, &path, name, &plan, folder))??;
        let workers = folder.join("workers");
        let worker = Worker::start(&workers)?;
        let mut watch = Watch::new(&workers, worker.owner());
        // Nobody else checks a worker that was killed between two trials; checking removes its file.
        for owner in journal.replay().trials(opened.id).into_iter().filter_map(owner) {
            watch.is_alive(&owner);
        }
        Ok(Study { plan, journal, opened, worker, watch })
    }

    /// The format of the study with this name; `None` if the journal does not exist or has no such study.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub fn format(journal: &Path, name: &str) -> Result<Option<Format>, TuneError> {
        if !journal.is_file() {
            return Ok(None);
        }
        Ok(opening::format(Journal::open(journal, |_| ())?.replay(), name))
    }

    /// Its plan.
    pub fn plan(&self) -> &SearchPlan {
        &self.plan
    }

    /// The digest of the images of all trials, if known.
    pub(crate) fn data(&self) -> Option<&str> {
        self.plan.data.as_deref()
    }

    /// Whether a setting of the data is searched.
    pub(crate) fn searches_data(&self) -> bool {
        Identity::of(&self.plan).searches("data.")
    }

    /// How many trials are planned.
    pub fn planned(&self) -> usize {
        self.plan.sampler.planned(&self.plan.space)
    }

    /// The trials of the current search in the order of their numbers, as of the last reading of the journal. Those of
    /// the study's other searches are left out, as are those with other parameters or with values outside its space.
    pub fn trials(&self) -> Vec<Trial> {
        own_trials(self.journal.replay(), self.opened, &self.plan.space).into_iter().cloned().collect()
    }

    /// How many trials of the study are left out of [`trials`](Self::trials).
    pub fn others(&self) -> usize {
        self.journal.replay().trials(self.opened.id).len() - self.trials().len()
    }

    /// Reads what other processes have done.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn refresh(&mut self) -> Result<(), TuneError> {
        self.worker.beat();
        self.journal.read()
    }

    /// Claims the next trial: an abandoned one, otherwise a new one. Of several processes, one gets it. Trials that the
    /// machine failed twice come last.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn claim(&mut self) -> Result<Claim, TuneError> {
        self.worker.beat();
        let Self { plan, journal, opened, worker, watch } = self;
        let opened = *opened;
        let claimed = journal.update(|replay| {
            let trials = own_trials(replay, opened, &plan.space);
            let (mut free, busy): (Vec<&Trial>, Vec<&Trial>) =
                trials.iter().filter(|trial| !trial.state.is_finished()).partition(|trial| {
                    trial.state == TrialState::Waiting
                        || owner(trial)
                            .is_none_or(|owner| owner != *worker.owner() && !watch.is_alive(&owner))
                });
            let is_last = |trial: &Trial| trial.setbacks() >= STANDS_BACK;
            free.sort_by_key(|trial| if is_last(trial) { trial.setbacks() } else { 0 });
            if let Some(first) = free.first().filter(|trial| !is_last(trial)) {
                return (take(first, worker.owner()), Ok(first.id));
            }
            let is_wanted = plan.sampler == Sampler::Grid || trials.len() < plan.sampler.planned(&plan.space);
            let suggest = || plan.sampler.suggest(&plan.space, plan.seed, trials.len() as u64, &trials);
            if let Some(point) = is_wanted.then(suggest).flatten() {
                let created = create(plan, opened, replay.next_number(opened.id), &point, worker.owner());
                return (vec![created], Ok(replay.next_trial()));
            }
            match free.first() {
                Some(first) => (take(first, worker.owner()), Ok(first.id)),
                None => (Vec::new(), Err(if busy.is_empty() { Claim::Done } else { Claim::Wait })),
            }
        })?;
        Ok(match claimed {
            Ok(trial) => Claim::Trial(self.trial(trial).expect("the trial has just been written").clone()),
            Err(other) => other,
        })
    }

    /// Records the validation accuracy after an epoch, and ends the trial if it is pruned.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn report(&mut self, trial: usize, epoch: u64, accuracy: f64) -> Result<Standing, TuneError> {
        let Self { plan, journal, opened, worker, .. } = self;
        let opened = *opened;
        journal.update(|replay| {
            let Some(own) = owned(replay, trial, worker.owner()) else { return (Vec::new(), Standing::Lost) };
            let mut records = Vec::new();
            if own.curve.get(&epoch) != Some(&accuracy) && accuracy.is_finite() {
                records.push(Record::Intermediate { trial, step: epoch, value: accuracy });
            }
            let others = own_trials(replay, opened, &plan.space);
            let others = others.into_iter().filter(|other| other.id != trial);
            let goes_on = plan.pruning == Pruning::Off
                || own.epochs().is_none_or(|epochs| prune::goes_on(epochs, epoch, accuracy, others));
            if !goes_on {
                records.push(Record::State { trial, state: TrialState::Pruned, value: Some(accuracy) });
            }
            (records, if goes_on { Standing::Continue } else { Standing::Pruned })
        })
    }

    /// Ends a trial with its value.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn complete(&mut self, trial: usize, value: f64, known: Map<String, Value>) -> Result<(), TuneError> {
        self.end(trial, TrialState::Complete, Some(value), known)
    }

    /// Ends a trial that would fail again.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn fail(&mut self, trial: usize, reason: &str) -> Result<(), TuneError> {
        self.end(trial, TrialState::Failed, None, because(Cause::Training, reason))
    }

    /// Releases a trial that failed because of the machine, to be repeated; after three repetitions it ends as failed.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn set_back(&mut self, trial: usize, reason: &str) -> Result<(), TuneError> {
        let setbacks = self.trial(trial).map_or(0, Trial::setbacks) + 1;
        let state = if setbacks > MOST_REPEATS { TrialState::Failed } else { TrialState::Waiting };
        let mut known = because(Cause::Machine, reason);
        known.insert(SETBACKS.to_owned(), json!(setbacks));
        self.end(trial, state, None, known)
    }

    /// Lets the failed trials of the current search be repeated, and resets the counts of machine failures; returns how
    /// many had failed. A finished trial in a journal stays unchanged, so another one takes its number and its run.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn retry_failed(&mut self) -> Result<usize, TuneError> {
        let Self { plan, journal, opened, .. } = self;
        let opened = *opened;
        journal.update(|replay| {
            let mut records = Vec::new();
            let mut failed = 0;
            for trial in own_trials(replay, opened, &plan.space) {
                if trial.state == TrialState::Failed
                    && let Some(point) = trial.point(&plan.space)
                {
                    let mut attributes = attributes(plan, opened, trial.number, &point);
                    attributes.insert(REPEATS.to_owned(), json!(trial.number));
                    let (study, state) = (opened.id, TrialState::Waiting);
                    let parameters = parameters(&plan.space, &point);
                    records.push(Record::CreateTrial { study, state, parameters, attributes });
                    failed += 1;
                } else if trial.state == TrialState::Waiting && trial.setbacks() > 0 {
                    let (key, value) = (SETBACKS.to_owned(), json!(0));
                    records.push(Record::TrialAttribute { trial: trial.id, key, value });
                }
            }
            (records, failed)
        })
    }

    /// Releases a trial, for this or another process to continue.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn release(&mut self, trial: usize) -> Result<(), TuneError> {
        self.end(trial, TrialState::Waiting, None, Map::new())
    }

    /// An attribute of the study.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.journal.replay().study_attribute(self.opened.id, key)
    }

    /// Sets an attribute of the study.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn set_attribute(&mut self, key: &str, value: Value) -> Result<(), TuneError> {
        let record = Record::StudyAttribute { study: self.opened.id, key: key.to_owned(), value };
        self.journal.update(|_| (vec![record], ()))
    }

    /// The trial with this id in the journal.
    pub(crate) fn trial(&self, id: usize) -> Option<&Trial> {
        self.journal.replay().trial(id)
    }

    fn end(
        &mut self,
        trial: usize,
        state: TrialState,
        value: Option<f64>,
        known: Map<String, Value>,
    ) -> Result<(), TuneError> {
        let Self { journal, worker, .. } = self;
        journal.update(|replay| {
            if owned(replay, trial, worker.owner()).is_none() {
                return (Vec::new(), ());
            }
            let attributes =
                known.into_iter().map(|(key, value)| Record::TrialAttribute { trial, key, value });
            let mut records: Vec<Record> = attributes.collect();
            records.push(Record::State { trial, state, value });
            (records, ())
        })
    }
}

/// The trials of a search that are in its space.
fn own_trials<'a>(replay: &'a Replay, opened: Opened, space: &Space) -> Vec<&'a Trial> {
    let search = |trial: &Trial| trial.attributes.get(SEARCH).and_then(Value::as_u64).unwrap_or(0);
    let is_own = |trial: &&Trial| search(trial) == opened.search as u64 && trial.point(space).is_some();
    replay.trials(opened.id).into_iter().filter(is_own).collect()
}

fn owner(trial: &Trial) -> Option<Owner> {
    serde_json::from_value(trial.attributes.get(OWNER)?.clone()).ok()
}

/// The trial, if it is running and belongs to this owner.
fn owned<'a>(replay: &'a Replay, trial: usize, by: &Owner) -> Option<&'a Trial> {
    let trial = replay.trial(trial)?;
    (trial.state == TrialState::Running && owner(trial).as_ref() == Some(by)).then_some(trial)
}

fn take(trial: &Trial, by: &Owner) -> Vec<Record> {
    let trial_id = trial.id;
    let state = |state| Record::State { trial: trial_id, state, value: None };
    let mut records = Vec::new();
    if trial.state == TrialState::Running {
        records.push(state(TrialState::Waiting));
    }
    let value = json!(by);
    records.push(Record::TrialAttribute { trial: trial_id, key: OWNER.to_owned(), value });
    records.push(state(TrialState::Running));
    records
}

fn create(plan: &SearchPlan, opened: Opened, number: usize, point: &Point, by: &Owner) -> Record {
    let mut attributes = attributes(plan, opened, number, point);
    attributes.insert(OWNER.to_owned(), json!(by));
    let parameters = parameters(&plan.space, point);
    Record::CreateTrial { study: opened.id, state: TrialState::Running, parameters, attributes }
}

fn parameters(space: &Space, point: &Point) -> BTreeMap<String, (String, f64)> {
    let parameters = space.parameters().iter().zip(point);
    parameters
        .map(|(parameter, &place)| (parameter.name.clone(), (parameter.distribution.to_json(), place)))
        .collect()
}

fn attributes(plan: &SearchPlan, opened: Opened, number: usize, point: &Point) -> Map<String, Value> {
    let mut attributes = Map::new();
    attributes.insert(RUN.to_owned(), json!(run_name(number)));
    attributes.insert(SEARCH.to_owned(), json!(opened.search));
    if let Ok(config) = plan.space.configure(&plan.base, point) {
        attributes.insert("epochs".to_owned(), json!(config.epochs));
    }
    attributes
}

fn because(cause: Cause, reason: &str) -> Map<String, Value> {
    Map::from_iter([(CAUSE.to_owned(), json!(cause.name())), (REASON.to_owned(), json!(reason))])
}

/// The run directory of a trial, within the folder of the study.
pub(crate) fn run_name(number: usize) -> String {
    format!("trials/{number:04}")
}
