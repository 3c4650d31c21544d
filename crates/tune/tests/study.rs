//! Studies in their journals: which searches they contain, and what happens to failed trials.

use std::fs;
use std::path::{Path, PathBuf};

use convscope_train::TrainConfig;
use convscope_tune::{
    Claim, Format, Parameter, Pruning, Sampler, SearchPlan, Space, Study, Trial, TrialState, TuneError, best,
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A folder with a journal, and searches in it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn journal(&self) -> PathBuf {
        self.folder("journal.log")
    }

    fn open(&self, plan: SearchPlan) -> Result<Study, TuneError> {
        Study::open(&self.journal(), "mine", plan, &self.folder("study"), |_| ())
    }

    /// Opens a study that is rejected without a trace, and returns why.
    #[track_caller]
    fn refused(&self, plan: SearchPlan, folder: &str) -> TuneError {
        let before = fs::read(self.journal()).unwrap();
        let error = Study::open(&self.journal(), "mine", plan, &self.folder(folder), |_| ()).unwrap_err();
        assert_eq!(fs::read(self.journal()).unwrap(), before, "{error}");
        if folder != "study" {
            assert!(!self.folder(folder).exists(), "{error}");
        }
        error
    }
}

fn plan(lists: &[&str]) -> SearchPlan {
    SearchPlan {
        space: Space::new(lists.iter().map(|text| Parameter::grid(text).unwrap()).collect()).unwrap(),
        sampler: Sampler::Grid,
        seed: 1,
        pruning: Pruning::Off,
        base: TrainConfig::default(),
        data: Some("d1".into()),
        model: Some("m1".into()),
    }
}

#[track_caller]
fn claim(study: &mut Study) -> Trial {
    match study.claim().unwrap() {
        Claim::Trial(trial) => trial,
        other => panic!("{other:?}"),
    }
}

/// Claims the next trial and completes it with this accuracy and its file in the folder, like a runner.
#[track_caller]
fn complete(study: &mut Study, folder: &Path, value: f64) -> Trial {
    let trial = claim(study);
    let file = folder.join(format!("trials/{:04}.toml", trial.number));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, "").unwrap();
    study.complete(trial.id, value, Map::new()).unwrap();
    trial
}

fn values(study: &Study) -> Vec<String> {
    let space = &study.plan().space;
    study.trials().iter().map(|trial| space.describe(&trial.point(space).unwrap())).collect()
}

#[test]
fn a_larger_grid_adds_the_points_that_are_not_there() {
    let place = Folder::new();
    let mut small = place.open(plan(&["lr=0.1,0.01"])).unwrap();
    complete(&mut small, &place.folder("study"), 0.5);
    complete(&mut small, &place.folder("study"), 0.75);
    assert_eq!(small.claim().unwrap(), Claim::Done);
    drop(small);
    let mut large = place.open(plan(&["lr=0.01,0.001,0.1"])).unwrap();
    assert_eq!(complete(&mut large, &place.folder("study"), 0.25).number, 2);
    assert_eq!(large.claim().unwrap(), Claim::Done);
    assert_eq!(values(&large), ["lr=0.1", "lr=0.01", "lr=0.001"]);
    assert_eq!(best(&large.trials()).unwrap().number, 1);
    drop(large);
    let smaller = place.open(plan(&["lr=0.1"])).unwrap();
    assert_eq!((values(&smaller), smaller.others()), (vec!["lr=0.1".to_owned()], 2));
}

#[test]
fn trials_of_other_searches_are_not_ranked() {
    let place = Folder::new();
    let folder = place.folder("study");
    complete(&mut place.open(plan(&["lr=0.1"])).unwrap(), &folder, 0.5);
    // The batch size is searched, with a fixed rate that the first search tried.
    let batch = |lr| {
        let mut plan = plan(&["batch-size=8"]);
        plan.base.lr = lr;
        plan
    };
    let mut second = place.open(batch(0.25)).unwrap();
    assert_eq!((second.trials().len(), second.others()), (0, 1));
    complete(&mut second, &folder, 0.6);
    drop(second);
    // With a different fixed rate: the first search does not record which one, yet the trials differ.
    let mut third = place.open(batch(0.75)).unwrap();
    assert_eq!((third.trials().len(), third.others()), (0, 2));
    complete(&mut third, &folder, 0.7);
    drop(third);
    let second = place.open(batch(0.25)).unwrap();
    assert_eq!(second.trials().iter().map(|trial| trial.value).collect::<Vec<_>>(), [Some(0.6)]);
    assert_eq!(place.open(plan(&["lr=0.1"])).unwrap().trials().len(), 1);
}

