//! Looking inside runs: tables, files and pages.

use std::fs;
use std::process::{Child, Stdio};
use std::sync::atomic::AtomicBool;

use convscope_data::SourceOptions;
use convscope_train::run_dir::RunLocation;
use convscope_train::sink::{RunState, Sink, SinkResult};
use convscope_train::{BatchEvent, Session, TrainConfig};

use crate::place::Place;

const TRAIN: &str = "train --data data --model small.toml --batch-size 32 --epochs 2 --quiet";

fn place() -> Place {
    let place = Place::new();
    place.cifar("data");
    place.small_model("small.toml");
    place
}

/// The page makes no requests: everything that its elements and styles load is embedded.
#[track_caller]
fn assert_self_contained(page: &str) {
    assert!(page.trim_start().starts_with("<!doctype html>"), "{}", &page[..80]);
    for load in [
        "src=\"http",
        "href=\"http",
        "src='http",
        "href='http",
        "url(http",
        "url(\"http",
        "@import",
        "fetch(",
    ] {
        assert!(!page.contains(load), "{load}");
    }
    assert!(!page.contains("<script src"), "scripts are inside");
    let mut links = page.split("<link ").skip(1).map(|rest| rest.split('>').next().unwrap());
    assert!(links.all(|link| link.contains("href=\"data:")), "what is linked is inside");
}

/// The fields of a column of a CSV file without quotes.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut lines = csv.lines();
    let index = lines.next().unwrap().split(',').position(|column| column == name).unwrap();
    lines.map(|line| line.split(',').nth(index).unwrap().to_owned()).collect()
}

