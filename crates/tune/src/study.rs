//! A study: the trials of a search, shared by all processes that work on it.

use std::path::Path;

use convscope_train::TrainConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::TuneError;
use crate::journal::{Journal, Record, Replay};
use crate::owner::{Owner, Watch, Worker};
use crate::prune;
use crate::sampler::Sampler;
use crate::space::{Point, Space};
use crate::trial::{Trial, TrialState};

/// What a study searches for. Processes that share a study have the same plan, but for the number of trials.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The parameters.
    pub space: Space,
    /// How points are chosen, and how many.
    pub sampler: Sampler,
    /// Where the random numbers of the sampler come from.
    pub seed: u64,
    /// Whether bad trials end early.
    pub pruning: Pruning,
    /// The settings that are not searched.
    pub base: TrainConfig,
}

/// Whether bad trials end early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pruning {
    /// Every trial has all its epochs.
    #[default]
    Off,
    /// See [`rungs`](crate::prune::rungs).
    SuccessiveHalving,
}

/// A study in its journal, and this process as one that works on it.
#[derive(Debug)]
pub struct Study {
    plan: Plan,
    journal: Journal,
    id: usize,
    worker: Worker,
    watch: Watch,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// This trial, which belongs to this process from now on.
    Trial(Trial),
    /// Nothing now; other processes are at the last trials.
    Wait,
    /// Nothing any more.
    Done,
}

/// What a reported accuracy means for its trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// It has been pruned and is finished.
    Pruned,
    /// It belongs to another process, which thought this one dead.
    Lost,
}

/// The attribute that holds a study's plan.
const PLAN: &str = "convscope";
/// The attribute of a trial that says who works on it.
const OWNER: &str = "owner";
/// What Optuna's dashboard calls the value of a trial.
const METRIC: &str = "validation accuracy";

impl Study {
    /// Opens the study of this name, or begins it. `workers` is the folder in which the processes that work on it
    /// show that they live. `waiting` is called with the path of the journal's lock when another process keeps it for more than a
    /// second; after 30 seconds without a change its owner counts as dead.
    ///
    /// # Errors
    /// A journal that cannot be used, or has a study of this name with another plan; a plan without trials.
    pub fn open(
        journal: &Path,
        name: &str,
        plan: Plan,
        workers: &Path,
        waiting: fn(&Path),
    ) -> Result<Study, TuneError> {
        if plan.sampler.planned(&plan.space) == 0 {
            return Err(TuneError::Plan("there is no trial to run; ask for at least one"));
        }
        plan.space.check(&plan.base)?;
        let mut journal = Journal::open(journal, waiting)?;
        let described = plan.describe();
        let id = journal.update(|replay| {
            let known = replay.study(name);
            let study = known.unwrap_or_else(|| replay.next_study());
            let mut records = Vec::new();
            if known.is_none() {
                records.push(Record::CreateStudy { name: name.to_owned() });
            }
            // Its first process may have been killed before it had written all of this.
            if replay.study_attribute(study, PLAN).is_none() && replay.trials(study).is_empty() {
                records.push(Record::MetricName { study, name: METRIC.to_owned() });
                records.push(Record::StudyAttribute {
                    study,
                    key: PLAN.to_owned(),
                    value: described.clone(),
                });
            }
            (records, study)
        })?;
        let known = journal.replay().study_attribute(id, PLAN).cloned().unwrap_or(Value::Null);
        if known != described {
            return Err(TuneError::OtherStudy {
                path: journal.path().to_owned(),
                study: name.to_owned(),
                differs: differences(&known, &described).join(", "),
            });
        }
        let worker = Worker::start(workers)?;
        let mut watch = Watch::new(workers, worker.owner());
        // One that was killed between two trials is asked for by nobody else; asking clears its file away.
        for owner in journal.replay().trials(id).into_iter().filter_map(owner) {
            watch.is_alive(&owner);
        }
        Ok(Study { plan, journal, id, worker, watch })
    }

    /// What it searches for.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How many trials it is to have.
    pub fn planned(&self) -> usize {
        self.plan.sampler.planned(&self.plan.space)
    }

    /// The trials in the order of their numbers, as of the last look at the journal. Trials that other programs put
    /// into the study without its parameters are left out.
    pub fn trials(&self) -> Vec<Trial> {
        own_trials(self.journal.replay(), self.id, &self.plan.space).into_iter().cloned().collect()
    }

