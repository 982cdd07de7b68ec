//! The standard library's half of the switch.
//!
//! Callers: `lib.rs`, which selects it when neither `cfg(loom)` nor `cfg(shuttle)` is on, and the modules of this crate. Invariant: it exports
//! the names that the other backends export, with the same signatures.

/// Atomic integers and pointers, [`Ordering`](atomic::Ordering) and [`fence`](atomic::fence).
pub mod atomic {
    pub use core::sync::atomic::{
        AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
        AtomicUsize, Ordering, fence,
    };
}

/// Hints to the processor.
pub mod hint {
    pub use core::hint::spin_loop;
}

/// A cell whose accesses a model can follow.
#[path = "cell.rs"]
pub mod cell;

/// Threads: spawn, join, yield, park.
pub mod thread {
    pub use std::thread::{
        AccessError, Builder, JoinHandle, LocalKey, Thread, ThreadId, current, park, park_timeout, sleep, spawn,
        yield_now,
    };
}

pub(crate) mod lock {
    use std::sync::PoisonError;
    use std::time::Duration;

    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

    /// Waits for a notification or the end of `timeout`; true in the result says that the time ran out.
    pub(crate) fn wait_timeout<'a, T>(
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        let (guard, result) = condvar.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner);
        (guard, result.timed_out())
    }
}

/// Nothing: threads race as it is.
#[inline(always)]
pub(crate) fn may_switch() {}

/// How many pauses of a [`Backoff`](crate::Backoff) spin, each twice as long as the one before: some 10 microseconds.
const SPINNING_PAUSES: u32 = 10;

/// True when a [`Backoff`](crate::Backoff) that has paused `step` times sleeps the next time.
pub(crate) const fn sleeps(step: u32) -> bool {
    step >= SPINNING_PAUSES
}

/// One pause of a [`Backoff`](crate::Backoff) that has paused `step` times before.
///
/// It never yields: on a busy machine a thread that yields is put behind all others for milliseconds, while one that
/// sleeps for microseconds is run as soon as it wakes.
#[inline]
pub(crate) fn pause(step: u32) {
    if sleeps(step) {
        std::thread::sleep(std::time::Duration::from_micros(20 << (step - SPINNING_PAUSES).min(3)));
    } else {
        for _ in 0..1u32 << step {
            core::hint::spin_loop();
        }
    }
}
