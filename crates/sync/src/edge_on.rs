//! What ThreadSanitizer is told of locks (`--cfg spanheap_tsan`, for builds with `-Zsanitizer=thread` alone).
//!
//! Callers: `mutex.rs`. Why: the sanitizer follows the atomics of code that was compiled for it. The standard library's
//! was not, and the slow path of its mutex is there: without this, a lock that was waited for orders nothing in the
//! sanitizer's eyes, and what it guards would be reported. Invariant: the order that is told is what any lock gives, no
//! more: whoever takes it sees what those did who released it before.

use core::ffi::c_void;
use core::marker::PhantomData;

/// The record that a lock is held; dropping it tells of the release, which follows at once.
///
/// Not `Send`: a lock is released by the thread that took it.
pub(crate) struct Edge {
    lock: *const c_void,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared `Edge` is an address, which is passed to the sanitizer as a name and never dereferenced.
unsafe impl Sync for Edge {}

impl Edge {
    /// The calling thread has taken the lock at this address.
    #[inline]
    pub(crate) fn acquire<T>(lock: &T) -> Self {
        let lock = core::ptr::from_ref(lock).cast();
        __tsan_acquire(lock);
        Self { lock, not_send: PhantomData }
    }

    /// Calls `wait`, which releases the lock and takes it again.
    #[inline]
    pub(crate) fn released_while<R>(&self, wait: impl FnOnce() -> R) -> R {
        __tsan_release(self.lock);
        let result = wait();
        __tsan_acquire(self.lock);
        result
    }
}

impl Drop for Edge {
    #[inline]
    fn drop(&mut self) {
        __tsan_release(self.lock);
    }
}

// SAFETY: the signatures are those of the sanitizer's `tsan_interface.h`; the functions take any address, as a name.
unsafe extern "C" {
    safe fn __tsan_acquire(addr: *const c_void);
    safe fn __tsan_release(addr: *const c_void);
}