    /// Looks at what other processes have done.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn refresh(&mut self) -> Result<(), TuneError> {
        self.worker.beat();
        self.journal.read()
    }

    /// Takes the next trial: one that nobody works on any more, else a new one. Of several processes one gets it.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn claim(&mut self) -> Result<Claim, TuneError> {
        self.worker.beat();
        let Self { plan, journal, id, worker, watch } = self;
        let study = *id;
        let claimed = journal.update(|replay| {
            let trials = own_trials(replay, study, &plan.space);
            let mut is_busy = false;
            for trial in trials.iter().filter(|trial| !trial.state.is_finished()) {
                let is_free = trial.state == TrialState::Waiting
                    || owner(trial).is_none_or(|owner| owner != *worker.owner() && !watch.is_alive(&owner));
                if is_free {
                    return (take(trial, worker.owner()), Ok(trial.id));
                }
                is_busy = true;
            }
            let numbered = replay.trials(study).len();
            let point = if trials.len() < plan.sampler.planned(&plan.space) {
                plan.sampler.suggest(&plan.space, plan.seed, trials.len() as u64, &trials)
            } else {
                None
            };
            match point {
                Some(point) => {
                    (vec![create(plan, study, numbered, &point, worker.owner())], Ok(replay.next_trial()))
                }
                None => (Vec::new(), Err(if is_busy { Claim::Wait } else { Claim::Done })),
            }
        })?;
        Ok(match claimed {
            Ok(trial) => Claim::Trial(self.trial(trial).expect("the trial has just been written").clone()),
            Err(other) => other,
        })
    }

    /// Notes the validation accuracy after an epoch, and ends the trial there if it is pruned.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn report(&mut self, trial: usize, epoch: u64, accuracy: f64) -> Result<Verdict, TuneError> {
        let Self { plan, journal, id, worker, .. } = self;
        let study = *id;
        journal.update(|replay| {
            let Some(own) = owned(replay, trial, worker.owner()) else { return (Vec::new(), Verdict::Lost) };
            let mut records = Vec::new();
            if own.curve.get(&epoch) != Some(&accuracy) && accuracy.is_finite() {
                records.push(Record::Intermediate { trial, step: epoch, value: accuracy });
            }
            let others = own_trials(replay, study, &plan.space);
            let others = others.into_iter().filter(|other| other.id != trial);
            let goes_on = plan.pruning == Pruning::Off
                || own.epochs().is_none_or(|epochs| prune::goes_on(epochs, epoch, accuracy, others));
            if !goes_on {
                records.push(Record::State { trial, state: TrialState::Pruned, value: Some(accuracy) });
            }
            (records, if goes_on { Verdict::Continue } else { Verdict::Pruned })
        })
    }

    /// Ends a trial with its value.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn complete(&mut self, trial: usize, value: f64, known: Map<String, Value>) -> Result<(), TuneError> {
        self.end(trial, TrialState::Complete, Some(value), known)
    }

    /// Ends a trial without a value.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn fail(&mut self, trial: usize, reason: &str) -> Result<(), TuneError> {
        self.end(trial, TrialState::Failed, None, Map::from_iter([("reason".to_owned(), json!(reason))]))
    }

    /// Gives a trial back, for this or another process to go on with it.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn release(&mut self, trial: usize) -> Result<(), TuneError> {
        self.end(trial, TrialState::Waiting, None, Map::new())
    }

    /// Notes something about a trial that this process works on.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn note(&mut self, trial: usize, key: &str, value: Value) -> Result<(), TuneError> {
        let record = Record::TrialAttribute { trial, key: key.to_owned(), value };
        self.journal.update(|_| (vec![record], ()))
    }

    /// An attribute of the study.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.journal.replay().study_attribute(self.id, key)
    }

    /// Sets an attribute of the study.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn set_attribute(&mut self, key: &str, value: Value) -> Result<(), TuneError> {
        let record = Record::StudyAttribute { study: self.id, key: key.to_owned(), value };
        self.journal.update(|_| (vec![record], ()))
    }

    /// The trial of this id in the journal.
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

