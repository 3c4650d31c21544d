//! The contract of a session: which sinks it calls, what it writes, and how it ends.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use convscope_data::{Source, SourceOptions, Split, SplitCounts, open};
use convscope_graph::ModelBuilder;
use convscope_ops::{Flatten, Linear};
use convscope_train::run_dir::{LockedRun, RunLocation, read_metrics};
use convscope_train::sink::{EpochEnd, Interruption, RunEnd, RunState, Sink, SinkResult};
use convscope_train::{
    BatchEvent, Checkpoint, Ending, Learner, RunDir, RunLength, Session, TrainConfig, TrainError,
};

fn source(train: usize) -> Arc<dyn Source> {
    let shapes = SplitCounts { train, val: 30, test: 20 };
    open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap()
}

/// A network of one layer, so that a step takes no time.
fn session(config: TrainConfig) -> Session {
    let source = source(60);
    let model = ModelBuilder::new("one", [3, 32, 32])
        .add(Flatten::default())
        .add(Linear::new(source.classes().len()))
        .build()
        .unwrap();
    Session::with_model(config, model, source).unwrap()
}

fn config() -> TrainConfig {
    TrainConfig { epochs: 3, batch_size: 20, ..TrainConfig::default() }
}

fn in_folder(path: &Path, config: TrainConfig) -> Session {
    session(config).record_in(&RunLocation::Exact(path.to_owned())).unwrap()
}

/// Records the calls, and fails at a chosen one.
#[derive(Default)]
struct Notes {
    told: Vec<String>,
    fails_at: &'static str,
}

impl Notes {
    fn note(&mut self, what: String) -> SinkResult {
        let fails = what == self.fails_at;
        self.told.push(what);
        if fails { Err("the sink is full".into()) } else { Ok(()) }
    }
}

impl Sink for Notes {
    fn begin(&mut self, state: &RunState<'_>) -> SinkResult {
        self.note(format!("begin after {}", state.epochs_done()))
    }

    fn batch(&mut self, event: &BatchEvent, _state: &RunState<'_>) -> SinkResult {
        self.note(format!("batch {}.{}", event.epoch, event.batch))
    }

    fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
        self.note(format!("epoch {}", end.metrics.epoch))
    }

    fn interrupted(&mut self, at: &mut Interruption<'_>) -> SinkResult {
        self.note(format!("interrupted after {}", at.state.epochs_done()))
    }

    fn end(&mut self, end: &RunEnd<'_>) -> SinkResult {
        self.note(format!("end after {}", end.summary.epochs))
    }
}

#[test]
fn a_sink_is_told_everything_in_order_and_no_file_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut notes = Notes::default();
    let mut session = session(TrainConfig { epochs: 2, ..config() });
    let outcome = session.run(&AtomicBool::new(false), &mut notes).unwrap();
    let expected = [
        "begin after 0",
        "batch 1.1",
        "batch 1.2",
        "batch 1.3",
        "epoch 1",
        "batch 2.1",
        "batch 2.2",
        "batch 2.3",
        "epoch 2",
        "end after 2",
    ];
    assert_eq!(notes.told, expected);
    assert_eq!((outcome.ending, session.run_dir()), (Ending::Completed, None));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    // The run's figures match its model.
    let (test, summary) = (outcome.test.unwrap(), outcome.summary);
    assert_eq!(Some(test.accuracy), summary.test_accuracy);
    let again = session.model().unwrap().evaluate(source(60), Split::Test).unwrap();
    assert_eq!((again.loss, again.accuracy), (test.loss, test.accuracy));
}

#[test]
fn a_failing_sink_ends_the_run_and_everything_is_saved() {
    for (fails_at, epochs) in [("batch 2.2", 1), ("epoch 2", 2), ("end after 3", 3)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let mut notes = Notes { fails_at, ..Notes::default() };
        let error = in_folder(&path, config()).run(&AtomicBool::new(false), &mut notes).unwrap_err();
        assert!(matches!(error, TrainError::Sink(_)), "{error:?}");
        assert_eq!(error.to_string(), "the sink is full");
        let run = RunDir::open(&path).unwrap();
        assert_eq!(read_metrics(&run.metrics_path()).unwrap().len(), epochs, "{fails_at}");
        // It continues, and ends with the same bits as an undisturbed run.
        let mut resumed = Session::resume(LockedRun::open(&path).unwrap(), source(60)).unwrap();
        assert_eq!(resumed.learner().steps(), if fails_at == "batch 2.2" { 5 } else { 3 * epochs as u64 });
        resumed.train().unwrap();
        let mut whole = session(config());
        whole.train().unwrap();
        assert_eq!(resumed.learner().parameters(), whole.learner().parameters(), "{fails_at}");
    }
}

