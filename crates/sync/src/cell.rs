//! A cell with accesses in closures, where no model follows them.
//!
//! Owns: `UnsafeCell`. Callers: the backends without a cell of their own. Invariant: the interface is that of loom's.

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
