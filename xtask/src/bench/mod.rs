//! `cargo xtask bench`: Convscope compared with PyTorch, TensorFlow and others, on the same network, batch and threads.
//!
//! All programs of a comparison take turns, so that a slowdown of the machine affects each of them; the ratio of the
//! medians counts. Each program runs in a separate process, for a few seconds.

mod comparison;
mod options;
mod program;
mod runners;
mod subjects;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use comparison::Comparison;
use options::Options;
pub(crate) use options::USAGE;
use program::{Outcome, Peers};
use subjects::Subject;

/// Runs the requested comparisons and prints them.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    if options.kernels {
        return kernels(root);
    }
    let place = Folders::prepare(root, &options)?;
    let peers = Peers::find(&place, &options);
    for line in &peers.left_out {
        eprintln!("left out: {line}");
    }
    let mut found = Vec::new();
    for subject in subjects::all(&options).into_iter().filter(|subject| options.wants(subject.name)) {
        let measured = measure(&subject, &place, &peers, &options)?;
        for &metric in subject.metrics {
            let comparison = Comparison::new(&subject, metric, &measured);
            if !options.json {
                println!("{}", comparison.to_text());
            }
            found.push(comparison);
        }
    }
    if options.json {
        let comparisons: Vec<Value> = found.iter().map(Comparison::to_json).collect();
        let document = json!({
            "rounds": options.rounds,
            "seconds": options.seconds,
            "threads": options.threads,
            "versions": peers.versions,
            "left_out": peers.left_out,
            "comparisons": comparisons,
        });
        println!("{document:#}");
    }
    Ok(())
}

/// The result of each round, for each program of a subject that could be run.
fn measure(
    subject: &Subject,
    place: &Folders,
    peers: &Peers,
    options: &Options,
) -> Result<Vec<(String, Vec<Outcome>)>, String> {
    let mut measured: Vec<_> = subject
        .programs
        .iter()
        .filter(|program| peers.has(program, subject.model))
        .map(|program| (program, Vec::<Outcome>::new(), true))
        .collect();
    for round in 1..=options.rounds {
        for (program, outcomes, works) in measured.iter_mut().filter(|(_, _, works)| *works) {
            eprintln!("{}, round {round} of {}: {}", subject.name, options.rounds, program.name);
            match program.run(subject, place, peers, options) {
                Ok(outcome) => outcomes.push(outcome),
                Err(message) if program.is_ours() => return Err(message),
                Err(message) => {
                    eprintln!("left out: {message}");
                    *works = false;
                }
            }
        }
    }
    let whole = measured.into_iter().filter(|(_, _, works)| *works);
    Ok(whole.map(|(program, outcomes, _)| (program.name.to_owned(), outcomes)).collect())
}

/// Where the built programs and their files are.
struct Folders {
    root: PathBuf,
    target: PathBuf,
    /// Model files.
    models: PathBuf,
}

impl Folders {
    /// Builds Convscope and has it write the model files.
    fn prepare(root: &Path, options: &Options) -> Result<Folders, String> {
        let target = target_folder(root);
        let place = Folders { root: root.to_owned(), models: target.join("bench"), target };
        cargo(root, &["build", "--quiet", "--release", "--package", "convscope-cli"])?;
        if options.rust_peers {
            let target = place.peers().to_string_lossy().into_owned();
            let manifest = "benches/peers/Cargo.toml";
            eprintln!("building Burn and Candle, which takes some minutes the first time");
            cargo(root, &["build", "--release", "--manifest-path", manifest, "--target-dir", &target])?;
        }
        fs::create_dir_all(&place.models)
            .map_err(|error| format!("{}: cannot be created: {error}", place.models.display()))?;
        for model in subjects::MODELS {
            let mut command = Command::new(place.convscope());
            let (side, classes) = (model.side.to_string(), model.classes.to_string());
            command.args(["summary", model.preset, "--toml", "--image-size", &side, "--classes", &classes]);
            let output = program::output(&mut command, "convscope summary")?;
            let file = place.model(model.name, "toml");
            fs::write(&file, output)
                .map_err(|error| format!("{}: cannot be written: {error}", file.display()))?;
        }
        Ok(place)
    }

    fn convscope(&self) -> PathBuf {
        self.target.join("release").join(format!("convscope{}", std::env::consts::EXE_SUFFIX))
    }

    /// Target folder of the programs with Burn and Candle.
    fn peers(&self) -> PathBuf {
        self.target.join("peers")
    }

    fn model(&self, name: &str, extension: &str) -> PathBuf {
        self.models.join(format!("{name}.{extension}"))
    }

    fn script(&self, name: &str) -> PathBuf {
        self.root.join("fixtures").join(name)
    }
}

/// The criterion benchmarks of the kernels.
fn kernels(root: &Path) -> Result<(), String> {
    let target = target_folder(root).join("kernels-bench").to_string_lossy().into_owned();
    let manifest = "crates/kernels/benches/Cargo.toml";
    cargo(root, &["bench", "--manifest-path", manifest, "--target-dir", &target])
}

fn target_folder(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root.join(target)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program).args(arguments).current_dir(root).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("`cargo {}` failed; see its own message above", arguments.join(" "))),
        Err(error) => Err(format!("cargo cannot be started: {error}; install Rust from https://rustup.rs")),
    }
}
