//! The thread pool.

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use thiserror::Error;

use crate::memory::{self, OutOfMemory};

/// Why threads cannot be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PoolError {
    /// There is no memory for their stacks.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// The system refuses one.
    #[error(transparent)]
    Refused(#[from] ThreadPoolBuildError),
}

/// What a thread takes of the address space: its stack, and what the standard library adds to it.
const STACK: usize = (2 << 20) + (1 << 16);

/// A pool of `threads` workers (0: one per core) that flush denormal numbers to zero, so that vanishing gradients take
/// no longer than others.
///
/// # Errors
/// The system refuses to start a thread, or has no memory for the stacks.
pub fn pool(threads: usize) -> Result<ThreadPool, PoolError> {
    // A thread that is there and cannot get the rest of its stack would end the program.
    drop(memory::room::<u8>(threads.saturating_mul(STACK))?);
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("convscope-{index}"))
        .start_handler(|_| flush_denormals())
        .build()?;
    Ok(pool)
}

/// Runs `work` in the pool of the calling thread or, if it belongs to none, in a shared pool of all cores.
pub fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    static ALL_CORES: OnceLock<Option<ThreadPool>> = OnceLock::new();
    if rayon::current_thread_index().is_some() {
        return work();
    }
    match ALL_CORES.get_or_init(|| pool(0).ok()) {
        Some(pool) => pool.install(work),
        // If no thread can be started, it runs here.
        None => work(),
    }
}

#[cfg(target_arch = "x86_64")]
fn flush_denormals() {
    const FLUSH_TO_ZERO_AND_DENORMALS_ARE_ZERO: u32 = 0x8040;
    let mut control: u32 = 0;
    let at = &raw mut control;
    // SAFETY: reads and writes the thread's own control register through a local variable; only the treatment of
    // denormal numbers changes, on threads that run only kernels.
    unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) at, options(nostack));
        *at |= FLUSH_TO_ZERO_AND_DENORMALS_ARE_ZERO;
        std::arch::asm!("ldmxcsr [{}]", in(reg) at, options(nostack));
    }
}

#[cfg(target_arch = "aarch64")]
fn flush_denormals() {
    const FLUSH_TO_ZERO: u64 = 1 << 24;
    let mut control: u64;
    // SAFETY: as on the other processors: the thread's own register, and only the treatment of denormal numbers.
    unsafe {
        std::arch::asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack));
        control |= FLUSH_TO_ZERO;
        std::arch::asm!("msr fpcr, {}", in(reg) control, options(nomem, nostack));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn flush_denormals() {}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn workers_flush_denormals() {
        let half_the_smallest = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
        assert!(half_the_smallest() > 0.0, "this thread is untouched");
        assert_eq!(super::pool(1).unwrap().install(half_the_smallest), 0.0);
    }
}
