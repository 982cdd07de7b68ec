//! Options that make rare things happen often, and what they have done: for tests of the heap, and of hosts on it.
//!
//! *Callers:* tests, through [`HeapBuilder`]; any program, through the environment. *Invariants:* none of them changes what
//! is right. A test that wants one of them asks [`Heap::zeal`] at its end whether it acted.

use crate::builder::HeapBuilder;
use crate::heap::Heap;
use spanheap_collector::HostCheckFigures;
use spanheap_sync::word::Ordering;

impl HeapBuilder {
    /// Check the whole heap in every cycle, with all mutators stopped, and end the process if it is corrupt. For tests. A
    /// thread that is attached to two such heaps at once may wait for another such thread for ever: each stops what the
    /// other needs.
    pub fn verify(mut self, verify: bool) -> HeapBuilder {
        self.options.verify = verify;
        self
    }

    /// Collect at the next safepoint after about every n-th allocation. For tests. At least 1.
    pub fn collect_every(mut self, allocations: Option<u32>) -> HeapBuilder {
        self.options.collect_every = allocations;
        self
    }

    /// Fill freed slots with a pattern, so that a stale reference shows. For tests.
    pub fn poison(mut self, poison: bool) -> HeapBuilder {
        self.options.poison = poison;
        self
    }

    /// Do not use freed memory again for a while: a freed slot not before a later collection has found nothing to free beside
    /// it, and freed pages of whole spans not before 32 MiB more have been freed or memory is short; until then touching them is a
    /// fault. With [`poison`](HeapBuilder::poison), a stale reference then shows whatever it is used for. For tests. Takes more
    /// memory, and system calls.
    pub fn guard(mut self, guard: bool) -> HeapBuilder {
        self.options.guard = guard;
        self
    }

    /// Make the collector's buffers a few entries long, so that all of them are full at once: the logs of barriers, blocks of
    /// roots, what marking workers send each other, and the marker's ring. For tests.
    pub fn tiny_buffers(mut self, tiny: bool) -> HeapBuilder {
        self.options.tiny_buffers = tiny;
        self
    }

    /// Wait for a random while, up to a quarter of a millisecond, where a collection goes from phase to phase, where a
    /// mutator answers it, enters a native region, or sweeps: threads then meet in places where they hardly ever do. The number seeds what
    /// is drawn; which thread draws what is the system's affair. For tests.
    pub fn delays(mut self, seed: Option<u64>) -> HeapBuilder {
        self.options.delays = seed;
        self
    }

    /// Let every n-th request to the operating system fail with "out of memory". For tests. At least 1, and not beside
    /// [`os`](HeapBuilder::os). Allocations then fail that would have had memory; nothing else may go wrong.
    pub fn refuse_system_calls(mut self, every: Option<u64>) -> HeapBuilder {
        self.refuse_every = every;
        self
    }

    /// Watch what the host does through the unsafe parts of the interface, and panic where it breaks a rule: with the rule's number,
    /// the object, its type, and where it was allocated. What is written past the write barrier is found by the next
    /// collection, which then ends the process. docs/host-rules.md says what is seen and what is not. For debugging: everything is several times as slow,
    /// and the heap is [verified](HeapBuilder::verify) in every collection.
    pub fn check_host(mut self, check: bool) -> HeapBuilder {
        self.options.check_host = check;
        self
    }
}

/// What the options for tests have done so far in one heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZealFigures {
    /// Collections that the verifier has checked ([`HeapBuilder::verify`]).
    pub verified_collections: u64,
    /// Collections that mutators ran because they had allocated so much ([`HeapBuilder::collect_every`]).
    pub forced_collections: u64,
    /// Freed slots that were filled with the pattern ([`HeapBuilder::poison`]).
    pub poisoned_slots: u64,
    /// Freed pages that were made to fault ([`HeapBuilder::guard`]).
    pub guarded_pages: u64,
    /// Logs of barriers that were handed over because they were full; in heaps without
    /// [`tiny_buffers`](HeapBuilder::tiny_buffers), too.
    pub full_logs: u64,
    /// Times that somebody waited at random ([`HeapBuilder::delays`]).
    pub delays: u64,
    /// Requests to the system that were refused ([`HeapBuilder::refuse_system_calls`]).
    pub refused_system_calls: u64,
    /// Allocations that were refused ([`HeapBuilder::fail_allocation`]).
    pub refused_allocations: u64,
    /// Objects and stores that were watched, and slots compared ([`HeapBuilder::check_host`]).
    pub host_check: HostCheckFigures,
    /// Names of the options that the heap has and that have done nothing.
    pub idle: Vec<&'static str>,
}

impl Heap {
    /// What the options for tests have done so far. A run that was to be made hard by one of them proves nothing if
    /// [`ZealFigures::idle`] names it.
    pub fn zeal(&self) -> ZealFigures {
        let (shared, collector) = (&self.shared, &self.shared.collector);
        let (options, allocator) = (collector.options(), &collector.allocator);
        let refusing = shared.refusing.as_ref();
        let mut figures = ZealFigures {
            verified_collections: collector.totals.verified_cycles.load(Ordering::Relaxed),
            forced_collections: collector.zeal.forced_collections(),
            poisoned_slots: allocator.poisoned_slots(),
            guarded_pages: allocator.guarded_pages(),
            full_logs: collector.grey.full_logs(),
            delays: collector.zeal.delays(),
            refused_system_calls: refusing.map_or(0, |os| os.failed_calls()),
            refused_allocations: allocator.refusals.refused(),
            host_check: collector.host_check().map(|check| check.figures()).unwrap_or_default(),
            idle: Vec::new(),
        };
        let watched = figures.host_check;
        let watched = watched.objects.min(watched.stores).min(watched.compared);
        figures.idle = [
            ("verify", options.verify, figures.verified_collections),
            ("collect_every", options.collect_every.is_some(), figures.forced_collections),
            ("poison", options.poison, figures.poisoned_slots),
            ("guard", options.guard, figures.guarded_pages),
            ("tiny_buffers", options.tiny_buffers, figures.full_logs),
            ("delays", options.delays.is_some(), figures.delays),
            ("refuse_system_calls", refusing.is_some(), figures.refused_system_calls),
            ("fail_allocation", options.fail_allocation.is_some(), figures.refused_allocations),
            ("check_host", options.check_host, watched),
        ]
        .into_iter()
        .filter_map(|(name, on, acted)| (on && acted == 0).then_some(name))
        .collect();
        figures
    }
}