#[test]
fn another_identity_is_refused_before_anything_is_written() {
    let place = Folder::new();
    drop(place.open(plan(&["lr=0.1"])).unwrap());
    let mut other = plan(&["lr=0.1"]);
    (other.data, other.base.epochs) = (Some("d2".into()), 77);
    let error = place.refused(other, "elsewhere").to_string();
    assert!(
        error.ends_with(
            "journal.log: the study 'mine' was started with different images and different settings (epochs)"
        ),
        "{error}"
    );
    let model = SearchPlan { model: Some("m2".into()), ..plan(&["lr=0.1"]) };
    assert!(place.refused(model, "study").to_string().ends_with("was started with a different model"));
    let moved = {
        let mut plan = plan(&["lr=0.1"]);
        plan.base.data.source = "../photos".into();
        plan.base.threads = Some(7);
        plan
    };
    place.open(moved).unwrap();
}

#[test]
fn a_study_of_another_folder_is_refused() {
    let place = Folder::new();
    let mut study = place.open(plan(&["lr=0.1,0.2"])).unwrap();
    // Another folder on the same machine is rejected even while the first trial is running.
    let running = claim(&mut study);
    assert!(matches!(place.refused(plan(&["lr=0.1"]), "other"), TuneError::OtherFolder { .. }));
    study.release(running.id).unwrap();
    complete(&mut study, &place.folder("study"), 0.5);
    drop(study);
    match place.refused(plan(&["lr=0.1,0.2"]), "other") {
        TuneError::OtherFolder { recorded, asked, study, .. } => {
            assert_eq!(recorded, Some(place.folder("study").canonicalize().unwrap()));
            assert_eq!((asked, study.as_str()), (place.folder("other"), "mine"));
        }
        other => panic!("{other}"),
    }
    // The folder may move with all its contents.
    fs::rename(place.folder("study"), place.folder("moved")).unwrap();
    Study::open(&place.journal(), "mine", plan(&["lr=0.1,0.2"]), &place.folder("moved"), |_| ()).unwrap();
    assert!(matches!(place.refused(plan(&["lr=0.1,0.2"]), "study"), TuneError::OtherFolder { .. }));
}

#[test]
fn a_study_that_another_program_began_is_refused() {
    let place = Folder::new();
    let entries = [
        json!({"op_code": 0, "worker_id": "w", "study_name": "mine", "directions": [2]}),
        json!({"op_code": 4, "worker_id": "w", "study_id": 0, "state": 4, "params": {}, "user_attrs": {}}),
    ];
    fs::write(place.journal(), entries.map(|entry| format!("{entry}\n")).concat()).unwrap();
    assert!(matches!(place.refused(plan(&["lr=0.1"]), "study"), TuneError::ForeignStudy { .. }));
    assert_eq!(Study::format(&place.journal(), "mine").unwrap(), None);
    assert_eq!(Study::format(&place.folder("absent.log"), "mine").unwrap(), None);
    assert!(!place.folder("absent.log").exists());
}

#[test]
fn a_study_whose_first_write_was_cut_anywhere_can_be_continued() {
    let place = Folder::new();
    drop(place.open(plan(&["lr=0.1,0.01"])).unwrap());
    let whole = fs::read(place.journal()).unwrap();
    for length in 0..=whole.len() {
        fs::write(place.journal(), &whole[..length]).unwrap();
        let mut study = place
            .open(plan(&["lr=0.1,0.01"]))
            .unwrap_or_else(|error| panic!("{length} of {} bytes: {error}", whole.len()));
        assert!(matches!(study.claim().unwrap(), Claim::Trial(_)), "{length}");
        let lines = fs::read_to_string(place.journal()).unwrap();
        assert_eq!(lines.matches("\"study_name\"").count(), 1, "{length}: {lines}");
        assert_eq!(lines.matches("\"convscope\"").count(), 1, "{length}: {lines}");
        assert!(lines.contains("\"folder\""), "{length}: {lines}");
    }
}

/// The attributes of a study as written by versions before manifests, and one of its trials.
fn legacy_journal(place: &Folder) {
    let mut settings = serde_json::to_value(TrainConfig::default()).unwrap();
    for absent in ["version", "sam", "arithmetic"] {
        settings.as_object_mut().unwrap().remove(absent).unwrap();
    }
    settings["data"].as_object_mut().unwrap().remove("split_seed").unwrap();
    let lr = json!({"name": "CategoricalDistribution", "attributes": {"choices": [0.1, 0.01]}}).to_string();
    let plan = json!({"search": {"lr": lr}, "order": ["lr"], "sampler": "grid", "seed": 1, "pruning": "off",
        "settings": settings});
    let entries = [
        json!({"op_code": 0, "study_name": "mine", "directions": [2]}),
        json!({"op_code": 2, "study_id": 0, "user_attr": {"convscope": plan}}),
        json!({"op_code": 4, "study_id": 0, "datetime_start": "2026-11-23T07:45:44.250238+00:00", "state": 0,
            "value": null, "values": null, "distributions": {"lr": lr}, "params": {"lr": 1},
            "user_attrs": {"run": "trials/0000", "epochs": 10}, "system_attrs": {}, "intermediate_values": {}}),
        json!({"op_code": 6, "trial_id": 0, "state": 1, "values": [0.5]}),
    ];
    let line = |mut entry: Value| {
        entry["worker_id"] = json!("w");
        format!("{entry}\n")
    };
    fs::write(place.journal(), entries.map(line).concat()).unwrap();
    fs::create_dir_all(place.folder("study/trials")).unwrap();
    fs::write(place.folder("study/trials/0000.toml"), "").unwrap();
}

