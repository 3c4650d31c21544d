//! The programs that are compared: whether they are installed, how they are started, what they print.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::Folders;
use super::options::Options;
use super::runners::{Program, Runner};
use super::subjects::{self, Metric, Subject, Task};

/// The figures of one run, by their keys.
pub(super) type Outcome = BTreeMap<&'static str, f64>;

const METRICS: [Metric; 4] =
    [Metric::ImagesPerSecond, Metric::Milliseconds, Metric::FirstStepSeconds, Metric::PeakMemoryBytes];

impl Program {
    pub(super) fn new(name: &'static str, runner: Runner, arguments: &[&'static str]) -> Program {
        Program { name, runner, arguments: arguments.to_vec() }
    }

    pub(super) fn ours(name: &'static str, arguments: &[&'static str]) -> Program {
        Program::new(name, Runner::Convscope, arguments)
    }

    pub(super) fn is_ours(&self) -> bool {
        matches!(self.runner, Runner::Convscope | Runner::Before)
    }

    /// The same with the binary from before a change.
    pub(super) fn before(&self) -> Option<Program> {
        (self.runner == Runner::Convscope).then(|| Program {
            name: if self.name == "one thread" { "one thread before" } else { "before" },
            runner: Runner::Before,
            arguments: self.arguments.clone(),
        })
    }

    /// Runs it once.
    pub(super) fn run(
        &self,
        subject: &Subject,
        place: &Folders,
        peers: &Peers,
        options: &Options,
    ) -> Result<Outcome, String> {
        let mut command = self.command(subject, place, peers, options);
        if self.is_ours() {
            let document = output(&mut command, self.name)?;
            return ours(subject.task, &document)
                .ok_or(format!("{}: cannot be parsed: {document}", self.name));
        }
        theirs(&mut command).map_err(|message| format!("{}: {message}", self.name))
    }

    fn command(&self, subject: &Subject, place: &Folders, peers: &Peers, options: &Options) -> Command {
        let python = |script: &str| {
            let mut command = Command::new(&peers.python);
            command.arg(place.script(script));
            command
        };
        let mut command = match self.runner {
            Runner::Convscope => Command::new(place.convscope()),
            Runner::Before => Command::new(options.before.as_deref().unwrap_or(Path::new("convscope"))),
            Runner::PyTorch => python("bench_pytorch.py"),
            Runner::TensorFlow => python("bench_tensorflow.py"),
            Runner::OnnxRuntime => python("bench_onnxruntime.py"),
            Runner::Burn => Command::new(peers.rust("burn", place)),
            Runner::Candle => Command::new(peers.rust("candle", place)),
        };
        let extension = if self.runner == Runner::OnnxRuntime { "onnx" } else { "toml" };
        let task = match (subject.task, self.is_ours()) {
            (Task::Start, true) => "start",
            (Task::Train | Task::Start, _) => "train",
            (Task::Inference, _) => "inference",
            (Task::Latency, _) => "latency",
        };
        if self.is_ours() {
            command.args(["bench", "--json", "--quiet", "--only", task]);
        } else {
            command.args(["--task", task]);
        }
        let seconds = if subject.task == Task::Start { 0.0 } else { options.seconds };
        command.arg("--model").arg(place.model(subject.model, extension));
        command.args(["--batch-size", &subject.batch_size.to_string(), "--seconds", &seconds.to_string()]);
        if !self.arguments.contains(&"--threads") {
            command.args(["--threads", &options.threads.to_string()]);
        }
        command.args(&self.arguments);
        // Burn and Candle accept nothing else.
        command.env("RAYON_NUM_THREADS", options.threads.to_string());
        command.stdin(Stdio::null());
        command
    }
}

/// Which programs are on this machine.
pub(super) struct Peers {
    pub(super) python: PathBuf,
    /// Versions of the installed Python packages.
    pub(super) versions: BTreeMap<String, String>,
    /// What is missing, one line each.
    pub(super) left_out: Vec<String>,
    /// Models that are there for onnxruntime.
    exported: Vec<&'static str>,
    has_rust: bool,
}

/// Prints the version of each package that can be imported.
const VERSIONS: &str = "\
import importlib.metadata, importlib.util, json
found = {}
for name, packages in {'torch': ['torch'], 'tensorflow': ['tensorflow', 'tensorflow-cpu'], 'onnxruntime': ['onnxruntime']}.items():
    for package in packages:
        try:
            if importlib.util.find_spec(name):
                found[name] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
print(json.dumps(found))";

