//! Faults that tests inject into this crate's own operations.
//!
//! `CONVSCOPE_TEST_FAULT=<kind>@<n>` makes the `n`-th operation of the process, counted from 1, go wrong:
//!
//! - `fail`: only this operation fails, as on a disk with a bad sector;
//! - `full`: this operation and all later ones fail, as on a full disk;
//! - `abort`: the process aborts at once; if the operation is a write, after half of the bytes.
//!
//! Each fault is reported on standard error, so that a test knows whether the process reached the `n`-th operation.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts an operation that changes the disk, and fails if it is the one to fail.
pub(crate) fn before(operation: &str, path: &Path) -> io::Result<()> {
    match due(operation, path) {
        None => Ok(()),
        Some(Kind::Abort) => std::process::abort(),
        Some(kind) => Err(kind.error()),
    }
}

/// Writes all bytes, as one operation.
pub(crate) fn write_all(file: &mut File, bytes: &[u8], path: &Path) -> io::Result<()> {
    match due("write", path) {
        None => file.write_all(bytes),
        Some(kind) => {
            let _ = file.write_all(&bytes[..bytes.len() / 2]);
            if kind == Kind::Abort {
                std::process::abort();
            }
            Err(kind.error())
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fail,
    Full,
    Abort,
}

impl Kind {
    fn error(self) -> io::Error {
        match self {
            Kind::Full => io::ErrorKind::StorageFull.into(),
            Kind::Fail | Kind::Abort => io::Error::other("injected fault"),
        }
    }
}

const VARIABLE: &str = "CONVSCOPE_TEST_FAULT";

fn due(operation: &str, path: &Path) -> Option<Kind> {
    static WANTED: OnceLock<Option<(Kind, u64)>> = OnceLock::new();
    static DONE: AtomicU64 = AtomicU64::new(0);
    let (kind, number) = (*WANTED.get_or_init(|| parse(&std::env::var(VARIABLE).ok()?)))?;
    let count = DONE.fetch_add(1, Ordering::SeqCst) + 1;
    let is_due = count == number || (kind == Kind::Full && count > number);
    if !is_due {
        return None;
    }
    // The test reads standard error.
    let _ = writeln!(io::stderr(), "injected fault {count}: {operation} {}", path.display());
    Some(kind)
}

fn parse(text: &str) -> Option<(Kind, u64)> {
    let (kind, number) = text.split_once('@')?;
    let kind = match kind {
        "fail" => Kind::Fail,
        "full" => Kind::Full,
        "abort" => Kind::Abort,
        _ => return None,
    };
    Some((kind, number.parse().ok()?))
}
