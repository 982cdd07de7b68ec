//! The standard library's half of the switch.
//!
//! Callers: `lib.rs`, which selects it when `cfg(loom)` is off, and the modules of this crate. Invariant: it exports
//! the names that `backend_loom.rs` exports, with the same signatures.

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
pub mod cell {
    /// [`core::cell::UnsafeCell`] with accesses in closures, which lets loom see where an access begins and ends.
    ///
    /// It is `Sync` only where a type that contains it says so, as with the standard cell.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct UnsafeCell<T: ?Sized>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// Wraps `value`.
        pub const fn new(value: T) -> Self {
            Self(core::cell::UnsafeCell::new(value))
        }

        /// Unwraps the value.
        pub fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    impl<T: ?Sized> UnsafeCell<T> {
        /// Calls `f` with a pointer to read the value through. The pointer must not outlive the call, and `f` must not
        /// dereference it while another thread is inside [`with_mut`](Self::with_mut).
        #[inline(always)]
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Calls `f` with a pointer to read and write the value through. The pointer must not outlive the call, and
        /// `f` must not dereference it while another thread is inside this method or [`with`](Self::with).
        #[inline(always)]
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

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
