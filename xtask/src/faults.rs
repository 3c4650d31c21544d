//! `cargo xtask faults`: makes every call on a file of a training run fail, one at a time, and checks that nothing is lost.
//!
//! The real program trains a small network for two epochs under `strace -e inject`, once for each call, error and
//! position. Afterwards it continues as a user would, and must end with the bytes of an undisturbed run. A run that
//! reports success must be complete.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// System calls on files; those that this machine does not know are left out.
const CALLS: [&str; 9] =
    ["openat", "read", "write", "fsync", "fdatasync", "rename", "mkdir", "ftruncate", "flock"];

/// The fault of a call.
const FAULTS: [&str; 3] = ["error=ENOSPC", "error=EIO", "signal=KILL"];

/// Most positions of a call that are tried.
const MOST: usize = 400;

/// Runs all of them, or those whose call is named.
pub(crate) fn run(root: &Path, names: &[&str]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| !CALLS.contains(name) && **name != "short") {
        return Err(format!("no fault is called {unknown}; there are {} and short", CALLS.join(", ")));
    }
    let is_asked = |name: &str| names.is_empty() || names.contains(&name);
    let place = Scratch::new(root)?;
    let mut lost = 0;
    for call in CALLS.into_iter().filter(|call| is_asked(call)) {
        for fault in FAULTS {
            let mut tally = Tally::default();
            for position in 1..=MOST {
                let injected = place.train_with(call, fault, position)?;
                if !injected.happened {
                    break;
                }
                tally.count(&place, injected.status, &format!("{call}:{fault}:when={position}"));
            }
            println!("{call:<10} {fault:<13} {tally}");
            lost += tally.lost;
        }
    }
    if is_asked("short") {
        let mut tally = Tally::default();
        // A limit on the size of files cuts a write short, and kills the process at the next one.
        for limit in (0..place.largest_file()).step_by(997) {
            let status = place.train_within(limit)?;
            tally.count(&place, status, &format!("files of {limit} bytes at most"));
        }
        println!("{:<10} {:<13} {tally}", "write", "short");
        lost += tally.lost;
    }
    if lost == 0 { Ok(()) } else { Err(format!("{lost} runs lost something; see their lines above")) }
}

/// How often something went wrong, and the outcome.
#[derive(Default)]
struct Tally {
    tried: usize,
    /// The program reported the error itself.
    told: usize,
    /// It was killed silently.
    killed: usize,
    /// It could do without.
    borne: usize,
    lost: usize,
}

impl Tally {
    fn count(&mut self, place: &Scratch, status: ExitStatus, what: &str) {
        self.tried += 1;
        match status.code() {
            Some(0) => self.borne += 1,
            Some(_) => self.told += 1,
            None => self.killed += 1,
        }
        let complete = if status.success() { place.compare() } else { place.go_on() };
        if let Err(problem) = complete {
            println!("LOST after {what}: {problem}");
            self.lost += 1;
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tally { tried, told, killed, borne, lost } = self;
        write!(f, "{tried:>4} tried: {told} told, {killed} killed, {borne} borne, {lost} lost")
    }
}

/// Where the runs lie.
struct Scratch {
    program: PathBuf,
    folder: PathBuf,
}

struct Injected {
    status: ExitStatus,
    happened: bool,
}

const TRAIN: &str =
    "train --data data --model small.toml --batch-size 48 --epochs 2 --threads 1 --quiet --out";

/// Files that depend on nothing but the settings.
const RESULTS: [&str; 4] =
    ["weights/last.safetensors", "weights/best.safetensors", "config.toml", "model.toml"];

impl Scratch {
    fn new(root: &Path) -> Result<Scratch, String> {
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--release", "--package", "convscope-cli"])
            .current_dir(root)
            .status();
        if !built.is_ok_and(|status| status.success()) {
            return Err("the program cannot be built".to_owned());
        }
        let strace = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
        if !strace.is_ok_and(|status| status.success()) {
            return Err("strace is missing; on Debian: apt install strace".to_owned());
        }
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let target = root.join(target);
        let folder = target.join("faults");
        let _ = fs::remove_dir_all(&folder);
        let place = Scratch { program: target.join("release").join("convscope"), folder };
        place.write_inputs().map_err(|error| format!("{}: {error}", place.folder.display()))?;
        let status = place.run(&mut place.train("whole"))?;
        if status.success() { Ok(place) } else { Err("the run without faults failed".to_owned()) }
    }

