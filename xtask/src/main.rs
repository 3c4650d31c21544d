//! The project's own tasks: `cargo xtask check | tidy | kernels | fuzz | faults | hashes | fixtures | bench`.
#![expect(clippy::print_stdout, reason = "a command line tool prints to stdout")]

mod bench;
mod check;
mod faults;
mod fixtures;
mod fuzz;
mod hashes;
mod kernels;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

tasks:
  check               formatting, tidy, clippy and documentation, stopping at the first that fails
  tidy                the rules of this repository that no other tool checks
  kernels             the tests of kernels and operators on each instruction set, and under AddressSanitizer
  fuzz TARGET [SECONDS]
                      cargo-fuzz on a reader of untrusted bytes; fuzz/fuzz_targets has the names
  bench [OPTION...]   Convscope compared with PyTorch, TensorFlow and others; `cargo xtask bench --help` lists the options
  faults [CALL...]    make every call on a file of a training run fail, and check that nothing is lost
  hashes FILE...      the SHA-256 of all arrays of a weights file, whatever its metadata
  fixtures [NAME...]  record PyTorch's answers again: runs the scripts in fixtures and crates/*/fixtures (or only those named) in a virtual environment
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = repository();
    let done = match arguments[..] {
        ["check"] => check::run(&root),
        ["tidy"] => tidy::run(&root),
        ["kernels"] => kernels::run(&root),
        ["fuzz", target] => fuzz::run(&root, target, None),
        ["fuzz", target, seconds] => fuzz::run(&root, target, Some(seconds)),
        ["bench", "help" | "-h" | "--help"] => {
            print!("{}", bench::USAGE);
            return ExitCode::SUCCESS;
        }
        ["bench", ref options @ ..] => bench::run(&root, options),
        ["faults", ref names @ ..] => faults::run(&root, names),
        ["hashes", ref files @ ..] => hashes::run(files),
        ["fixtures", ref names @ ..] => fixtures::run(&root, names),
        ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn repository() -> PathBuf {
    // Cargo's current environment takes precedence over that at build time: copies of the repository may share a target
    // folder.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().unwrap_or(Path::new(".")).to_path_buf()
}
