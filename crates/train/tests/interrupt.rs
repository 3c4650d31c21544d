//! An interruption is noticed at once, whatever the run is doing, and loses nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use convscope_data::{ImageSize, Source, SourceOptions, Split, SplitCounts, open};
use convscope_train::run_dir::{LockedRun, RunLocation, Summary};
use convscope_train::sink::{Sink, SinkResult};
use convscope_train::{Ending, Session};
use convscope_train::{RunDir, TrainConfig};

/// Sets the flag when a split is evaluated for the n-th time.
struct At<'a> {
    flag: &'a AtomicBool,
    split: Split,
    countdown: usize,
}

impl Sink for At<'_> {
    fn evaluating(&mut self, split: Split) -> SinkResult {
        if split == self.split {
            self.countdown -= 1;
            self.flag.store(self.countdown == 0, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn source() -> Arc<dyn Source> {
    let shapes = SplitCounts { train: 60, val: 50, test: 40 };
    open(
        "shapes",
        &SourceOptions { shapes, image_size: Some(ImageSize::square(12)), ..SourceOptions::default() },
    )
    .unwrap()
}

fn config() -> TrainConfig {
    let settings = "epochs = 2\nbatch_size = 20\nema = 0.5\nmodel = 'plain8-bn'";
    TrainConfig::default().merged(&toml::from_str(settings).unwrap()).unwrap()
}

fn start(path: &Path) -> Session {
    Session::start(config(), source(), &RunLocation::Exact(path.to_owned())).unwrap()
}

#[test]
fn a_run_that_is_interrupted_while_it_validates_or_tests_goes_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let run = &AtomicBool::new(false);
    start(&whole).run(run, &mut ()).unwrap();
    // The validation of the first and second epoch, that of the final weights, and the test.
    for (split, countdown, epochs) in
        [(Split::Val, 1, 0), (Split::Val, 2, 1), (Split::Val, 3, 2), (Split::Test, 1, 2)]
    {
        let path = folder.path().join(format!("{split}-{countdown}"));
        let flag = AtomicBool::new(false);
        let mut session = start(&path);
        let outcome = session.run(&flag, &mut At { flag: &flag, split, countdown }).unwrap();
        assert_eq!((outcome.ending, outcome.summary.epochs), (Ending::Interrupted, epochs));
        assert!(!session.run_dir().unwrap().summary_path().exists());
        drop(session);
        let mut session = Session::resume(LockedRun::open(&path).unwrap(), source()).unwrap();
        assert_eq!(session.run(run, &mut ()).unwrap().ending, Ending::Completed);
        let file = |path: &Path, file: &str| fs::read(path.join(file)).unwrap();
        for name in ["weights/last.safetensors", "weights/best.safetensors", "layer_metrics.csv"] {
            assert!(file(&path, name) == file(&whole, name), "{name} differs after {split} {countdown}");
        }
        let losses = |path: &Path| {
            let summary = Summary::read(&RunDir::open(path).unwrap().summary_path()).unwrap();
            (summary.train_loss, summary.val_loss, summary.test_loss, summary.epochs)
        };
        assert_eq!(losses(&path), losses(&whole));
    }
}

#[test]
fn a_run_can_be_resumed_before_its_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = (folder.path().join("run"), folder.path().join("whole"));
    let run = &AtomicBool::new(false);
    start(&whole).run(run, &mut ()).unwrap();
    drop(start(&path));
    Session::resume(LockedRun::open(&path).unwrap(), source()).unwrap().run(run, &mut ()).unwrap();
    let weights = |path: &Path| fs::read(path.join("weights/last.safetensors")).unwrap();
    assert!(weights(&path) == weights(&whole));
}