#[test]
fn a_run_in_memory_and_one_in_a_folder_learn_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorded = in_folder(&folder.path().join("run"), TrainConfig { patience: Some(1), ..config() });
    let mut in_memory = session(TrainConfig { patience: Some(1), ..config() });
    let (one, two) = (recorded.train().unwrap(), in_memory.train().unwrap());
    assert_eq!((one.val.unwrap().loss, one.ending), (two.val.unwrap().loss, two.ending));
    let best = recorded.model().unwrap();
    assert_eq!(best.weights().parameters, in_memory.model().unwrap().weights().parameters);
}

#[test]
fn a_run_stops_early_with_its_best_parameters_also_after_a_resumption() {
    // The rate is so high that the validation loss soon rises.
    let wild = TrainConfig { epochs: 40, lr: 0.5, patience: Some(2), ..config() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut whole = session(wild.clone());
    let outcome = whole.train().unwrap();
    assert_eq!(outcome.ending, Ending::StoppedEarly);
    let best = outcome.summary.best_epoch.unwrap();
    assert_eq!(outcome.summary.epochs, best + 2);

    /// Interrupts the run after an epoch.
    struct After<'a>(u64, &'a AtomicBool);
    impl Sink for After<'_> {
        fn epoch(&mut self, end: &mut EpochEnd<'_>) -> SinkResult {
            self.1.store(end.metrics.epoch == self.0, Ordering::Relaxed);
            Ok(())
        }
    }
    let interrupt = AtomicBool::new(false);
    let ending = in_folder(&path, wild).run(&interrupt, &mut After(best + 1, &interrupt)).unwrap().ending;
    assert_eq!(ending, Ending::Interrupted);
    let mut resumed = Session::resume(LockedRun::open(&path).unwrap(), source(60)).unwrap();
    let again = resumed.train().unwrap();
    assert_eq!((again.ending, again.summary.best_epoch), (Ending::StoppedEarly, Some(best)));
    assert_eq!(resumed.model().unwrap().weights().parameters, whole.model().unwrap().weights().parameters);
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut session = in_folder(&path, TrainConfig { lr: 1e38, ..config() });
    let error = session.train().unwrap_err();
    let TrainError::Diverged { place, epoch, step } = &error else { panic!("{error}") };
    assert!(place.starts_with("the output of ") || place.starts_with("the gradient of "), "{place}");
    assert_eq!((*epoch, *step), (1, 2));
    drop(session);
    // The initial checkpoint is still there.
    let resumed = Session::resume(LockedRun::open(&path).unwrap(), source(60)).unwrap();
    assert_eq!(resumed.learner().steps(), 0);
}

#[test]
fn the_exchange_sees_and_changes_the_gradients_of_each_step() {
    struct Nothing(usize);
    impl convscope_train::Exchange for Nothing {
        fn exchange(&mut self, gradients: &mut [Vec<f32>]) -> Result<(), TrainError> {
            assert!(gradients.iter().flatten().any(|&gradient| gradient != 0.0));
            gradients.iter_mut().for_each(|gradient| gradient.fill(0.0));
            self.0 += 1;
            Ok(())
        }
    }
    let source = source(60);
    let graph = Arc::clone(session(config()).learner().graph());
    let length = RunLength { epochs: 1, steps_per_epoch: 3 };
    let sgd = toml::from_str("[optimizer]\nname = 'sgd'").unwrap();
    let config = config().merged(&sgd).unwrap();
    let mut learner = Learner::new(graph, &config, length).unwrap().with_exchange(Box::new(Nothing(0)));
    let before = learner.parameters().clone();
    let normalization = config.data.normalize.fit(&*source).unwrap();
    let order = convscope_data::Order::Sequential;
    let loader = convscope_data::Loader::new(source, Split::Train, 20, order, &normalization).unwrap();
    for batch in loader.epoch(0, 0) {
        learner.step(&batch.unwrap()).unwrap();
    }
    assert_eq!((learner.parameters(), learner.steps()), (&before, 3));
}

#[test]
fn a_learner_goes_on_from_a_checkpoint_with_the_same_bits() {
    let mut one = session(TrainConfig { ema: Some(0.9), ..config() });
    one.train().unwrap();
    let mut checkpoint = Checkpoint::new();
    one.learner().save_into(&mut checkpoint);
    let mut two = session(TrainConfig { ema: Some(0.9), seed: 9, ..config() });
    two.learner_mut().restore(&checkpoint).unwrap();
    assert_eq!(two.learner().parameters(), one.learner().parameters());
    assert_eq!(two.learner().averaged(), one.learner().averaged());
    assert_eq!(two.learner().steps(), 9);
    let other = session(config()).learner().parameters().clone();
    two.learner_mut().set_parameters(other.clone()).unwrap();
    assert_eq!(two.learner().parameters(), &other);
}
