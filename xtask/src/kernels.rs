//! `cargo xtask kernels`: the tests of kernels and operators on every instruction set, with debug assertions, and again
//! under AddressSanitizer.

use std::path::Path;
use std::process::Command;

/// The instruction sets, by their names for `CONVSCOPE_ISA`; those that this processor lacks are skipped.
const SETS: [&str; 4] = ["portable", "avx2", "avx512", "avx512-bf16"];

/// Both kinds of runs.
const TESTS: [&str; 5] = ["test", "-p", "convscope-kernels", "-p", "convscope-ops"];

/// Runs the tests for each instruction set, first normally, then under AddressSanitizer.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let sets: Vec<&str> = SETS.into_iter().filter(|set| this_processor_has(set)).collect();
    println!("==> instruction sets: {}", sets.join(", "));
    for set in &sets {
        cargo(root, set, &TESTS, &[])?;
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("==> AddressSanitizer is skipped: it is only used on x86-64 Linux");
        return Ok(());
    }
    // An explicit target keeps the sanitizer out of build scripts.
    let target =
        ["--target", "x86_64-unknown-linux-gnu", "--target-dir", "target/sanitizer", "--lib", "--tests"];
    let arguments: Vec<&str> = TESTS.into_iter().chain(target).collect();
    // Enabling unstable features in the stable compiler saves installing a nightly one.
    let environment = [
        ("RUSTC_BOOTSTRAP", "1"),
        ("RUSTFLAGS", "-Zsanitizer=address"),
        // Some tests ask for more memory than there can be, and expect an error.
        ("ASAN_OPTIONS", "allocator_may_return_null=1"),
    ];
    for set in &sets {
        cargo(root, set, &arguments, &environment)?;
    }
    println!("==> all tests passed on {}", sets.join(", "));
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn this_processor_has(set: &str) -> bool {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
    match set {
        "avx2" => avx2,
        "avx512" => avx512,
        "avx512-bf16" => avx512 && is_x86_feature_detected!("avx512bf16"),
        _ => true,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn this_processor_has(set: &str) -> bool {
    set == "portable"
}

fn cargo(root: &Path, set: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let line = format!("cargo {}", arguments.join(" "));
    let shown: String = environment.iter().map(|(name, value)| format!("{name}={value} ")).collect();
    println!("==> CONVSCOPE_ISA={set} {shown}{line}");
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .env("CONVSCOPE_ISA", set)
        .envs(environment.iter().copied())
        .status()
        .map_err(|error| format!("`{line}` cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed with CONVSCOPE_ISA={set}")) }
}
