//! Loom's half of the switch.
//!
//! Callers: `lib.rs`, which selects it when `cfg(loom)` is on, and the modules of this crate. Invariant: it exports
//! the names that `backend_std.rs` exports, with the same signatures. Every value of these types is created inside
//! `loom::model`; loom has no clock, so a timeout never comes and a sleep is a yield.

/// Atomic integers and pointers, [`Ordering`](atomic::Ordering) and [`fence`](atomic::fence).
pub mod atomic {
    pub use loom::sync::atomic::{
        AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
        AtomicUsize, Ordering, fence,
    };
}

/// Hints to the processor.
pub mod hint {
    pub use loom::hint::spin_loop;
}

/// A cell whose accesses a model can follow.
pub mod cell {
    pub use loom::cell::UnsafeCell;
}

/// Threads: spawn, join, yield, park.
pub mod thread {
    use std::time::Duration;

    pub use loom::thread::{
        AccessError, Builder, JoinHandle, LocalKey, Thread, ThreadId, current, park, spawn, yield_now,
    };

    /// Lets the other threads of the model run: loom has no clock, and a parked thread may wake without a reason.
    pub fn park_timeout(_timeout: Duration) {
        yield_now();
    }

    /// Lets the other threads of the model run: loom has no clock.
    pub fn sleep(_duration: Duration) {
        yield_now();
    }
}

pub(crate) mod lock {
    use std::sync::PoisonError;
    use std::time::Duration;

    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

    /// Waits for a notification. Loom has no clock, so the time never runs out.
    pub(crate) fn wait_timeout<'a, T>(
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        _timeout: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        (condvar.wait(guard).unwrap_or_else(PoisonError::into_inner), false)
    }
}

/// Nanoseconds of the models' clock, which stands still: a model explores schedules, not times.
pub(crate) fn model_nanos() -> u64 {
    0
}

loom::lazy_static! {
    /// Stands for all words of heap memory.
    static ref WORDS: atomic::AtomicUsize = atomic::AtomicUsize::new(0);
}

/// A point at which any two threads conflict, for accesses that loom does not see: it explores them in either order.
/// It carries no order of its own.
pub(crate) fn may_switch() {
    // Not while a thread unwinds: the execution is over then, and so may be the word.
    if !std::thread::panicking() {
        WORDS.fetch_add(1, atomic::Ordering::Relaxed);
    }
}

/// Every pause of a [`Backoff`](crate::Backoff) lets others run.
pub(crate) const fn sleeps(_step: u32) -> bool {
    true
}

/// One pause of a [`Backoff`](crate::Backoff): a yield always, as spinning alone never lets a model's thread advance.
pub(crate) fn pause(_step: u32) {
    loom::thread::yield_now();
}
