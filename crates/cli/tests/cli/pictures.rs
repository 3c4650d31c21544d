//! Pictures of all kinds as input to a network: layouts, formats, sizes, small sets, copies.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use image::{DynamicImage, Rgb, RgbImage, Rgba, RgbaImage};

use crate::place::Place;

/// A place with `photos`, two classes of 27 pictures each, and a small model.
fn place() -> Place {
    let place = Place::new();
    place.small_model("small.toml");
    for number in 0..27 {
        place.png(&format!("photos/dark/{number:02}.png"), [number, 10, 20]);
        place.png(&format!("photos/light/{number:02}.png"), [250 - number, 240, 230]);
    }
    place
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn config(place: &Place, run: &str) -> toml::Table {
    place.text(&format!("{run}/config.toml")).parse().unwrap()
}

#[test]
fn the_default_batch_shrinks_to_a_small_set_and_a_wanted_one_is_refused() {
    let place = place();
    let ran = place.run("train --data photos --model small.toml --epochs 1 --out run").done();
    let used = config(&place, "run")["batch_size"].as_integer().unwrap();
    assert!((20..54).contains(&used), "{used}");
    assert!(ran.err.contains(&format!("batches of {used} images instead of 64")), "{ran:?}");
    place.run("lr-find --data photos --model small.toml --steps 10 --out found").done();
    place.run("tune --data photos --model small.toml --epochs 1 --grid lr=0.01 --out study --quiet").done();
    place.run("train --data photos --model small.toml --recipe best --epochs 1 --out best").done();
    assert_eq!(config(&place, "best")["batch_size"].as_integer().unwrap(), used);
    place
        .run("train --data photos --model small.toml --batch-size 64 --out other --quiet")
        .failed(2, &["batch size 64 does not fit"]);
    place.write("mine.toml", "batch_size = 64\n");
    place
        .run("train --data photos --model small.toml --config mine.toml --out other --quiet")
        .failed(2, &["batch size 64 does not fit"]);
}

#[test]
fn what_was_recognised_and_skipped_is_said() {
    let place = Place::new();
    place.small_model("small.toml");
    for number in 0..8 {
        for (folder, shade) in [("seg_train", number), ("seg_test", 100 + number)] {
            place.png(&format!("photos/{folder}/dark/{number}.png"), [shade, 10, 20]);
            place.png(&format!("photos/{folder}/light/{number}.png"), [250 - shade, 240, 230]);
        }
    }
    place.png("photos/seg_train/stray.png", [1, 2, 3]);
    place.write("photos/seg_train/dark/raw.CR2", "raw");
    let ran = place.run("train --data photos --model small.toml --batch-size 4 --epochs 1 --out run").done();
    for part in [
        "photos: seg_train has the training images, seg_test has the test images",
        "skipped 1 picture outside the class folders: photos/seg_train/stray.png",
        "skipped in the class folders: 1 .cr2 file",
    ] {
        assert!(ran.err.contains(part), "{part}: {ran:?}");
    }
    let data = json(&place.run("data photos --json").done().out);
    assert_eq!(data["images"]["test"], 16);
    assert_eq!(data["skipped"], serde_json::json!([{"extension": "cr2", "files": 1}]));
    place.png("loose/a.png", [1, 2, 3]);
    place.run("data loose").failed(1, &["1 picture directly in it", "DIR/<class>/*"]);
}

#[test]
fn pictures_that_cannot_be_read_have_advice_that_works() {
    let place = place();
    place.write("photos/dark/phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    place
        .run("train --data photos --model small.toml --epochs 1 --out run --quiet")
        .failed(1, &["phone.heic", "HEIC", "Most Compatible", "--skip-bad"]);
    place.run("train --data photos --model small.toml --epochs 1 --skip-bad --out run --quiet").done();
    for command in ["evaluate run", "inspect run --out look"] {
        place.run(&format!("{command} --on photos --quiet")).failed(1, &["phone.heic", "--skip-bad"]);
        let ran = place.run(&format!("{command} --on photos --skip-bad")).done();
        assert!(ran.err.contains("left out 1 unreadable file"), "{ran:?}");
    }
    place.run("predict run photos/dark/phone.heic").failed(1, &["HEIC", "Most Compatible"]);
}

#[test]
fn a_rectangular_model_sets_the_size_of_a_folder() {
    let place = place();
    let model =
        place.text("small.toml").replacen("name = 'small'\n", "name = 'small'\ninput = [3, 8, 12]\n", 1);
    place.write("wide.toml", model);
    place.run("train --data photos --model wide.toml --epochs 1 --out run --quiet").done();
    assert_eq!(
        json(&place.text("run/data.json"))["treatment"]["image_size"],
        serde_json::json!({"height": 8, "width": 12})
    );
    for command in [
        "evaluate run",
        "evaluate run --on photos",
        "predict run photos/dark/00.png",
        "inspect run --out look",
    ] {
        place.run(command).done();
    }
    place.run("train --resume run --quiet").done();
    // Also given explicitly, width first.
    place
        .run("train --data photos --model small.toml --image-size 12x8 --epochs 1 --out hand --quiet")
        .done();
    assert_eq!(config(&place, "hand")["data"]["image_size"].as_str(), Some("12x8"));
    place.run("train --data photos --image-size 12y8").misused(&["12y8", "96x64"]);
}

#[test]
fn small_images_are_enlarged_for_a_network_that_is_made_for_larger_ones() {
    let place = place();
    let model = |side: usize| {
        let name = format!("name = 'small'\nsmallest_side = {side}\n");
        place.text("small.toml").replacen("name = 'small'\n", &name, 1)
    };
    place.write("large.toml", model(20));
    place.write("tiny.toml", model(2));
    let size = |run: &str| json(&place.text(&format!("{run}/data.json")))["treatment"]["image_size"].clone();
    let train = "train --data photos --epochs 1";
    place.run(&format!("{train} --model small.toml --out own --quiet")).done();
    let own = size("own");
    assert_eq!(own, serde_json::json!({"height": 10, "width": 12}));

    let ran = place.run(&format!("{train} --model large.toml --out larger")).done();
    let message = "images are enlarged from 12x10 to 24x20 pixels, the smallest that suit large.toml";
    assert!(ran.err.contains(message), "{ran:?}");
    assert_eq!(size("larger"), serde_json::json!({"height": 20, "width": 24}));
    place.run("train --resume larger --quiet").done();
    for (arguments, run) in [("--model large.toml --image-size 9", "asked"), ("--model tiny.toml", "enough")]
    {
        let ran = place.run(&format!("{train} {arguments} --out {run}")).done();
        assert!(!ran.err.contains("enlarged"), "{ran:?}");
    }
    assert_eq!((size("asked")["width"].as_u64(), size("enough")), (Some(9), own));
    let shown = |model: &str| place.run(&format!("summary {model} --json")).done().out;
    place.write("huge.toml", model(40));
    assert_eq!(shown("large.toml"), place.run("summary large.toml --image-size 32 --json").done().out);
    assert_eq!(shown("huge.toml"), place.run("summary huge.toml --image-size 40 --json").done().out);
}

#[test]
fn resizing_and_background_are_recorded_and_asked_about_alike() {
    let place = place();
    let wide = |name: &str, background: [u8; 3]| {
        let image =
            RgbaImage::from_fn(60, 12, |x, _| Rgba(if x < 10 { [250, 0, 0, 255] } else { [0, 0, 0, 0] }));
        let opaque = RgbImage::from_fn(60, 12, |x, _| Rgb(if x < 10 { [250, 0, 0] } else { background }));
        image.save(place.path(format!("{name}.png"))).unwrap();
        opaque.save(place.path(format!("{name}-opaque.png"))).unwrap();
    };
    let train = "train --data photos --model small.toml --image-size 12x10 --epochs 1 --quiet";
    let answers = |run: &str, picture: &str| {
        json(&place.run(&format!("predict {run} {picture} --json")).done().out)["classes"].clone()
    };
    let mut squashed = None;
    for resize in ["squash", "pad", "crop"] {
        let run = format!("run-{resize}");
        place.run(&format!("{train} --resize {resize} --background #102030 --out {run}")).done();
        let treatment = &json(&place.text(&format!("{run}/data.json")))["treatment"];
        assert_eq!((&treatment["resize"], &treatment["background"]), (&resize.into(), &"#102030".into()));
        let alone = format!("{resize}.safetensors");
        fs::copy(place.path(format!("{run}/weights/last.safetensors")), place.path(&alone)).unwrap();
        wide("wide", [16, 32, 48]);
        // Transparent pixels show the run's background, which is also in the weights file.
        assert_eq!(answers(&alone, "wide.png"), answers(&run, "wide-opaque.png"), "{resize}");
        // The training pictures have this size, so all three runs have the same weights.
        let here = answers(&alone, "wide-opaque.png");
        let before = squashed.get_or_insert_with(|| here.clone());
        assert_eq!(resize == "squash", here == *before, "{resize}");
        place.run(&format!("evaluate {run}")).done();
        place.run(&format!("train --resume {run} --quiet")).done();
    }
    // White by default.
    place.run(&format!("{train} --out plain")).done();
    assert_eq!(config(&place, "plain")["data"]["background"].as_str(), Some("white"));
    wide("over", [255; 3]);
    assert_eq!(answers("plain", "over.png"), answers("plain", "over-opaque.png"));
    place.run(&format!("{train} --background red --out bad")).misused(&["red", "#808080"]);
}

#[test]
fn grey_pictures_stay_grey_from_training_to_prediction() {
    let place = place();
    place
        .run("train --data photos --model small.toml --channels 1 --epochs 2 --augment flip,brightness --out run --quiet")
        .done();
    let model: toml::Table = place.text("run/model.toml").parse().unwrap();
    assert_eq!(model["input"][0].as_integer(), Some(1));
    let evaluated = json(&place.run("evaluate run --json").done().out);
    assert!(evaluated["loss"].as_f64().unwrap().is_finite());
    // A colour and its brightness are the same picture to such a network.
    place.png("colour.png", [200, 40, 90]);
    let grey = (299 * 200 + 587 * 40 + 114 * 90 + 500) / 1000;
    place.png("grey.png", [grey as u8; 3]);
    let answer = |picture: &str| {
        json(&place.run(&format!("predict run {picture} --json")).done().out)["classes"].clone()
    };
    assert_eq!(answer("colour.png"), answer("grey.png"));
    place.run("inspect run --image colour.png --quiet").done();
    place.run("evaluate run --on photos").done();
    place.run("train --resume run --quiet").done();
    place.run("train --data photos --channels 2").misused(&["2", "1 (grey) or 3"]);
}

#[test]
fn tensorboard_gets_feature_maps_when_they_are_asked_for() {
    let place = place();
    let maps = |run: &str| {
        let folder = fs::read_dir(place.path(run)).unwrap();
        let files = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let events = files.filter(|name| name.starts_with("events."));
        let bytes: Vec<u8> = events.flat_map(|name| place.read(&format!("{run}/{name}"))).collect();
        bytes.windows(13).filter(|window| window == b"feature_maps/").count()
    };
    let train = "train --data photos --model small.toml --epochs 2 --quiet";
    for (glance, expected) in [("", 2), ("--glance every", 2), ("--glance last", 1), ("--glance off", 0)] {
        let run = format!("run{}", glance.replace([' ', '-'], ""));
        place.run(&format!("{train} {glance} --out {run}")).done();
        let layers = maps("run").max(1) / 2;
        assert_eq!(maps(&run), expected * layers, "{glance}");
        let weights = |run: &str| place.read(&format!("{run}/weights/last.safetensors"));
        assert!(weights(&run) == weights("run"), "{glance}");
    }
}

#[test]
fn a_run_without_the_record_was_squashed_over_black() {
    let place = place();
    place.run("train --data photos --model small.toml --image-size 12 --epochs 1 --background black --out run --quiet").done();
    let expected = place.run("predict run photos/dark/00.png --json").done().out;
    for file in ["run/data.json", "run/config.toml"] {
        let text = place.text(file);
        let kept: Vec<&str> =
            text.lines().filter(|line| !line.contains("resize") && !line.contains("background")).collect();
        assert!(kept.len() + 2 == text.lines().count(), "{text}");
        place.write(file, kept.join("\n"));
    }
    place.run("evaluate run").done();
    place.run("train --resume run --quiet").done();
    assert_eq!(place.run("predict run photos/dark/00.png --json").done().out, expected);
}

#[test]
fn predict_takes_folders_and_lists_and_prints_csv() {
    let place = place();
    place.run("train --data photos --model small.toml --epochs 1 --out run --quiet").done();
    place.png("new/b, c.png", [1, 2, 3]);
    place.png("new/deep/a.png", [200, 210, 220]);
    place.write("new/notes.txt", "passed over");
    let ran = place.run("predict run new photos/dark/00.png --csv").done();
    let rows: Vec<Vec<String>> = csv::Reader::from_reader(ran.out.as_bytes())
        .records()
        .map(|row| row.unwrap().iter().map(String::from).collect())
        .collect();
    let paths: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(
        paths,
        [
            "new/b, c.png",
            "new/b, c.png",
            "new/deep/a.png",
            "new/deep/a.png",
            "photos/dark/00.png",
            "photos/dark/00.png"
        ]
    );
    let share = |row: &[String]| row[3].parse::<f64>().unwrap();
    for pair in rows.chunks(2) {
        assert!((share(&pair[0]) + share(&pair[1]) - 1.0).abs() < 1e-4 && share(&pair[0]) >= share(&pair[1]));
        assert_eq!((pair[0][1].as_str(), pair[1][1].as_str()), ("1", "2"));
    }
    let mut listed = place.command(["predict", "run", "-", "--csv", "--top", "1"]);
    listed.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = listed.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"photos/light/03.png\r\n\nabsent.png\nnew\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let paths: Vec<&str> = text
        .lines()
        .skip(1)
        .map(|line| line.trim_start_matches('"').split([',', '"']).next().unwrap())
        .collect();
    assert_eq!(paths, ["photos/light/03.png", "absent.png", "new/b", "new/deep/a.png"]);
    assert_eq!(output.status.code(), Some(1));
    fs::create_dir(place.path("empty")).unwrap();
    place.run("predict run empty").failed(1, &["empty: there are no pictures in this folder"]);
}

#[test]
fn copies_in_two_classes_and_across_splits_are_reported() {
    let place = Place::new();
    for number in 0..6 {
        place.png(&format!("photos/train/dark/{number}.png"), [number, 10, 20]);
        place.png(&format!("photos/train/light/{number}.png"), [250 - number, 240, 230]);
        place.png(&format!("photos/test/light/{number}.png"), [150 - number, 240, 230]);
    }
    place.png("photos/test/dark/new.png", [77, 10, 20]);
    let copy = |from: &str, to: &str| fs::copy(place.path(from), place.path(to)).unwrap();
    copy("photos/train/dark/0.png", "photos/train/light/wrong.png");
    copy("photos/train/light/1.png", "photos/test/light/known.png");
    let text = place.run("data photos").done().out;
    assert!(
        text.contains("2 pictures have copies with the same bytes, 1 in two classes, 1 across splits"),
        "{text}"
    );
    let data = json(&place.run("data photos --json").done().out);
    let first = &data["duplicates"][0];
    assert_eq!(
        (&first["in_two_classes"], &first["copies"][0]["path"]),
        (&true.into(), &"train/dark/0.png".into())
    );
    assert_eq!(data["duplicates"][1]["copies"][1]["split"], "test");
}

#[test]
fn uneven_classes_can_be_balanced() {
    let place = place();
    for number in 0..60 {
        place.png(&format!("uneven/dark/{number:02}.png"), [number, 10, 20]);
        if number < 12 {
            place.png(&format!("uneven/light/{number:02}.png"), [250 - number, 240, 230]);
        }
    }
    let train = "train --data uneven --model small.toml --epochs 2 --quiet";
    place.run(&format!("{train} --out plain")).done();
    place.run(&format!("{train} --class-weights balanced --out balanced")).done();
    assert_eq!(config(&place, "balanced")["class_weights"].as_str(), Some("balanced"));
    assert_ne!(place.read("plain/weights/last.safetensors"), place.read("balanced/weights/last.safetensors"));
    let text = place.run("evaluate balanced --on uneven --quiet").done().out;
    assert!(text.contains("balanced   "), "{text}");
    let report = json(&place.run("evaluate balanced --on uneven --json").done().out);
    let recalls = report["classes"].as_array().unwrap().iter().map(|class| class["recall"].as_f64().unwrap());
    assert!((report["balanced_accuracy"].as_f64().unwrap() - recalls.sum::<f64>() / 2.0).abs() < 1e-9);
    assert!(!place.run("evaluate plain --on photos --quiet").done().out.contains("balanced"));
}

#[test]
fn many_formats_can_be_predicted() {
    let place = place();
    place.run("train --data photos --model small.toml --epochs 1 --out run --quiet").done();
    let picture = DynamicImage::from(RgbImage::from_pixel(12, 10, Rgb([240, 240, 230])));
    picture.save(place.path("a.png")).unwrap();
    let expected = json(&place.run("predict run a.png --json").done().out)["classes"].clone();
    for name in ["a.gif", "a.ppm", "a.tga", "a.ico", "a.qoi", "a.bmp", "a.webp"] {
        // Pictures inside an ICO file have transparency.
        let picture = if name == "a.ico" { picture.to_rgba8().into() } else { picture.clone() };
        picture.save(place.path(name)).unwrap();
        let found = json(&place.run(&format!("predict run {name} --json")).done().out)["classes"].clone();
        let share = |classes: &serde_json::Value| classes[0]["probability"].as_f64().unwrap();
        assert!((share(&found) - share(&expected)).abs() < 0.02, "{name}: {found} {expected}");
    }
}
