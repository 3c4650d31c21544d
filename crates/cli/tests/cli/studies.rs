//! Searches that are continued: what belongs to a study, what a failure of the machine leaves, what stays on disk.

use std::fs::File;
use std::path::Path;

use serde_json::Value;

use crate::place::{Place, Ran};
use crate::tuning::{journal, kill, place, start, table, wait_for};

const SMALL: &str =
    "tune --data data --model small.toml --epochs 1 --batch-size 24 --threads 1 --retry-pause 0";

/// Holds the lock of a trial, like a process that is still saving. A process that wants to train the trial waits for
/// it.
fn hold(place: &Place, study: &str, number: usize) -> File {
    let lock = File::create(place.write(&format!("{study}/trials/{number:04}.lock"), "")).unwrap();
    lock.lock().unwrap();
    lock
}

/// Runs the program in a separate folder.
fn run_in(place: &Place, folder: &str, line: &str) -> Ran {
    let output = place.command(line.split_whitespace()).current_dir(place.path(folder)).output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn data_that_is_away_for_a_while_costs_no_trial() {
    let place = place();
    let grid = "--grid lr=0.05,0.01,0.002,0.001 --grid label-smoothing=0,0.1";
    place.run(&format!("{SMALL} {grid} --out whole")).done();
    let lock = hold(&place, "study", 1);
    let (mut child, mut said) = start(&place, &format!("{SMALL} {grid} --out study"));
    wait_for(&mut said, "trial 1 begins");
    std::fs::rename(place.path("data"), place.path("away")).unwrap();
    drop(lock);
    let rest = std::io::read_to_string(said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{rest}");
    assert!(rest.contains("trial 1 waits to be repeated: data: no such folder"), "{rest}");
    let last = rest.lines().last().unwrap();
    assert!(
        last.starts_with(
            "error: the search is incomplete: 1 of 8 trials are finished, 2 waiting, 5 not started; "
        ),
        "{last}"
    );
    assert!(last.contains("the last failure: data: no such folder"), "{last}");
    assert!(last.ends_with("the same command continues"), "{last}");
    assert!(place.exists("study/study.csv") && place.exists("study/report.html"));
    let is_test = |entry: &Value| entry["user_attr"].to_string().contains("\"test ");
    assert!(!journal(&place, "study/journal.log").iter().any(is_test), "the test images are not looked at");
    // The same images at a different path.
    let ran =
        place.run(&format!("{SMALL} {grid} --out study").replace("--data data", "--data ./away")).done();
    assert!(ran.err.contains("trial 1 resumes") && ran.out.contains("test "), "{ran:?}");
    assert_eq!(table(&place, "study"), table(&place, "whole"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_trial_that_is_killed_four_times_fails_until_it_is_asked_for_again() {
    let place = place();
    let line = format!("{SMALL} --grid lr=0.01 --json --out study");
    let lock = hold(&place, "study", 0);
    let mut command = place.command(line.split_whitespace());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    for attempt in 0..4 {
        wait_for(&mut said, if attempt == 0 { "trial 0 begins" } else { "trial 0 resumes" });
        assert!(kill(std::fs::read_to_string(&children).unwrap().trim()));
    }
    let rest = std::io::read_to_string(said).unwrap();
    let out = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{rest}");
    let last = rest.lines().last().unwrap();
    assert!(last.contains("0 of 1 trials are finished, 1 failed because of the machine"), "{last}");
    assert!(last.contains("signal: 9") && last.contains("--retry-failed"), "{last}");
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["unfinished"]["failed_by_machine"], 1, "{found}");
    assert!(found["best"].is_null() && found["ranking"][0]["rank"].is_null(), "{found}");
    drop(lock);
    // The same command has nothing to do, and says that something is missing.
    let again = place.run(&line);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(!again.err.contains("begins") && !again.err.contains("resumes"), "{again:?}");
    let retried = place.run(&format!("{line} --retry-failed")).done();
    let found: Value = serde_json::from_str(&retried.out).unwrap();
    assert_eq!((&found["best"]["trial"], &found["ranking"][0]["rank"]), (&Value::from(0), &Value::from(1)));
    assert!(found["unfinished"].is_null() && found["test"]["run"] == "trials/0000", "{found}");
    assert_eq!(place.run(&line).done().out, retried.out);
}

#[test]
fn two_projects_with_one_journal_do_not_share_a_study() {
    let place = place();
    for project in ["one", "two"] {
        place.photos(&format!("{project}/photos"));
        std::fs::copy(place.path("small.toml"), place.path(format!("{project}/small.toml"))).unwrap();
    }
    let line = "tune --data photos --model small.toml --image-size 32 --epochs 1 --batch-size 4 --threads 1 --grid lr=0.01 \
                --storage journal:../shared/j.log";
    run_in(&place, "one", line).done();
    let before = place.read("shared/j.log");
    let second = run_in(&place, "two", line);
    second.failed(2, &["'tune-small'", "tune-small lacks the files of its trials", "--out ", "--study NAME"]);
    assert!(second.err.contains(&Path::new("one/runs/tune-small").display().to_string()), "{second:?}");
    assert_eq!(place.read("shared/j.log"), before);
    assert!(!place.exists("two/runs"), "nothing is left behind");
    run_in(&place, "two", &format!("{line} --study second")).done();
    assert!(place.exists("two/runs/tune-small/trials/0000/summary.json"));
    run_in(&place, "one", line).done();
    // One more picture is a different data set.
    place.png("one/photos/dark/new.png", [3, 4, 5]);
    let before = place.read("shared/j.log");
    run_in(&place, "one", line)
        .failed(2, &["'tune-small' was started with different images", "--study NAME and --out DIR"]);
    assert_eq!(place.read("shared/j.log"), before);
}

#[test]
fn a_picture_that_is_added_during_a_search_does_not_mix_two_data_sets() {
    let place = place();
    place.photos("photos");
    let line = "tune --data photos --model small.toml --image-size 32 --epochs 1 --batch-size 4 --threads 1 \
                --grid lr=0.01,0.02 --out study";
    let lock = hold(&place, "study", 1);
    let (mut child, mut said) = start(&place, line);
    wait_for(&mut said, "trial 1 begins");
    place.png("photos/dark/new.png", [3, 4, 5]);
    drop(lock);
    let rest = std::io::read_to_string(said).unwrap();
    child.wait().unwrap();
    assert!(rest.contains("trial 1 failed: the images have changed since the study was started"), "{rest}");
    let states: Vec<String> = table(&place, "study")[1..].iter().map(|line| line[1].clone()).collect();
    assert_eq!(states, ["COMPLETE", "FAIL"]);
}

/// The attribute of a study from versions before manifests.
fn legacy_attribute(current: &Value) -> Value {
    let mut settings = current["settings"].clone();
    for absent in ["arithmetic", "threads", "version"] {
        settings.as_object_mut().unwrap().remove(absent);
    }
    settings["data"].as_object_mut().unwrap().remove("split_seed").unwrap();
    let lr = r#"{"name": "CategoricalDistribution", "attributes": {"choices": [0.01]}}"#;
    serde_json::json!({"search": {"lr": lr}, "order": ["lr"], "sampler": "grid", "seed": 1, "pruning": "off",
        "settings": settings})
}

#[test]
fn a_study_of_an_earlier_version_goes_on_with_a_warning_and_its_own_splits() {
    let place = place();
    place.run(&format!("{SMALL} --grid lr=0.01 --out study")).done();
    let mut entries = journal(&place, "study/journal.log");
    entries.retain(|entry| entry["user_attr"]["folder"].is_null());
    for entry in &mut entries {
        if entry["user_attr"]["convscope"].is_object() {
            entry["user_attr"]["convscope"] = legacy_attribute(&entry["user_attr"]["convscope"]);
        }
        if let Some(attributes) = entry["user_attrs"].as_object_mut() {
            attributes.remove("search");
        }
    }
    let text: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    place.write("study/journal.log", text);
    let larger = format!("{SMALL} --grid lr=0.01,0.05 --out study");
    let ran = place.run(&larger).done();
    assert_eq!(
        ran.err.lines().filter(|line| line.starts_with("warning: study study: ")).count(),
        1,
        "{ran:?}"
    );
    assert!(ran.err.contains("trial 1 begins: lr=0.05") && !ran.err.contains("trial 0 begins"), "{ran:?}");
    assert!(place.text("study/trials/0000.toml").contains("split_seed"));
    assert!(!place.text("study/trials/0001.toml").contains("split_seed"));
    assert_eq!(table(&place, "study").len(), 3);
    let other = place.run(&format!("{larger} --ema 0.5"));
    assert!(other.code == Some(2) && other.err.contains("different settings (ema)"), "{other:?}");
}

#[test]
fn an_edited_model_is_another_study_and_a_larger_grid_is_not() {
    let place = place();
    place.run(&format!("{SMALL} --grid lr=0.01,0.02 --out study")).done();
    let model = place.text("small.toml");
    place.write("small.toml", format!("# The network of the first floor.\n{model}"));
    let larger = format!("{SMALL} --grid lr=0.02,0.05,0.01 --out study");
    let ran = place.run(&larger).done();
    assert!(ran.err.contains("trial 2 begins: lr=0.05") && !ran.err.contains("trial 3"), "{ran:?}");
    assert_eq!(table(&place, "study").len(), 4);
    let smoothed = place.run(&format!("{SMALL} --grid label-smoothing=0,0.1 --lr 0.02 --out study")).done();
    assert!(smoothed.err.contains("not ranked: 3 of the study's trials"), "{smoothed:?}");
    assert_eq!(table(&place, "study").len(), 3);
    let before = place.read("study/journal.log");
    place.write("small.toml", model.replace("0.25", "0.5"));
    place.run(&larger).failed(2, &["was started with a different model", "--study NAME"]);
    assert_eq!(place.read("study/journal.log"), before);
}

/// Whether a trial has these of its files: weights, checkpoint, event files and report.
fn has_all(place: &Place, number: usize) -> bool {
    let run = format!("study/trials/{number:04}");
    for file in ["config.toml", "model.toml", "metrics.csv", "summary.json"] {
        assert!(place.exists(&format!("{run}/{file}")), "{run}/{file}");
    }
    let entries = std::fs::read_dir(place.path(&run)).unwrap();
    let names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut found = vec![
        place.exists(&format!("{run}/weights/last.safetensors")),
        place.exists(&format!("{run}/checkpoint/state.safetensors")),
        place.exists(&format!("{run}/report.html")),
        names.iter().any(|name| name.starts_with("events.out")),
    ];
    found.dedup();
    assert_eq!(found.len(), 1, "{names:?}");
    found[0]
}

#[test]
fn what_is_not_to_be_kept_is_removed_and_the_result_stays() {
    let place = place();
    let line = format!("{SMALL} --grid lr=0.05,0.01,0.002 --json --out study");
    let ran = place.run(&line).done();
    let best = serde_json::from_str::<Value>(&ran.out).unwrap()["best"]["trial"].as_u64().unwrap() as usize;
    assert!((0..3).all(|number| has_all(&place, number)));
    // A process may still be saving one of the others.
    let other = (best + 1) % 3;
    let lock = hold(&place, "study", other);
    assert_eq!(place.run(&format!("{line} --keep best")).done().out, ran.out);
    let kept = |place: &Place| (0..3).filter(|&number| has_all(place, number)).collect::<Vec<_>>();
    let mut expected = vec![best, other];
    expected.sort_unstable();
    assert_eq!(kept(&place), expected);
    drop(lock);
    assert_eq!(place.run(&format!("{line} --keep best")).done().out, ran.out);
    assert_eq!(kept(&place), [best]);
    assert_eq!(place.run(&format!("{line} --keep none")).done().out, ran.out);
    assert!(kept(&place).is_empty());
    // Retraining needs only the settings.
    let last = place.run(&format!("{line} --final --keep none")).done();
    assert_eq!(serde_json::from_str::<Value>(&last.out).unwrap()["test"]["run"], "final");
    assert!(place.exists("study/final/weights/last.safetensors"));
}

#[test]
fn while_it_runs_a_search_keeps_only_its_best_trial() {
    let place = place();
    let line = format!(
        "{SMALL} --grid lr=0.05,1e30,0.01 --optimizer sgd --schedule constant --keep best --json --out study"
    );
    let ran = place.run(&line).done();
    let best = serde_json::from_str::<Value>(&ran.out).unwrap()["best"]["trial"].as_u64().unwrap();
    for number in 0..3 {
        let weights = place.exists(&format!("study/trials/{number:04}/checkpoint/state.safetensors"));
        assert_eq!(weights, number == best, "{number}");
    }
    // A failed trial without its files starts again, and diverges again.
    let again = place.run(&format!("{line} --retry-failed")).done();
    assert!(again.err.contains("trial 1 begins") && again.err.contains("no longer finite"), "{again:?}");
    assert!(!again.err.contains("waits to be repeated"), "{again:?}");
}
