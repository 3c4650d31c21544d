//! Learning from trained networks.

use crate::place::{Place, records};

const TRAIN: &str = "train --model small.toml --batch-size 16 --lr 0.02 --epochs 8";

/// A trained network `teacher`, and `wrong`: the data that it was trained on, with every training image under a wrong
/// label.
fn place() -> Place {
    let place = Place::new();
    place.small_model("small.toml");
    for data in ["data", "wrong"] {
        place.cifar(data);
    }
    for batch in 1..=5 {
        let mut bytes = records(24, batch);
        bytes.iter_mut().step_by(1 + 3 * 1024).for_each(|label| *label = (*label + 1) % 3);
        place.write(&format!("wrong/data_batch_{batch}.bin"), bytes);
    }
    place.run(&format!("{TRAIN} --data data --out teacher")).done();
    place
}

fn accuracy(place: &Place, run: &str) -> f64 {
    let summary: serde_json::Value =
        serde_json::from_str(&place.text(&format!("{run}/summary.json"))).unwrap();
    summary["test_accuracy"].as_f64().unwrap()
}

#[test]
fn a_network_learns_what_its_teacher_says_and_not_what_labels_say() {
    let place = place();
    let weights = |run: &str| place.read(&format!("{run}/weights/last.safetensors"));
    let teacher = "--teachers teacher,teacher/weights/last.safetensors";
    place.run(&format!("{TRAIN} --data wrong --out alone")).done();
    place.run(&format!("{TRAIN} --data wrong {teacher} --threads 1 --out taught")).done();
    assert!(accuracy(&place, "alone") < 0.1, "{}", accuracy(&place, "alone"));
    assert!(accuracy(&place, "taught") > 0.9, "{}", accuracy(&place, "taught"));
    place.run("train --config taught/config.toml --threads 2 --out again").done();
    assert_eq!(weights("taught"), weights("again"));
    let curve = |options: &str| {
        let line =
            format!("lr-find --data wrong --model small.toml --batch-size 16 --steps 10 --json {options}");
        place.run(&line).done().out
    };
    assert_ne!(curve(""), curve(teacher));
}

#[test]
fn a_teacher_that_cannot_be_asked_is_named_before_anything_is_written() {
    let place = place();
    let train = format!("{TRAIN} --data data --out run --teachers");
    place.run(&format!("{train} nobody")).failed(1, &["nobody", "cannot be read"]);
    place.run(&format!("{train} wrong")).failed(1, &["wrong", "is not a run directory"]);
    place.run(&format!("{train} teacher,,teacher")).failed(2, &["teachers is empty"]);
    place.run(&format!("{train} teacher --teacher-share 0")).failed(2, &["teacher_share is 0", "(0, 1]"]);
    let size = "teacher --image-size 16";
    place.run(&format!("{train} {size}")).failed(1, &["teacher: ", "images of 32x32", "images of 16x16"]);
    assert!(!place.exists("run"));
}