impl Plan {
    /// What has to be the same for all processes. The threads of the base have no influence on the result.
    fn describe(&self) -> Value {
        let distributions: Map<String, Value> = self
            .space
            .parameters()
            .iter()
            .map(|parameter| (parameter.name.clone(), json!(parameter.distribution.to_json())))
            .collect();
        let mut base = serde_json::to_value(&self.base).expect("a configuration has a JSON form");
        if let Some(base) = base.as_object_mut() {
            base.remove("threads");
            base.remove("version");
        }
        json!({
            "search": distributions,
            "order": self.space.parameters().iter().map(|parameter| &parameter.name).collect::<Vec<_>>(),
            "sampler": self.sampler.name(),
            "seed": self.seed,
            "pruning": self.pruning,
            "settings": base,
        })
    }
}

/// The trials that have all parameters of the space.
fn own_trials<'a>(replay: &'a Replay, study: usize, space: &Space) -> Vec<&'a Trial> {
    replay.trials(study).into_iter().filter(|trial| trial.point(space).is_some()).collect()
}

fn owner(trial: &Trial) -> Option<Owner> {
    serde_json::from_value(trial.attributes.get(OWNER)?.clone()).ok()
}

/// The trial, if it runs and is this owner's.
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

fn create(plan: &Plan, study: usize, number: usize, point: &Point, by: &Owner) -> Record {
    let parameters = plan.space.parameters().iter().zip(point);
    let parameters = parameters
        .map(|(parameter, &place)| (parameter.name.clone(), (parameter.distribution.to_json(), place)))
        .collect();
    let mut attributes = Map::new();
    attributes.insert(OWNER.to_owned(), json!(by));
    attributes.insert("run".to_owned(), json!(run_name(number)));
    if let Ok(config) = plan.space.configure(&plan.base, point) {
        attributes.insert("epochs".to_owned(), json!(config.epochs));
    }
    Record::CreateTrial { study, parameters, attributes }
}

/// The run directory of a trial, within the folder of the study.
pub(crate) fn run_name(number: usize) -> String {
    format!("trials/{number:04}")
}

/// The keys under which two plans differ.
fn differences(known: &Value, asked: &Value) -> Vec<String> {
    let (Some(known), Some(asked)) = (known.as_object(), asked.as_object()) else {
        return vec!["it is none of convscope's".to_owned()];
    };
    let mut differing = Vec::new();
    for (key, asked) in asked {
        match (known.get(key), asked) {
            (Some(Value::Object(known)), Value::Object(asked)) => {
                let keys = known.keys().chain(asked.keys().filter(|key| !known.contains_key(*key)));
                differing.extend(keys.filter(|key| known.get(*key) != asked.get(*key)).cloned());
            }
            (known, asked) if known != Some(asked) => differing.push(key.clone()),
            _ => {}
        }
    }
    differing
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::space::Parameter;

    fn plan() -> Plan {
        Plan {
            space: Space::new(vec![Parameter::grid("lr=0.1,0.01").unwrap()]).unwrap(),
            sampler: Sampler::Grid,
            seed: 1,
            pruning: Pruning::Off,
            base: TrainConfig::default(),
        }
    }

    #[test]
    fn a_study_whose_first_write_was_cut_anywhere_can_be_continued() {
        let folder = tempfile::tempdir().unwrap();
        let (path, workers) = (folder.path().join("journal.log"), folder.path().join("workers"));
        drop(Study::open(&path, "search", plan(), &workers, |_| ()).unwrap());
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut study = Study::open(&path, "search", plan(), &workers, |_| ())
                .unwrap_or_else(|error| panic!("{length} of {} bytes: {error}", whole.len()));
            assert!(matches!(study.claim().unwrap(), Claim::Trial(_)), "{length}");
            let lines = fs::read_to_string(&path).unwrap();
            assert_eq!(lines.matches("\"study_name\"").count(), 1, "{length}: {lines}");
            assert_eq!(lines.matches("\"convscope\"").count(), 1, "{length}: {lines}");
        }
    }

    #[test]
    fn a_study_of_another_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.log");
        let mut journal = Journal::open(&path, |_| ()).unwrap();
        let create = Record::CreateStudy { name: "search".to_owned() };
        let owner = Owner { worker: String::new(), host: String::new(), pid: 0 };
        let trial = self::create(&plan(), 0, 0, &vec![0.0], &owner);
        journal.update(|_| (vec![create, trial], ())).unwrap();
        let error = Study::open(&path, "search", plan(), folder.path(), |_| ()).unwrap_err();
        assert!(matches!(error, TuneError::OtherStudy { .. }), "{error}");
    }
}
