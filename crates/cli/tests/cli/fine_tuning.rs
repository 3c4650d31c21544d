//! Fine-tuning, cross-validation, and sorting pictures into folders.

use crate::place::Place;

/// A place with `photos`, two classes of 20 pictures each, a small model, and a run of it.
fn place() -> Place {
    let place = Place::new();
    place.small_model("small.toml");
    for number in 0..20 {
        place.png(&format!("photos/dark/{number:02}.png"), [number * 3, 10, 20]);
        place.png(&format!("photos/light/{number:02}.png"), [250 - number * 3, 240, 230]);
    }
    place
        .run("train --data photos --model small.toml --image-size 12 --epochs 20 --lr 0.03 --batch-size 8 --quiet --out old")
        .done();
    place
}

fn config(place: &Place, run: &str) -> toml::Table {
    place.text(&format!("{run}/config.toml")).parse().unwrap()
}

#[test]
fn a_run_is_the_start_of_another_one_for_other_classes() {
    let place = place();
    for number in 0..9 {
        for (class, rgb) in [("red", [200, 10, 10]), ("green", [10, 200, 10]), ("blue", [10, 10, 200])] {
            place.png(&format!("colours/{class}/{number}.png"), rgb.map(|level: u8| level + number));
        }
    }
    let ran = place.run("train --data colours --model old --out new").done();
    for part in [
        "fine-tuning from old: everything but the classifier is frozen",
        "pictures are prepared as for old: 12x12 pixels",
        "the classifier starts anew",
        "features of ",
        "few training pictures: ",
    ] {
        assert!(ran.err.contains(part), "{part}: {ran:?}");
    }
    let used = config(&place, "new");
    assert_eq!(used["freeze"].as_str(), Some("all-but-head"));
    // Pictures are scaled as the old run scaled them.
    let numbers = |value: &toml::Value| {
        value.as_array().unwrap().iter().map(|number| number.as_float().unwrap() as f32).collect::<Vec<_>>()
    };
    let old: serde_json::Value = serde_json::from_str(&place.text("old/data.json")).unwrap();
    let recorded = |key: &str| {
        let values = old["treatment"][key].as_array().unwrap().iter();
        values.map(|number| number.as_f64().unwrap() as f32).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&used["data"]["mean"]), recorded("mean"));
    assert_eq!(numbers(&used["data"]["std"]), recorded("std"));
    let lines = place.text("new/layer_metrics.csv");
    assert!(lines.lines().skip(1).all(|line| line.contains(",dense,")), "{lines}");
    assert!(!place.exists("new/features"));
    // Everything is trained, in fewer epochs and with changed pictures.
    let ran = place.run("train --data colours --model old --freeze none --epochs 1 --out all").done();
    assert!(ran.err.contains("all layers are trained"), "{ran:?}");
    assert!(ran.err.contains("adamw at rate 0.001 (0.0001 below the classifier)"), "{ran:?}");
    place
        .run("train --data colours --model old --freeze nothing --quiet --out other")
        .failed(1, &["nothing: is to be the last frozen node, but there is no node with that name"]);
    place
        .run("train --data colours --model old --model-option width=2 --quiet --out other")
        .failed(1, &["model options do not apply"]);
    place
        .run("train --data colours --lr-body 0.1 --freeze all-but-head --out other")
        .failed(2, &["lr_body is 0.1; it must be left out if the body stays frozen"]);
}

