//! Handle scopes: cheap roots for native code, dropped all at once.
//!
//! *Callers:* [`Mutator::scope`] opens one. *Invariants:* scopes nest; a handle is made only in the innermost scope, so
//! that a scope's handles are the last ones of its mutator when it ends. Handles are scanned like registers, in the
//! mutator's own handshake: making one costs a push, reading one a load.

use crate::mutator::Mutator;
use crate::reference::{Brand, Gc};
use spanheap_collector::Rule;
use std::marker::PhantomData;

/// A handle scope with brand `'s`, of the mutator with brand `'h`.
pub struct Scope<'s, 'h> {
    depth: usize,
    scope: Brand<'s>,
    heap: Brand<'h>,
}

/// Keeps an object alive until the scope with brand `'s` ends; survives safepoints.
pub struct Local<'s, 'h, T> {
    index: usize,
    scope: Brand<'s>,
    heap: Brand<'h>,
    target: PhantomData<fn() -> T>,
    /// Handles belong to a mutator, which belongs to a thread.
    not_send: PhantomData<*mut ()>,
}

impl<T> Clone for Local<'_, '_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Local<'_, '_, T> {}

impl<'s, 'h, T> Local<'s, 'h, T> {
    /// The object.
    #[inline]
    pub fn get<'m>(&self, cx: &'m Mutator<'h>) -> Gc<'m, 'h, T> {
        // SAFETY: the brands say that the scope is open and the mutator its own, so that the handle is there; its object
        // is of type T and a root.
        unsafe { Gc::from_addr(cx.local().handle(self.index)) }
    }
}

impl<'s, 'h> Scope<'s, 'h> {
    /// Holds an object until the scope ends.
    ///
    /// # Panics
    /// If a scope inside this one is still open.
    pub fn hold<T>(&self, cx: &Mutator<'h>, object: Gc<'_, 'h, T>) -> Local<'s, 'h, T> {
        assert!(cx.scopes.get() == self.depth, "a handle is made in the innermost scope of its mutator");
        if cx.local().barrier.is_watched() {
            cx.collector().expect_object(Rule::R1, "is held", object.addr());
        }
        let index = cx.local().add_handle(object.addr());
        Local { index, scope: PhantomData, heap: PhantomData, target: PhantomData, not_send: PhantomData }
    }
}

impl<'h> Mutator<'h> {
    /// Opens a handle scope for as long as `work` runs.
    pub fn scope<R>(&mut self, work: impl for<'s> FnOnce(&mut Mutator<'h>, &Scope<'s, 'h>) -> R) -> R {
        struct Close<'a, 'h> {
            cx: &'a mut Mutator<'h>,
            handles: usize,
        }
        impl Drop for Close<'_, '_> {
            fn drop(&mut self) {
                self.cx.local().truncate_handles(self.handles);
                self.cx.scopes.set(self.cx.scopes.get() - 1);
            }
        }
        let depth = self.scopes.get() + 1;
        self.scopes.set(depth);
        let handles = self.local().handles();
        let close = Close { cx: self, handles };
        work(close.cx, &Scope { depth, scope: PhantomData, heap: PhantomData })
    }
}
