//! Searches from end to end, with small networks: killed, shared, diverging, and read by Optuna.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use crate::place::Place;

/// Twelve trials, some of which are pruned.
const TWELVE: &str = "tune --data data --model small.toml --optimizer adamw --ema 0.9 --grid lr=0.05,0.01,0.002 \
                      --grid batch-size=16,24 --grid epochs=3,9 --prune --threads 1";

pub(crate) fn place() -> Place {
    let place = Place::new();
    place.cifar("data");
    place.small_model("small.toml");
    place
}

/// Starts the program, to be watched and killed.
pub(crate) fn start(place: &Place, line: &str) -> (Child, BufReader<ChildStderr>) {
    let mut command = place.command(line.split_whitespace());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    (child, said)
}

/// Reads until a line contains this text.
pub(crate) fn wait_for(said: &mut impl BufRead, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "the program ended before it said {text:?}");
    }
}

/// The table without the times.
pub(crate) fn table(place: &Place, study: &str) -> Vec<Vec<String>> {
    let text = place.text(&format!("{study}/study.csv"));
    let lines: Vec<Vec<String>> =
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    let seconds = lines[0].iter().position(|name| name == "seconds").unwrap();
    let without = |mut line: Vec<String>| {
        line.remove(seconds);
        line
    };
    lines.into_iter().map(without).collect()
}

