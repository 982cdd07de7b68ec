//! From any word to the slot it points into, by any thread, at any time.
//!
//! *Callers:* hosts' debuggers and conservative scanners, through the mutator layer. *Invariants:* what is read are atomics
//! in tables that stay as long as the heap. One thing does not stay: the table of layouts of a mixed span, which is freed
//! with its span. That happens in the collector's sweep alone, which holds `mixed_tables` meanwhile; so does whoever
//! reads such a table without owning the span. *Locks:* `mixed_tables`, of `Rank::Types`.

use crate::collector::Collector;
use spanheap_allocator::span::{Bits, SpanRef};
use spanheap_allocator::{LayoutId, Resolved, SpanClass, SweptMany};

/// A slot that holds an address. Where a span begins or ends meanwhile, its parts may be those of different spans.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The slot and its span.
    pub slot: Resolved,
    /// The layout of the slot's objects. In a mixed span that of the last one, `None` before the first.
    pub layout: Option<LayoutId>,
    /// Whether it holds an object, or is in a cache that is about to make one.
    pub allocated: bool,
}

impl Collector {
    /// The slot that holds the address `word`. Any word may be asked for.
    pub fn resolve(&self, word: usize) -> Option<Found> {
        let slot = self.allocator.slot_at(word)?;
        let class = self.allocator.span_class(slot.span.class()?);
        let layout = if class.is_mixed() { self.mixed_layout(slot) } else { class.layout };
        let allocated = slot.span.bit(Bits::Alloc, slot.base) || slot.span.bit(Bits::New, slot.base);
        Some(Found { slot, layout, allocated })
    }

    fn mixed_layout(&self, slot: Resolved) -> Option<LayoutId> {
        let _kept = self.mixed_tables.lock();
        // A span that has its table is mixed, has its class and its number of slots, and does not end under the lock.
        let has_table = slot.span.layouts() != 0 && slot.slot < slot.span.slots();
        has_table.then(|| self.allocator.layout_of(slot)).flatten()
    }

    /// Sweeps spans of one class, which the caller owns, and sends them on.
    pub(crate) fn sweep_batch(&self, class: &SpanClass, batch: &mut Vec<SpanRef>, keep_all: bool) -> SweptMany {
        let _tables = class.is_mixed().then(|| self.mixed_tables.lock());
        self.allocator.sweep_all(class, batch, keep_all)
    }
}
