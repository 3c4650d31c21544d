//! A training in a process of its own.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;

use convscope_files::AppendFile;
use convscope_tune::TuneError;
use convscope_tune::runner::{Ended, Teller, Training, TrainingEvent, TrialRunner};
use serde::{Deserialize, Serialize};

use crate::program::Program;

/// Trains each trial in a process `<program> train --trial <file> --threads <n> --quiet`.
///
/// The process prints a line for each epoch, [`EpochLine`]. Its exit code is the result: 0 if complete; 130 if it has saved its
/// state because its standard input ended; 1 or 2, after a line `error: <reason>` on standard error, if it would fail again.
/// Anything else, such as 75 or a signal, is a failure of the machine.
pub(crate) struct Processes {
    pub(crate) program: Program,
}

/// What a trial's process prints after an epoch, as a line of JSON.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct EpochLine {
    /// The epoch, from 1.
    pub(crate) epoch: u64,
    /// The accuracy on the validation images.
    pub(crate) val_accuracy: f64,
}

impl TrialRunner for Processes {
    fn start(&self, file: &Path, threads: usize, tell: Teller) -> Result<Box<dyn Training>, TuneError> {
        let (mut child, log) = spawn(&self.program, file, threads)?;
        let lifeline = child.stdin.take();
        let output = child.stdout.take();
        let follow = move || {
            if let Some(output) = output {
                read(output, &tell);
            }
            tell.tell(TrainingEvent::Ended(log.ended(&mut child)));
        };
        let started = thread::Builder::new().name("trial".to_owned()).spawn(follow);
        started.map_err(|cause| TuneError::Start { program: self.program.path.clone(), cause })?;
        Ok(Box::new(Lifeline { _open: lifeline }))
    }
}

/// While it is open, the process continues. It also closes when this process is killed.
struct Lifeline {
    _open: Option<ChildStdin>,
}

impl Training for Lifeline {
    fn stop(&mut self) {
        self._open = None;
    }
}

/// The output of a process, appended to that of earlier ones.
struct Log {
    path: PathBuf,
    said_before: u64,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
enum Exited {
    Completed,
    Stopped,
    Failed,
    SetBack(ExitStatus),
}

/// The exit codes if the settings or the data are at fault.
const FAILED: [i32; 2] = [1, 2];
/// The exit code after an interruption.
const INTERRUPTED: i32 = 130;
/// The exit code if the program knows that the machine is at fault (`EX_TEMPFAIL` of sysexits.h).
const TRY_AGAIN: i32 = 75;

fn spawn(program: &Program, file: &Path, threads: usize) -> Result<(Child, Log), TuneError> {
    let path = file.with_extension("log");
    let io = |cause| TuneError::Io { action: "write the file", path: path.clone(), cause };
    let errors = AppendFile::open(&path).map_err(io)?.into_file();
    let said_before = errors.metadata().map_or(0, |data| data.len());
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .args(["train", "--quiet", "--threads"])
        .arg(threads.max(1).to_string())
        .arg("--trial")
        .arg(file)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors);
    in_its_own_group(&mut command);
    let start = command.spawn();
    let child = start.map_err(|cause| TuneError::Start { program: program.path.clone(), cause })?;
    Ok((child, Log { path, said_before }))
}

/// Tells the epochs that a process prints, until it ends.
fn read(output: ChildStdout, tell: &Teller) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // Other lines are the result, which the run directory has too.
        if let Ok(EpochLine { epoch, val_accuracy }) = serde_json::from_str(&line) {
            tell.tell(TrainingEvent::Epoch { epoch, accuracy: val_accuracy });
        }
    }
}

impl Log {
    /// How a process ended that has closed its output.
    fn ended(&self, child: &mut Child) -> Ended {
        let exited = match child.wait() {
            Ok(status) => judge(status, self.error().is_some()),
            Err(cause) => return Ended::SetBack(format!("the end of its process is unknown: {cause}")),
        };
        match exited {
            Exited::Completed => Ended::Completed,
            Exited::Stopped => Ended::Stopped,
            Exited::Failed => Ended::Failed(self.reason(exited)),
            Exited::SetBack(_) => Ended::SetBack(self.reason(exited)),
        }
    }

