//! What sweeps count, what they leave in slots, and where they send spans.
//!
//! *Callers:* `cargo test`. *Invariants:* each test has its own allocator, and a cache that has given everything back when
//! spans are swept.

use super::*;
use crate::cache::Cache;
use crate::layout::{ObjectLayout, TypeLayout};
use crate::size_class::SizeClassId;
use crate::span::object_bit;

/// Sweeps what is asked for, and keeps nothing that is not marked or new.
struct Sweep<'a>(&'a Allocator);

impl Reclaim for Sweep<'_> {
    fn charge(&self, _: usize) {}

    fn reclaim(&self, class: &SpanClass, span: SpanRef) -> Swept {
        self.0.sweep(class, span, false)
    }
}

fn allocator(poison: bool) -> Allocator {
    let options =
        AllocatorOptions { limit: usize::MAX, base: BaseAddress::Os, huge_pages: HugePages::default(), poison };
    Allocator::new(Arc::new(Memory::new()), options)
}

fn register(allocator: &Allocator) -> LayoutId {
    allocator.classes.register(ObjectLayout::fixed("leaf", TypeLayout::leaf::<u64>())).unwrap()
}

fn take(allocator: &Allocator, layout: LayoutId, size: SizeClassId, count: usize) -> Vec<usize> {
    let cache = Cache::new(0);
    let cursor = cache.cursor_for(allocator, cache.layout(layout), size).unwrap();
    // SAFETY: the cache's own cursor.
    let objects = (0..count).map(|_| unsafe { cache.alloc(allocator, &Sweep(allocator), cursor) }.unwrap()).collect();
    cache.flush(allocator, &Sweep(allocator));
    objects
}

fn mark(objects: impl Iterator<Item = usize>) {
    for object in objects {
        // SAFETY: live objects of the test's heap.
        let (word, mask) = unsafe { object_bit(object, Bits::Mark) };
        word.fetch_or(mask, Ordering::Relaxed);
    }
}

fn slot(addr: usize, size: usize) -> &'static mut [u8] {
    // SAFETY: a slot of a span that this test alone uses, and whose pages stay mapped; no two of these meet.
    unsafe { std::slice::from_raw_parts_mut(addr as *mut u8, size) }
}

/// Sweeps all that is unswept.
fn sweep_everything(allocator: &Allocator, keep_all: bool) -> SweptMany {
    let (mut all, mut batch) = (SweptMany::default(), Vec::new());
    for class in allocator.classes.span_classes() {
        class.central.take_unswept(allocator.generation(), usize::MAX, &mut batch);
        let many = allocator.sweep_all(class, &mut batch, keep_all);
        assert!(batch.is_empty());
        all.live_objects += many.live_objects;
        all.live_bytes += many.live_bytes;
        all.freed_objects += many.freed_objects;
        all.freed_bytes += many.freed_bytes;
        all.zombies += many.zombies;
    }
    all
}

/// Sizes of slots with all kinds of spans.
fn sizes() -> [SizeClassId; 6] {
    let of = |bytes| SizeClassId::of(bytes).unwrap();
    [SizeClassId::TINY, of(16), of(24), of(48), of(1000), of(9472)]
}

#[test]
fn sums_are_sums() {
    let mut many = SweptMany::default();
    many.add(Swept { live: 3, freed: 2, zombies: 1 }, 24);
    many.add(Swept { live: 1, freed: 5, zombies: 2 }, 16);
    let (live_bytes, freed_bytes) = (3 * 24 + 16, 2 * 24 + 5 * 16);
    assert_eq!(many, SweptMany { live_objects: 4, live_bytes, freed_objects: 7, freed_bytes, zombies: 3 });
}