pub(crate) fn journal(place: &Place, file: &str) -> Vec<Value> {
    place.text(file).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const CREATE_TRIAL: u64 = 4;
const STATE: u64 = 6;

/// How many entries have this operation and, if given, this state.
fn count(journal: &[Value], code: u64, state: Option<u64>) -> usize {
    let is_meant =
        |entry: &&Value| entry["op_code"] == code && state.is_none_or(|state| entry["state"] == state);
    journal.iter().filter(is_meant).count()
}

#[test]
fn a_search_that_was_killed_three_times_ends_with_the_same_table() {
    let place = place();
    place.run(&format!("{TWELVE} --out whole")).done();
    let killed = format!("{TWELVE} --out killed");
    for (moment, trial) in [("trial 1 ", 1), ("trial 4 begins", 4), ("trial 8 begins", 8)] {
        let (mut child, mut said) = start(&place, &killed);
        wait_for(&mut said, moment);
        // The second time, the trial's process is killed too, when it has a checkpoint to resume from.
        if cfg!(target_os = "linux") && trial == 4 {
            // It may just have ended by itself.
            let _ = kill(&process_with_checkpoint(&place, &child, "killed/trials/0004"));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // A writer that is killed in the middle of a line leaves part of it.
    let path = place.path("killed/journal.log");
    let mut torn = place.read("killed/journal.log");
    torn.extend(b"{\"op_code\":8,\"tri");
    std::fs::write(&path, torn).unwrap();

    let ran = place.run(&killed).done();
    assert!(ran.err.contains("resumes") || ran.err.contains("begins"), "{}", ran.err);
    assert_eq!(table(&place, "killed"), table(&place, "whole"));
    assert_eq!(table(&place, "whole").len(), 13);
    let states: BTreeSet<String> = table(&place, "whole")[1..].iter().map(|line| line[1].clone()).collect();
    assert_eq!(states.into_iter().collect::<Vec<_>>(), ["COMPLETE", "PRUNED"]);
    // A pruned one ends at an arbitrary batch.
    for line in table(&place, "whole").iter().filter(|line| line[1] == "COMPLETE") {
        let number: usize = line[0].parse().unwrap();
        let weights =
            |study: &str| place.read(&format!("{study}/trials/{number:04}/weights/last.safetensors"));
        assert_eq!(weights("whole"), weights("killed"), "{number}");
    }
    let journal = journal(&place, "killed/journal.log");
    assert_eq!(count(&journal, CREATE_TRIAL, None), 12);
    assert_eq!(count(&journal, STATE, Some(1)) + count(&journal, STATE, Some(2)), 12);
    // Nothing is left to do, and the test images are not used again.
    let again = place.run(&killed).done();
    assert!(!again.err.contains("begins") && !again.err.contains("resumes"), "{}", again.err);
    assert_eq!(again.out, ran.out);
    let mut files: Vec<String> = std::fs::read_dir(place.path("killed/workers"))
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["test.lock"], "dead workers are cleared away");
}

#[test]
fn two_processes_share_the_trials_of_a_study() {
    let place = place();
    let line = format!("{TWELVE} --out shared").replace(" --prune", "");
    let (mut first, mut said) = start(&place, &line);
    wait_for(&mut said, "trial 0 begins");
    let second = place.run(&line).done();
    let rest = std::thread::spawn(move || std::io::read_to_string(said).unwrap());
    assert!(first.wait().unwrap().success());
    rest.join().unwrap();
    assert!(second.err.contains("begins"), "the second one had its share: {}", second.err);
    let journal = journal(&place, "shared/journal.log");
    assert_eq!(count(&journal, CREATE_TRIAL, None), 12);
    assert_eq!(count(&journal, STATE, Some(1)), 12);
    assert_eq!(count(&journal, STATE, Some(0)) + count(&journal, STATE, Some(4)), 0, "none was taken twice");
    let writers: BTreeSet<&str> = journal
        .iter()
        .filter(|entry| entry["op_code"] == CREATE_TRIAL)
        .filter_map(|entry| entry["worker_id"].as_str())
        .collect();
    assert_eq!(writers.len(), 2);
    let points: BTreeSet<String> =
        table(&place, "shared")[1..].iter().map(|line| line[3..6].join(",")).collect();
    assert_eq!(points.len(), 12);
}

#[test]
fn what_diverges_or_does_not_go_together_fails_with_its_reason() {
    let place = place();
    let ran = place
        .run("tune --data data --model small.toml --epochs 2 --batch-size 24 --grid optimizer=adam,sgd --grid momentum=0.5 \
              --grid lr=0.01,1e30 --schedule constant --threads 1 --out study")
        .done();
    assert!(ran.out.contains("trial 2: optimizer=sgd momentum=0.5 lr=0.01"), "{}", ran.out);
    let table = table(&place, "study");
    let states: Vec<&str> = table[1..].iter().map(|line| line[1].as_str()).collect();
    assert_eq!(states, ["FAIL", "FAIL", "COMPLETE", "FAIL"]);
    let ranks: Vec<&str> = table[1..].iter().map(|line| line[2].as_str()).collect();
    assert_eq!((table[0][2].as_str(), ranks), ("rank", vec!["", "", "1", ""]));
    let reason = |line: usize| table[line][table[0].len() - 1].clone();
    assert!(place.text("study/study.csv").contains("momentum does not apply to adam"), "{}", reason(1));
    assert!(place.text("study/study.csv").contains("no longer finite in epoch 1"), "{}", reason(4));
    let all_fail = place.run(
        "tune --data data --model small.toml --epochs 2 --grid lr=1e30 --grid batch-size=24 \
                              --optimizer sgd --schedule constant --out all",
    );
    assert_eq!(all_fail.code, Some(1), "{all_fail:?}");
    assert!(all_fail.out.contains("no trial was completed"), "{}", all_fail.out);
}

#[test]
fn a_drawn_search_ends_with_a_retrained_winner_that_alone_saw_the_test_images() {
    let place = place();
    let line = "tune --data data --model small.toml --epochs 3 --batch-size 24 --range lr=0.005..0.05:log \
                --grid model.width=0.5,1 --tpe 3 --jobs 2 --threads 2 --final --json --storage journal:state/j.log --study mine --out study";
    let ran = place.run(line).done();
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(found["ranking"].as_array().unwrap().len(), 3);
    assert_eq!(found["best"]["trial"], found["test"]["trial"]);
    assert_eq!(found["test"]["run"], "final");
    assert!(found["importance"]["lr"].is_null(), "three trials are too few: {found}");
    for number in 0..3 {
        let summary: Value =
            serde_json::from_str(&place.text(&format!("study/trials/{number:04}/summary.json"))).unwrap();
        assert!(summary["test_accuracy"].is_null() && summary["val_accuracy"].is_number(), "{summary}");
    }
    let last: Value = serde_json::from_str(&place.text("study/final/summary.json")).unwrap();
    assert_eq!(last["test_accuracy"], found["test"]["accuracy"]);
    assert!(last["val_accuracy"].is_null());
    assert!(place.text("study/final/config.toml").contains("train_on_val = true"));
    for file in [
        "report.html",
        "accuracy_over_epochs.png",
        "accuracy_by_parameter.png",
        "parallel_coordinates.png",
        "importance.png",
    ] {
        assert!(place.exists(&format!("study/{file}")), "{file}");
    }
    assert!(place.text("state/j.log").starts_with('{') && !place.exists("study/journal.log"));
    let again = place.run(line).done();
    assert_eq!(again.out, ran.out);
    assert!(!again.err.contains("begins"), "{}", again.err);
}

#[test]
fn mistakes_are_said_before_the_first_trial() {
    let place = place();
    let base = "tune --data data --model small.toml --epochs 1 --batch-size 24";
    for (flags, parts) in [
        ("", &["there is nothing to search"][..]),
        ("--range lr=0.1..1", &["--random N", "--tpe N"]),
        ("--grid learning=1,2", &["learning is not a training setting"]),
        ("--grid epochs=1,0", &["epochs is 0"]),
        ("--grid epochs=1,two", &["epochs cannot be two"]),
        ("--grid lr=0.1 --train-on-val", &["--final"]),
        ("--grid model=small.toml,absent", &["absent"]),
        ("--grid model.absent.p=0.1", &["absent is not a node of the model"]),
    ] {
        place.run(&format!("{base} {flags} --out study")).failed(2, parts);
        assert!(!place.exists("study/trials"), "{flags}");
    }
    let wrong = place.run(&format!("{base} --grid lr --out study"));
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("NAME=VALUE,VALUE"), "{}", wrong.err);
    let wrong = place.run(&format!("{base} --grid lr=0.1 --storage sqlite:x.db"));
    assert!(wrong.err.contains("journal:PATH"), "{}", wrong.err);
    place.run(&format!("{base} --grid lr=0.01 --out study")).done();
    let before = place.read("study/journal.log");
    let other = place.run(&format!("{base} --grid lr=0.01,0.02 --out study --label-smoothing 0.1"));
    other.failed(2, &["started with different settings (label_smoothing)", "--study NAME", "--out DIR"]);
    assert_eq!(place.read("study/journal.log"), before);
    let second = place.run(&format!("{base} --grid lr=0.03 --out study --study second"));
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.err.contains("0000.toml: this trial belongs to another search"), "{second:?}");
}

