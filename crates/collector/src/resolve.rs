//! From any word to the slot it points into, by any thread, at any time.
//!
//! *Callers:* hosts' debuggers and conservative scanners, through the mutator layer. *Invariants:* what is read are atomics
//! in tables that stay as long as the heap, those of single spans included (the allocator's `side_table`).

use crate::collector::Collector;
use spanheap_allocator::{LayoutId, Resolved};

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
        let layout = self.allocator.layout_of(slot);
        let allocated = slot.span.holds(slot.base);
        Some(Found { slot, layout, allocated })
    }
}
