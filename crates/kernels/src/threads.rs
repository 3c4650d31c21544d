//! The thread pool.

use std::cell::Cell;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

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
///
/// A process that was forked from one with such a pool gets its own: it has inherited none of the threads.
pub fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_some() {
        return work();
    }
    match shared_pool() {
        Some(pool) => pool.install(work),
        // If no thread can be started, it runs here.
        None => work(),
    }
}

/// Runs `work` while the other threads of the pool look out for parts of it, so that none has to be woken for one: work that
/// is divided into parts of a few microseconds gains nothing from threads that sleep.
pub fn attended<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_none() {
        return work();
    }
    let watch = Watch(AtomicBool::new(false));
    let work = || {
        let _end = End(&watch);
        part(work)
    };
    rayon::join(work, || watch.with(rayon::current_num_threads() - 1)).0
}

/// Values for which another thread pays, in a loop that does little with each.
pub(crate) const FEWEST_OF_PART: usize = 1 << 14;

/// Runs two parts of a work, on two threads if one is free.
pub(crate) fn both(left: impl FnOnce() + Send, right: impl FnOnce() + Send) {
    rayon::join(|| part(left), || part(right));
}

thread_local! {
    /// The parts that this thread is in the middle of: one that waits for a part of its own runs others.
    static PARTS: Cell<usize> = const { Cell::new(0) };
}

fn part<R>(work: impl FnOnce() -> R) -> R {
    struct Left;
    impl Drop for Left {
        fn drop(&mut self) {
            PARTS.set(PARTS.get() - 1);
        }
    }
    PARTS.set(PARTS.get() + 1);
    let _left = Left;
    work()
}

/// Whether the work is done.
struct Watch(AtomicBool);

/// Ends the watch even if the work panics.
struct End<'a>(&'a Watch);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Release);
    }
}

impl Watch {
    /// Keeps up to `threads` threads awake until the work is done.
    fn with(&self, threads: usize) {
        if threads > 1 {
            rayon::join(|| self.one(), || self.with(threads - 1));
        } else {
            self.one();
        }
    }

    fn one(&self) {
        // A thread that waits for a part may get here, and must go on with its own part, which the work needs.
        while PARTS.get() == 0 && !self.0.load(Ordering::Acquire) {
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                std::hint::spin_loop();
            }
        }
    }
}

/// A pool and the process that its threads belong to.
struct Shared {
    process: u32,
    pool: Option<ThreadPool>,
}

/// The shared pool of this process; none if no thread can be started.
///
/// No lock protects it, since a thread that is not in the forked process might have held it. The pools of the processes
/// before are never freed: they wait for threads that are not there.
fn shared_pool() -> Option<&'static ThreadPool> {
    static SHARED: AtomicPtr<Shared> = AtomicPtr::new(ptr::null_mut());
    let process = process::id();
    let found = SHARED.load(Ordering::Acquire);
    // SAFETY: the pointer is null or that of a leaked box, which nothing changes.
    if let Some(shared) = unsafe { found.as_ref() }
        && shared.process == process
    {
        return shared.pool.as_ref();
    }
    let own = Box::into_raw(Box::new(Shared { process, pool: pool(0).ok() }));
    let place = SHARED.compare_exchange(found, own, Ordering::AcqRel, Ordering::Acquire);
    let shared = match place {
        Ok(_) => own,
        Err(first) => {
            // SAFETY: nobody else has seen this box, which came from `Box::into_raw`.
            drop(unsafe { Box::from_raw(own) });
            first
        }
    };
    // SAFETY: either box is leaked, and nothing changes it.
    unsafe { &*shared }.pool.as_ref()
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn the_shared_pool_is_one() {
        let place = || std::ptr::from_ref(super::shared_pool().unwrap()) as usize;
        let others: Vec<_> = (0..4).map(|_| std::thread::spawn(place)).collect();
        assert!(others.into_iter().all(|other| other.join().unwrap() == place()));
        assert!(super::in_pool(|| rayon::current_thread_index().is_some()));
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn workers_flush_denormals() {
        let half_the_smallest = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
        assert!(half_the_smallest() > 0.0, "this thread is untouched");
        assert_eq!(super::pool(1).unwrap().install(half_the_smallest), 0.0);
    }

    /// However the parts are taken, also by a pool of one and by several at a time, the work ends and its result comes back.
    #[test]
    fn attended_work_ends() {
        fn count(parts: usize, done: &AtomicUsize) {
            if parts > 1 {
                super::both(|| count(parts / 2, done), || count(parts - parts / 2, done));
            } else {
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
        for threads in [1, 2, 3, 8] {
            let done = AtomicUsize::new(0);
            let pool = super::pool(threads).unwrap();
            let work = || (0..200).for_each(|_| count(8, &done));
            pool.install(|| rayon::join(|| super::attended(work), || super::attended(work)));
            assert_eq!(done.into_inner(), 2 * 200 * 8);
        }
        let panics = || super::pool(2).unwrap().install(|| super::attended(|| panic!("on purpose")));
        assert!(std::panic::catch_unwind(panics).is_err());
    }
}
