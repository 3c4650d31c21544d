//! Weights that another program wrote.

use std::collections::HashMap;

use safetensors::tensor::{SafeTensors, TensorView};

use crate::place::Place;

/// The arrays of a run without anything of ours, with these changes of keys; `head` keeps only so many rows of the last layer.
fn stripped(place: &Place, run: &str, file: &str, renamed: &dyn Fn(&str) -> String) {
    let bytes = place.read(&format!("{run}/weights/last.safetensors"));
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let views: Vec<(String, TensorView<'_>)> =
        tensors.tensors().into_iter().map(|(key, view)| (renamed(&key), view)).collect();
    place.write(file, safetensors::serialize(views, None::<HashMap<String, String>>).unwrap());
}

/// A trained run and its model file under other names.
fn place() -> Place {
    let place = Place::new();
    place.photos("photos");
    place.small_model("small.toml");
    place
        .run("train --data photos --model small.toml --image-size 12 --epochs 3 --batch-size 8 --out run --quiet")
        .done();
    place
}

const FLAGS: &str = "--model small.toml --image-size 12 --class-names dark,light";

#[test]
fn a_network_from_elsewhere_predicts_as_the_one_that_was_trained() {
    let place = Place::new();
    place.photos("photos");
    place.small_model("small.toml");
    place
        .run("train --data photos --model small.toml --image-size 12 --epochs 3 --batch-size 8 --out run --quiet")
        .done();
    // The run's treatment of pictures, as flags.
    let data: serde_json::Value = serde_json::from_str(&place.text("run/data.json")).unwrap();
    let flag = |key: &str| {
        let values = data["treatment"][key].as_array().unwrap_or_else(|| panic!("{data}"));
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let treatment = format!("--mean {} --std {}", flag("mean"), flag("std"));
    stripped(&place, "run", "plain.safetensors", &|key| key.to_owned());
    let own = place.run("predict run photos --csv").done().out;
    let line =
        |flags: &str, weights: &str| format!("predict {flags} --weights {weights} {treatment} photos --csv");
    assert_eq!(place.run(&line(FLAGS, "plain.safetensors")).done().out, own);

    // Other keys, which a map names.
    stripped(&place, "run", "renamed.safetensors", &|key| key.replace("dense", "classifier.1"));
    let ran = place.run(&line(FLAGS, "renamed.safetensors"));
    ran.failed(
        1,
        &["renamed.safetensors: 2 missing: dense.weight, dense.bias", "2 surplus: classifier.1.bias"],
    );
    place.write("names", "dense = classifier.1\n");
    assert_eq!(
        place.run(&line(&format!("{FLAGS} --weights-map names"), "renamed.safetensors")).done().out,
        own
    );

    // The accuracy and the look inside are those of the run.
    let evaluated = |of: &str| {
        let text = place.run(&format!("evaluate {of} --on photos --json")).done().out;
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        (report["accuracy"].clone(), report["loss"].clone())
    };
    assert_eq!(evaluated(&format!("{FLAGS} --weights plain.safetensors {treatment}")), evaluated("run"));
    place.write("names.txt", "dark\nlight\n");
    let ran = place.run(&format!(
        "inspect --model small.toml --image-size 12 --class-names names.txt --weights plain.safetensors {treatment} --data photos --out look"
    ));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(place.exists("look/report.html") && place.exists("look/feature_maps"), "{ran:?}");
    place.run("inspect run --out own").done();
    assert_eq!(place.read("look/layers.csv"), place.read("own/layers.csv"));
}

#[test]
fn what_does_not_fit_is_said() {
    let place = place();
    stripped(&place, "run", "w.safetensors", &|key| key.to_owned());
    let run = |flags: &str| place.run(&format!("predict --image-size 12 {flags} photos"));
    run("--model small.toml --weights w.safetensors").misused(&["--class-names"]);
    run("--model small.toml --class-names a,b").misused(&["--weights"]);
    let with = |flags: &str| run(&format!("--model small.toml --weights w.safetensors {flags}"));
    with("--class-names a").failed(2, &["--class-names a: is neither a file nor a list"]);
    with("--class-names a,a").failed(2, &["'a' twice"]);
    with("--class-names a,b,c").failed(1, &["of another shape: dense.weight"]);
    with("--class-names a,b --mean 1,2").failed(2, &["--mean needs 3 finite numbers"]);
    with("--class-names a,b --std 1,0,1").failed(2, &["--std"]);
    place.write("map", "dense\n");
    with("--class-names a,b --weights-map map").failed(2, &["map: line 1: has no '=': dense"]);
    run("--model plain8 --weights run/weights/last.safetensors --class-names a,b").failed(
        1,
        &["14 missing: conv2d_1.weight", "of another shape: conv2d.weight [4, 3, 3, 3] for [16, 3, 3, 3]"],
    );
    run("--model small.toml --weights small.toml --class-names a,b")
        .failed(1, &["is neither a safetensors file"]);
    place
        .run("predict --model small.toml --weights w.safetensors --class-names a,b")
        .failed(2, &["name the pictures"]);
    place.run("inspect").misused(&["RUN"]);
}

#[test]
fn training_starts_from_weights_and_only_the_classifier_may_be_missing() {
    let place = place();
    let train = "train --data photos --model small.toml --image-size 12 --epochs 1 --batch-size 8 --quiet";
    stripped(&place, "run", "w.safetensors", &|key| format!("module.{key}"));
    place.run(&format!("{train} --weights w.safetensors --lr 1e-12 --out again")).done();
    // A step that changes nothing keeps the predictions of the start.
    let accuracy = |run: &str| {
        let text = place.run(&format!("evaluate {run} --on photos --json")).done().out;
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["accuracy"].clone()
    };
    assert_eq!(accuracy("again"), accuracy("run"));
    assert!(place.text("again/config.toml").contains("weights = \"w.safetensors\""));

    let aloud = train.replace(" --quiet", "");
    stripped(&place, "run", "head.safetensors", &|key| key.replace("dense", "old_head"));
    let ran = place.run(&format!("{aloud} --weights head.safetensors --out new")).done();
    for part in [
        "fine-tuning from head.safetensors: everything but the classifier is frozen",
        "the classifier starts anew: 2 arrays: dense.weight, dense.bias",
        "the network has no place for 2 arrays: old_head.bias, old_head.weight",
        "batches of 8, adamw at rate 0.003, augmentation none, features computed once",
    ] {
        assert!(ran.err.contains(part), "{part}: {ran:?}");
    }
    stripped(&place, "run", "body.safetensors", &|key| key.replace("conv2d", "old_conv"));
    place
        .run(&format!("{train} --weights body.safetensors --out body"))
        .failed(1, &["2 missing: conv2d.weight, conv2d.bias", "2 surplus: old_conv.bias, old_conv.weight"]);
    assert!(!place.exists("body"));
    let ran = place.run(&format!("{aloud} --weights body.safetensors --weights-partial --out body")).done();
    assert!(
        ran.err.contains("2 arrays: conv2d.weight, conv2d.bias, which start with random values"),
        "{ran:?}"
    );
    place
        .run(&format!("{train} --weights gone.pth --out gone"))
        .failed(1, &["gone.pth", "docs/pretrained.md"]);
    place.run(&format!("{train} --weights-partial --out other")).failed(2, &["weights is missing"]);
}

#[test]
fn a_run_is_exported_in_every_format() {
    let place = place();
    place.run("export run").failed(2, &["--onnx, --safetensors or --torch"]);
    place.run("export run --torch net.txt").failed(2, &["ends in .py"]);
    place.run("export run --safetensors a.safetensors --with-softmax").misused(&["--onnx"]);
    let said =
        place.run("export run --onnx net.onnx --safetensors net2.safetensors --torch net.py").done().out;
    for part in [
        "net.onnx, which takes 'input' [batch, 3, 12, 12]",
        "onnxruntime",
        "net.py, which loads net.safetensors",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(place.read("net.safetensors"), place.read("run/weights/last.safetensors"));
    assert_eq!(place.read("net2.safetensors"), place.read("net.safetensors"));
    let code = place.text("net.py");
    for part in [
        "class Network(nn.Module)",
        "CLASSES = [\"dark\", \"light\"]",
        "def prepare(file):",
        "def load(weights=WEIGHTS):",
    ] {
        assert!(code.contains(part), "{part}: {code}");
    }
    assert!(place.read("net.onnx").len() > 1000);
}
