//! Ctrl-C, a request to terminate and a closed terminal: at once, or after work that must not be interrupted.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit::Exit;

/// Set by the first signal after [`finish_first`]; the training loop checks it after every batch.
pub(crate) static INTERRUPTED: AtomicBool = AtomicBool::new(false);

static FINISH_FIRST: AtomicBool = AtomicBool::new(false);

/// Makes these signals end the program with the exit code of [`Exit::Interrupted`].
///
/// # Errors
/// The system cannot start a thread or install the signal handlers.
pub(crate) fn install() -> io::Result<()> {
    listen(|signal| match signal {
        Signal::Interrupt => {
            let is_first = !INTERRUPTED.swap(true, Ordering::SeqCst);
            if !(is_first && FINISH_FIRST.load(Ordering::SeqCst)) {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
        }
        // A closing terminal sends several signals.
        Signal::End => end(),
    })
}

/// Ends the program as the first Ctrl-C would, but never interrupts work that must be finished first.
pub(crate) fn end() {
    INTERRUPTED.store(true, Ordering::SeqCst);
    if !FINISH_FIRST.load(Ordering::SeqCst) {
        std::process::exit(i32::from(Exit::Interrupted.code()));
    }
}

/// Makes the first signal only set [`INTERRUPTED`]; a second Ctrl-C still ends the program at once.
pub(crate) fn finish_first() {
    FINISH_FIRST.store(true, Ordering::SeqCst);
}

/// Makes signals end the program at once again.
pub(crate) fn at_once() {
    FINISH_FIRST.store(false, Ordering::SeqCst);
}

#[derive(Clone, Copy)]
enum Signal {
    /// From a person, who may become impatient.
    Interrupt,
    /// From the system.
    End,
}

#[cfg(unix)]
fn listen(receive: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let mut wanted = vec![SIGINT, SIGTERM];
    if !hangup_is_ignored() {
        wanted.push(SIGHUP);
    }
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    let listener = move || {
        for signal in signals.forever() {
            receive(if signal == SIGINT { Signal::Interrupt } else { Signal::End });
        }
    };
    std::thread::Builder::new().name("convscope-signals".into()).spawn(listener)?;
    Ok(())
}

/// Whether the program must survive its terminal, as with `nohup`. Only Linux reports this; elsewhere the signal is not
/// handled, and a closed terminal ends the program with its last checkpoint.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_signals(&status).is_none_or(|ignored| ignored & HANGUP != 0)
}

/// The bit of SIGHUP, which is signal 1.
#[cfg(unix)]
const HANGUP: u64 = 1;

#[cfg(unix)]
fn ignored_signals(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[cfg(not(unix))]
fn listen(receive: impl Fn(Signal) + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(move || receive(Signal::Interrupt)).map_err(io::Error::other)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t00000000000004fe\n";
        assert_eq!(ignored_signals(status), Some(0x1001));
        assert_eq!(ignored_signals("Name:\tx\n"), None);
    }
}
