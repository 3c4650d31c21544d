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
    place.run(&format!("{train} teacher,,teacher")).failed(2, &["teachers is teacher,empty,teacher"]);
    place.run(&format!("{train} teacher --teacher-share 0")).failed(2, &["teacher_share is 0", "(0, 1]"]);
    let size = "teacher --image-size 16";
    place.run(&format!("{train} {size}")).failed(1, &["teacher: ", "images of 32x32", "images of 16x16"]);
    assert!(!place.exists("run"));
}

/// The recipe in miniature. The teacher differs from its student in width, epochs and images.
const DISTILLED: &str = "train --data data --model small.toml --recipe distilled --batch-size 16 --epochs 3 \
                         --teacher-width 2 --teacher-epochs 4 --threads 1";

fn untaught() -> Place {
    let place = Place::new();
    place.small_model("small.toml");
    place.cifar("data");
    place
}

/// All that depends on settings alone.
fn results(place: &Place, run: &str) -> Vec<Vec<u8>> {
    let files = [
        "teacher/weights/last.safetensors",
        "teacher/config.toml",
        "weights/last.safetensors",
        "config.toml",
    ];
    files.map(|file| place.read(&format!("{run}/{file}"))).to_vec()
}

#[test]
fn a_run_trains_its_teacher_first_and_reports_both_at_once() {
    let place = untaught();
    let ran = place.run(&format!("{DISTILLED} --out run")).done();
    let (teacher, student) = (ran.err.find("teacher: epoch 4/4"), ran.err.find("\nepoch 1/3"));
    assert!(teacher.is_some() && teacher < student, "{}", ran.err);
    assert_eq!(ran.out.matches("\ntest  ").count(), 1, "{}", ran.out);
    assert!(ran.out.contains("\nteacher       run/teacher (validation "), "{}", ran.out);
    assert!(place.text("run/report.html").contains("accuracy of the teacher"));
    assert!(!place.exists("run/teacher/report.html"));
    let config: toml::Table = place.text("run/teacher/config.toml").parse().unwrap();
    assert_eq!(config["model_options"]["width"].as_float(), Some(2.0));
    assert!(config["augment"].as_str().unwrap().ends_with("cutout=0.25") && config.get("teacher").is_none());
    assert_eq!((config["epochs"].as_integer(), config["precision"].as_str()), (Some(4), Some("bf16")));
    let channels = |run: &str| place.text(&format!("{run}/model.toml")).contains("out_channels = 8");
    assert!(channels("run/teacher") && !channels("run"));

    // The same teacher, named, teaches the same; no other network does.
    place.run(&format!("{DISTILLED} --out again")).done();
    assert_eq!(results(&place, "run"), results(&place, "again"));
    let named = DISTILLED.replace("--teacher-width 2 --teacher-epochs 4", "--teachers run/teacher");
    place.run(&format!("{named} --out named")).done();
    let weights = |run: &str| place.read(&format!("{run}/weights/last.safetensors"));
    assert_eq!(weights("run"), weights("named"));
    assert!(!place.exists("named/teacher"));
    place.run(&format!("{} --recipe best --precision bf16 --out alone", TRAIN_AS_STUDENT)).done();
    assert_ne!(weights("run"), weights("alone"));

    // A run that is complete stays as it is, and can be moved.
    std::fs::rename(place.path("run"), place.path("moved")).unwrap();
    place.run("train --resume moved --threads 2").done();
    assert_eq!(results(&place, "moved"), results(&place, "again"));
}

const TRAIN_AS_STUDENT: &str = "train --data data --model small.toml --batch-size 16 --epochs 3";

#[test]
fn a_run_that_was_killed_in_either_phase_ends_with_the_same_bits() {
    let place = untaught();
    place.run(&format!("{DISTILLED} --quiet --out whole")).done();
    let whole = results(&place, "whole");
    let mut phases = [0; 3];
    for number in (1..).step_by(19) {
        let run = format!("run-{number}");
        let line = format!("{DISTILLED} --quiet --out {run}");
        let mut command = place.command(line.split_whitespace());
        let output = command.env("CONVSCOPE_TEST_FAULT", format!("abort@{number}")).output().unwrap();
        if output.status.success() {
            break;
        }
        let file = |name: &str| place.exists(&format!("{run}/{name}"));
        let phase = match (file("teacher/checkpoint/state.safetensors"), file("checkpoint/state.safetensors"))
        {
            (_, true) => 2,
            (true, false) => 1,
            (false, false) => 0,
        };
        phases[phase] += 1;
        // Without a teacher, it is as if nothing had begun.
        let again = if file("teacher") { format!("train --resume {run} --threads 1 --quiet") } else { line };
        place.run(&again).done();
        assert!(results(&place, &run) == whole, "abort@{number}, phase {phase}");
        std::fs::remove_dir_all(place.path(&run)).unwrap();
    }
    assert!(phases.iter().all(|&count| count >= 1) && phases[1] >= 2 && phases[2] >= 2, "{phases:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_teacher_names_the_run_to_resume() {
    use crate::training::start;
    use std::io::{BufRead, BufReader, Read};
    let place = untaught();
    let line = DISTILLED.replace("--teacher-epochs 4", "--teacher-epochs 100000");
    let mut child = start(&place, &format!("{line} --out run"));
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("teacher: epoch ") {
        assert!(err.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(rest.contains("teacher: interrupted after "), "{rest}");
    assert!(rest.contains("continue with: convscope train --resume run\n"), "{rest}");
    // Nothing else may begin there, and there is nothing to use yet.
    place
        .run(&format!("{DISTILLED} --out run --quiet"))
        .failed(1, &["run: already exists", "resume the run"]);
    place.run("evaluate run --quiet").failed(1, &["run: ", "there are no weights yet"]);
}

#[test]
fn a_teacher_that_cannot_be_trained_is_refused_before_anything_is_written() {
    let place = untaught();
    for (flags, parts) in [
        ("--teacher-width 0", ["teacher.width is 0", "above 0"]),
        ("--teacher-width 2 --teachers a", ["teacher.width is 2", "left out if teachers are named"]),
        ("--teachers a --teacher-epochs 2", ["teacher.epochs", "trains no teacher"]),
        ("--teacher-augment crop=40", ["crop is 40", "32x32"]),
    ] {
        let line = format!("{TRAIN_AS_STUDENT} --recipe distilled {flags} --quiet --out run");
        place.run(&line).failed(2, &parts);
    }
    let teach = "--data data --model small.toml --recipe distilled --quiet";
    place.run(&format!("lr-find {teach}")).failed(2, &["lr-find trains no teacher", "--teachers"]);
    place.run(&format!("tune {teach} --grid lr=0.1,0.2 --out run")).failed(2, &["trials train no teachers"]);
    place
        .run("tune --data data --model small.toml --grid teacher.width=2,4 --out run --quiet")
        .failed(2, &["no teachers"]);
    assert!(!place.exists("run"));
}

#[cfg(unix)]
#[test]
fn a_teacher_outside_of_its_run_is_not_trained() {
    let place = untaught();
    place.run(&format!("{DISTILLED} --quiet --out run")).done();
    std::fs::rename(place.path("run/teacher"), place.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("run/teacher")).unwrap();
    place.run("train --resume run --quiet").failed(1, &["run/teacher", "is not a folder"]);
}
