//! `cargo xtask fuzz`: lets cargo-fuzz look for bytes that break a reader.

use std::path::Path;
use std::process::Command;

/// Default number of seconds for a target.
const SECONDS: &str = "600";

/// Writes the seeds, then fuzzes the target for this many seconds.
///
/// # Errors
/// cargo-fuzz is missing, or it found something.
pub(crate) fn run(root: &Path, target: &str, seconds: Option<&str>) -> Result<(), String> {
    let seconds = seconds.unwrap_or(SECONDS);
    seconds.parse::<u32>().map_err(|_| format!("{seconds} is not a number of seconds"))?;
    cargo(root, &["run", "--quiet", "-p", "convscope-fuzz", "--bin", "seeds"], "fix the seeds")?;
    let time = format!("-max_total_time={seconds}");
    let fuzz = ["fuzz", "run", "--fuzz-dir", "fuzz", "--features", "libfuzzer", target];
    let limits = ["--", &time, "-rss_limit_mb=2048", "-timeout=20", "-print_final_stats=1"];
    let arguments: Vec<&str> = fuzz.into_iter().chain(limits).collect();
    let remedy =
        "install it with `cargo install cargo-fuzz`, or fix what it found and keep the file in fuzz/finds";
    cargo(root, &arguments, remedy)
}

fn cargo(root: &Path, arguments: &[&str], remedy: &str) -> Result<(), String> {
    let line = format!("cargo {}", arguments.join(" "));
    println!("==> {line}");
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root)
        // cargo-fuzz needs flags that the stable compiler only accepts this way.
        .env("RUSTC_BOOTSTRAP", "1")
        .status()
        .map_err(|error| format!("`{line}` cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed; {remedy}")) }
}
