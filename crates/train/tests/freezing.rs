//! Runs with a frozen body: what stays, what learns, and that keeping features changes no bit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use convscope_data::{Source, SourceOptions, Split, SplitCounts, open};
use convscope_graph::{ModelBuilder, ModelDescription, Parameters};
use convscope_ops::{Activation, AdaptiveAvgPool2d, BatchNorm, Conv2d, Dropout, Flatten, Linear};
use convscope_train::config::{FeatureCache, Freeze};
use convscope_train::run_dir::{LockedRun, RunLocation, read_metrics};
use convscope_train::sink::{HistorySink, RunState, Sink, SinkResult};
use convscope_train::{BatchEvent, Ending, RunDir, Session, TrainConfig};

fn source() -> Arc<dyn Source> {
    let shapes = SplitCounts { train: 30, val: 11, test: 7 };
    open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap()
}

fn model() -> ModelDescription {
    let conv = |channels| Conv2d { stride: [2, 2].into(), ..Conv2d::new(channels, 3) };
    ModelBuilder::new("small", [3, 32, 32])
        .add(conv(6))
        .add(BatchNorm::default())
        .named("first norm")
        .activation(Activation::Relu)
        .add(conv(9))
        .named("second")
        .add(BatchNorm::default())
        .named("second norm")
        .activation(Activation::Relu)
        .add(AdaptiveAvgPool2d::new(1))
        .add(Flatten::default())
        .add(Dropout { p: 0.25 })
        .add(Linear::new(10))
        .named("classifier")
        .build()
        .unwrap()
}

fn config() -> TrainConfig {
    let freeze = Freeze::AllButHead;
    TrainConfig { epochs: 4, batch_size: 8, lr: 0.02, freeze, ..TrainConfig::default() }
}

fn session(config: TrainConfig) -> Session {
    Session::with_model(config, model(), source()).unwrap()
}

fn in_folder(path: &Path, config: TrainConfig) -> Session {
    session(config).record_in(&RunLocation::Exact(path.to_owned())).unwrap()
}

/// Sets the flag after a batch, or while features are computed.
struct StopAfter<'a> {
    batch: Option<(u64, usize)>,
    interrupt: &'a AtomicBool,
}