    /// Why the process ended: its last error, otherwise how it ended and its last output.
    fn reason(&self, exited: Exited) -> String {
        match (self.error(), exited) {
            (Some(error), Exited::Failed) => error,
            (Some(error), Exited::SetBack(status)) if status.code() == Some(TRY_AGAIN) => error,
            // The lines that Rust appends to a panic are not a reason.
            (_, exited) => match lines(&self.said()).find(|line| !line.starts_with("note: ")) {
                Some(last) => format!("{exited}; its last output: {last}"),
                None => exited.to_string(),
            },
        }
    }

    /// Its last error message.
    fn error(&self) -> Option<String> {
        lines(&self.said()).find_map(|line| line.strip_prefix("error: ")).map(str::to_owned)
    }

    fn said(&self) -> String {
        let said = fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(said.get(self.said_before as usize..).unwrap_or_default()).into_owned()
    }
}

/// Ctrl-C is for this process, which then asks the others to stop.
#[cfg(unix)]
fn in_its_own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(windows)]
fn in_its_own_group(command: &mut Command) {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
}

#[cfg(not(any(unix, windows)))]
fn in_its_own_group(_command: &mut Command) {}

/// The lines that are not empty, the last one first.
fn lines(said: &str) -> impl Iterator<Item = &str> {
    said.lines().rev().map(str::trim).filter(|line| !line.is_empty())
}

fn judge(status: ExitStatus, has_said_why: bool) -> Exited {
    match status.code() {
        Some(0) => Exited::Completed,
        Some(INTERRUPTED) => Exited::Stopped,
        // Windows gives exit code 1 to a process that is terminated.
        Some(code) if FAILED.contains(&code) && has_said_why => Exited::Failed,
        _ => Exited::SetBack(status),
    }
}

impl fmt::Display for Exited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("its process completed"),
            Self::Stopped => f.write_str("its process was interrupted"),
            Self::Failed => f.write_str("its process failed"),
            Self::SetBack(status) if status.code().is_none_or(|code| FAILED.contains(&code)) => {
                write!(f, "its process was killed ({status}); the machine may be short of memory")
            }
            Self::SetBack(status) => write!(f, "its process ended with {status}"),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What a process tells that runs this line of a shell.
    fn told(line: &str) -> Vec<TrainingEvent> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let file = folder.path().join("trial.toml");
        let (mut child, log) = spawn(&Program::new(program), &file, 1).unwrap();
        let output = child.stdout.take().unwrap();
        let (teller, heard) = Teller::channel();
        read(output, &teller);
        teller.tell(TrainingEvent::Ended(log.ended(&mut child)));
        drop(teller);
        heard.collect()
    }

    fn ended(line: &str) -> Ended {
        match told(line).pop() {
            Some(TrainingEvent::Ended(ended)) => ended,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn epochs_are_heard_and_other_lines_are_not() {
        let line = r#"echo '{"epoch":3,"val_accuracy":0.5}'; echo 'done'; exit 0"#;
        let expected =
            [TrainingEvent::Epoch { epoch: 3, accuracy: 0.5 }, TrainingEvent::Ended(Ended::Completed)];
        assert_eq!(told(line), expected);
    }

    #[test]
    fn a_failure_of_its_own_is_one_that_it_explains() {
        let line = "echo 'error: the loss is not finite' >&2; exit 1";
        assert_eq!(ended(line), Ended::Failed("the loss is not finite".to_owned()));
        // A process that is killed by the Windows task manager ends like this.
        let Ended::SetBack(reason) = ended("echo 'warning: slow' >&2; exit 1") else { panic!() };
        assert!(reason.contains("was killed") && reason.ends_with("warning: slow"), "{reason}");
        let Ended::SetBack(reason) = ended("kill -KILL $$") else { panic!() };
        assert!(reason.contains("was killed"), "{reason}");
        let line = "echo 'error: the disk is full' >&2; exit 75";
        assert_eq!(ended(line), Ended::SetBack("the disk is full".to_owned()));
        assert_eq!((ended("exit 0"), ended("exit 130")), (Ended::Completed, Ended::Stopped));
    }
}