/// Waits until a trial has a checkpoint, and returns the id of the training process. Only on Linux can a test easily
/// find the id of a grandchild.
fn process_with_checkpoint(place: &Place, tune: &Child, run: &str) -> String {
    let children = format!("/proc/{0}/task/{0}/children", tune.id());
    loop {
        let process = std::fs::read_to_string(&children).unwrap().trim().to_owned();
        if !process.is_empty() && place.exists(&format!("{run}/checkpoint/state.safetensors")) {
            return process;
        }
        std::thread::yield_now();
    }
}

pub(crate) fn kill(process: &str) -> bool {
    Command::new("kill").args(["-9", process]).status().unwrap().success()
}

#[cfg(target_os = "linux")]
#[test]
fn a_trial_whose_process_is_killed_goes_on_as_if_it_had_not_been() {
    let place = place();
    let flags = "--data data --model small.toml --epochs 100 --batch-size 24 --ema 0.9 --threads 1";
    place.run(&format!("train {flags} --lr 0.01 --out alone")).done();
    let (mut child, mut said) =
        start(&place, &format!("tune {flags} --grid lr=0.01 --retry-pause 0 --out study"));
    wait_for(&mut said, "trial 0 begins");
    let metrics = place.path("study/trials/0000/metrics.csv");
    // The header and two epochs: the checkpoint of the first one exists.
    while std::fs::read_to_string(&metrics).unwrap_or_default().lines().count() < 3 {
        std::thread::yield_now();
    }
    assert!(kill(&process_with_checkpoint(&place, &child, "study/trials/0000")));
    let first_epoch =
        || place.text("study/trials/0000/metrics.csv").lines().nth(1).map(str::to_owned).unwrap();
    let before = first_epoch();
    let rest = std::thread::spawn(move || std::io::read_to_string(said).unwrap());
    assert!(child.wait().unwrap().success());
    rest.join().unwrap();
    let entries = journal(&place, "study/journal.log");
    assert!(entries.iter().any(|entry| entry["user_attr"]["setbacks"] == 1), "it was killed in time");
    assert_eq!(first_epoch(), before, "its time tells that this epoch was not trained again");
    for file in ["weights/last.safetensors", "weights/best.safetensors"] {
        assert_eq!(
            place.read(&format!("alone/{file}")),
            place.read(&format!("study/trials/0000/{file}")),
            "{file}"
        );
    }
}

