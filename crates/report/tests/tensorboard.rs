//! The event files of a run, read by the tensorboard package itself.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use convscope_data::{SourceOptions, SplitCounts, open};
use convscope_graph::{Graph, WeightsFile};
use convscope_report::glance::{Glance, GlanceSink};
use convscope_train::run_dir::{Distribution, RunLocation, read_metrics};
use convscope_train::{Session, TrainConfig};
use serde_json::Value;

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/read_tensorboard.py");

/// What the package finds in a run directory; `None` if Python or the package is missing.
fn read(run: &Path) -> Option<Value> {
    let knows = |python: &&str| {
        let asked = Command::new(python).args(["-c", "import tensorboard"]).output();
        asked.is_ok_and(|answer| answer.status.success())
    };
    let python = ["python3", "python"].into_iter().find(knows)?;
    let answer = Command::new(python).arg(READER).arg(run).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    Some(serde_json::from_slice(&answer.stdout).unwrap())
}

fn steps(events: &Value) -> Vec<u64> {
    events.as_array().unwrap().iter().map(|event| event["step"].as_u64().unwrap()).collect()
}

#[test]
fn the_tensorboard_package_reads_scalars_histograms_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let shapes = SplitCounts { train: 24, val: 9, test: 4 };
    let options = SourceOptions { shapes, ..SourceOptions::default() };
    let config = TrainConfig { epochs: 2, batch_size: 8, ..TrainConfig::default() };
    let mut session =
        Session::start(config, open("shapes", &options).unwrap(), &RunLocation::Exact(run.clone())).unwrap();
    session.run(&AtomicBool::new(false), &mut GlanceSink::new(Glance::Every)).unwrap();

    let Some(found) = read(&run) else {
        eprintln!("skipped: there is no python3 with the tensorboard package in PATH");
        return;
    };
    let metrics = read_metrics(&run.join("metrics.csv")).unwrap();
    for line in &metrics {
        let event = &found["scalars"]["loss/val"][line.epoch as usize - 1];
        assert_eq!(
            (event[0].as_u64(), event[1].as_f64()),
            (Some(line.epoch), Some(f64::from(line.val_loss as f32)))
        );
    }
    let weights = WeightsFile::read(&run.join("weights/last.safetensors")).unwrap();
    for tensor in weights.parameters.tensors().iter().filter(|tensor| tensor.key.ends_with("weight")) {
        let events = &found["histograms"][&tensor.key];
        assert_eq!(steps(events), [1, 2], "{}", tensor.key);
        let expected = Distribution::of(tensor.slice());
        assert_eq!((&events[1]["min"], &events[1]["sum"]), (&expected.min().into(), &expected.sum().into()));
        let counts: Vec<f64> = expected.counts().iter().map(|&count| count as f64).collect();
        assert_eq!(events[1]["buckets"], Value::from(counts));
    }
    let graph = Graph::new(weights.model).unwrap();
    for node in graph.nodes() {
        let events = &found["histograms"][format!("activations/{}", node.name)];
        assert_eq!(steps(events), [1, 2], "{}", node.name);
        // Eight images, as many as in a batch.
        assert_eq!(events[1]["num"], 8.0 * node.shape.len() as f64, "{}", node.name);
        let limits: Vec<f64> = serde_json::from_value(events[1]["limits"].clone()).unwrap();
        assert!(limits.is_sorted() && limits.last().copied() == events[1]["max"].as_f64());
        let pictures = &found["images"][format!("feature_maps/{}", node.name)];
        if node.shape.size().iter().product::<usize>() > 1 {
            assert_eq!(steps(pictures), [1, 2], "{}", node.name);
            let picture = &pictures[1];
            assert_eq!(
                picture["decoded"],
                Value::from(vec![picture["width"].clone(), picture["height"].clone()])
            );
        } else {
            assert!(pictures.is_null(), "{}", node.name);
        }
    }
    let softmax = &found["histograms"][format!("activations/{}", graph.nodes().last().unwrap().name)][1];
    assert!(
        (softmax["sum"].as_f64().unwrap() - 8.0).abs() < 1e-5,
        "probabilities add up to one for each image"
    );
}