    fn write_inputs(&self) -> std::io::Result<()> {
        let data = self.folder.join("data");
        fs::create_dir_all(&data)?;
        for batch in 1..=5 {
            fs::write(data.join(format!("data_batch_{batch}.bin")), records(24, batch))?;
        }
        fs::write(data.join("test_batch.bin"), records(30, 6))?;
        fs::write(data.join("batches.meta.txt"), "red\ngreen\nblue\n")?;
        let model = "name = 'small'\n\
             [[node]]\nop = 'conv2d'\nout_channels = 4\nkernel_size = 3\nstride = 2\nactivation = 'relu'\n\
             [[node]]\nop = 'batch_norm'\n\
             [[node]]\nop = 'flatten'\n\
             [[node]]\nop = 'linear'\nout_features = 'classes'\nactivation = 'softmax'\n";
        fs::write(self.folder.join("small.toml"), model)
    }

    fn train(&self, run: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(TRAIN.split(' ')).arg(run);
        command
    }

    fn run(&self, command: &mut Command) -> Result<ExitStatus, String> {
        let quiet = command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        quiet.stderr(Stdio::null()).status().map_err(|error| format!("{command:?}: {error}"))
    }

    fn train_with(&self, call: &str, fault: &str, position: usize) -> Result<Injected, String> {
        self.begin();
        let mut strace = Command::new("strace");
        let inject = format!("inject={call}:{fault}:when={position}");
        strace.args(["-f", "-qq", "-o", "strace.log", "-e", &format!("trace={call}"), "-e", &inject]);
        let train = self.train("run");
        strace.arg(train.get_program()).args(train.get_args());
        let status = self.run(&mut strace)?;
        let log = fs::read(self.folder.join("strace.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let happened = log.contains("(INJECTED)") || status.code().is_none();
        Ok(Injected { status, happened })
    }

    fn train_within(&self, limit: usize) -> Result<ExitStatus, String> {
        self.begin();
        let mut limited = Command::new("prlimit");
        let train = self.train("run");
        limited.arg(format!("--fsize={limit}")).arg(train.get_program()).args(train.get_args());
        self.run(&mut limited)
    }

    fn begin(&self) {
        let _ = fs::remove_dir_all(self.folder.join("run"));
    }

    /// Resumes the run, or starts it again if it has no checkpoint, and compares.
    fn go_on(&self) -> Result<(), String> {
        let mut command = if self.folder.join("run/checkpoint/state.safetensors").is_file() {
            let mut resume = Command::new(&self.program);
            resume.args(["train", "--threads", "1", "--quiet", "--resume", "run"]);
            resume
        } else {
            self.train("run")
        };
        let output = command.current_dir(&self.folder).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        self.compare()
    }

    fn compare(&self) -> Result<(), String> {
        let read = |run: &str, file: &str| fs::read(self.folder.join(run).join(file)).ok();
        for file in RESULTS {
            if read("run", file) != read("whole", file) {
                return Err(format!("{file} differs"));
            }
        }
        for file in ["summary.json", "report.html"] {
            if read("run", file).is_none() {
                return Err(format!("{file} is missing"));
            }
        }
        if self.epochs("run") == self.epochs("whole") {
            Ok(())
        } else {
            Err("metrics.csv differs".to_owned())
        }
    }

    /// The figures of the epochs, without times.
    fn epochs(&self, run: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join(run).join("metrics.csv")).unwrap_or_default();
        text.lines().map(|line| line.split(',').take(6).collect::<Vec<_>>().join(",")).collect()
    }

    fn largest_file(&self) -> usize {
        let size =
            |file: &str| fs::metadata(self.folder.join("whole").join(file)).map_or(0, |found| found.len());
        ["checkpoint/state.safetensors", "weights/last.safetensors"].map(size).into_iter().max().unwrap_or(0)
            as usize
    }
}

/// Records of CIFAR-10's layout with labels 0 to 2 in turn, each brighter in the channel of its label, with noise.
fn records(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut bytes = Vec::new();
    for index in 0..count {
        let label = index % 3;
        bytes.push(label as u8);
        for place in 0..3 * 1024 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let base = if place / 1024 == label { 60 } else { 0 };
            bytes.push(base + ((state >> 24) as u8) / 2);
        }
    }
    bytes
}
