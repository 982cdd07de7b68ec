//! Letting allocations fail on purpose: the option, and what a handle can say and ask later.
//!
//! *Callers:* tests of hosts, which want to see every place where memory can run out. *Invariants:* a heap made without the
//! option allocates exactly as if none of this existed; its handle says so (`NotPrepared`) instead of failing nothing.

use crate::error::NotPrepared;
use crate::heap::{Heap, HeapBuilder};

impl HeapBuilder {
    /// Let the `n`-th allocation of the heap fail, counted from 1 over all its mutators, and those after it succeed. For
    /// tests. `Some(0)` lets none fail yet: [`Heap::fail_allocation`] names one later, when the host is initialised.
    /// Default: `None`, which can not be changed later.
    ///
    /// Each object counts as one allocation, whatever its kind, and so does each time that an object above 32 KiB becomes longer
    /// in place, and each block of slots that a stack gets. What fails fails with
    /// [`AllocError::Limit`](crate::AllocError::Limit), as if the heap's limit had been reached, and changes nothing. The
    /// heap's own records (of types, for instance) are not counted, and neither is an array that becomes longer within its
    /// slot: that asks for no memory. A heap with this option hands out slots one at a time, which is slow.
    pub fn fail_allocation(mut self, n: Option<u64>) -> HeapBuilder {
        self.options.fail_allocation = n;
        self
    }
}

impl Heap {
    /// Lets the `n`-th allocation from now fail, the next one being the first, and no other: what was said before is
    /// forgotten. `None` and `Some(0)`: none fails. For tests; see [`HeapBuilder::fail_allocation`], without which there is
    /// nothing to count. Threads that allocate meanwhile may be counted or not.
    ///
    /// # Errors
    /// [`NotPrepared`] if the heap was made without the option.
    pub fn fail_allocation(&self, n: Option<u64>) -> Result<(), NotPrepared> {
        self.fail_allocations(n.unwrap_or(0), 1)
    }

    /// As [`Heap::fail_allocation`], and the allocations after the `first`-th fail too until `count` have failed: whoever
    /// collects and tries again fails again. `first` 0 or `count` 0: none fails.
    ///
    /// # Errors
    /// [`NotPrepared`] if the heap was made without the option.
    pub fn fail_allocations(&self, first: u64, count: u64) -> Result<(), NotPrepared> {
        let refusals = &self.shared.collector.allocator.refusals;
        if !refusals.prepared() {
            return Err(NotPrepared);
        }
        refusals.set(first, count);
        Ok(())
    }

    /// Allocations that were to fail and have, since the heap was made; 0 without
    /// [`HeapBuilder::fail_allocation`].
    pub fn allocations_refused(&self) -> u64 {
        self.shared.collector.allocator.refusals.refused()
    }

    /// Allocations since the heap was made, refused ones included, as [`HeapBuilder::fail_allocation`] counts them; 0
    /// without it.
    pub fn allocations_counted(&self) -> u64 {
        self.shared.collector.allocator.refusals.counted()
    }
}
