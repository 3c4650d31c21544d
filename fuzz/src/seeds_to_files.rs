//! Writes the seeds of every target to `corpus/<target>/`, where the fuzzer reads them.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match convscope_fuzz::write_seeds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
