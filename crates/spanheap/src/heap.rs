//! `Heap`: a heap is a value, and this its handle. `builder` makes it.
//!
//! *Callers:* users. *Invariants:* a heap's memory lives until the last handle, mutator and root of it are gone; its
//! thread ends with the last `Heap` handle.

use crate::builder::HeapBuilder;
use crate::error::{AttachError, CollectError, HeapError};
use crate::mutator::Mutator;
use crate::stats::{self, CycleReport, HeapCounts, HeapStats};
use crate::types::Types;
use spanheap_collector::{Collector, HandshakeTimes, Phase, Pressure};
use spanheap_memory::mock::MockOs;
use spanheap_sync::Arc;

/// A garbage-collected heap. Clone the handle freely; send it to other threads.
#[derive(Clone)]
pub struct Heap {
    pub(crate) shared: Arc<HeapShared>,
}

/// What all handles and mutators of a heap share.
pub(crate) struct HeapShared {
    pub(crate) collector: Arc<Collector>,
    pub(crate) types: Types,
    /// The system that refuses requests, where that is wanted.
    pub(crate) refusing: Option<MockOs>,
}

impl Drop for HeapShared {
    fn drop(&mut self) {
        self.collector.shut_down();
    }
}

/// Fewest free pages in a row that [`Heap::trim`] gives back outside of whole units.
const LEAST_RUN: usize = 1;

impl Heap {
    /// A heap with default options. Nothing is mapped before the first allocation.
    ///
    /// # Errors
    /// None with default options.
    pub fn new() -> Result<Heap, HeapError> {
        Heap::builder().build()
    }

    /// Options for a heap.
    pub fn builder() -> HeapBuilder {
        HeapBuilder::new()
    }

    /// Attaches the calling thread while `work` runs: its mutator allocates, reads and writes objects.
    ///
    /// Every call has a brand `'h` of its own, so that references of one heap can not get into another.
    ///
    /// The thread detaches when `work` returns or unwinds: what it had logged for a collection in progress is kept. A thread
    /// that never leaves `work` stays attached. In a [native region](Mutator::native) it costs others nothing, and what it
    /// holds stays alive; elsewhere every collection waits for it, as [`Event::LateMutator`](crate::Event::LateMutator) tells.
    /// A process may end meanwhile. A thread must not end in the midst of `work` by a call that unwinds past Rust's own
    /// frames, such as `pthread_exit`: that is undefined in Rust.
    ///
    /// # Errors
    /// [`AttachError::AlreadyAttached`].
    pub fn attach<R>(&self, work: impl for<'h> FnOnce(&mut Mutator<'h>) -> R) -> Result<R, AttachError> {
        if self.shared.collector.is_attached() {
            return Err(AttachError::AlreadyAttached);
        }
        Ok(work(&mut Mutator::attach(self)))
    }

    /// Asks for a collection and does not wait for it.
    pub fn request_collection(&self) {
        self.shared.collector.request_cycle();
    }

    /// Runs a whole collection that begins after this call, and waits for it.
    ///
    /// # Errors
    /// [`CollectError::Attached`] if the calling thread has a mutator: use [`Mutator::collect`].
    pub fn collect(&self) -> Result<CycleReport, CollectError> {
        if self.shared.collector.is_attached() {
            return Err(CollectError::Attached);
        }
        Ok(CycleReport::new(self.shared.collector.collect(), Arc::clone(&self.shared)))
    }

    /// Where the collection in progress is; [`Phase::Idle`] if there is none.
    pub fn phase(&self) -> Phase {
        self.shared.collector.phase()
    }

    /// What mutators have spent on handshakes since the heap was made, or since this was last reset. A mutator's own work
    /// counts, not what others wait for it.
    pub fn handshake_times(&self) -> HandshakeTimes {
        self.shared.collector.totals.handshake_times()
    }

    /// Starts [`Heap::handshake_times`] and [`HeapStats::longest_handshake`] anew.
    pub fn reset_handshake_times(&self) {
        self.shared.collector.totals.reset_handshake_times();
    }

    /// Lets growth start collections (as it does in a new heap), or leaves them to explicit requests.
    pub fn set_automatic_collection(&self, automatic: bool) {
        self.shared.collector.set_automatic(automatic);
    }

    /// Whether growth starts collections.
    pub fn is_automatic_collection(&self) -> bool {
        self.shared.collector.is_automatic()
    }

    /// Gives free memory back to the operating system, all but about `keep` bytes of it. Returns the bytes given back.
    ///
    /// Memory becomes free when a collection finds it so: collect first. Units of 2 MiB that hold no object at all go first;
    /// then, as this is asked for and so worth a system call for each, free runs of pages between spans. If nothing is to be
    /// kept, the free system pages between the objects of spans go too; they stay committed, and come back when they
    /// are used again.
    pub fn trim(&self, keep: usize) -> usize {
        let allocator = &self.shared.collector.allocator;
        allocator.stacks.drain_pools(&allocator.pages);
        let returned = allocator.pages.trim_pages(keep, LEAST_RUN);
        if keep > 0 { returned } else { returned + allocator.trim_spans() }
    }

    /// Most bytes of pages that objects may have: what [`HeapBuilder::limit`] set, or what the control group allowed when the
    /// heap was made. `None` if nothing limits it.
    pub fn limit(&self) -> Option<usize> {
        Some(self.shared.collector.options().limit).filter(|&limit| limit != usize::MAX)
    }

    /// How hard the limits press, as the last collection has shown.
    pub fn pressure(&self) -> Pressure {
        self.shared.collector.pressure()
    }

    /// Whether it is worth to collect when an allocation does not fit below the limit. False if collection after collection
    /// has taken most of the time and freed next to nothing: then the program is out of memory, and should hear of it,
    /// instead of collecting for ever. Once mutators have had as much time as the last collection took, it is worth a try
    /// again.
    pub fn is_worth_collecting(&self) -> bool {
        self.shared.collector.is_worth_collecting()
    }

    /// A few figures as they are now. Takes time in proportion to the number of types.
    pub fn counts(&self) -> HeapCounts {
        stats::count(&self.shared)
    }

    /// All figures as they are now. Takes time in proportion to the number of spans, and no thread waits for it longer than
    /// for a few instructions.
    pub fn stats(&self) -> HeapStats {
        stats::gather(&self.shared)
    }
}

impl std::fmt::Debug for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heap").field("cycles", &self.shared.collector.cycle_number()).finish_non_exhaustive()
    }
}
