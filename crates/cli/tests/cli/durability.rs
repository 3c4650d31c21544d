//! Whatever goes wrong with a file, at any moment: no work is lost, the run continues, and it ends with the same bytes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::place::Place;
use crate::training::{start, wait_for_epoch};

const TRAIN: &str = "train --data data --model small.toml --batch-size 48 --threads 1 --quiet";

/// The files of a run of two epochs that depend only on its settings.
const RESULTS: [&str; 3] = ["weights/last.safetensors", "weights/best.safetensors", "config.toml"];

fn place() -> Place {
    let place = Place::new();
    place.cifar("data");
    place.small_model("small.toml");
    place.run(&format!("{TRAIN} --epochs 2 --out whole")).done();
    place
}

#[test]
fn a_failing_operation_is_told_and_loses_nothing() {
    at_every_operation("fail", |output| {
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.lines().any(|line| line.starts_with("error: ")), "{err}");
    });
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    at_every_operation("full", |output| {
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains("free some space") || err.contains("has space left"), "{err}");
    });
}

#[test]
fn a_crash_loses_nothing() {
    at_every_operation("abort", |output| assert!(!output.status.success()));
}

/// Trains once for each operation on a file, makes that operation fail, and then continues as a user would.
fn at_every_operation(kind: &str, check: impl Fn(&Output) + Sync) {
    let place = place();
    let next = AtomicU64::new(1);
    let reached = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let run = format!("{kind}-{number}");
                    let fault = format!("{kind}@{number}");
                    let line = format!("{TRAIN} --epochs 2 --out {run}");
                    let mut command = place.command(line.split_whitespace());
                    let output = command.env("CONVSCOPE_TEST_FAULT", &fault).output().unwrap();
                    if !String::from_utf8_lossy(&output.stderr).contains("injected fault") {
                        assert!(output.status.success(), "{fault}: {output:?}");
                        break;
                    }
                    reached.fetch_max(number, Ordering::SeqCst);
                    check(&output);
                    go_on(&place, &run);
                    assert_whole(&place, &run, &fault);
                    fs::remove_dir_all(place.path(&run)).unwrap();
                }
            });
        }
    });
    // Two epochs with their weights, tables, events and checkpoints.
    assert!(reached.into_inner() > 60, "the faults reach only a few operations");
}

/// Resumes a run, or starts it again if it has no checkpoint.
fn go_on(place: &Place, run: &str) {
    let line = if place.exists(&format!("{run}/checkpoint/state.safetensors")) {
        format!("train --resume {run} --threads 1 --quiet")
    } else {
        format!("{TRAIN} --epochs 2 --out {run}")
    };
    place.run(&line).done();
}

/// The run is identical to an undisturbed one.
#[track_caller]
fn assert_whole(place: &Place, run: &str, what: &str) {
    for file in RESULTS {
        let same = place.read(&format!("{run}/{file}")) == place.read(&format!("whole/{file}"));
        assert!(same, "{what}: {file} differs");
    }
    assert_eq!(epochs(place, run), epochs(place, "whole"), "{what}");
    for file in ["summary.json", "report.html", "layer_metrics.csv", "model.toml"] {
        assert!(place.exists(&format!("{run}/{file}")), "{what}: {file} is missing");
    }
    for folder in [run.to_owned(), format!("{run}/weights"), format!("{run}/checkpoint")] {
        for entry in fs::read_dir(place.path(&folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.ends_with(".partial"), "{what}: {folder}/{name} was left");
        }
    }
}

/// The lines of a run's metrics without the columns that depend on time.
fn epochs(place: &Place, run: &str) -> Vec<String> {
    let text = place.text(&format!("{run}/metrics.csv"));
    text.lines().map(|line| line.split(',').take(6).collect::<Vec<_>>().join(",")).collect()
}

#[cfg(unix)]
#[test]
fn a_run_that_is_being_trained_is_refused_with_the_name_of_the_process() {
    let place = place();
    let mut first = start(
        &place,
        "train --data data --model small.toml --batch-size 48 --schedule constant --epochs 100000 --out run",
    );
    let rest = wait_for_epoch(&mut first, 1);
    let holder = format!("process {} on ", first.id());
    for line in ["train --resume run --quiet", &format!("{TRAIN} --resume run --epochs 100000")] {
        place.run(line).failed(1, &["run: ", &holder, "is training this run", "wait"]);
    }
    place.run(&format!("{TRAIN} --out run")).failed(1, &["run: "]);
    // Reading is allowed.
    place.run("evaluate run --quiet").done();
    assert!(Command::new("kill").args(["-INT", &first.id().to_string()]).status().unwrap().success());
    assert_eq!(first.wait().unwrap().code(), Some(130));
    rest.join().unwrap();
    let done = epochs(&place, "run").len() - 1;
    let lines: Vec<String> = place.text("run/metrics.csv").lines().skip(1).map(str::to_owned).collect();
    for (index, line) in lines.iter().enumerate() {
        assert!(line.starts_with(&format!("{},", index + 1)), "{line}");
    }
    place.run(&format!("train --resume run --epochs {} --quiet", done + 1)).done();
    assert_eq!(epochs(&place, "run").len() - 1, done + 1);
}

