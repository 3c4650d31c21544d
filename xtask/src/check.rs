//! `cargo xtask check`: everything that must pass before a commit, except the tests.

use std::path::Path;
use std::process::Command;

use crate::tidy;

/// Runs the steps in order and stops at the first that fails.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    cargo(root, &["fmt", "--all", "--check"], "run `cargo fmt --all`")?;
    println!("==> tidy");
    tidy::run(root)?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    cargo(root, &clippy, "fix what clippy reports above")?;
    cargo(root, &["doc", "--workspace", "--no-deps"], "fix what rustdoc reports above")?;
    println!("==> all checks passed");
    Ok(())
}

fn cargo(root: &Path, arguments: &[&str], remedy: &str) -> Result<(), String> {
    let line = format!("cargo {}", arguments.join(" "));
    println!("==> {line}");
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .env("RUSTDOCFLAGS", "-D warnings")
        .status()
        .map_err(|error| {
            format!("`{line}` cannot be started: {error}; install Rust from https://rustup.rs")
        })?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed; {remedy}")) }
}