#[test]
fn a_sweep_counts_what_lives_and_what_dies() {
    for size in sizes() {
        let (allocator, bytes) = (allocator(false), size.get().size as u64);
        let layout = register(&allocator);
        let objects = take(&allocator, layout, size, 2500);
        mark(objects.iter().copied().step_by(3));
        allocator.next_generation();
        let (live, freed) = (2500u64.div_ceil(3), 2500 - 2500u64.div_ceil(3));
        let expected = SweptMany {
            live_objects: live,
            live_bytes: live * bytes,
            freed_objects: freed,
            freed_bytes: freed * bytes,
            zombies: 0,
        };
        assert_eq!(sweep_everything(&allocator, false), expected);
        let counters = &allocator.classes.layout(layout).counters;
        let counted = |counter: &spanheap_sync::word::AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!((counted(&counters.freed_objects), counted(&counters.freed_bytes)), (freed, freed * bytes));
        assert_eq!(sweep_everything(&allocator, false), SweptMany::default(), "all is swept");
        // Where everything is kept, the marks are gone all the same.
        allocator.next_generation();
        assert_eq!(sweep_everything(&allocator, true).live_objects, live);
        allocator.next_generation();
        assert_eq!(sweep_everything(&allocator, false).freed_objects, live);
        assert_eq!(allocator.pages.figures().in_use, 0);
        assert_eq!((counted(&counters.freed_objects), counted(&counters.freed_bytes)), (2500, 2500 * bytes));
    }
}

#[test]
fn spans_go_where_they_belong() {
    for size in sizes() {
        let (allocator, slots) = (allocator(false), size.get().slots as usize);
        let objects = take(&allocator, register(&allocator), size, 3 * slots);
        let span = |number: usize| allocator.resolve(objects[number]).unwrap().span;
        let (full, partial, empty) = (span(0), span(slots), span(2 * slots));
        assert!(full != partial && partial != empty);
        let all = objects.iter().copied().enumerate();
        mark(all.filter(|(number, _)| *number < slots || *number == slots + 1).map(|(_, object)| object));
        let pages = allocator.pages.figures().in_use;
        allocator.next_generation();
        sweep_everything(&allocator, false);
        let mut lists = Vec::new();
        allocator.class_of(full).central.for_each(|span, is_full| lists.push((span, is_full, span.generation())));
        lists.sort();
        // A span with one slot is full or empty.
        let mut expected = vec![(full, true, allocator.generation())];
        expected.extend((slots > 1).then_some((partial, slots == 1, allocator.generation())));
        expected.sort();
        assert_eq!(lists, expected);
        let span_bytes = pages / 3;
        assert_eq!(allocator.pages.figures().in_use, span_bytes * expected.len());
        assert_eq!((empty.class().is_none(), allocator.resolve(objects[2 * slots])), (true, None));
        let mut spans = Vec::new();
        allocator.for_each_span(|span, class| {
            assert!(std::ptr::eq(class, allocator.class_of(span)));
            spans.push(span);
        });
        assert!(spans.iter().eq(expected.iter().map(|(span, ..)| span)));
    }
}

#[test]
fn the_dead_are_poisoned_and_the_living_are_not() {
    for poison in [true, false] {
        for size in sizes() {
            let (allocator, bytes) = (allocator(poison), size.get().size as usize);
            let objects = take(&allocator, register(&allocator), size, 40);
            objects.iter().for_each(|&object| slot(object, bytes).fill(7));
            mark(objects.iter().copied().step_by(2));
            allocator.next_generation();
            sweep_everything(&allocator, false);
            for (number, &object) in objects.iter().enumerate() {
                let expected = if poison && number % 2 == 1 { POISON } else { 7 };
                assert!(slot(object, bytes).iter().all(|&byte| byte == expected));
            }
        }
    }
}

#[test]
fn a_span_that_is_needed_is_swept_and_used_if_it_has_room() {
    for size in sizes() {
        let (allocator, slots) = (allocator(false), size.get().slots as usize);
        let layout = register(&allocator);
        let objects = take(&allocator, layout, size, slots);
        let pages = allocator.pages.figures().in_use;
        mark(objects.iter().copied());
        allocator.next_generation();
        // All of it lives: another span is made.
        let others = take(&allocator, layout, size, slots);
        assert!(others.iter().all(|other| !objects.contains(other)));
        assert_eq!(allocator.pages.figures().in_use, 2 * pages);
        // One slot of the first is free now, and all of the others.
        mark(objects.iter().copied().skip(1));
        allocator.next_generation();
        let again: std::collections::BTreeSet<usize> = take(&allocator, layout, size, slots + 1).into_iter().collect();
        assert_eq!(again, others.iter().copied().chain([objects[0]]).collect());
        assert_eq!(allocator.pages.figures().in_use, 2 * pages);
    }
}
