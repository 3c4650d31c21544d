//! The exercise that the project grew out of: one random 3x32x32 image through each operator, compared with PyTorch's
//! answers.
//!
//! `cargo run --release --example assignment`

use convscope_verify::{Comparison, read_archive};
use std::error::Error;
use std::io::{self, Write};

/// Recorded by `crates/verify/fixtures/operators.py`.
const CASES: &[u8] = include_bytes!("../../verify/fixtures/operators/assignment.tar.gz");

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    writeln!(out, "{:<42}{:>16}{:>16}  1e-6", "operator", "forward", "backward")?;
    for case in read_archive(CASES)? {
        let compared = case.check()?;
        let largest = |backward: bool| {
            let errors = compared.iter().filter(|comparison| comparison.is_backward() == backward);
            errors.map(|comparison| comparison.error).fold(0.0, f64::max)
        };
        let verdict = if compared.iter().all(passes) { "ok" } else { "NO" };
        let [forward, backward] = [largest(false), largest(true)];
        writeln!(out, "{:<42}{forward:>16.1e}{backward:>16.1e}  {verdict}", case.name)?;
    }
    Ok(())
}

fn passes(comparison: &Comparison) -> bool {
    comparison.error <= 1e-6
}