#[test]
fn a_journal_of_an_earlier_version_is_continued() {
    let place = Folder::new();
    legacy_journal(&place);
    let plan = |lists: &[&str]| {
        let mut plan = plan(lists);
        // The caller draws splits like the earlier version.
        plan.base.data.split_seed = None;
        plan
    };
    assert_eq!(Study::format(&place.journal(), "mine").unwrap(), Some(Format::Legacy));
    let mut other = plan(&["lr=0.1,0.01"]);
    other.base.batch_size = 8;
    let error = place.refused(other, "study").to_string();
    assert!(error.ends_with("different settings (batch_size)"), "{error}");
    let mut placed = plan(&["lr=0.1,0.01"]);
    placed.base.data.split_seed = Some(1);
    assert!(place.refused(placed, "study").to_string().ends_with("different settings (data.split_seed)"));
    assert!(matches!(
        place.refused(plan(&["lr=0.1"]), "other"),
        TuneError::OtherFolder { recorded: None, .. }
    ));
    let mut study = place.open(plan(&["lr=0.1,0.01"])).unwrap();
    assert_eq!(values(&study), ["lr=0.01"]);
    assert_eq!(complete(&mut study, &place.folder("study"), 0.25).number, 1);
    assert_eq!(values(&study), ["lr=0.01", "lr=0.1"]);
    drop(study);
    // Its images were unknown; those of the first call that knows them apply from then on.
    let moved = SearchPlan { data: Some("d2".into()), ..plan(&["lr=0.1,0.01"]) };
    assert!(place.refused(moved, "study").to_string().ends_with("was started with different images"));
    assert_eq!(Study::format(&place.journal(), "mine").unwrap(), Some(Format::Legacy));
}

#[test]
fn what_the_machine_failed_is_repeated_three_times_and_lets_others_go_first() {
    let place = Folder::new();
    let mut study = place.open(plan(&["lr=0.1,0.2"])).unwrap();
    let mut order = Vec::new();
    for attempt in 0..8 {
        let trial = claim(&mut study);
        order.push(trial.number);
        study.set_back(trial.id, &format!("the disk is away ({attempt})")).unwrap();
    }
    // It is repeated once at once; then the other one starts.
    assert_eq!(order, [0, 0, 1, 1, 0, 1, 0, 1]);
    assert_eq!(study.claim().unwrap(), Claim::Done);
    let trials = study.trials();
    for (trial, last) in trials.iter().zip([6, 7]) {
        assert!(trial.state == TrialState::Failed && trial.failed_by_machine());
        assert_eq!(
            (trial.setbacks(), trial.reason()),
            (4, Some(format!("the disk is away ({last})").as_str()))
        );
    }
}

#[test]
fn failed_trials_are_repeated_under_their_numbers_when_asked() {
    let place = Folder::new();
    let folder = place.folder("study");
    let mut study = place.open(plan(&["lr=0.1,0.2,0.3"])).unwrap();
    complete(&mut study, &folder, 0.5);
    let diverged = claim(&mut study);
    study.fail(diverged.id, "the loss is not finite").unwrap();
    assert!(!study.trials()[1].failed_by_machine());
    for _ in 0..2 {
        let trial = claim(&mut study);
        study.set_back(trial.id, "killed").unwrap();
    }
    assert_eq!(study.retry_failed().unwrap(), 1);
    let states: Vec<(usize, TrialState, u64)> =
        study.trials().iter().map(|trial| (trial.number, trial.state, trial.setbacks())).collect();
    let expected = [(0, TrialState::Complete, 0), (1, TrialState::Waiting, 0), (2, TrialState::Waiting, 0)];
    assert_eq!(states, expected);
    assert_eq!(study.trials()[1].reason(), None);
    let again = complete(&mut study, &folder, 0.75);
    assert_eq!((again.number, again.run()), (1, Some("trials/0001")));
    assert_ne!(again.id, diverged.id, "Optuna never changes a finished trial");
    assert_eq!(complete(&mut study, &folder, 0.25).number, 2);
    assert_eq!(study.claim().unwrap(), Claim::Done);
    assert_eq!(study.retry_failed().unwrap(), 0);
    let values: Vec<Option<f64>> = study.trials().iter().map(|trial| trial.value).collect();
    assert_eq!(values, [Some(0.5), Some(0.75), Some(0.25)]);
    assert!(study.trials()[2].reason().is_none(), "it was completed in the end");
    drop(study);
    // A later trial gets an unused number.
    let mut larger = place.open(plan(&["lr=0.1,0.2,0.3,0.4"])).unwrap();
    assert_eq!(claim(&mut larger).number, 4);
}
