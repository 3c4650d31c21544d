//! Every target accepts its seeds, earlier finds and small changes to both, in a process with limited memory.

use std::path::Path;
use std::process::Command;

use convscope_fuzz::{TARGETS, seeds};

/// Set in the process with limited memory.
const LIMITED: &str = "CONVSCOPE_FUZZ_LIMITED";

/// Its address space, in KiB.
const MEMORY: u32 = 2_000_000;

#[test]
fn small_files_of_every_kind_are_read_or_refused_in_little_memory() {
    if cfg!(target_os = "linux") && std::env::var_os(LIMITED).is_none() {
        let program = std::env::current_exe().unwrap();
        let limited = Command::new("sh")
            .args(["-c", &format!("ulimit -v {MEMORY} && exec \"$0\" \"$@\"")])
            .arg(program)
            .arg("--nocapture")
            .env(LIMITED, "yes")
            .status()
            .unwrap();
        assert!(limited.success(), "{limited}");
        return;
    }
    for (name, target) in TARGETS {
        let mut files = seeds(name);
        assert!(!files.is_empty(), "{name} has no seeds");
        files.extend(finds(name));
        for file in &files {
            target(file);
            for changed in changes(file) {
                target(&changed);
            }
        }
    }
}

/// What the fuzzer found earlier, in `finds/<target>`.
fn finds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("finds").join(target);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// The file truncated at some positions, and with one byte changed at others, most of them near the beginning.
fn changes(file: &[u8]) -> Vec<Vec<u8>> {
    const EACH: usize = 24;
    if file.is_empty() {
        return Vec::new();
    }
    let mut state = 1_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let cut = (0..EACH).map(|part| file[..file.len() * part / EACH].to_vec());
    let mut all: Vec<Vec<u8>> = cut.collect();
    for turn in 0..2 * EACH {
        let at = random(if turn % 2 == 0 { file.len() } else { file.len().min(64) });
        let mut changed = file.to_vec();
        changed[at] = [0, 1, 0x7f, 0x80, 0xff, changed[at] ^ 1][random(6)];
        all.push(changed);
    }
    all
}
