//! Shuttle's half of the switch.
//!
//! Callers: `lib.rs`, which selects it when `cfg(shuttle)` is on, and the modules of this crate. Invariant: it exports
//! the names that `backend_std.rs` exports, with the same signatures. Every value of these types is used inside a run of
//! shuttle's, whose threads are coroutines that its scheduler switches between at the operations of these types, all of
//! them sequentially consistent. No time passes but by such switches, so that a schedule can be replayed.

/// Atomic integers and pointers, [`Ordering`](atomic::Ordering) and [`fence`](atomic::fence).
pub mod atomic {
    pub use shuttle::sync::atomic::{
        AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
        AtomicUsize, Ordering, fence,
    };
}

/// Hints to the processor.
pub mod hint {
    pub use shuttle::hint::spin_loop;
}

/// A cell with the interface of the one that loom follows. Shuttle switches threads at its own operations only, so that
/// accesses do not overlap.
#[path = "cell.rs"]
pub mod cell;

/// Threads: spawn, join, yield, park.
pub mod thread {
    use std::time::Duration;

    pub use shuttle::thread::{
        AccessError, Builder, JoinHandle, LocalKey, Thread, ThreadId, current, park, spawn, yield_now,
    };

    /// Lets other threads run: shuttle has no clock, and a parked thread may wake without a reason.
    pub fn park_timeout(_timeout: Duration) {
        yield_now();
    }

    /// Lets other threads run: shuttle has no clock.
    pub fn sleep(_duration: Duration) {
        yield_now();
    }
}

pub(crate) mod lock {
    use std::sync::PoisonError;
    use std::time::Duration;

    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};

    /// Waits for a notification. Shuttle has no clock, so the time never runs out.
    pub(crate) fn wait_timeout<'a, T>(
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        _timeout: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        (condvar.wait(guard).unwrap_or_else(PoisonError::into_inner), false)
    }
}

/// Nanoseconds of the models' clock: a switch between threads takes one microsecond.
pub(crate) fn model_nanos() -> u64 {
    shuttle::current::context_switches() as u64 * 1000
}

/// A point at which the scheduler may switch, as at an operation of an atomic.
#[inline]
pub(crate) fn may_switch() {
    // A load is what the scheduler counts as a step without any meaning of its own. Not while a thread unwinds: the run
    // is over then.
    if !std::thread::panicking() {
        atomic::AtomicBool::new(false).load(atomic::Ordering::SeqCst);
    }
}

/// Every pause of a [`Backoff`](crate::Backoff) lets others run.
pub(crate) const fn sleeps(_step: u32) -> bool {
    true
}

/// One pause of a [`Backoff`](crate::Backoff): a yield always.
pub(crate) fn pause(_step: u32) {
    shuttle::thread::yield_now();
}