#[test]
fn the_rate_finder_leaves_a_curve_and_no_run() {
    let place = place();
    let ran = place
        .run("lr-find --data data --model small.toml --batch-size 24 --optimizer sgd --steps 60 --from 1e-4 --out found --json")
        .done();
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    let (steepest, lowest) = (found["steepest"].as_f64().unwrap(), found["lowest"].as_f64().unwrap());
    assert!(1e-4 < steepest && steepest < lowest && lowest <= 10.0, "{steepest} {lowest}");
    assert!(place.text("found/lr-find.csv").starts_with("learning_rate,loss,smoothed\n0.0001,"));
    assert!(place.exists("found/lr-find.png") && !place.exists("runs"));
    let text = place.run("lr-find --data data --model small.toml --batch-size 24 --steps 30").done();
    assert!(text.out.starts_with("try --lr ") || text.out.starts_with("no suggestion"), "{}", text.out);
    place.run("lr-find --data data --model small.toml --from 1 --to 0.1").failed(2, &["to is 0.1"]);
}

/// The real Optuna reads the journal and its dashboard lists the trials; and what Optuna appends does not disturb the
/// search.
#[test]
#[ignore = "needs python3, and the network where it lacks optuna and optuna-dashboard"]
fn optuna_and_its_dashboard_read_the_journal() {
    let place = place();
    let study = "tune --data data --model small.toml --epochs 9 --batch-size 24 --prune --range lr=0.001..0.1:log --grid \
                 optimizer=adam,sgd --grid momentum=0.5 --random 6 --threads 1 --out study";
    place.run(study).done();
    let Some(python) = python_with_optuna(&place) else {
        eprintln!("skipped: there is no python3 in PATH");
        return;
    };
    let script = place.write("optuna_reads.py", include_str!("optuna_reads.py"));
    let output = Command::new(python).arg(script).arg(place.path("study/journal.log")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let ours: Vec<Value> = table(&place, "study")[1..]
        .iter()
        .map(|line| {
            let value = line[6].parse::<f64>().map_or(Value::Null, Value::from);
            serde_json::json!([line[0].parse::<u64>().unwrap(), line[1], line[3], value])
        })
        .collect();
    assert_eq!(seen["optuna"], Value::Array(ours), "numbers, states, optimizers and values");
    assert_eq!(seen["dashboard"], 6);
    let again = place.run(study).done();
    assert!(!again.err.contains("begins"), "{}", again.err);
}

/// A Python that has both packages: the one in PATH, otherwise one in a virtual environment created for it.
fn python_with_optuna(place: &Place) -> Option<std::path::PathBuf> {
    let works = |python: &Path| {
        let imports = Command::new(python).args(["-c", "import optuna, optuna_dashboard"]).output();
        imports.is_ok_and(|output| output.status.success())
    };
    let own = Path::new("python3");
    Command::new(own).arg("--version").output().ok()?;
    if works(own) {
        return Some(own.to_owned());
    }
    let folder = place.path("venv");
    assert!(Command::new(own).args(["-m", "venv"]).arg(&folder).status().unwrap().success());
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let install = ["-m", "pip", "install", "--quiet", "optuna>=4", "optuna-dashboard"];
    assert!(Command::new(&python).args(install).status().unwrap().success());
    Some(python)
}
