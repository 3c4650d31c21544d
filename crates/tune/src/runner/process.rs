//! A process that trains.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use convscope_files::AppendFile;

use super::Program;
use crate::TuneError;

/// A process that trains what a file describes.
pub(super) struct Process {
    child: Child,
    /// While it is open, the process continues. It also closes when this process is killed.
    lifeline: Option<ChildStdin>,
    /// Its output, appended to that of earlier processes.
    log: PathBuf,
    said_before: u64,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Exited {
    Completed,
    /// It has saved its state, because it was asked to stop.
    Stopped,
    /// It would fail again, and has reported why.
    Failed,
    /// It failed because of the machine: a file could not be read or written, memory was short, it was killed, or it
    /// panicked.
    SetBack(ExitStatus),
}

/// The exit codes if the settings or the data are at fault.
const FAILED: [i32; 2] = [1, 2];
/// The exit code after an interruption.
const INTERRUPTED: i32 = 130;
/// The exit code if the program knows that the machine is at fault (`EX_TEMPFAIL` of sysexits.h).
const TRY_AGAIN: i32 = 75;

impl Process {
    /// Starts to train what a file describes, or continues it.
    pub(super) fn start(program: &Program, file: &Path, threads: usize) -> Result<Process, TuneError> {
        let log = file.with_extension("log");
        let errors = AppendFile::open(&log).map_err(TuneError::io("write the file", &log))?.into_file();
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
            .stdout(Stdio::null())
            .stderr(errors);
        in_its_own_group(&mut command);
        let start = command.spawn();
        let mut child = start.map_err(|cause| TuneError::Start { program: program.path.clone(), cause })?;
        let lifeline = child.stdin.take();
        Ok(Process { child, lifeline, log, said_before })
    }

    /// Asks the process to save its state and end.
    pub(super) fn stop(&mut self) {
        self.lifeline = None;
    }

    /// How the process ended, if it has.
    pub(super) fn exited(&mut self) -> Result<Option<Exited>, TuneError> {
        let status = self.child.try_wait().map_err(TuneError::io("wait for the process of", &self.log))?;
        Ok(status.map(|status| judge(status, self.error().is_some())))
    }

    /// Waits for the end of the process.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Why the process ended: its last error, otherwise how it ended and its last output.
    pub(super) fn reason(&self, exited: Exited) -> String {
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
        let said = fs::read(&self.log).unwrap_or_default();
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

    /// A process that runs this line of a shell.
    fn ended(line: &str) -> (Exited, String) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let mut process =
            Process::start(&Program::new(program), &folder.path().join("trial.toml"), 1).unwrap();
        process.wait().unwrap();
        let exited = process.exited().unwrap().unwrap();
        (exited, process.reason(exited))
    }

    #[test]
    fn a_failure_of_its_own_is_one_that_it_explains() {
        let (exited, reason) = ended("echo 'error: the loss is not finite' >&2; exit 1");
        assert!(matches!(exited, Exited::Failed), "{exited:?}");
        assert_eq!(reason, "the loss is not finite");
        // A process that is killed by the Windows task manager ends like this.
        let (exited, reason) = ended("echo 'warning: slow' >&2; exit 1");
        assert!(matches!(exited, Exited::SetBack(_)), "{exited:?}");
        assert!(reason.contains("was killed") && reason.ends_with("warning: slow"), "{reason}");
        let (exited, reason) = ended("kill -KILL $$");
        assert!(matches!(exited, Exited::SetBack(_)) && reason.contains("was killed"), "{reason}");
        let (exited, reason) = ended("echo 'error: the disk is full' >&2; exit 75");
        assert!(matches!(exited, Exited::SetBack(_)) && reason == "the disk is full", "{reason}");
        assert!(matches!(ended("exit 0").0, Exited::Completed));
        assert!(matches!(ended("exit 130").0, Exited::Stopped));
    }
}
