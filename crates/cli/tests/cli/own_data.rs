//! A run knows its own images: in new folders, among new pictures, and compared with other runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::place::{Place, Ran};

const TRAIN: &str = "train --model small.toml --batch-size 8 --epochs 1 --quiet";

/// A place with the folder `photos`: two classes of 40 pictures, all different.
fn place() -> Place {
    let place = Place::new();
    place.small_model("small.toml");
    for number in 0..40 {
        add(&place, "photos", "dark", number);
        add(&place, "photos", "light", number);
    }
    place
}

fn add(place: &Place, folder: &str, class: &str, number: u8) {
    let shade = if class == "dark" { number } else { 255 - number };
    place.png(&format!("{folder}/{class}/{number:02}.png"), [shade, shade / 2, 90]);
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// The results of `evaluate` on the test images, without those that depend on names and time.
fn judged(place: &Place, arguments: &str) -> (serde_json::Value, String) {
    let ran = place.run(&format!("evaluate {arguments} --json"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = json(&ran.out);
    let kept = ["images", "loss", "accuracy", "confusion"];
    let found: BTreeMap<&str, &serde_json::Value> = kept.iter().map(|&key| (key, &report[key])).collect();
    (serde_json::json!(found), ran.err)
}

/// The record of a run.
fn record(place: &Place, run: &str) -> serde_json::Value {
    json(&place.text(&format!("{run}/data.json")))
}

fn files_of(record: &serde_json::Value, split: &str) -> Vec<String> {
    let classes = record["manifest"]["contents"]["splits"][split].as_array().unwrap();
    let files = classes.iter().flat_map(|files| files.as_array().unwrap());
    files.map(|file| file.as_str().unwrap().splitn(3, ' ').nth(2).unwrap().to_owned()).collect()
}

#[test]
fn new_pictures_belong_to_no_split_of_a_run() {
    let place = place();
    place.run(&format!("{TRAIN} --data photos --out run")).done();
    let (before, _) = judged(&place, "run");
    for number in 40..60 {
        add(&place, "photos", "light", number);
    }
    add(&place, "photos", "grey", 7);
    let (after, said) = judged(&place, "run");
    assert_eq!(after, before);
    assert!(
        said.contains("21 new files in photos belong to no split of this run and are left out"),
        "{said}"
    );
    for line in ["inspect run --out look", "report run --out page.html", "compare run run"] {
        let ran = place.run(line).done();
        assert!(ran.err.contains("21 new files"), "{line}: {ran:?}");
    }
    // A resumed run continues without them.
    place.run("train --resume run --quiet").done();
    assert_eq!(judged(&place, "run").0, before);
}

#[test]
fn the_training_seed_draws_no_split_and_a_split_seed_does() {
    let place = place();
    place.run(&format!("{TRAIN} --data photos --out first")).done();
    place.run(&format!("{TRAIN} --data photos --seed 7 --out second")).done();
    place.run(&format!("{TRAIN} --data photos --split-seed 7 --out third")).done();
    let splits = |run: &str| record(&place, run)["manifest"]["contents"]["splits"].clone();
    assert_eq!(splits("first"), splits("second"));
    assert_ne!(splits("first"), splits("third"));
    let ran = place.run("compare first second").done();
    assert!(!ran.err.contains("trained on"), "{ran:?}");

    // Test images of the first run that the third one was trained on do not count.
    let (tests, learned) =
        (files_of(&record(&place, "first"), "test"), files_of(&record(&place, "third"), "train"));
    let fair = tests.iter().filter(|file| !learned.contains(file)).count();
    assert!(fair > 0 && fair < tests.len(), "{fair} of {}", tests.len());
    let ran = place.run("compare first third --json").done();
    let said = format!("comparing over {fair} of the {} test images", tests.len());
    assert!(ran.err.contains(&said), "{said}: {ran:?}");
    assert_eq!(json(&ran.out)["runs"][1]["images"], fair);

    let teach = format!("{TRAIN} --data photos --out taught --teachers");
    place
        .run(&format!("{teach} third"))
        .failed(1, &["third: this teacher was trained on", "validation images"]);
    place.run(&format!("{teach} second")).done();
    place.run(&format!("{TRAIN} --data photos --train-on-val --out all")).done();
    place.run(&format!("{teach} all --split-seed 1")).failed(1, &["all: this teacher", "validation images"]);
}

#[test]
fn a_comparison_without_a_fair_image_is_refused() {
    let place = place();
    place.run(&format!("{TRAIN} --data photos --out first")).done();
    // The second run learns from all pictures, each copied into a training folder.
    for class in ["dark", "light"] {
        for number in 0..40 {
            let name = format!("{class}/{number:02}.png");
            place.write(&format!("all/train/{name}"), place.read(&format!("photos/{name}")));
        }
    }
    add(&place, "all/val", "dark", 100);
    place.run(&format!("{TRAIN} --data all --out second")).done();
    let tests = files_of(&record(&place, "first"), "test").len();
    let said = format!("one of the runs was trained on each of the {tests} test images of photos");
    place.run("--quiet compare first second").failed(2, &[&said, "--on"]);
    let ran = place.run("compare second first --split val").done();
    assert!(!ran.err.contains("trained on"), "{ran:?}");
}

#[test]
fn resuming_refuses_other_images_and_keeps_what_there_is() {
    let place = place();
    let train = TRAIN.replace("--epochs 1", "--schedule constant --epochs 1");
    place.run(&format!("{train} --data photos --out run")).done();
    let weights = place.read("run/weights/last.safetensors");
    let resume = |place: &Place| place.run("train --resume run --epochs 2 --quiet");

    fs::rename(place.path("photos/dark"), place.path("photos/zebra")).unwrap();
    resume(&place).failed(1, &["photos: these are not the images", "files are missing (dark", "--data"]);
    fs::rename(place.path("photos/zebra"), place.path("photos/dark")).unwrap();

    let taken = place.read("photos/light/03.png");
    fs::remove_file(place.path("photos/light/03.png")).unwrap();
    resume(&place).failed(1, &["1 file is missing (light/03.png)"]);
    place.png("photos/light/03.png", [1, 2, 3]);
    for line in ["train --resume run --epochs 2 --quiet", "--quiet evaluate run", "--quiet inspect run"] {
        place.run(line).failed(1, &["1 file has changed (light/03.png)", "put them back"]);
    }
    place.write("photos/light/03.png", taken);

    let config = place.text("run/config.toml");
    for (own, other, what) in [
        (
            "normalize = \"standard\"",
            "normalize = \"unit\"",
            "the normalisation standard, but the data has unit",
        ),
        ("train_on_val = false", "train_on_val = true", "the training on validation images false"),
    ] {
        assert!(config.contains(own), "{config}");
        place.write("run/config.toml", config.replace(own, other));
        resume(&place).failed(1, &["run: the run records", what]);
    }
    place.write("run/config.toml", config.replace("image_size", "# image_size"));
    let data = place.read("run/data.json");
    place.run(&format!("{TRAIN} --data photos --split-seed 9 --out other")).done();
    place.write("run/data.json", place.read("other/data.json"));
    resume(&place).failed(1, &["state.safetensors", "images, classes or preprocessing different"]);
    place.write("run/data.json", &data[..data.len() / 2]);
    resume(&place).failed(1, &["data.json"]);
    place.write("run/data.json", data);
    assert_eq!(place.read("run/weights/last.safetensors"), weights);
    resume(&place).done();
    assert_ne!(place.read("run/weights/last.safetensors"), weights);
}

#[test]
fn a_run_finds_its_images_from_everywhere_and_is_told_where_they_went() {
    let place = place();
    place.run(&format!("{TRAIN} --data photos --out runs/r")).done();
    let (expected, _) = judged(&place, "runs/r");
    // From another folder with images of the same names.
    add(&place, "below/photos", "dark", 1);
    let below = |line: &str| {
        let output =
            place.command(line.split_whitespace()).current_dir(place.path("below")).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    };
    let ran = below("evaluate ../runs/r --json").done();
    assert_eq!(json(&ran.out)["loss"], expected["loss"]);

    // Run and images move together, then the images alone.
    fs::create_dir(place.path("moved")).unwrap();
    for name in ["runs", "photos"] {
        fs::rename(place.path(name), place.path("moved").join(name)).unwrap();
    }
    assert_eq!(judged(&place, "moved/runs/r").0, expected);
    fs::rename(place.path("moved/photos"), place.path("pictures")).unwrap();
    place.run("--quiet evaluate moved/runs/r").failed(1, &["photos: no such folder", "--data"]);
    assert_eq!(judged(&place, "moved/runs/r --data pictures").0, expected);
    for name in ["dark", "light"] {
        add(&place, "others", name, 77);
    }
    let evaluate = "--quiet evaluate moved/runs/r";
    place.run(&format!("{evaluate} --data others")).failed(1, &["others", "missing", "--on"]);
    place
        .run(&format!("{evaluate} --data shapes"))
        .failed(1, &["shapes", "a different kind of data set", "--on"]);

    // Resuming with the images at their new path is remembered.
    place.run("train --resume moved/runs/r --data others").failed(1, &["others", "missing"]);
    place.run("train --resume moved/runs/r --data pictures --quiet").done();
    assert_eq!(judged(&place, "moved/runs/r").0, expected);
    let recorded = record(&place, "moved/runs/r")["place"]["relative"].clone();
    assert_eq!(recorded, "../../../pictures");
}

#[test]
fn other_pictures_are_judged_whole() {
    let place = place();
    place.run(&format!("{TRAIN} --data photos --out run")).done();
    for number in 100..107 {
        add(&place, "trip/test", "light", number);
        add(&place, "trip/train", "light", number + 50);
    }
    let (found, said) = judged(&place, "run --on trip");
    assert_eq!((&found["images"], &found["confusion"][0]), (&json("14"), &json("[0, 0]")));
    assert!(said.contains("trip has no pictures of dark") && !said.contains("trained on"), "{said}");
    for line in
        ["inspect run --on trip --out look", "compare run run --on trip", "report run --on trip --out p.html"]
    {
        place.run(line).done();
    }
    add(&place, "trip/test", "grey", 3);
    place.run("--quiet evaluate run --on trip").failed(1, &["grey: none of the classes", "dark, light"]);
    place.run("evaluate run --on trip --split val").misused(&["--on", "--split"]);
    // Pictures that the network has learned from are counted.
    let learned = files_of(&record(&place, "run"), "train").len();
    let (found, said) = judged(&place, "run --on photos");
    assert_eq!(found["images"], 80);
    assert!(said.contains(&format!("run was trained on {learned} of these 80 pictures")), "{said}");
}

#[test]
fn weights_outside_their_run_know_their_split_and_say_where_they_do_not() {
    let place = place();
    place.run(&format!("{TRAIN} --data photos --split-seed 5 --val-fraction 0.25 --out run")).done();
    let (expected, _) = judged(&place, "run");
    fs::copy(place.path("run/weights/last.safetensors"), place.path("alone.safetensors")).unwrap();
    let (found, said) = judged(&place, "alone.safetensors --data photos");
    assert_eq!(found, expected);
    assert!(!said.contains("warning"), "{said}");
    // The weights contain no picture names.
    let bytes = place.read("alone.safetensors");
    assert!(!String::from_utf8_lossy(&bytes).contains("07.png"));
    add(&place, "photos", "dark", 90);
    let (_, said) = judged(&place, "alone.safetensors --data photos");
    assert!(said.contains("warning: alone.safetensors: the images in photos are not those"), "{said}");
    // Inside its run, it stands for the run.
    assert_eq!(judged(&place, "run/weights/last.safetensors").0, expected);
    place.run("evaluate alone.safetensors").failed(2, &["alone.safetensors", "--data", "--on"]);
}

/// A run over the pictures of [`place`] made by version 0.1.0 before it recorded images, with `--seed 7`.
fn old_run(place: &Place) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/old_run");
    for path in walk(&folder).into_iter().filter(|path| path.is_file()) {
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
        place.write(&format!("old/{name}"), fs::read(&path).unwrap());
    }
}

#[test]
fn runs_without_a_record_open_with_a_warning_and_keep_their_splits() {
    let place = place();
    old_run(&place);
    let summary = json(&place.text("old/summary.json"));
    let (found, said) = judged(&place, "old");
    assert_eq!(said.matches("warning: old: this run does not record its images").count(), 1, "{said}");
    assert_eq!(found["images"], 8);
    let difference = found["loss"].as_f64().unwrap() - summary["test_loss"].as_f64().unwrap();
    assert!(difference.abs() < 1e-5, "{found} {summary}");
    let ran = place.run("train --resume old --epochs 3 --quiet").done();
    assert!(ran.err.contains("warning: old: this run does not record its images"), "{ran:?}");
    assert_eq!(place.text("old/metrics.csv").lines().count(), 4);
    assert!(!place.exists("old/data.json"));
    // The names of the classes are in its weights.
    fs::rename(place.path("photos/dark"), place.path("photos/zebra")).unwrap();
    place
        .run("train --resume old --epochs 4 --quiet")
        .failed(1, &["old: the run records the classes dark, light, but the data has light, zebra"]);
}

/// Every file and folder below a folder, with the time of its last change.
fn state(folder: &Path) -> BTreeMap<String, (u64, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in walk(folder) {
        let data = fs::metadata(&entry).unwrap();
        found.insert(entry.display().to_string(), (data.len(), data.modified().unwrap()));
    }
    found
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn whoever_reads_a_run_writes_nothing_into_it() {
    let place = place();
    place.run(&format!("{TRAIN} --data photos --out run")).done();
    // A copy without a checkpoint is enough for readers.
    fs::remove_dir_all(place.path("run/checkpoint")).unwrap();
    let before = state(&place.path("run"));
    for line in [
        "evaluate run",
        "evaluate run/weights/last.safetensors",
        "inspect run --out look",
        "report run --out page.html",
        "compare run run",
        "predict run photos/dark/00.png",
        "summary run/model.toml --image-size 12 --classes 2",
    ] {
        place.run(line);
        assert_eq!(state(&place.path("run")), before, "{line}");
    }
}
