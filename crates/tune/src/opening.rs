//! Opens a study in its journal: it is started, continued, or rejected.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::TuneError;
use crate::identity::{Format, Identity};
use crate::journal::{Record, Replay};
use crate::plan::SearchPlan;
use crate::trial::{Trial, TrialState};

/// A study that the current search belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) id: usize,
    /// Which of the study's searches this is: trials with the same fixed settings and the same searched ones.
    pub(crate) search: usize,
    pub(crate) format: Format,
}

/// Where a study's trials are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StudyFolder {
    host: String,
    path: PathBuf,
}

/// The name of a trial's value in Optuna's dashboard.
const METRIC: &str = "validation accuracy";
/// The attribute of a study with the identity of its first search; those of further ones are numbered.
const IDENTITY: &str = "convscope";
/// The attribute of a study with the location of its trials.
const FOLDER: &str = "folder";

/// What to append so that the study with this name has this search, and the opened study. Nothing is appended for a
/// study that is rejected.
pub(crate) fn open(
    replay: &Replay,
    journal: &Path,
    name: &str,
    plan: &SearchPlan,
    folder: &Path,
) -> (Vec<Record>, Result<Opened, TuneError>) {
    let asked = Identity::of(plan);
    let known = replay.study(name);
    let id = known.unwrap_or_else(|| replay.next_study());
    // Its first process may have been killed before it wrote all of this.
    if replay.study_attribute(id, IDENTITY).is_none() && replay.trials(id).is_empty() {
        let attribute = |key: &str, value| Record::StudyAttribute { study: id, key: key.to_owned(), value };
        let mut records = vec![
            Record::MetricName { study: id, name: METRIC.to_owned() },
            attribute(FOLDER, json!(StudyFolder::of(folder))),
            attribute(IDENTITY, asked.to_json()),
        ];
        if known.is_none() {
            records.insert(0, Record::CreateStudy { name: name.to_owned() });
        }
        return (records, Ok(Opened { id, search: 0, format: Format::Current }));
    }
    match continue_study(replay, journal, (id, name), &asked, folder) {
        Ok((records, opened)) => (records, Ok(opened)),
        Err(refused) => (Vec::new(), Err(refused)),
    }
}

/// The format of the study with this name; `None` if this program has no such study.
pub(crate) fn format(replay: &Replay, name: &str) -> Option<Format> {
    let study = replay.study(name)?;
    Some(Identity::read(replay.study_attribute(study, IDENTITY))?.format())
}

fn continue_study(
    replay: &Replay,
    journal: &Path,
    (id, name): (usize, &str),
    asked: &Identity,
    folder: &Path,
) -> Result<(Vec<Record>, Opened), TuneError> {
    let (path, study) = (journal.to_owned(), name.to_owned());
    let Some(known) = Identity::read(replay.study_attribute(id, IDENTITY)) else {
        return Err(TuneError::ForeignStudy { path, study });
    };
    if let Some(differences) = known.differences(asked) {
        return Err(TuneError::OtherStudy { path, study, differences });
    }
    let recorded = replay.study_attribute(id, FOLDER).and_then(|place| StudyFolder::deserialize(place).ok());
    if lies_elsewhere(&replay.trials(id), recorded.as_ref(), folder) {
        let (recorded, asked) = (recorded.map(|place| place.path), folder.to_owned());
        return Err(TuneError::OtherFolder { path, study, recorded, asked });
    }
    let mut records = Vec::new();
    let mut append =
        |key: String, value: Value| records.push(Record::StudyAttribute { study: id, key, value });
    let mut adopted = known.clone();
    adopted.data = adopted.data.or_else(|| asked.data.clone());
    adopted.model = adopted.model.or_else(|| asked.model.clone());
    // Records the data of a legacy study.
    if known.format() == Format::Legacy && adopted != known {
        append(IDENTITY.to_owned(), adopted.to_json());
    }
    let mut search = 0;
    loop {
        let key = if search == 0 { IDENTITY.to_owned() } else { format!("{IDENTITY} {search}") };
        match Identity::read(replay.study_attribute(id, &key)) {
            Some(known) if known.is_same_search(asked) => break,
            Some(_) => search += 1,
            None => {
                append(key, asked.to_json());
                break;
            }
        }
    }
    Ok((records, Opened { id, search, format: known.format() }))
}

/// Whether the trials are in another folder: this one lacks the file of a finished trial, or it is a different folder
/// on the same machine and has none of them.
fn lies_elsewhere(trials: &[&Trial], recorded: Option<&StudyFolder>, folder: &Path) -> bool {
    let is_here =
        |trial: &Trial| trial.run().is_none_or(|run| folder.join(run).with_extension("toml").is_file());
    let has_run = |trial: &Trial| matches!(trial.state, TrialState::Complete | TrialState::Pruned);
    let lacks_one = trials.iter().any(|trial| has_run(trial) && !is_here(trial));
    let own = StudyFolder::of(folder);
    let is_other = recorded.is_some_and(|place| place.host == own.host && place.path != own.path);
    let mut begun = trials.iter().filter(|trial| trial.state != TrialState::Failed).peekable();
    lacks_one || (is_other && begun.peek().is_some() && begun.all(|trial| !is_here(trial)))
}

impl StudyFolder {
    fn of(folder: &Path) -> StudyFolder {
        StudyFolder { host: gethostname::gethostname().to_string_lossy().into_owned(), path: real(folder) }
    }
}

/// The path from the root without symbolic links, as far as the folder exists.
fn real(folder: &Path) -> PathBuf {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let existing = whole.ancestors().find_map(|above| {
        let rest = whole.strip_prefix(above).ok()?;
        let real = above.canonicalize().ok()?;
        // Joining an empty path would append a separator.
        Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
    });
    existing.unwrap_or(whole)
}
