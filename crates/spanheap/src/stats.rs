//! Figures about a heap, as plain values.
//!
//! *Callers:* [`Heap::stats`](crate::Heap::stats) and [`Mutator::collect`](crate::Mutator::collect) fill them. *Invariants:*
//! an object counts with the bytes of its slot. Figures of running mutators lag behind by what their caches hold
//! (at most one span per type and size); a collection brings them up to date.

use crate::heap::HeapShared;
use crate::trace::Object;
use spanheap_allocator::LayoutId;
use spanheap_collector::{CycleReport as RawReport, TypeReport};
use spanheap_sync::Arc;
use spanheap_sync::word::{AtomicU64, Ordering};
use std::ops::Deref;
use std::time::Duration;

/// The state of a heap and what has happened in it.
#[derive(Clone, Debug, Default)]
pub struct HeapStats {
    /// Completed cycles.
    pub cycles: u64,
    /// Cycles after which the verifier found the heap in order.
    pub verified_cycles: u64,
    /// Objects handed out so far.
    pub allocated_objects: u64,
    /// Bytes of their slots.
    pub allocated_bytes: u64,
    /// Objects found dead so far.
    pub freed_objects: u64,
    /// Bytes of their slots.
    pub freed_bytes: u64,
    /// Bytes handed out and not yet found dead.
    pub live_bytes: u64,
    /// Bytes at which the next cycle should end.
    pub goal_bytes: u64,
    /// Bytes of pages that spans and stacks have now.
    pub span_bytes: u64,
    /// Stacks that have slots.
    pub stacks: usize,
    /// Bytes of their slots, used or not. They are not part of `live_bytes`.
    pub stack_bytes: u64,
    /// Bytes that stacks have left and that become free at the end of a collection.
    pub stack_retired_bytes: u64,
    /// Bytes of pages kept for stacks and free.
    pub stack_pooled_bytes: u64,
    /// Address space held from the operating system.
    pub reserved_bytes: u64,
    /// Bytes in use from the operating system, side tables included; pages among them that were never touched are
    /// not resident.
    pub committed_bytes: u64,
    /// Of that, what the heap's own records take: classes and layouts. The side tables of the arenas are not among it.
    pub metadata_bytes: u64,
    /// The most that was ever committed.
    pub peak_committed_bytes: u64,
    /// Bytes given back to the operating system so far.
    pub released_bytes: u64,
    /// Attached mutators.
    pub mutators: usize,
    /// Root handles.
    pub roots: usize,
    /// Handshakes so far.
    pub handshakes: u64,
    /// The longest time that one mutator spent on one handshake.
    pub longest_handshake: Duration,
    /// Time in marking, all cycles together. It runs beside the mutators.
    pub mark_time: Duration,
    /// Time in sweeping, all cycles together.
    pub sweep_time: Duration,
    /// By type, in the order in which types were first used.
    pub types: Vec<TypeStats>,
}

/// What has happened to the objects of one type.
#[derive(Clone, Debug)]
pub struct TypeStats {
    /// The type's name.
    pub name: &'static str,
    /// Objects handed out so far.
    pub allocated_objects: u64,
    /// Bytes of their slots.
    pub allocated_bytes: u64,
    /// Objects found dead so far.
    pub freed_objects: u64,
    /// Bytes of their slots.
    pub freed_bytes: u64,
    /// Objects handed out and not yet found dead.
    pub live_objects: u64,
}

/// What one cycle did. Dereferences to its figures.
#[derive(Clone)]
pub struct CycleReport {
    raw: Arc<RawReport>,
    heap: Arc<HeapShared>,
}

impl CycleReport {
    pub(crate) fn new(raw: Arc<RawReport>, heap: Arc<HeapShared>) -> CycleReport {
        CycleReport { raw, heap }
    }

    fn of(&self, layout: Option<LayoutId>) -> Option<&TypeReport> {
        self.raw.types.iter().find(|entry| Some(entry.layout) == layout)
    }

    /// Objects of type `T` alive after the cycle.
    pub fn live_of<T: Object>(&self) -> u64 {
        self.of(self.heap.types.find::<T>()).map_or(0, |entry| entry.live_objects)
    }

    /// Objects of type `T` that the cycle found dead.
    pub fn freed_of<T: Object>(&self) -> u64 {
        self.of(self.heap.types.find::<T>()).map_or(0, |entry| entry.freed_objects)
    }
}

impl Deref for CycleReport {
    type Target = RawReport;

    fn deref(&self) -> &RawReport {
        &self.raw
    }
}

impl std::fmt::Debug for CycleReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.raw.fmt(f)
    }
}

pub(crate) fn gather(heap: &HeapShared) -> HeapStats {
    let collector = &heap.collector;
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let types: Vec<TypeStats> = collector
        .allocator
        .classes
        .layouts()
        .map(|entry| {
            let counters = &entry.counters;
            let freed_objects = get(&counters.freed_objects);
            TypeStats {
                name: entry.layout.name,
                allocated_objects: get(&counters.allocated_objects),
                allocated_bytes: get(&counters.allocated_bytes),
                freed_objects,
                freed_bytes: get(&counters.freed_bytes),
                live_objects: get(&counters.allocated_objects).saturating_sub(freed_objects),
            }
        })
        .collect();
    let sum = |field: fn(&TypeStats) -> u64| types.iter().map(field).sum::<u64>();
    let stacks = collector.allocator.stacks.figures();
    let (totals, memory) = (&collector.totals, collector.allocator.pages.memory().counters());
    HeapStats {
        cycles: get(&totals.cycles),
        verified_cycles: get(&totals.verified_cycles),
        allocated_objects: sum(|t| t.allocated_objects),
        allocated_bytes: sum(|t| t.allocated_bytes),
        freed_objects: sum(|t| t.freed_objects),
        freed_bytes: sum(|t| t.freed_bytes),
        live_bytes: sum(|t| t.allocated_bytes).saturating_sub(sum(|t| t.freed_bytes)),
        goal_bytes: collector.goal() as u64,
        span_bytes: collector.allocator.pages.figures().in_use as u64,
        stacks: stacks.blocks,
        stack_bytes: stacks.in_use as u64,
        stack_retired_bytes: stacks.retired as u64,
        stack_pooled_bytes: stacks.pooled as u64,
        reserved_bytes: memory.reserved as u64,
        committed_bytes: memory.ready as u64,
        metadata_bytes: collector.allocator.metadata_bytes() as u64,
        peak_committed_bytes: memory.peak_ready as u64,
        released_bytes: memory.released,
        mutators: collector.mutators(),
        roots: collector.roots.len(),
        handshakes: get(&totals.handshakes),
        longest_handshake: Duration::from_nanos(get(&totals.longest_handshake_nanos)),
        mark_time: Duration::from_nanos(get(&totals.mark_nanos)),
        sweep_time: Duration::from_nanos(get(&totals.sweep_nanos)),
        types,
    }
}
