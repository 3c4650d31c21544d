//! Ctrl-C: at once, or after the piece of work that must not be torn apart.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::Exit;

/// Set by the first signal after [`finish_first`]; the training loop looks at it after every batch.
pub(crate) static INTERRUPTED: AtomicBool = AtomicBool::new(false);

static FINISH_FIRST: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C (and where the system has them, the signals to terminate and to hang up) ends the program with
/// the exit code of [`Exit::Interrupted`].
///
/// Signals that the program was told to ignore, as `nohup` does, stay ignored.
pub(crate) fn install() {
    // It fails only where a signal is ignored on purpose; the program then ends as the system sees fit, and a
    // training run goes on from its last checkpoint.
    let _ = ctrlc::try_set_handler(|| {
        let first = !INTERRUPTED.swap(true, Ordering::SeqCst);
        if !(first && FINISH_FIRST.load(Ordering::SeqCst)) {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    });
}

/// From now on the first signal only sets [`INTERRUPTED`]; the second one still ends the program at once.
pub(crate) fn finish_first() {
    FINISH_FIRST.store(true, Ordering::SeqCst);
}
