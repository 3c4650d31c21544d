//! How this program is started, for commands that start it again.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

/// How a program is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file that is executed.
    pub path: PathBuf,
    /// What comes before all other arguments, such as `-m convscope` for Python.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// A program that is a file of its own.
    pub fn new(path: impl Into<PathBuf>) -> Program {
        Program { path: path.into(), arguments: Vec::new() }
    }

    /// Records how this program is started; the first call counts.
    pub(crate) fn record(self) {
        let _ = THIS.set(self);
    }

    /// How this program is started.
    pub(crate) fn this() -> Program {
        THIS.get().cloned().unwrap_or_else(|| Program::new("convscope"))
    }
}

static THIS: OnceLock<Program> = OnceLock::new();
