//! What a cycle did, and what all cycles did together.
//!
//! *Callers:* `cycle` fills a report per cycle; the mutator layer hands it to the user. *Invariants:* objects and bytes
//! are slots and slot bytes; a figure that mutators add to concurrently is exact once they have flushed, which every
//! cycle makes them do.

use crate::handshake_times::{HandshakeTimes, Histogram};
use spanheap_allocator::{Allocator, LayoutId, SweptMany};
use spanheap_sync::word::{AtomicU64, Ordering};
use std::time::Duration;

/// What one cycle did.
#[derive(Clone, Debug, Default)]
pub struct CycleReport {
    /// Number of the cycle, from 1.
    pub number: u64,
    /// Objects that the marker looked into; leaves are marked without a look.
    pub scanned_objects: u64,
    /// Bytes of the mark stacks when they were largest. Some of them may be from an earlier cycle.
    pub mark_stack_bytes: usize,
    /// Objects that survived, those allocated during the cycle included.
    pub live_objects: u64,
    /// Bytes of their slots.
    pub live_bytes: u64,
    /// Objects found dead.
    pub freed_objects: u64,
    /// Bytes of their slots.
    pub freed_bytes: u64,
    /// Handshakes that the cycle took.
    pub handshakes: u64,
    /// The longest time that one mutator spent on one handshake.
    pub longest_handshake: Duration,
    /// What mutators spent on handshakes, each one's work for each handshake counting once.
    pub handshake_times: HandshakeTimes,
    /// From the first handshake to the proof that all is marked.
    pub mark_time: Duration,
    /// From there to the last span swept.
    pub sweep_time: Duration,
    /// The whole cycle.
    pub total_time: Duration,
    /// Time for which mutators marked because they allocated meanwhile, all of them together.
    pub assist_time: Duration,
    /// Time for which they waited for the cycle instead.
    pub wait_time: Duration,
    /// Marking work that mutators owed and did not pay, in objects: marking ended before, or they owed more than is kept.
    pub unpaid_work: u64,
    /// Objects that only floating garbage held, as the verifier counted; `None` where it did not run.
    pub floating_objects: Option<u64>,
    /// A root source panicked: the cycle freed nothing.
    pub roots_failed: bool,
    /// By type, in order of registration.
    pub types: Vec<TypeReport>,
}

/// What one cycle did to the objects of one type.
#[derive(Clone, Debug)]
pub struct TypeReport {
    /// Number of its layout.
    pub layout: LayoutId,
    /// The type's name.
    pub name: &'static str,
    /// Objects found dead in this cycle.
    pub freed_objects: u64,
    /// Bytes of their slots.
    pub freed_bytes: u64,
    /// Objects alive after it.
    pub live_objects: u64,
    /// Bytes of their slots.
    pub live_bytes: u64,
}

/// Counters over the heap's life. They only grow.
#[derive(Debug, Default)]
pub struct Totals {
    /// Completed cycles.
    pub cycles: AtomicU64,
    /// Handshakes, all mutators together counting once.
    pub handshakes: AtomicU64,
    /// Nanoseconds from first handshakes to proofs that all is marked.
    pub mark_nanos: AtomicU64,
    /// Nanoseconds of sweeping.
    pub sweep_nanos: AtomicU64,
    pub(crate) handshake_times: Histogram,
    /// Nanoseconds for which mutators marked because they allocated meanwhile.
    pub assist_nanos: AtomicU64,
    /// Nanoseconds for which they waited instead.
    pub wait_nanos: AtomicU64,
    /// Live slots found by all sweeps.
    pub swept_live_objects: AtomicU64,
    /// Their bytes.
    pub swept_live_bytes: AtomicU64,
    /// Slots freed by all sweeps.
    pub freed_objects: AtomicU64,
    /// Their bytes.
    pub freed_bytes: AtomicU64,
    /// Cycles after which the verifier found the heap in order.
    pub verified_cycles: AtomicU64,
    /// Bytes that the scavenger has given back to the system.
    pub scavenged_bytes: AtomicU64,
}

impl Totals {
    /// What mutators have spent on handshakes, since the heap was made or since this was last reset.
    pub fn handshake_times(&self) -> HandshakeTimes {
        self.handshake_times.read()
    }

    /// Starts these times anew.
    pub fn reset_handshake_times(&self) {
        self.handshake_times.reset();
    }

    pub(crate) fn count_sweep(&self, swept: SweptMany) {
        self.swept_live_objects.fetch_add(swept.live_objects, Ordering::Relaxed);
        self.swept_live_bytes.fetch_add(swept.live_bytes, Ordering::Relaxed);
        self.freed_objects.fetch_add(swept.freed_objects, Ordering::Relaxed);
        self.freed_bytes.fetch_add(swept.freed_bytes, Ordering::Relaxed);
    }

    pub(crate) fn sweep_snapshot(&self) -> [u64; 4] {
        [&self.swept_live_objects, &self.swept_live_bytes, &self.freed_objects, &self.freed_bytes]
            .map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// Freed objects and bytes per layout so far.
pub(crate) fn freed_by_type(allocator: &Allocator) -> Vec<(u64, u64)> {
    let freed = |counters: &spanheap_allocator::LayoutCounters| {
        (counters.freed_objects.load(Ordering::Relaxed), counters.freed_bytes.load(Ordering::Relaxed))
    };
    allocator.classes.layouts().map(|entry| freed(&entry.counters)).collect()
}

/// The types' part of a report, given what had been freed before the cycle.
pub(crate) fn types(allocator: &Allocator, before: &[(u64, u64)]) -> Vec<TypeReport> {
    let entries = allocator.classes.layouts().enumerate();
    entries
        .map(|(number, entry)| {
            let counters = &entry.counters;
            let (objects, bytes) = before.get(number).copied().unwrap_or_default();
            let freed_objects = counters.freed_objects.load(Ordering::Relaxed);
            let freed_bytes = counters.freed_bytes.load(Ordering::Relaxed);
            TypeReport {
                layout: entry.id,
                name: entry.layout.name,
                freed_objects: freed_objects - objects,
                freed_bytes: freed_bytes - bytes,
                live_objects: counters.allocated_objects.load(Ordering::Relaxed).saturating_sub(freed_objects),
                live_bytes: counters.allocated_bytes.load(Ordering::Relaxed).saturating_sub(freed_bytes),
            }
        })
        .collect()
}
