//! Figures about a heap, as plain values.
//!
//! *Callers:* [`Heap::stats`](crate::Heap::stats) and [`Mutator::collect`](crate::Mutator::collect) fill them. *Invariants:*
//! an object counts with the bytes of its slot. Figures of running mutators lag behind by what their caches hold
//! (at most 33 spans per type and size); a collection brings them up to date.

use crate::heap::HeapShared;
use crate::trace::Object;
use spanheap_allocator::geometry::{ARENA_SIZE, GROWTH_UNIT, PAGE_SIZE};
use spanheap_allocator::{Allocator, LayoutId, PageFigures};
use spanheap_collector::{Collector, Counted, CycleReport as RawReport, HandshakeTimes, TypeReport};
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
    /// Bytes outside the heap that the host holds for objects. They are not part of `live_bytes`.
    pub external_bytes: u64,
    /// Bytes at which the next cycle should end, those of stacks and external ones included.
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
    /// Address space held from the operating system, in any state.
    pub reserved_bytes: u64,
    /// Of that, what is mapped: it may be touched, and is made ready from there in units of 2 MiB.
    pub mapped_bytes: u64,
    /// Of that, what is ready: pages in use (`span_bytes`), free ones (`free_bytes`), and metadata.
    pub committed_bytes: u64,
    /// The most that was ever committed.
    pub peak_committed_bytes: u64,
    /// Pages that are ready and free: what [`Heap::trim`](crate::Heap::trim) could give back.
    pub free_bytes: u64,
    /// An upper estimate of what is resident: what is committed, without the pages that were never handed out.
    ///
    /// It is too high by what was handed out and never written (pages in caches, the untouched end of a span), by side
    /// tables that were never touched, by what `Heap::trim` gave back between the objects of spans, and, after memory was
    /// given back, by pages that became ready again and were not handed out since. It is too low where the system makes huge pages resident of which only a part was handed out:
    /// by less than 2 MiB for each 64 MiB of addresses.
    pub resident_bytes: u64,
    /// Pages that were given back to the operating system and are not in use again. They are mapped, and not committed.
    pub absent_bytes: u64,
    /// Bytes given back to the operating system so far.
    pub released_bytes: u64,
    /// Of them, those that the scavenger gave back: see [`HeapBuilder::scavenge`](crate::HeapBuilder::scavenge).
    pub scavenged_bytes: u64,
    /// What the heap needs besides the pages: `record_bytes` and `table_bytes`.
    pub metadata_bytes: u64,
    /// Classes and layouts, the index of arenas, and the tables of single spans: 384 bytes for each page of tiny objects, a KiB
    /// for each span of rare ones, kept for the next such span when it ends.
    pub record_bytes: u64,
    /// The side tables of the arenas (headers and bits of spans), as far as they are committed: about a thirty-second of the
    /// pages. Pages that are on their way back to the operating system count here meanwhile.
    pub table_bytes: u64,
    /// Attached mutators.
    pub mutators: usize,
    /// Root handles.
    pub roots: usize,
    /// Handshakes so far.
    pub handshakes: u64,
    /// The longest time that one mutator spent on one handshake, since
    /// [`Heap::reset_handshake_times`](crate::Heap::reset_handshake_times).
    pub longest_handshake: Duration,
    /// What mutators spent on handshakes, since the same.
    pub handshake_times: HandshakeTimes,
    /// Time in marking, all cycles together. It runs beside the mutators.
    pub mark_time: Duration,
    /// Time in sweeping, all cycles together.
    pub sweep_time: Duration,
    /// Time for which mutators marked because they allocated while a collection did, all of them together.
    pub assist_time: Duration,
    /// Time for which they waited for it instead.
    pub wait_time: Duration,
    /// By type, in the order in which types were first used.
    pub types: Vec<TypeStats>,
    /// By type and size: what spans there are, and what they hold. Only classes that have spans.
    ///
    /// Their pages and those of stacks (`stack_bytes`, `stack_retired_bytes`, `stack_pooled_bytes`) together are
    /// `span_bytes`, if no thread changes the heap meanwhile; else a span that comes or goes may be missing, or counted
    /// twice.
    pub classes: Vec<ClassStats>,
}

/// The few figures of a heap that programs ask for often. See [`HeapStats`] for what they mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapCounts {
    /// Objects handed out so far.
    pub allocated_objects: u64,
    /// Objects found dead so far.
    pub freed_objects: u64,
    /// Bytes handed out and not yet found dead.
    pub live_bytes: u64,
    /// Bytes of the slots of stacks, used or not.
    pub stack_bytes: u64,
}

/// What sort of spans a class has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClassKind {
    /// Slots of one size for objects of one type.
    Uniform,
    /// Slots of one size for objects of all rare types.
    Mixed,
    /// One object above 32 KiB in each span.
    Large,
}

/// The spans for objects of one type and size. What of their pages is not live is free slots, loss at the ends of spans,
/// and whatever was allocated since the spans were last swept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassStats {
    /// What sort of spans these are.
    pub kind: ClassKind,
    /// The type's name; "mixed" for [`ClassKind::Mixed`].
    pub name: &'static str,
    /// Bytes of a slot; 0 for [`ClassKind::Large`].
    pub slot_bytes: u64,
    /// Number of spans.
    pub spans: u64,
    /// Bytes of their pages.
    pub span_bytes: u64,
    /// Objects that the last sweep found alive. Those allocated since are not among them.
    pub live_objects: u64,
    /// Bytes of their slots.
    pub live_bytes: u64,
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

