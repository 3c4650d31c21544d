//! The binary `convscope`.

use std::path::PathBuf;
use std::process::ExitCode;

use convscope_cli::Program;

fn main() -> ExitCode {
    // Only a command that starts the program again needs its path, and says so if it is wrong.
    let path = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("convscope"));
    convscope_cli::main(Program::new(path), std::env::args_os().skip(1).collect()).into()
}