impl Sink for StopAfter<'_> {
    fn features(&mut self, done: usize, total: usize) -> SinkResult {
        assert!(done <= total);
        if self.batch.is_none() {
            self.interrupt.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn batch(&mut self, event: &BatchEvent, _state: &RunState<'_>) -> SinkResult {
        if self.batch == Some((event.epoch, event.batch)) {
            self.interrupt.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The arrays that differ.
fn changed(before: &Parameters, after: &Parameters) -> Vec<String> {
    let pairs = before.tensors().iter().zip(after.tensors());
    pairs.filter(|(a, b)| a != b).map(|(a, _)| a.key.clone()).collect()
}

#[test]
fn only_the_head_changes_not_even_running_statistics_of_the_body() {
    let mut session = session(config());
    let before = session.learner().parameters().clone();
    session.train().unwrap();
    let after = session.learner().parameters();
    assert_eq!(changed(&before, after), ["classifier.weight", "classifier.bias"]);
}

#[test]
fn everything_after_a_node_is_trained_with_its_statistics() {
    let freeze = Freeze::Node("first norm".to_owned());
    let mut session = session(TrainConfig { freeze, ..config() });
    let before = session.learner().parameters().clone();
    session.train().unwrap();
    let changed = changed(&before, session.learner().parameters());
    let expected = ["second.", "second norm.", "classifier."];
    assert!(changed.iter().all(|key| expected.iter().any(|node| key.starts_with(node))), "{changed:?}");
    assert!(changed.iter().any(|key| key == "second norm.running_mean"), "{changed:?}");
    let layers: Vec<String> =
        session.learner_mut().take_layer_metrics(5).into_iter().map(|line| line.layer).collect();
    assert!(layers.is_empty() || !layers.contains(&"first norm".to_owned()));
}

/// Final parameters and metrics of each epoch.
fn result(mut session: Session) -> (Parameters, Vec<[u64; 4]>) {
    let mut history = HistorySink::default();
    let outcome = session.run(&AtomicBool::new(false), &mut history).unwrap();
    assert_eq!(outcome.ending, Ending::Completed);
    let bits = |metrics: &convscope_train::metrics::EpochMetrics| {
        [metrics.train_loss, metrics.train_accuracy, metrics.val_loss, metrics.val_accuracy].map(f64::to_bits)
    };
    (session.learner().parameters().clone(), history.epochs.iter().map(bits).collect())
}

fn variants() -> Vec<TrainConfig> {
    let augment = "flip,shift=0.1,cutout".parse().unwrap();
    vec![
        config(),
        TrainConfig { freeze: Freeze::Node("first norm".to_owned()), ..config() },
        TrainConfig { augment, cached_views: Some(3), ..config() },
        TrainConfig {
            augment,
            cached_views: Some(0),
            unfreeze_at: Some(3),
            lr_body: Some(0.001),
            ..config()
        },
        TrainConfig { unfreeze_at: Some(2), ema: Some(0.5), sam: 0.1, ..config() },
    ]
}

#[test]
fn features_in_memory_on_disk_and_not_kept_give_the_same_bits() {
    for config in variants() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let of = |feature_cache| TrainConfig { feature_cache, ..config.clone() };
        let memory = result(session(of(FeatureCache::Megabytes(1))));
        assert_eq!(memory, result(session(of(FeatureCache::Off))), "{config:?}");
        assert_eq!(memory, result(in_folder(&path, of(FeatureCache::Megabytes(0)))), "{config:?}");
        assert!(!path.join("features").exists(), "they are removed at the end");
    }
}

#[test]
fn variants_are_fixed_but_differ_from_each_other() {
    let augment = "flip,shift=0.1".parse().unwrap();
    let of = |views| result(session(TrainConfig { augment, cached_views: Some(views), ..config() })).0;
    assert_ne!(of(1), of(2));
    // As many as epochs is new ones in every epoch.
    assert_eq!(of(4), result(session(TrainConfig { augment, ..config() })).0);
    assert_eq!(of(0), result(session(config())).0);
}

#[test]
fn killed_and_resumed_ends_with_the_same_bits() {
    for (number, config) in variants().into_iter().enumerate() {
        for cache in [FeatureCache::Off, FeatureCache::Megabytes(1), FeatureCache::Megabytes(0)] {
            let config = TrainConfig { feature_cache: cache, ..config.clone() };
            let whole = result(session(config.clone()));
            for batch in [None, Some((1, 2)), Some((2, 4)), Some((3, 1))] {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("run");
                let interrupt = AtomicBool::new(false);
                let mut first = in_folder(&path, config.clone());
                let stopped = first.run(&interrupt, &mut StopAfter { batch, interrupt: &interrupt }).unwrap();
                drop(first);
                if batch.is_some() || cache != FeatureCache::Off {
                    assert_eq!(stopped.ending, Ending::Interrupted);
                }
                let mut resumed = Session::resume(LockedRun::open(&path).unwrap(), source()).unwrap();
                resumed.train().unwrap();
                let found = resumed.learner().parameters();
                assert_eq!(*found, whole.0, "variant {number}, {cache}, {batch:?}");
                let run = RunDir::open(&path).unwrap();
                let lines = read_metrics(&run.metrics_path()).unwrap();
                let losses: Vec<u64> = lines.iter().map(|line| line.val_loss.to_bits()).collect();
                let expected: Vec<u64> = whole.1.iter().map(|bits| bits[2]).collect();
                assert_eq!(losses, expected, "variant {number}, {cache}, {batch:?}");
            }
        }
    }
}

#[test]
fn features_of_other_weights_or_images_are_not_used() {
    let on_disk = TrainConfig { feature_cache: FeatureCache::Megabytes(0), ..config() };
    let expected = result(session(on_disk.clone())).0;
    let normalize = toml::from_str::<TrainConfigPart>("normalize = 'unit'").unwrap().normalize;
    let mut others = vec![TrainConfig { seed: 2, ..on_disk.clone() }, on_disk.clone()];
    others[1].data.normalize = normalize;
    for other in others {
        let folder = tempfile::tempdir().unwrap();
        let [path, foreign] = ["run", "foreign"].map(|name| folder.path().join(name));
        // Both stop with their tables on disk.
        for (path, config) in [(&path, &on_disk), (&foreign, &other)] {
            let interrupt = AtomicBool::new(false);
            let mut stop = StopAfter { batch: Some((1, 1)), interrupt: &interrupt };
            in_folder(path, config.clone()).run(&interrupt, &mut stop).unwrap();
        }
        let table = |path: &Path| path.join("features").join("train");
        assert_eq!(
            std::fs::metadata(table(&path)).unwrap().len(),
            std::fs::metadata(table(&foreign)).unwrap().len()
        );
        std::fs::copy(table(&foreign), table(&path)).unwrap();
        let mut resumed = Session::resume(LockedRun::open(&path).unwrap(), source()).unwrap();
        resumed.train().unwrap();
        assert_eq!(*resumed.learner().parameters(), expected);
    }
}

#[derive(serde::Deserialize)]
struct TrainConfigPart {
    normalize: convscope_data::Normalize,
}

#[test]
fn the_body_follows_its_own_rate() {
    let moved = |lr_body| {
        let config = TrainConfig { freeze: Freeze::None, lr_body, epochs: 1, ..config() };
        let config = TrainConfig { optimizer: toml::from_str("name = 'sgd'").unwrap(), ..config };
        let config = TrainConfig { schedule: toml::from_str("name = 'constant'").unwrap(), ..config };
        let mut session = session(TrainConfig { batch_size: 30, ..config });
        let before = session.learner().parameters().clone();
        session.train().unwrap();
        let after = session.learner().parameters();
        ["conv2d.weight", "classifier.weight"].map(|key| {
            let [a, b] = [&before, after].map(|parameters| parameters.get(key).unwrap().slice());
            a.iter().zip(b).map(|(a, b)| f64::from(b - a).powi(2)).sum::<f64>().sqrt()
        })
    };
    let [same, slower] = [moved(None), moved(Some(0.005))];
    assert_eq!(same[1], slower[1]);
    assert!((same[0] / slower[0] - 4.0).abs() < 1e-3, "{same:?} {slower:?}");
}

#[test]
fn a_run_that_goes_on_with_all_layers_changes_all() {
    let config = TrainConfig { unfreeze_at: Some(3), lr_body: Some(0.002), ..config() };
    let mut session = session(config);
    let before = session.learner().parameters().clone();
    session.train().unwrap();
    let changed = changed(&before, session.learner().parameters());
    assert_eq!(changed.len(), before.tensors().len(), "{changed:?}");
    assert!(session.model().unwrap().evaluate(source(), Split::Test).unwrap().loss.is_finite());
}

#[test]
fn every_image_is_tested_once_and_shared_features_change_nothing() {
    use convscope_train::folds::CrossValidation;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("small.toml");
    std::fs::write(&file, model().to_toml()).unwrap();
    let fixed = TrainConfig { model: file.display().to_string(), epochs: 2, ..config() };
    let mut fixed = fixed;
    fixed.data.normalize = convscope_data::Normalize::Unit;
    let of = |feature_cache| {
        let config = TrainConfig { feature_cache, ..fixed.clone() };
        let mut heard = 0;
        let found =
            CrossValidation::run(&config, &source(), 3, &AtomicBool::new(false), &mut (), |_| heard += 1);
        let found = found.unwrap().unwrap();
        assert_eq!((heard, found.spread().images), (3, 48));
        found.folds.iter().map(|fold| (fold.images, fold.loss.to_bits())).collect::<Vec<_>>()
    };
    assert_eq!(of(FeatureCache::default()), of(FeatureCache::Off));
    let error = CrossValidation::run(&fixed, &source(), 1, &AtomicBool::new(false), &mut (), |_| {});
    assert!(error.unwrap_err().to_string().starts_with("folds is 1"));
}