#[test]
fn folds_test_every_picture_once_before_the_run() {
    let place = place();
    let ran = place.run("train --data photos --model old --folds 4 --epochs 20 --lr 0.03 --out new").done();
    assert!(ran.out.contains("cross-validation over 40 images in 4 folds: accuracy "), "{ran:?}");
    assert!(ran.err.contains("fold 4 of 4: "), "{ran:?}");
    let found: serde_json::Value = serde_json::from_str(&place.text("new/folds.json")).unwrap();
    assert_eq!(found["folds"].as_array().unwrap().len(), 4);
    let images: u64 =
        found["folds"].as_array().unwrap().iter().map(|fold| fold["images"].as_u64().unwrap()).sum();
    assert_eq!((images, found["images"].as_u64()), (40, Some(40)));
    assert!(found["mean"].as_f64().unwrap() > 0.8, "{found}");
    assert!(place.exists("new/report.html"));
    place.run("train --data photos --model old --folds 1 --quiet --out other").failed(2, &["folds is 1"]);
    place
        .run("train --data photos --model small.toml --teachers old --folds 4 --quiet --out other")
        .failed(2, &["folds is 4", "teachers"]);
}

#[test]
fn pictures_are_sorted_into_folders_and_nothing_is_replaced() {
    let place = place();
    place.png("inbox/a.png", [10, 10, 20]);
    place.png("inbox/b.png", [240, 240, 230]);
    place.png("inbox/more/a.png", [12, 12, 22]);
    place.write("inbox/broken.png", "text");
    let ran = place.run("predict old inbox --copy-to sorted --unsure 0.5");
    assert!(ran.code == Some(1) && ran.err.contains("inbox/broken.png: not a PNG"), "{ran:?}");
    assert!(ran.out.contains("sorted/dark") && ran.out.contains("sorted/light"), "{ran:?}");
    assert!(place.exists("sorted/dark/a.png") && place.exists("sorted/dark/a-2.png"));
    assert!(place.exists("sorted/light/b.png") && !place.exists("sorted/unsure"));
    std::fs::remove_file(place.path("inbox/broken.png")).unwrap();
    let again = place.run("predict old inbox --copy-to sorted --unsure 0.5").done();
    assert!(again.out.contains("already there"), "{again:?}");
    assert!(!place.exists("sorted/dark/a-3.png") && !place.exists("sorted/light/b-2.png"));
    let csv = place.run("predict old inbox --copy-to apart --unsure 1 --csv --top 1").done();
    assert_eq!(csv.out.lines().count(), 4, "{csv:?}");
    assert!(place.exists("apart/unsure/b.png") && !place.exists("apart/light"));
    place.run("predict old inbox --copy-to inbox/sorted").failed(2, &["choose a folder outside"]);
    place.run("predict old inbox --unsure 0.5").misused(&["--copy-to"]);
    place.run("predict old inbox --copy-to other --unsure 2").failed(2, &["--unsure is 2"]);
}

#[test]
fn pictures_that_look_the_same_are_listed() {
    let place = Place::new();
    let picture = |seed: u32, size: u32| {
        image::RgbImage::from_fn(size, size, |x, y| {
            let (x, y) = (x * 8 / size, y * 8 / size);
            let level = seed.wrapping_mul(2_654_435_761).rotate_left(x * 5 + y * 3) & 0xff;
            image::Rgb([level as u8; 3])
        })
    };
    for seed in 0..12 {
        let class = if seed % 2 == 0 { "even" } else { "odd" };
        place.write(&format!("photos/{class}/keep"), "");
        picture(seed + 1, 64).save(place.path(format!("photos/{class}/{seed}.png"))).unwrap();
    }
    let quiet = place.run("data photos").done();
    assert!(!quiet.out.contains("look the same"), "{quiet:?}");
    picture(3, 48).save(place.path("photos/odd/again.jpg")).unwrap();
    let found = place.run("data photos").done();
    assert!(found.out.contains("1 picture has others that look the same, 1 in two classes"), "{found:?}");
    assert!(found.out.contains("even/2.png") && found.out.contains("odd/again.jpg"), "{found:?}");
    assert!(found.out.contains("few training pictures: "), "{found:?}");
    let json: serde_json::Value = serde_json::from_str(&place.run("data photos --json").done().out).unwrap();
    assert_eq!(json["near_duplicates"].as_array().unwrap().len(), 1);
    assert_eq!(json["small_classes"].as_array().unwrap().len(), 2);
}
