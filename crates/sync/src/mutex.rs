//! The ranked mutex and its condition variable.
//!
//! Owns: [`Mutex`], [`MutexGuard`], [`Condvar`]. Callers: every crate of the workspace.
//! Invariants: a thread takes locks in the order of [`Rank`] (checked in debug builds, see `order_on.rs`); a lock never
//! poisons, because each structure behind one is either consistent at every point that can unwind or belongs to a
//! heap that its owner is about to drop, and a second panic in a destructor would hide the first.

use crate::backend::lock;
use crate::edge::Edge;
use crate::order::{Held, Order};
use crate::rank::Rank;
use core::fmt;
use core::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};
use std::time::Duration;

/// A mutual exclusion lock with a place in the locking order.
pub struct Mutex<T> {
    order: Order,
    inner: lock::Mutex<T>,
}

/// The right to use the value behind a [`Mutex`]; dropping it unlocks.
#[must_use = "the lock is released when the guard is dropped"]
pub struct MutexGuard<'a, T> {
    // Declared in this order: a race detector is told of the release before it happens, and the rank is struck off after.
    edge: Edge,
    inner: lock::MutexGuard<'a, T>,
    held: Held,
}

impl<T> Mutex<T> {
    /// A lock of the given rank around `value`.
    pub fn new(rank: Rank, value: T) -> Self {
        Self { order: Order::new(rank), inner: lock::Mutex::new(value) }
    }

    /// Waits for the lock and takes it. A panic of an earlier holder does not matter: the value is as it left it.
    ///
    /// # Panics
    ///
    /// In debug builds, when the thread holds a lock of this rank or of one that belongs inside it.
    #[track_caller]
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let held = self.order.acquire();
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        MutexGuard { edge: Edge::acquire(self), inner, held }
    }

    /// Takes the lock if no one holds it, without waiting.
    ///
    /// # Panics
    ///
    /// As [`lock`](Self::lock): an attempt that would be out of order is a mistake even if it happens to fail.
    #[track_caller]
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let held = self.order.acquire();
        let inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(MutexGuard { edge: Edge::acquire(self), inner, held })
    }

    /// The value, without locking: the exclusive borrow proves that no guard exists.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Mutex<T> {
    /// Names the type only: to show the value would need the lock, and a debugger's print must not wait for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A condition variable for use with one [`Mutex`].
///
/// Waits may end without a notification, so the condition is tested in a loop. The rank of the waiting thread's lock
/// stays on its record through the wait: the thread runs nothing in between, and holds the lock again afterwards.
pub struct Condvar {
    inner: lock::Condvar,
}

impl Condvar {
    /// A condition variable that no thread waits on.
    #[allow(clippy::new_without_default, reason = "loom's has no default either; creation is spelled out")]
    pub fn new() -> Self {
        Self { inner: lock::Condvar::new() }
    }

    /// Unlocks, waits for a notification, and locks again.
    ///
    /// # Panics
    ///
    /// In debug builds, when the thread holds a lock inside that of `guard`, which would be held through the wait.
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        guard.held.assert_innermost();
        let MutexGuard { edge, inner, held } = guard;
        let inner = edge.released_while(|| self.inner.wait(inner).unwrap_or_else(PoisonError::into_inner));
        MutexGuard { edge, inner, held }
    }

    /// As [`wait`](Self::wait), for at most `timeout`. True says that the time ran out; under loom it never does.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_timeout<'a, T>(&self, guard: MutexGuard<'a, T>, timeout: Duration) -> (MutexGuard<'a, T>, bool) {
        guard.held.assert_innermost();
        let MutexGuard { edge, inner, held } = guard;
        let (inner, timed_out) = edge.released_while(|| lock::wait_timeout(&self.inner, inner, timeout));
        (MutexGuard { edge, inner, held }, timed_out)
    }

    /// Wakes one waiting thread, if there is one.
    pub fn notify_one(&self) {
        self.inner.notify_one();
    }

    /// Wakes all waiting threads.
    pub fn notify_all(&self) {
        self.inner.notify_all();
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
