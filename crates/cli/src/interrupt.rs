//! Ctrl-C: at once, or after the piece of work that must not be torn apart.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::Exit;

/// Set by the first Ctrl-C after [`finish_first`]; the training loop looks at it after every batch.
pub(crate) static INTERRUPTED: AtomicBool = AtomicBool::new(false);

static FINISH_FIRST: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C ends the program with the exit code of [`Exit::Interrupted`].
///
/// Only Ctrl-C: after `nohup` the program has to live on when its terminal goes, and a program that is told to
/// terminate leaves its last checkpoint.
pub(crate) fn install() {
    // Without a handler Ctrl-C still ends the program, only less gently.
    let _ = ctrlc::set_handler(|| {
        let first = !INTERRUPTED.swap(true, Ordering::SeqCst);
        if !(first && FINISH_FIRST.load(Ordering::SeqCst)) {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    });
}

/// Ends the program as the first Ctrl-C would, but never tears apart what is to be finished first.
pub(crate) fn end() {
    INTERRUPTED.store(true, Ordering::SeqCst);
    if !FINISH_FIRST.load(Ordering::SeqCst) {
        std::process::exit(i32::from(Exit::Interrupted.code()));
    }
}

/// From now on the first Ctrl-C only sets [`INTERRUPTED`]; the second one still ends the program at once.
pub(crate) fn finish_first() {
    FINISH_FIRST.store(true, Ordering::SeqCst);
}

/// From now on Ctrl-C ends the program at once again.
pub(crate) fn at_once() {
    FINISH_FIRST.store(false, Ordering::SeqCst);
}
