//! A search whose trials are trained in this process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use convscope_data::{SourceOptions, SplitCounts, open};
use convscope_train::TrainConfig;
use convscope_tune::runner::{Ending, InProcess, Keep, Runner, StudyProgress, TuneEvents};
use convscope_tune::{Parameter, Pruning, Sampler, SearchPlan, Space, Study, Trial, TrialState, best};

fn plan(grid: &str) -> SearchPlan {
    let base =
        TrainConfig { model: "resnet8".to_owned(), epochs: 2, batch_size: 10, ..TrainConfig::default() };
    SearchPlan {
        space: Space::new(vec![Parameter::grid(grid).unwrap()]).unwrap(),
        sampler: Sampler::Grid,
        seed: 1,
        pruning: Pruning::Off,
        base,
        data: None,
        model: None,
    }
}

fn runner(folder: &std::path::Path) -> Runner {
    let shapes = SplitCounts { train: 40, val: 10, test: 5 };
    let options = SourceOptions { shapes, ..SourceOptions::default() };
    Runner {
        trials: Box::new(InProcess::new(move |_| Ok(open("shapes", &options)?))),
        folder: folder.to_owned(),
        jobs: 2,
        threads: 1,
        retry_pause: Duration::ZERO,
        keep: Keep::All,
    }
}

fn study(folder: &std::path::Path, grid: &str) -> Study {
    Study::open(&folder.join("journal.log"), "search", plan(grid), folder, |_| {}).unwrap()
}

#[test]
fn trials_are_trained_and_ranked_and_one_that_cannot_be_trained_fails() {
    let folder = tempfile::tempdir().unwrap();
    let mut study = study(folder.path(), "lr=0.001,0.01,1e30");
    let ending = runner(folder.path()).run(&mut study, &AtomicBool::new(false), &mut ()).unwrap();
    assert_eq!(ending, Ending::Done);
    let trials = study.trials();
    let of = |state| trials.iter().filter(|trial| trial.state == state).count();
    assert_eq!((of(TrialState::Complete), of(TrialState::Failed)), (2, 1), "{trials:?}");
    assert!(best(&trials).unwrap().curve.len() == 2);
}

/// Asks for the end once an epoch is done.
struct Impatient<'a>(&'a AtomicBool);

impl TuneEvents for Impatient<'_> {
    fn tick(&mut self, study: &Study, _progress: &StudyProgress) {
        if study.trials().iter().any(|trial: &Trial| !trial.curve.is_empty()) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn an_interrupted_search_continues_its_trials() {
    let folder = tempfile::tempdir().unwrap();
    let interrupt = AtomicBool::new(false);
    let mut first = study(folder.path(), "lr=0.001,0.01");
    let ending = runner(folder.path()).run(&mut first, &interrupt, &mut Impatient(&interrupt)).unwrap();
    assert_eq!(ending, Ending::Interrupted);
    drop(first);
    let mut second = study(folder.path(), "lr=0.001,0.01");
    let ending = runner(folder.path()).run(&mut second, &AtomicBool::new(false), &mut ()).unwrap();
    assert_eq!(ending, Ending::Done);
    let trials = second.trials();
    assert!(
        trials.iter().all(|trial| trial.state == TrialState::Complete && trial.curve.len() == 2),
        "{trials:?}"
    );
}
