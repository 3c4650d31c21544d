//! The command `convscope`, as `python -m convscope`.

use std::ffi::OsString;
use std::path::PathBuf;

use convscope_cli::Program;
use pyo3::prelude::*;

/// Runs a command line and returns its exit code. `program` starts it again: an executable and its first arguments.
#[pyfunction]
pub(crate) fn command_line(py: Python<'_>, program: Vec<OsString>, arguments: Vec<OsString>) -> u8 {
    let mut words = program.into_iter();
    let path = PathBuf::from(words.next().unwrap_or_default());
    let program = Program { path, arguments: words.collect() };
    py.detach(|| convscope_cli::main(program, arguments).code())
}
