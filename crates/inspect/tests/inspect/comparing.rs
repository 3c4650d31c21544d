//! Networks side by side.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use convscope_data::{SourceOptions, Split, SplitCounts, open};
use convscope_inspect::compare::{CompareOptions, compare};
use convscope_inspect::{Choice, InspectError, Inspector, SurveyOptions};
use convscope_train::run_dir::{RunLocation, read_layer_metrics};
use convscope_train::{PartialConfig, Session, TrainConfig};
use std::sync::atomic::AtomicBool;

use crate::common::{Formula, inspector, recorded};

fn train(folder: &Path, name: &str, settings: &str) -> Inspector {
    let shapes = SplitCounts { train: 96, val: 32, test: 32 };
    let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap();
    let partial: PartialConfig = toml::from_str(settings).unwrap();
    let config = TrainConfig::default().merged(&partial).unwrap();
    let path = folder.join(name);
    let mut session = Session::start(config, source, &RunLocation::Exact(path.clone())).unwrap();
    session.run(&AtomicBool::new(false), &mut ()).unwrap();
    Inspector::open(&path).unwrap()
}

/// Trained runs: the table agrees with what training recorded, and nothing in the runs changes.
#[test]
fn runs_are_compared_over_the_same_images_and_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        |model: &str| format!("model = '{model}'\nepochs = 2\nbatch_size = 32\nseed = 4\nlr = 0.001");
    let plain = train(folder.path(), "plain", &settings("plain8"));
    let normalized = train(folder.path(), "normalized", &settings("plain8-bn"));
    let before = listing(folder.path());
    let shapes = SplitCounts { train: 96, val: 32, test: 32 };
    let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap();
    let options = CompareOptions {
        survey: SurveyOptions { split: Split::Test, limit: Some(20), mistakes: 2 },
        layers: Split::Train,
        example: Choice::default(),
    };
    let mut told = Vec::new();
    let comparison = compare(&mut [plain, normalized], &source, &options, &mut |run, done| {
        told.push((run, done.done));
    })
    .unwrap();
    assert_eq!(listing(folder.path()), before);
    assert_eq!(told, [(0, 20), (0, 20), (1, 20), (1, 20)]);
    let [plain, normalized] = &comparison.runs[..] else { panic!("two runs") };
    assert_eq!((plain.name.as_str(), normalized.name.as_str()), ("plain", "normalized"));
    assert_eq!((plain.survey.images, plain.curves.len(), normalized.curves.len()), (20, 2, 2));
    assert_eq!(plain.feature_maps.image.rgb, normalized.feature_maps.image.rgb);
    assert!(normalized.layers.layers.rows.len() > plain.layers.layers.rows.len());
    assert_eq!((plain.survey.split, plain.layers.split), (Split::Test, Split::Train));
    // The layer tables are those of the training images.
    let training = SurveyOptions { split: Split::Train, ..options.survey };
    let mut inspector = Inspector::open(&folder.path().join("plain")).unwrap();
    let alone = inspector.survey(Arc::clone(&source), training, &mut |_| {}).unwrap();
    assert_eq!(plain.layers.layers, alone.layers);
    assert_ne!(plain.survey.layers, alone.layers);
    let keys: Vec<&str> = comparison.differences.iter().map(|difference| difference.key.as_str()).collect();
    assert_eq!(keys, ["model", "network.nodes", "network.trained_parameters"]);
    assert_eq!(comparison.differences[0].values, [Some("plain8".to_string()), Some("plain8-bn".to_string())]);
    let text: Vec<&str> = comparison.statements.iter().map(|statement| statement.text.as_str()).collect();
    assert!(text[0].contains("20 test images"), "{text:?}");
    assert!(
        text.iter().any(|text| text.starts_with("In plain, the activations of the 8 layers")),
        "{text:?}"
    );

    let lines = read_layer_metrics(&folder.path().join("plain/layer_metrics.csv")).unwrap();
    assert_eq!(lines.len(), 2 * 9);
    assert!(
        lines.iter().all(|line| line.gradient_norm > 0.0 && (1e-6..0.5).contains(&line.update_ratio)),
        "{lines:#?}"
    );
    // The norm in the last line is that of the saved weights.
    let dense = &lines[17];
    let inspector = Inspector::open(&folder.path().join("plain")).unwrap();
    let arrays = ["dense.weight", "dense.bias"].map(|key| inspector.parameters().get(key).unwrap().slice());
    let norm = arrays.concat().iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    assert_eq!((dense.epoch, dense.layer.as_str()), (2, "dense"));
    assert!((dense.weight_norm - norm).abs() < 1e-6 * norm);
}

/// An interrupted and resumed run leaves the same lines as an uninterrupted one.
#[test]
fn resuming_leaves_the_same_layer_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "epochs = 2\nbatch_size = 32\nseed = 9\nclip_norm = 0.5";
    drop(train(folder.path(), "whole", settings));
    let shapes = SplitCounts { train: 96, val: 32, test: 32 };
    let source = open("shapes", &SourceOptions { shapes, ..SourceOptions::default() }).unwrap();
    let config = TrainConfig::default().merged(&toml::from_str(settings).unwrap()).unwrap();
    let path = folder.path().join("cut");
    let mut session = Session::start(config, Arc::clone(&source), &RunLocation::Exact(path.clone())).unwrap();
    // One batch at a time: an interrupt ends each call after the current batch.
    for _ in 0..4 {
        session.run(&AtomicBool::new(true), &mut ()).unwrap();
        session = Session::resume(session.into_run().unwrap(), Arc::clone(&source)).unwrap();
    }
    session.run(&AtomicBool::new(false), &mut ()).unwrap();
    let file = |name: &str, file: &str| fs::read(folder.path().join(name).join(file)).unwrap();
    assert_eq!(file("cut", "layer_metrics.csv"), file("whole", "layer_metrics.csv"));
    assert_eq!(file("cut", "weights/last.safetensors"), file("whole", "weights/last.safetensors"));
}

#[test]
fn one_network_is_no_comparison_and_other_data_is_refused() {
    let mut one = [inspector(recorded("narrow8_bn"))];
    let source = Formula::for_network(one[0].graph(), 4);
    let options = CompareOptions {
        survey: SurveyOptions { split: Split::Test, ..SurveyOptions::default() },
        layers: Split::Test,
        example: Choice::default(),
    };
    let alone = compare(&mut one, &source, &options, &mut |_, _| {});
    assert!(matches!(alone, Err(InspectError::TooFewRuns { given: 1 })));
    let mut two = [inspector(recorded("narrow8_bn")), inspector(recorded("every_operator"))];
    let error = compare(&mut two, &source, &options, &mut |_, _| {});
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        "narrow8_bn takes images of 12x8 pixels, but every_operator takes images of 7x9 (width x height)"
    );
    let other = Formula::for_network(two[1].graph(), 4);
    let error = two[0].survey(other, SurveyOptions::default(), &mut |_| {}).unwrap_err().to_string();
    assert_eq!(error, "the network takes images of 12x8 pixels, but the data has 7x9 (width x height)");
}

/// Every file with its bytes.
fn listing(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}
