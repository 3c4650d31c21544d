//! The program's memory predictions are right, and runs that cannot fit are rejected.

use serde_json::Value;

use crate::place::Place;

/// How far the prediction may be from the measured memory.
#[cfg(target_os = "linux")]
const TOLERANCE: f64 = 0.15;

#[cfg(target_os = "linux")]
#[test]
fn the_prediction_is_what_training_takes() {
    let place = Place::new();
    place.cifar("data");
    let mut far = Vec::new();
    for (model, batch, threads) in [
        ("plain8", 96, 1),
        ("plain8", 96, 2),
        ("plain8", 96, 8),
        ("plain8-bn", 96, 2),
        ("resnet18", 16, 1),
        ("resnet18", 16, 2),
        ("resnet18", 16, 8),
    ] {
        let settings = format!("--batch-size {batch} --threads {threads}");
        let said =
            place.run(&format!("summary {model} {settings} --classes 3 --images 150 --json")).done().out;
        let said: Value = serde_json::from_str(&said).unwrap();
        let run = format!("{model}-{threads}");
        place
            .run(&format!("train --data data --model {model} {settings} --epochs 1 --quiet --out {run}"))
            .done();
        let summary: Value = serde_json::from_str(&place.text(&format!("{run}/summary.json"))).unwrap();
        let [said_bytes, taken] =
            [&said["training_bytes"], &summary["peak_memory_bytes"]].map(|v| v.as_f64().unwrap());
        eprintln!(
            "{model} {settings}: predicted {said_bytes:e}, took {taken:e}: {}",
            said["training_memory"]
        );
        if (said_bytes / taken - 1.0).abs() > TOLERANCE {
            far.push(format!("{model} {settings}: predicted {said_bytes}, took {taken}"));
        }
    }
    assert!(far.is_empty(), "{far:#?}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_prediction_counts_what_settings_add() {
    let place = Place::new();
    place.cifar("data");
    let train = |settings: &str, run: &str| {
        let settings = format!("{settings} --threads 2 --epochs 1 --quiet --out {run}");
        place.run(&format!("train --data data {settings}")).done();
        let summary: Value = serde_json::from_str(&place.text(&format!("{run}/summary.json"))).unwrap();
        ["predicted_memory_bytes", "peak_memory_bytes"].map(|key| summary[key].as_f64().unwrap())
    };
    train("--model plain8 --batch-size 96", "teacher");
    train("--model plain8 --model-option width=4 --batch-size 32", "wide");
    let mut far = Vec::new();
    for (index, settings) in [
        "--model plain8-bn --batch-size 96 --optimizer muon",
        "--model resnet18 --batch-size 16 --optimizer muon",
        "--model resnet18 --batch-size 16 --optimizer sgd --momentum 0",
        "--model resnet18 --batch-size 16 --sam 0.05",
        "--model resnet18 --batch-size 16 --ema 0.9 --patience 3",
        "--model plain8 --batch-size 96 --teachers teacher",
        "--model plain8 --batch-size 32 --teachers teacher,wide",
        "--model plain8-bn --batch-size 96 --precision bf16",
    ]
    .into_iter()
    .enumerate()
    {
        let [predicted, taken] = train(settings, &format!("run{index}"));
        eprintln!("{settings}: predicted {predicted:e}, took {taken:e}, {:+.3}", predicted / taken - 1.0);
        if (predicted / taken - 1.0).abs() > TOLERANCE {
            far.push(format!("{settings}: predicted {predicted}, took {taken}"));
        }
    }
    assert!(far.is_empty(), "{far:#?}");
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_fit_is_refused_before_it_starts() {
    let place = Place::new();
    place.cifar("data");
    // A gigabyte for each value of an image.
    place.write(
        "wide.toml",
        "name = 'wide'\n\
         [[node]]\nop = 'conv2d'\nout_channels = 262144\nkernel_size = 1\n\
         [[node]]\nop = 'batch_norm'\nactivation = 'relu'\n\
         [[node]]\nop = 'adaptive_avg_pool2d'\noutput_size = 1\n\
         [[node]]\nop = 'flatten'\n\
         [[node]]\nop = 'linear'\nout_features = 'classes'\nactivation = 'softmax'\n",
    );
    let ran = place.run("train --data data --model wide.toml --batch-size 96 --quiet");
    ran.failed(1, &["training needs about", "are available", "batch size"]);
    assert!(!place.exists("runs"));
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_the_system_refuses_is_an_error() {
    let place = Place::new();
    place.cifar("data");
    let output = std::process::Command::new("prlimit")
        .args(["--as=300000000", env!("CARGO_BIN_EXE_convscope")])
        .args("train --data data --model resnet18 --batch-size 96 --threads 1 --quiet".split(' '))
        .current_dir(place.path(""))
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.starts_with("error: the system cannot provide ") && err.contains("smaller batch size"),
        "{err}"
    );
    assert!(!place.exists("runs"));
}
