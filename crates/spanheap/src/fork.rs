//! Forking a process that has a heap.
//!
//! *Callers:* hosts that fork. *Invariants:* those of the collector's `fork` module. A child of a fork that was not made
//! through these methods must not touch the heap: locks may be held for ever, mutators never answer, and the collector's
//! thread does not exist.

use crate::error::CollectError;
use crate::heap::Heap;
use crate::mutator::Mutator;
use spanheap_sync::Arc;

impl<'h> Mutator<'h> {
    /// Calls `fork`, which may fork the process, at a moment at which the child gets a heap that is whole.
    ///
    /// It waits until no collection runs, holds off new ones, and stops all other mutators at their safepoints; then
    /// it calls `fork`. In the parent everything goes on. In the child this mutator and this thread are the only ones: the
    /// other mutators are detached, so that what only their stacks, scopes and root sources held is garbage; their root
    /// sources are forgotten, not dropped. [`Root`](crate::Root)s keep what they hold, whoever had them. The heap's own
    /// threads are started anew when they are needed. What threads that do not exist any more held of the heap (their
    /// mutators, their [`Heap`] handles) keeps its memory until the child ends.
    ///
    /// `fork` must not touch the heap. Meanwhile no other thread may call, from outside of a mutator or in a native region,
    /// [`Heap::trim`], [`Heap::stats`] or [`Heap::counts`]: the child could inherit a lock that they hold. Everything
    /// else waits. Of several heaps, each is to be asked, one inside the other's `fork`; builds with debug assertions
    /// refuse that, as they hold locks to their order.
    pub fn fork<R>(&mut self, fork: impl FnOnce() -> R) -> R {
        let (collector, record) = (Arc::clone(self.collector()), Arc::clone(self.record()));
        self.native(|| collector.fork(Some(&record), fork))
    }
}

impl Heap {
    /// The same for a thread that is not attached: in the child no mutator is.
    ///
    /// # Errors
    /// [`CollectError::Attached`] if the calling thread has a mutator: use [`Mutator::fork`].
    pub fn fork<R>(&self, fork: impl FnOnce() -> R) -> Result<R, CollectError> {
        if self.shared.collector.is_attached() {
            return Err(CollectError::Attached);
        }
        Ok(self.shared.collector.fork(None, fork))
    }
}