/// What has happened to the objects of each type.
fn types(allocator: &Allocator) -> impl Iterator<Item = TypeStats> {
    allocator.classes.layouts().map(|entry| {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
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
}

pub(crate) fn count(heap: &HeapShared) -> HeapCounts {
    let allocator = &heap.collector.allocator;
    let mut counts = HeapCounts { stack_bytes: allocator.stacks.figures().in_use as u64, ..HeapCounts::default() };
    let (mut allocated, mut freed) = (0, 0);
    for entry in types(allocator) {
        counts.allocated_objects += entry.allocated_objects;
        counts.freed_objects += entry.freed_objects;
        allocated += entry.allocated_bytes;
        freed += entry.freed_bytes;
    }
    counts.live_bytes = allocated.saturating_sub(freed);
    counts
}

pub(crate) fn gather(heap: &HeapShared) -> HeapStats {
    let collector = &heap.collector;
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let types: Vec<TypeStats> = types(&collector.allocator).collect();
    let sum = |field: fn(&TypeStats) -> u64| types.iter().map(field).sum::<u64>();
    let stacks = collector.allocator.stacks.figures();
    let (totals, memory) = (&collector.totals, collector.allocator.pages.memory().counters());
    let (pages, records) = (collector.allocator.pages.figures(), collector.allocator.metadata_bytes());
    let tables = memory.ready.saturating_sub(records + pages.in_use + pages.free_ready);
    HeapStats {
        cycles: get(&totals.cycles),
        verified_cycles: get(&totals.verified_cycles),
        allocated_objects: sum(|t| t.allocated_objects),
        allocated_bytes: sum(|t| t.allocated_bytes),
        freed_objects: sum(|t| t.freed_objects),
        freed_bytes: sum(|t| t.freed_bytes),
        live_bytes: sum(|t| t.allocated_bytes).saturating_sub(sum(|t| t.freed_bytes)),
        external_bytes: collector.external() as u64,
        goal_bytes: collector.goal() as u64,
        span_bytes: pages.in_use as u64,
        stacks: stacks.blocks,
        stack_bytes: stacks.in_use as u64,
        stack_retired_bytes: stacks.retired as u64,
        stack_pooled_bytes: stacks.pooled as u64,
        reserved_bytes: memory.reserved as u64,
        mapped_bytes: memory.prepared as u64,
        committed_bytes: memory.ready as u64,
        peak_committed_bytes: memory.peak_ready as u64,
        free_bytes: pages.free_ready as u64,
        resident_bytes: memory.ready.saturating_sub(never_handed_out(collector, pages)) as u64,
        absent_bytes: pages.released as u64,
        released_bytes: memory.released,
        scavenged_bytes: get(&totals.scavenged_bytes),
        metadata_bytes: (records + tables) as u64,
        record_bytes: records as u64,
        table_bytes: tables as u64,
        mutators: collector.mutators(),
        roots: collector.roots.len(),
        handshakes: get(&totals.handshakes),
        longest_handshake: totals.handshake_times().max,
        handshake_times: totals.handshake_times(),
        mark_time: Duration::from_nanos(get(&totals.mark_nanos)),
        sweep_time: Duration::from_nanos(get(&totals.sweep_nanos)),
        assist_time: Duration::from_nanos(get(&totals.assist_nanos)),
        wait_time: Duration::from_nanos(get(&totals.wait_nanos)),
        types,
        classes: collector.census().into_iter().map(|counted| class(heap, counted)).collect(),
    }
}

fn class(heap: &HeapShared, counted: Counted<'_>) -> ClassStats {
    let name = |layout| heap.collector.allocator.classes.layout(layout).layout.name;
    ClassStats {
        kind: match counted.class {
            class if class.is_mixed() => ClassKind::Mixed,
            class if class.size.is_none() => ClassKind::Large,
            _ => ClassKind::Uniform,
        },
        name: counted.class.layout.map_or("mixed", name),
        slot_bytes: counted.class.size.map_or(0, |size| size.get().size as u64),
        spans: counted.spans,
        span_bytes: counted.span_bytes,
        live_objects: counted.live_objects,
        live_bytes: counted.live_bytes,
    }
}

/// Bytes of pages that are ready and were never handed out, or fewer.
fn never_handed_out(collector: &Collector, figures: PageFigures) -> usize {
    const UNIT: usize = GROWTH_UNIT / PAGE_SIZE;
    let mut above = 0;
    let allocator = &collector.allocator;
    allocator.pages.for_each_arena(|arena, pages| {
        // Pages become ready by whole units, except in the arena of a huge object, which has no others.
        let is_huge = allocator.index.arena(arena + ARENA_SIZE) == Some(arena);
        if !is_huge {
            above += pages.end.next_multiple_of(UNIT) - pages.end;
        }
    });
    // Some of them may have been given back.
    (above * PAGE_SIZE).saturating_sub(figures.released).min(figures.free_ready)
}