impl Peers {
    /// Asks Python, and has PyTorch export the networks for onnxruntime.
    pub(super) fn find(place: &Folders, options: &Options) -> Peers {
        let mut peers = Peers {
            python: options.python.clone(),
            versions: BTreeMap::new(),
            left_out: Vec::new(),
            exported: Vec::new(),
            has_rust: options.rust_peers,
        };
        match output(Command::new(&peers.python).args(["-c", VERSIONS]), "python") {
            Ok(text) => peers.versions = serde_json::from_str(text.trim()).unwrap_or_default(),
            Err(message) => peers.left_out.push(message),
        }
        for (package, name) in
            [("torch", "PyTorch"), ("tensorflow", "TensorFlow"), ("onnxruntime", "onnxruntime")]
        {
            if !peers.versions.contains_key(package) {
                let python = peers.python.display();
                peers
                    .left_out
                    .push(format!("{name}: {python} has no package {package}; install it with pip"));
            }
        }
        if !options.rust_peers {
            peers.left_out.push("Burn and Candle: they are built with --rust-peers".to_owned());
        }
        if ["torch", "onnxruntime"].iter().all(|package| peers.versions.contains_key(*package)) {
            for subject in subjects::all(options).iter().filter(|subject| options.wants(subject.name)) {
                let is_wanted = subject.programs.iter().any(|program| program.runner == Runner::OnnxRuntime);
                if is_wanted && !peers.exported.contains(&subject.model) {
                    peers.export(place, subject.model);
                }
            }
        }
        peers
    }

    /// Has PyTorch export a network for onnxruntime.
    fn export(&mut self, place: &Folders, model: &'static str) {
        let mut command = Command::new(&self.python);
        command.arg(place.script("bench_pytorch.py")).arg("--model").arg(place.model(model, "toml"));
        command.arg("--export").arg(place.model(model, "onnx"));
        match output(&mut command, "the export to ONNX") {
            Ok(_) => self.exported.push(model),
            Err(message) => {
                self.left_out.push(format!("onnxruntime: {message}; pip install onnx onnxscript"));
            }
        }
    }

    pub(super) fn has(&self, program: &Program, model: &str) -> bool {
        match program.runner {
            Runner::Convscope | Runner::Before => true,
            Runner::PyTorch => self.versions.contains_key("torch"),
            Runner::TensorFlow => self.versions.contains_key("tensorflow"),
            Runner::OnnxRuntime => self.exported.contains(&model),
            Runner::Burn | Runner::Candle => self.has_rust,
        }
    }

    fn rust(&self, name: &str, place: &Folders) -> PathBuf {
        place.peers().join("release").join(format!("bench-{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

/// A command's standard output, or the last line of its standard error if it fails.
pub(super) fn output(command: &mut Command, name: &str) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{name} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let last = error.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
    Err(format!("{name} failed ({}): {last}", output.status))
}

/// The figures in a document of `convscope bench`.
fn ours(task: Task, document: &str) -> Option<Outcome> {
    let document: Value = serde_json::from_str(document).ok()?;
    let part = match task {
        Task::Train => "train",
        Task::Inference => "inference",
        Task::Latency => "latency",
        Task::Start => "start",
    };
    figures(document.get(part)?)
}

/// Runs a program that prints `first step` after its first training step, and a document at its end.
fn theirs(command: &mut Command) -> Result<Outcome, String> {
    let started = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    // Read in parallel with the results, so that a program with many warnings does not block on a full pipe.
    let complaints = child.stderr.take().map(|stderr| {
        std::thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).last())
    });
    let (mut first_step, mut last) = (None, String::new());
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        last = line.map_err(|error| format!("its output cannot be read: {error}"))?;
        if last == "first step" {
            first_step = Some(started.elapsed().as_secs_f64());
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let complaint = complaints.and_then(|thread| thread.join().ok().flatten()).unwrap_or_default();
    if !status.success() {
        return Err(format!("failed ({status}): {complaint}"));
    }
    let document: Option<Value> = serde_json::from_str(&last).ok();
    let mut outcome =
        document.as_ref().and_then(figures).ok_or(format!("its last line is not a document: {last}"))?;
    outcome.extend(first_step.map(|seconds| (Metric::FirstStepSeconds.key(), seconds)));
    Ok(outcome)
}

fn figures(document: &Value) -> Option<Outcome> {
    let keys = METRICS.map(Metric::key);
    let found: Outcome = keys.iter().filter_map(|&key| Some((key, document.get(key)?.as_f64()?))).collect();
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_both_kinds_of_documents() {
        let document = r#"{"model": "a", "train": {"images_per_second": 12.5, "batches": 3}, "start": null}"#;
        assert_eq!(ours(Task::Train, document).unwrap(), BTreeMap::from([("images_per_second", 12.5)]));
        assert_eq!(ours(Task::Start, document), None);
        assert_eq!(ours(Task::Train, "error"), None);
        let document = serde_json::json!({"milliseconds": 2, "peak_memory_bytes": 7, "runs": 1});
        let expected = BTreeMap::from([("milliseconds", 2.0), ("peak_memory_bytes", 7.0)]);
        assert_eq!(figures(&document).unwrap(), expected);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = output(&mut Command::new("no-such-program-here"), "Nothing").unwrap_err();
        assert!(error.starts_with("Nothing cannot be started: "), "{error}");
        assert!(theirs(&mut Command::new("no-such-program-here")).is_err());
    }
}