#[test]
fn of_processes_that_start_at_once_one_trains() {
    let place = place();
    place.run(&format!("{TRAIN} --epochs 1 --schedule constant --out base")).done();
    place.run(&format!("{TRAIN} --epochs 4 --schedule constant --out whole-4")).done();
    for (round, count) in [2, 3, 2, 3].into_iter().enumerate() {
        let run = format!("run-{round}");
        copy_run(&place.path("base"), &place.path(&run));
        let line = format!("train --resume {run} --epochs 4 --threads 1 --quiet");
        let ended = at_once(&place, &line, count, None);
        assert!(ended.iter().any(|output| output.status.success()), "{ended:?}");
        for output in &ended {
            let err = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() || err.contains("is training this run"), "{err}");
        }
        assert_eq!(epochs(&place, &run), epochs(&place, "whole-4"));
        for file in RESULTS {
            let same = place.read(&format!("{run}/{file}")) == place.read(&format!("whole-4/{file}"));
            assert!(same, "{file}");
        }
        let ended = at_once(&place, &format!("{TRAIN} --epochs 2 --out new-{round}"), count, None);
        assert_eq!(ended.iter().filter(|output| output.status.success()).count(), 1, "{ended:?}");
        assert_whole(&place, &format!("new-{round}"), "several processes");
    }
}

#[test]
fn a_crash_among_several_processes_loses_nothing() {
    let place = place();
    for number in (1..80).step_by(7) {
        let (run, count) = (format!("run-{number}"), 2 + number % 2);
        let line = format!("{TRAIN} --epochs 2 --out {run}");
        at_once(&place, &line, count, Some(&format!("abort@{number}")));
        if !place.exists(&format!("{run}/report.html")) {
            go_on(&place, &run);
        }
        assert_whole(&place, &run, &format!("{count} processes, abort@{number}"));
    }
}

/// Starts the same command several times, the first with a fault, and waits for all.
fn at_once(place: &Place, line: &str, count: usize, fault: Option<&str>) -> Vec<Output> {
    let children: Vec<Child> = (0..count)
        .map(|index| {
            let mut command = place.command(line.split_whitespace());
            if let Some(fault) = fault.filter(|_| index == 0) {
                command.env("CONVSCOPE_TEST_FAULT", fault);
            }
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

fn copy_run(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy_run(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[cfg(unix)]
#[test]
fn links_in_a_strangers_run_are_not_followed() {
    use std::os::unix::fs::symlink;
    let place = place();
    place.run(&format!("{TRAIN} --epochs 1 --schedule constant --out theirs")).done();
    place.write("outside", "mine");
    let files = [
        "summary.json",
        ".summary.json.partial",
        ".metrics.csv.partial",
        "report.html",
        "weights/last.safetensors",
        "weights/.last.safetensors.partial",
    ];
    for file in files {
        let path = place.path(format!("theirs/{file}"));
        let _ = fs::remove_file(&path);
        symlink(place.path("outside"), path).unwrap();
    }
    place.run("train --resume theirs --epochs 2 --quiet").done();
    assert_eq!(place.text("outside"), "mine");
    assert!(place.text("theirs/summary.json").contains("\"epochs\""));

    fs::remove_file(place.path("theirs/.lock")).unwrap();
    symlink(place.path("outside"), place.path("theirs/.lock")).unwrap();
    place.run("train --resume theirs --quiet").failed(1, &["theirs/.lock", "it is a link"]);
    fs::remove_file(place.path("theirs/.lock")).unwrap();
    fs::create_dir(place.path("elsewhere")).unwrap();
    fs::remove_dir_all(place.path("theirs/checkpoint")).unwrap();
    symlink(place.path("elsewhere"), place.path("theirs/checkpoint")).unwrap();
    place.run("train --resume theirs --quiet").failed(1, &["theirs/checkpoint", "not a folder"]);
    assert_eq!(fs::read_dir(place.path("elsewhere")).unwrap().count(), 0);
    assert_eq!(place.text("outside"), "mine");
}

#[test]
fn the_former_file_stays_until_the_new_one_is_whole() {
    let place = place();
    let zeros = ndarray::Array4::<f32>::zeros((2, 3, 8, 8));
    ndarray_npy::write_npy(place.path("x.npy"), &zeros).unwrap();
    for (line, file) in [
        ("op relu --input x.npy --output out.npy", "out.npy"),
        ("op relu --input x.npy --output out.npz", "out.npz"),
        ("op relu --input x.npy --output out.safetensors", "out.safetensors"),
        ("data shapes --preview sheet.png --quiet", "sheet.png"),
    ] {
        place.run(line).done();
        let whole = place.read(file);
        let mut number = 1;
        loop {
            place.write(file, "former");
            let mut command = place.command(line.split_whitespace());
            let output = command.env("CONVSCOPE_TEST_FAULT", format!("full@{number}")).output().unwrap();
            if output.status.success() {
                break;
            }
            assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");
            // The last operation only syncs the new name to disk.
            let left = place.read(file);
            assert!(left == b"former" || left == whole, "{line}: operation {number} tore {file}");
            number += 1;
        }
        assert!(number > 4, "{line}: the faults reach only {number} operations");
        assert_eq!(place.read(file), whole, "{line}");
    }
    assert!(
        fs::read_dir(place.path(""))
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().ends_with(".partial") })
    );
}
