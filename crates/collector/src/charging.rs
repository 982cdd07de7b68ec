//! What allocation asks of the collector: counting what is handed out, and sweeping a span that is needed now.
//!
//! *Callers:* the caches, through [`Reclaim`]: the collector's own flushes count only; a mutator's allocations also start
//! cycles and let the mutator wait. *Invariants:* nothing here waits.

use crate::collector::Collector;
use crate::mutator::{MutatorRecord, REMIND_COLLECT, REMIND_SLICE, REMIND_THROTTLE};
use spanheap_allocator::span::{SpanRef, Swept};
use spanheap_allocator::{LayoutId, Reclaim, SpanClass, SweptMany};
use spanheap_sync::Arc;
use spanheap_sync::word::Ordering;
use std::panic::Location;

impl Collector {
    /// Counts handed-out bytes. Returns how many there were before, and how many there are.
    fn add_charged(&self, bytes: usize) -> (usize, usize) {
        // External bytes can be any number.
        let add = |charged: usize| Some(charged.saturating_add(bytes));
        let updated = self.charged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        let before = updated.unwrap_or_else(|same| same);
        (before, before.saturating_add(bytes))
    }
}

impl Reclaim for Collector {
    fn charge(&self, bytes: usize) {
        self.add_charged(bytes);
    }

    fn reclaim(&self, class: &SpanClass, span: SpanRef) -> Swept {
        let swept = self.allocator.sweep(class, span, self.keep_all.load(Ordering::Relaxed));
        let mut counted = SweptMany::default();
        counted.add(swept, span.slot_size() as u64);
        self.totals.count_sweep(counted);
        swept
    }
}

/// The collector as a mutator's allocations see it.
pub struct Charging<'a> {
    /// The heap.
    pub collector: &'a Arc<Collector>,
    /// The mutator that allocates.
    pub record: &'a MutatorRecord,
    /// The place in the host that asks.
    pub at: &'static Location<'static>,
}

impl Reclaim for Charging<'_> {
    fn charge(&self, bytes: usize) {
        let collector = self.collector;
        let (before, charged) = collector.add_charged(bytes);
        if charged >= collector.trigger.load(Ordering::Relaxed) && collector.is_automatic() {
            if before < collector.trigger.load(Ordering::Relaxed) || !collector.is_collecting() {
                collector.request_cycle();
            }
            if charged >= collector.throttle.load(Ordering::Relaxed) {
                self.record.handshake.remind(REMIND_THROTTLE);
            }
        }
        if collector.allocator.pages.tell_wanted() {
            collector.wake_idle();
        }
        // Where no thread advances the cycle by itself, who allocates does, whatever the plan says.
        if collector.owe(self.record, bytes) || collector.is_inline() && collector.is_collecting() {
            self.record.handshake.remind(REMIND_SLICE);
        }
    }

    fn handed_out(&self, addr: usize, layout: LayoutId) {
        self.collector.record_object(addr, layout, self.at);
    }

    fn portion_used(&self) {
        self.record.handshake.remind(REMIND_COLLECT);
    }

    fn reclaim(&self, class: &SpanClass, span: SpanRef) -> Swept {
        self.collector.linger();
        Reclaim::reclaim(&**self.collector, class, span)
    }
}
