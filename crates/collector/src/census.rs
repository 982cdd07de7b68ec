//! The census: how many spans every class has, and what they hold.
//!
//! *Callers:* statistics, from any thread. *Invariants:* nothing is written, and no lock is held while headers are read. It
//! is as exact as [`Allocator::for_each_span`](spanheap_allocator::Allocator::for_each_span).

use crate::collector::Collector;
use spanheap_allocator::SpanClass;
use spanheap_allocator::geometry::PAGE_SIZE;

/// What the spans of one class hold.
#[derive(Clone, Copy)]
pub struct Counted<'a> {
    /// The class.
    pub class: &'a SpanClass,
    /// Its spans.
    pub spans: u64,
    /// Bytes of their pages.
    pub span_bytes: u64,
    /// Objects that the last sweep of each span found alive. What was allocated since is not among them.
    pub live_objects: u64,
    /// Bytes of their slots.
    pub live_bytes: u64,
}

impl Collector {
    /// Counts the spans of every class that has any, in the order in which classes were made. Takes time in proportion to
    /// the number of spans and free pages.
    pub fn census(&self) -> Vec<Counted<'_>> {
        let classes = &self.allocator.classes;
        // Numbers of classes are dense and start at 1: see below.
        let empty = |class| Counted { class, spans: 0, span_bytes: 0, live_objects: 0, live_bytes: 0 };
        let mut counted: Vec<_> = classes.span_classes().map(empty).collect();
        self.allocator.for_each_span(|span, class| {
            // The header may be reused between two reads: the figures are then those of two spans.
            let (pages, live, size) = (span.pages(), span.live() as u64, span.slot_size() as u64);
            // A class that was made after the list of classes was taken is left out.
            if let Some(entry) = counted.get_mut(class.id.index() - 1) {
                entry.spans += 1;
                entry.span_bytes += (pages * PAGE_SIZE) as u64;
                entry.live_objects += live;
                entry.live_bytes += live * size;
            }
        });
        counted.retain(|entry| entry.spans != 0);
        counted
    }
}
