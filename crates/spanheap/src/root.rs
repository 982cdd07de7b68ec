//! `Root`: a handle that keeps an object alive across safepoints and threads.
//!
//! *Callers:* [`Mutator::root`](crate::Mutator::root) makes them. *Invariants:* the handle's entry in the heap's root table
//! holds its object from creation to drop; a handle outlives its heap without harm, and without use.

use crate::mutator::Mutator;
use crate::reference::Gc;
use spanheap_collector::Collector;
use spanheap_sync::Arc;
use std::fmt;
use std::marker::PhantomData;

/// Keeps an object alive until it is dropped. May be sent to and shared with other threads.
pub struct Root<T> {
    object: usize,
    entry: usize,
    collector: Arc<Collector>,
    target: PhantomData<fn() -> T>,
}

impl<T> Root<T> {
    pub(crate) fn new(collector: &Arc<Collector>, object: usize) -> Root<T> {
        let entry = collector.roots.add(object);
        Root { object, entry, collector: Arc::clone(collector), target: PhantomData }
    }

    /// The object.
    ///
    /// # Panics
    /// If `cx` is attached to another heap.
    #[inline]
    pub fn get<'m, 'h>(&self, cx: &'m Mutator<'h>) -> Gc<'m, 'h, T> {
        assert!(Arc::ptr_eq(&self.collector, cx.collector()), "a root of one heap was used with a mutator of another");
        // SAFETY: the root table keeps the object, and its removal would be logged; the heap is the mutator's.
        unsafe { Gc::from_addr(self.object) }
    }
}

impl<T> Drop for Root<T> {
    fn drop(&mut self) {
        self.collector.roots.remove(self.entry, &self.collector.grey);
    }
}

impl<T> fmt::Debug for Root<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({:#x})", self.object)
    }
}