#[test]
fn a_run_is_inspected() {
    let place = place();
    place.run(&format!("{TRAIN} --out run")).done();
    let weights = place.read("run/weights/last.safetensors");
    let ran = place.run("inspect run").done();
    for part in
        ["run on 96 training images of data", "accuracy", "mean |a|", "max_pooling2d", "run/report.html"]
    {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(ran.err.contains("looking at the training images of data"), "{}", ran.err);

    let csv = place.text("run/layers.csv");
    let first = "name,type,output_shape,parameters,mean_abs_weight,sum_abs_weight,mean_abs_activation,normalized_activation";
    assert!(csv.starts_with(first), "{csv}");
    assert_eq!(column(&csv, "name")[..2], ["conv2d", "batch_normalization"]);
    assert_eq!(column(&csv, "output_shape")[0], "4x15x15");
    let means: Vec<f64> =
        column(&csv, "mean_abs_activation").iter().map(|mean| mean.parse().unwrap()).collect();
    let softmax = means.last().unwrap();
    assert!((softmax - 1.0 / 3.0).abs() < 1e-6, "three classes: {softmax}");
    let normalized: Vec<f64> =
        column(&csv, "normalized_activation").iter().map(|mean| mean.parse().unwrap()).collect();
    assert_eq!(normalized.iter().copied().fold(f64::NAN, f64::min), 0.0);
    assert_eq!(normalized.iter().copied().fold(f64::NAN, f64::max), 1.0);

    let channels = place.text("run/channels.csv");
    assert_eq!(column(&channels, "channel")[..5], ["0", "1", "2", "3", "0"]);
    assert_eq!(column(&channels, "layer")[3..5], ["conv2d", "batch_normalization"]);
    let layers: serde_json::Value = serde_json::from_str(&place.text("run/layers.json")).unwrap();
    assert_eq!(layers["images"], 96);
    let findings: serde_json::Value = serde_json::from_str(&place.text("run/findings.json")).unwrap();
    assert!(findings.is_array());
    for file in [
        "feature_maps/00_overview.png",
        "feature_maps/01_conv2d.png",
        "feature_maps/filters_conv2d.png",
        "heat_maps.png",
        "curves.png",
        "depth.png",
    ] {
        let size = image::image_dimensions(place.path(format!("run/{file}"))).unwrap();
        assert!(size.0 > 100 && size.1 > 50, "{file}: {size:?}");
    }
    let page = place.text("run/report.html");
    assert_self_contained(&page);
    for part in ["conv2d", "batch_normalization", "batch_size", "green"] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(weights, place.read("run/weights/last.safetensors"));
}

#[test]
fn other_images_of_a_weights_file_go_to_a_folder() {
    let place = place();
    place.run(&format!("{TRAIN} --out run")).done();
    place.run("inspect run --quiet").done();
    let before = place.read("run/layers.csv");
    place.png("red.png", [200, 60, 60]);
    place.png("blue.png", [60, 60, 200]);
    let line = "inspect run/weights/last.safetensors --split test --limit 7 --out look --image red.png --image blue.png";
    let ran = place.run(&format!("{line} --export look --json")).done();
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&json["images"], &json["split"]), (&7.into(), &"test".into()));
    assert_eq!(
        (&json["examples"][0]["name"], &json["examples"][1]["name"]),
        (&"red.png".into(), &"blue.png".into())
    );
    assert!(
        (json["layers"]["rows"][5]["mean_abs_activation"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-6,
        "{json}"
    );
    for file in
        ["layers.csv", "feature_maps/01_conv2d.png", "feature_maps_2/01_conv2d.png", "heat_maps_2.png"]
    {
        assert!(place.exists(&format!("look/{file}")), "{file}");
    }
    let file = fs::File::open(place.path("look/activations.npz")).unwrap();
    let mut npz = ndarray_npy::NpzReader::new(file).unwrap();
    let pooled: ndarray::Array4<f32> = npz.by_name("max_pooling2d").unwrap();
    assert_eq!(pooled.dim(), (7, 4, 5, 5));
    assert!(!place.exists("look/curves.png"), "a weights file has no curves");
    assert_eq!(before, place.read("run/layers.csv"));
}

#[test]
fn two_runs_are_compared() {
    let place = place();
    place.run(&format!("{TRAIN} --out one")).done();
    place.run(&format!("{TRAIN} --seed 9 --lr 0.02 --out two")).done();
    let ran = place.run("compare one two --out both.html").done();
    for part in ["30 test images of data", "difference", "lr", "0.02", "conv2d", "both.html"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert_self_contained(&place.text("both.html"));
    let json: serde_json::Value =
        serde_json::from_str(&place.run("compare one two --json").done().out).unwrap();
    let one: serde_json::Value = serde_json::from_str(&place.text("one/summary.json")).unwrap();
    assert_eq!(json["runs"][0]["accuracy"], one["test_accuracy"]);
    assert_ne!(json["runs"][0]["layers"], json["runs"][1]["layers"]);
    assert!(place.exists("comparison.html"));
}

#[test]
fn pages_are_written_after_training_and_again() {
    let place = place();
    place.run(&format!("{TRAIN} --out one")).done();
    place.run(&format!("{TRAIN} --seed 9 --out two")).done();
    let first = place.text("one/report.html");
    assert_self_contained(&first);
    assert!(
        first.contains("30 test images") && !first.contains("id=\"r0-layers\""),
        "no layers without a look"
    );
    assert_eq!(place.run("report one --limit 5").done().out, "one/report.html\n");
    let again = place.text("one/report.html");
    assert_self_contained(&again);
    assert!(again.contains("5 test images") && again.contains("id=\"r0-layers\""));
    // The layer table is over training images, correct and wrong predictions over test images; the tables next to the
    // page have the same figures.
    assert!(again.contains("over <strong>5 training images</strong>"), "{again}");
    assert!(again.contains("Over <strong>5 test images</strong>"));
    let layers = place.text("one/layers.csv");
    place.run("inspect one --limit 5").done();
    assert_eq!(place.text("one/layers.csv"), layers);
    // A page that shows more stays; a separate one is written on request.
    place.png("red.png", [200, 60, 60]);
    place.run("inspect one --image red.png").done();
    let fuller = place.text("one/report.html");
    let ran = place.run("report one --limit 5").done();
    assert!(ran.err.contains("already shows all of that and more"), "{}", ran.err);
    assert_eq!(place.text("one/report.html"), fuller);
    place.run("report one --limit 5 --out other.html").done();
    assert!(place.text("other.html").contains("5 training images"));
    assert_eq!(place.run("report one two").done().out, "report.html\n");
    assert_self_contained(&place.text("report.html"));
}

#[test]
fn both_variants_are_trained_and_compared() {
    let place = place();
    let line = "train --data data --batch-size 32 --epochs 1 --compare-batch-norm --out pair";
    let ran = place.run(line).done();
    for part in ["plain8 on data", "plain8-bn on data", "batch_normalization", "pair/comparison.html"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let seed = |run: &str| {
        let summary: serde_json::Value =
            serde_json::from_str(&place.text(&format!("pair/{run}/summary.json"))).unwrap();
        summary["seed"].clone()
    };
    assert_eq!(seed("plain8"), seed("plain8-bn"));
    assert_self_contained(&place.text("pair/comparison.html"));
    place
        .run("train --data data --model small.toml --compare-batch-norm")
        .failed(2, &["small.toml has no counterpart", "plain8 or plain8-bn"]);
}

/// The run is inspected from outside while it trains.
struct Looked<'a> {
    place: &'a Place,
    look: Option<Child>,
    looks: usize,
}

impl Sink for Looked<'_> {
    fn batch(&mut self, event: &BatchEvent, _state: &RunState<'_>) -> SinkResult {
        let look = |line: &str| {
            let mut command = self.place.command(line.split_whitespace());
            command.stdout(Stdio::null()).spawn().unwrap()
        };
        match (event.epoch, event.batch) {
            (1, 2) => self.place.run("inspect run").failed(1, &["run: this run has not finished an epoch"]),
            // Training goes on meanwhile, and waits a whole epoch later.
            (2, 2) => self.look = Some(look("--quiet inspect run --split train --export run")),
            (3, 2) => {
                assert!(self.look.take().unwrap().wait().unwrap().success());
                assert_eq!(column(&self.place.text("run/layers.csv"), "name")[0], "conv2d");
                self.looks += 1;
            }
            _ => {}
        }
        Ok(())
    }
}

#[test]
fn a_run_can_be_inspected_while_it_trains_and_ends_with_the_same_bits() {
    let place = place();
    let train = |name: &str, events: &mut dyn Sink| {
        let settings = "epochs = 3\nbatch_size = 16\nseed = 5\n";
        let mut config = TrainConfig::default().merged(&toml::from_str(settings).unwrap()).unwrap();
        config.data.source = place.path("data").display().to_string();
        config.model = place.path("small.toml").display().to_string();
        let source = convscope_data::open(&config.data.source, &SourceOptions::default()).unwrap();
        let location = RunLocation::Exact(place.path(name));
        let mut session = Session::start(config, source, &location).unwrap();
        session.run(&AtomicBool::new(false), events).unwrap();
    };
    let mut looked = Looked { place: &place, look: None, looks: 0 };
    train("run", &mut looked);
    assert_eq!(looked.looks, 1);
    train("alone", &mut ());
    for file in ["weights/last.safetensors", "layer_metrics.csv"] {
        assert_eq!(place.read(&format!("run/{file}")), place.read(&format!("alone/{file}")), "{file}");
    }
    assert!(place.exists("run/report.html") && !place.exists("alone/report.html"));
    place.run("--quiet inspect run").done();
}

#[test]
fn a_second_look_leaves_no_picture_of_the_first() {
    let place = place();
    place.run(&format!("{TRAIN} --out run")).done();
    place.png("red.png", [200, 60, 60]);
    place.run("--quiet inspect run --out look --image red.png --image red.png --image red.png").done();
    assert!(place.exists("look/feature_maps_3/01_conv2d.png"));
    place.write("look/feature_maps/07_conv2d_9.png", "of another network");
    place.run("--quiet inspect run --out look").done();
    for gone in [
        "feature_maps_2",
        "feature_maps_3",
        "heat_maps_2.png",
        "heat_maps_3.png",
        "feature_maps/07_conv2d_9.png",
    ] {
        assert!(!place.exists(&format!("look/{gone}")), "{gone}");
    }
    assert!(place.exists("look/feature_maps/01_conv2d.png") && place.exists("look/heat_maps.png"));
}

/// A network with only vectors, and grey pictures.
#[test]
fn unusual_networks_and_pictures_are_shown_too() {
    let place = place();
    place.write(
        "dense.toml",
        "name = 'dense'\n[[node]]\nop = 'flatten'\n[[node]]\nop = 'linear'\nout_features = 'classes'\nactivation = 'softmax'\n",
    );
    place.run("train --data data --model dense.toml --batch-size 32 --epochs 1 --quiet --out dense").done();
    place.run("--quiet inspect dense").done();
    assert_eq!(column(&place.text("dense/layers.csv"), "name"), ["flatten", "dense"]);
    assert!(place.exists("dense/feature_maps/02_dense.png"));
    let grey = |class: &str, step: u8| {
        fs::create_dir_all(place.path(format!("grey/{class}"))).unwrap();
        for index in 0..12_u8 {
            let shade = |x: u32, y: u32| image::Luma([x as u8 * step + y as u8 + index]);
            let picture = image::GrayImage::from_fn(14, 10, shade);
            picture.save(place.path(format!("grey/{class}/{index}.png"))).unwrap();
        }
    };
    grey("flat", 1);
    let train = "train --data grey --image-size 12 --model small.toml --batch-size 4 --epochs 1 --quiet --out grey-run";
    place.run(train).failed(1, &["grey", "only one class"]);
    grey("steep", 9);
    place.run(train).done();
    place.run("inspect grey-run").done();
    assert_self_contained(&place.text("grey-run/report.html"));
    assert!(place.exists("grey-run/feature_maps/filters_conv2d.png"));
    assert!(!place.text("grey-run/report.html").contains("augmented variants"));
    place.run(&format!("{} --augment flip --seed 3", train.replace("grey-run", "flipped"))).done();
    for command in ["report flipped", "inspect flipped"] {
        assert!(place.text("flipped/report.html").contains("augmented variants"), "before {command}");
        place.run(command).done();
    }
    assert!(place.text("flipped/report.html").contains("augmented variants"));
}

#[test]
fn what_cannot_be_inspected_is_said() {
    let place = place();
    place.run(&format!("{TRAIN} --out run")).done();
    for line in ["inspect gone", "compare gone run", "report gone"] {
        place.run(line).failed(1, &["gone"]);
    }
    for line in ["inspect data", "compare run data", "report data"] {
        place.run(line).failed(1, &["data", "not a run directory"]);
    }
    place.run("inspect run/weights/last.safetensors").failed(2, &["last.safetensors", "--out"]);
    place.run("report run/weights/last.safetensors").failed(2, &["last.safetensors", "--out"]);
    place.run("--quiet inspect run --split test --index 30").failed(2, &["no image 30", "30 images"]);
    place.run("--quiet inspect run --image absent.png").failed(1, &["absent.png"]);
    place.photos("photos");
    place
        .run("--quiet inspect run --data photos --out look")
        .failed(1, &["photos", "a different kind of data set", "--on"]);
    place.run("--quiet inspect run --on photos --out look").failed(1, &["dark: none of the classes", "red"]);
    assert!(!place.exists("look"), "nothing is left behind");
    fs::copy(place.path("run/weights/last.safetensors"), place.path("alone.safetensors")).unwrap();
    place.run("inspect alone.safetensors --out look").failed(2, &["alone.safetensors", "--data"]);
}

#[test]
fn heat_maps_are_drawn_at_the_layers_and_for_the_classes_that_are_named() {
    let place = place();
    place.run(&format!("{TRAIN} --out run")).done();
    let maps = |line: &str| {
        let ran = place.run(&format!("inspect run --quiet --limit 5 --json {line}")).done();
        let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let maps = json["examples"][0]["heat_maps"].as_array().unwrap().clone();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        maps.iter()
            .map(|map| [text(&map["method"]), text(&map["layer"]), text(&map["class"])])
            .collect::<Vec<_>>()
    };
    let own = maps("");
    assert_eq!(own.len(), 3);
    assert_eq!(own[0][..2], ["grad_cam", "max_pooling2d"]);
    let asked = maps("--layer conv2d --layer batch_normalization --class blue --class 0");
    let expected: Vec<[String; 3]> = ["blue", "red"]
        .into_iter()
        .flat_map(|class| {
            [
                ("grad_cam", "conv2d"),
                ("grad_cam", "batch_normalization"),
                ("saliency", "-"),
                ("occlusion", "-"),
            ]
            .map(|(method, layer)| [method, layer, class].map(str::to_owned))
        })
        .collect();
    assert_eq!(asked, expected);
    let page = place.text("run/report.html");
    assert_self_contained(&page);
    assert!(page.contains("class=\"chooser\"") && page.contains(">max_pooling2d</option>"), "a choice");
    for (flags, parts) in [
        ("--layer conv2d_9", ["there is no node conv2d_9", "conv2d, batch_normalization"]),
        ("--layer conv2", ["there is no node conv2", "did you mean conv2d?"]),
        ("--layer flatten", ["flatten outputs", "no rows and columns"]),
        ("--class 3", ["--class 3", "red, green, blue"]),
        ("--class purple", ["--class purple", "red, green, blue"]),
    ] {
        place.run(&format!("inspect run {flags}")).failed(2, &parts);
    }
}
