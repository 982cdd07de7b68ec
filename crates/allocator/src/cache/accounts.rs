//! What a cache reports, what it keeps, and what it gives back.
//!
//! *Callers:* `cargo test`. *Invariants:* each test has its own allocator; nothing is marked, so that a sweep frees all that
//! is not new.

use super::*;
use crate::allocator::AllocatorOptions;
use crate::layout::{ObjectLayout, TypeLayout};
use crate::page_heap::BaseAddress;
use crate::span::Swept;
use spanheap_memory::Memory;
use spanheap_sync::Arc;
use std::collections::BTreeSet;

/// Notes what it is told.
#[derive(Default)]
struct Told {
    charges: std::cell::RefCell<Vec<usize>>,
    portions: Cell<usize>,
}

impl Told {
    fn all(&self) -> usize {
        self.charges.borrow().iter().sum()
    }
}

impl Reclaim for Told {
    fn charge(&self, bytes: usize) {
        self.charges.borrow_mut().push(bytes);
    }

    fn portion_used(&self) {
        self.portions.set(self.portions.get() + 1);
    }

    fn reclaim(&self, _: &SpanClass, _: SpanRef) -> Swept {
        unreachable!("all spans are swept")
    }
}

fn allocator() -> (Allocator, LayoutId) {
    let options = AllocatorOptions { base: BaseAddress::Os, ..AllocatorOptions::default() };
    let allocator = Allocator::new(Arc::new(Memory::new()), options);
    let layout = allocator.classes.register(ObjectLayout::fixed("leaf", TypeLayout::leaf::<u64>())).unwrap();
    (allocator, layout)
}

fn sizes() -> [SizeClassId; 6] {
    let of = |bytes| SizeClassId::of(bytes).unwrap();
    [SizeClassId::TINY, of(16), of(24), of(48), of(1000), of(9472)]
}

/// Objects and bytes of a layout that were counted as handed out.
fn counted(allocator: &Allocator, layout: LayoutId) -> (usize, usize) {
    let counters = &allocator.classes.layout(layout).counters;
    let read = |counter: &spanheap_sync::word::AtomicU64| counter.load(Ordering::Relaxed) as usize;
    (read(&counters.allocated_objects), read(&counters.allocated_bytes))
}

#[test]
fn every_object_is_counted_and_charged_once() {
    for portion in [0, 1, 3, 100] {
        for size in sizes() {
            let ((allocator, layout), told) = (allocator(), Told::default());
            let (cache, bytes) = (Cache::new(portion), size.get().size as usize);
            let cursor = cache.cursor_for(&allocator, cache.layout(layout), size).unwrap();
            let mut objects = BTreeSet::new();
            for (round, count) in [1500, 1, 700].into_iter().enumerate() {
                let before = told.charges.borrow().len();
                for _ in 0..count {
                    // SAFETY: the cache's own cursor.
                    assert!(objects.insert(unsafe { cache.alloc(&allocator, &told, cursor) }.unwrap()));
                }
                assert!(told.charges.borrow()[before..].iter().all(|&charge| charge >= CHARGE_BYTES), "in portions");
                cache.flush(&allocator, &told);
                // Slots are charged when they are offered; those of a run that was reported before a flush stay charged.
                let (least, run) = (objects.len() * bytes, size.get().slots as usize * bytes);
                assert!((least..=least + (round + 1) * run).contains(&told.all()), "{} for {least}", told.all());
                assert_eq!(counted(&allocator, layout), (objects.len(), objects.len() * bytes));
                assert!(objects.iter().all(|&object| allocator.is_base(object, Bits::Alloc)));
            }
            let mut slots = 0;
            allocator.for_each_span(|span, class| {
                let mut free = 0;
                span.for_each_free(&class.starts, |_| free += 1);
                slots += span.slots() - free;
            });
            assert_eq!(slots, objects.len(), "what was offered and not used is free");
            // Each span has come to the list that its free slots call for.
            allocator.span_class(cache.cursors().next().unwrap().class).central.for_each(|span, is_full| {
                let mut free = 0;
                span.for_each_free(&allocator.class_of(span).starts, |_| free += 1);
                assert!(!is_full || free == 0);
            });
        }
    }
}

#[test]
fn portions_are_told_when_they_are_used() {
    for portion in [1u32, 2, 7, 64, 1000] {
        let ((allocator, layout), told) = (allocator(), Told::default());
        let cache = Cache::new(portion);
        let size = SizeClassId::of(16).unwrap();
        let cursor = cache.cursor_for(&allocator, cache.layout(layout), size).unwrap();
        // SAFETY: the cache's own cursor.
        (0..5000).for_each(|_| assert!(unsafe { cache.alloc(&allocator, &told, cursor) }.is_ok()));
        // Slots count when they are offered: up to a portion, or to the end of a bitmap word, which has 64 of them.
        let (fewest, most) = (5000 / portion as usize, (5000 + 64usize).div_ceil(portion as usize));
        assert!((fewest..=most).contains(&told.portions.get()), "{} of {portion}", told.portions.get());
    }
    let ((allocator, layout), told) = (allocator(), Told::default());
    let cache = Cache::new(0);
    let cursor = cache.cursor_for(&allocator, cache.layout(layout), SizeClassId::of(16).unwrap()).unwrap();
    // SAFETY: the cache's own cursor.
    (0..5000).for_each(|_| assert!(unsafe { cache.alloc(&allocator, &told, cursor) }.is_ok()));
    assert_eq!(told.portions.get(), 0, "nobody wants to know");
}

#[test]
fn cursors_are_made_once_for_a_layout_and_a_size() {
    let (allocator, layout) = allocator();
    let other = allocator.classes.register(ObjectLayout::fixed("other", TypeLayout::leaf::<u64>())).unwrap();
    let cache = Cache::new(0);
    let mut seen = BTreeSet::new();
    for layout in [other, layout] {
        assert_eq!(cache.layout(layout).layout(), layout);
        for size in sizes() {
            assert!(cache.layout(layout).get(size).is_none());
            let cursor = cache.cursor_for(&allocator, cache.layout(layout), size).unwrap();
            assert_eq!(cache.layout(layout).get(size).map(|found| found.0), Some(cursor.0));
            assert_eq!(cache.cursor_for(&allocator, cache.layout(layout), size).unwrap().0, cursor.0);
            assert!(seen.insert(cursor.0.as_ptr() as usize));
        }
    }
    assert_eq!(cache.cursors().count(), seen.len());
}

#[test]
fn used_up_spans_go_to_the_list_many_at_once_and_all_of_them_in_the_end() {
    let ((allocator, layout), told) = (allocator(), Told::default());
    let (cache, size) = (Cache::new(0), SizeClassId::of(1000).unwrap());
    let cursor = cache.cursor_for(&allocator, cache.layout(layout), size).unwrap();
    let slots = size.get().slots as usize;
    let class = allocator.span_class(cache.cursors().next().unwrap().class);
    for spans in 1..=2 * SPENT + 9 {
        // SAFETY: the cache's own cursor.
        (0..slots).for_each(|_| assert!(unsafe { cache.alloc(&allocator, &told, cursor) }.is_ok()));
        // The span in hand counts when another is needed.
        assert_eq!(class.central.len(), (spans - 1) / SPENT * SPENT);
        assert_eq!(counted(&allocator, layout).0 % (SPENT * slots), 0, "the counters change as rarely");
    }
    cache.flush(&allocator, &told);
    assert_eq!(class.central.len(), 2 * SPENT + 9);
    class.central.for_each(|_, is_full| assert!(is_full));
}

#[test]
fn large_objects_are_charged_as_they_are_and_as_they_grow() {
    let ((allocator, layout), told) = (allocator(), Told::default());
    let cache = Cache::new(1);
    let addr = cache.alloc_large(&allocator, &told, layout, MAX_SMALL + 1).unwrap();
    assert_eq!((told.all(), told.portions.get()), (MAX_SMALL + GRANULE, 1));
    assert_eq!(counted(&allocator, layout), (1, MAX_SMALL + GRANULE));
    // SAFETY: the object is alive, and nobody else makes one longer.
    let grow = |bytes| unsafe { cache.make_room(&allocator, addr, bytes) }.unwrap();
    assert!(grow(MAX_SMALL + 1000));
    cache.settle(&told);
    assert_eq!(told.all(), MAX_SMALL + GRANULE, "less than a portion waits");
    assert!(grow(MAX_SMALL + GRANULE + CHARGE_BYTES));
    cache.settle(&told);
    assert_eq!(told.all(), MAX_SMALL + GRANULE + CHARGE_BYTES);
    assert!(grow(MAX_SMALL + CHARGE_BYTES + 1000));
    cache.flush(&allocator, &told);
    assert_eq!(told.all(), (MAX_SMALL + CHARGE_BYTES + 1000).next_multiple_of(GRANULE));
    assert_eq!(counted(&allocator, layout), (1, told.all()));
}

#[test]
fn a_slot_has_room_for_what_fits_into_it() {
    let ((allocator, layout), told) = (allocator(), Told::default());
    let cache = Cache::new(0);
    let cursor = cache.cursor_for(&allocator, cache.layout(layout), SizeClassId::of(1000).unwrap()).unwrap();
    // SAFETY: the cache's own cursor.
    let addr = unsafe { cache.alloc(&allocator, &told, cursor) }.unwrap();
    // SAFETY: the object is alive, and nobody else makes one longer.
    let fits = |bytes| unsafe { cache.make_room(&allocator, addr, bytes) }.unwrap();
    let slot = SizeClassId::of(1000).unwrap().get().size as usize;
    assert!(fits(1) && fits(slot) && !fits(slot + 1));
}

#[test]
fn what_is_handed_out_while_marking_runs_is_new_and_what_was_offered_before_too() {
    for size in sizes() {
        let ((allocator, layout), told) = (allocator(), Told::default());
        let cache = Cache::new(0);
        let cursor = cache.cursor_for(&allocator, cache.layout(layout), size).unwrap();
        let take = |count: usize| -> Vec<usize> {
            // SAFETY: the cache's own cursor.
            let next = |_| unsafe { cache.alloc(&allocator, &told, cursor) }.unwrap();
            (0..count).map(next).collect()
        };
        let slots = size.get().slots as usize;
        let is = |object: &usize, bits| allocator.is_base(*object, bits);
        let old = take(1);
        assert!(!cache.is_new(allocator.generation()));
        cache.begin_marking(allocator.generation());
        assert!(cache.is_new(allocator.generation()) && !cache.is_new(allocator.generation() + 1));
        let new = take(2 * slots);
        assert!(old.iter().all(|object| is(object, Bits::Alloc) && !is(object, Bits::New)));
        assert!(new.iter().all(|object| is(object, Bits::New) && !is(object, Bits::Alloc)));
        cache.flush(&allocator, &told);
        assert!(new.iter().all(|object| is(object, Bits::New)), "what is in use stays");
        assert!(!cache.is_new(allocator.generation()));
        let after = take(slots);
        assert!(after.iter().all(|object| is(object, Bits::Alloc) && !is(object, Bits::New)));
        let all: BTreeSet<usize> = old.iter().chain(&new).chain(&after).copied().collect();
        assert_eq!(all.len(), 1 + 3 * slots);
        cache.flush(&allocator, &told);
        // Nothing but what was handed out has a bit.
        let mut bits = 0;
        allocator.for_each_span(|span, class| {
            for slot in 0..span.slots() {
                bits += usize::from(span.holds(span.slot_address(slot)));
            }
            assert_eq!(class.id, allocator.class_of(span).id);
        });
        assert_eq!(bits, all.len());
    }
}

#[test]
fn the_lowest_bits_are_the_lowest() {
    for bits in [0, 1, 0b1011_0100, u64::MAX, 1 << 63, 0x8000_0000_0000_0001] {
        for count in [0, 1, 2, 3, 63, 64, 65, u32::MAX] {
            let set = (0..64).filter(|bit| bits >> bit & 1 != 0).take(count as usize);
            assert_eq!(lowest_bits(bits, count), set.fold(0, |mask, bit| mask | 1u64 << bit));
        }
    }
}

#[test]
fn a_portion_of_just_enough_bytes_is_charged_at_once() {
    let ((allocator, layout), told) = (allocator(), Told::default());
    let (cache, size) = (Cache::new(0), SizeClassId::of(CHARGE_BYTES).unwrap());
    assert_eq!((size.get().size as usize, size.get().slots), (CHARGE_BYTES, 1), "the largest class");
    let cursor = cache.cursor_for(&allocator, cache.layout(layout), size).unwrap();
    for objects in 1..=3 {
        // SAFETY: the cache's own cursor.
        assert!(unsafe { cache.alloc(&allocator, &told, cursor) }.is_ok());
        assert_eq!(told.all(), objects * CHARGE_BYTES);
    }
}

#[test]
fn what_was_offered_and_not_used_is_not_charged() {
    for size in sizes().into_iter().filter(|size| size.get().size < 9000) {
        for count in [1, 2, 5] {
            let ((allocator, layout), told) = (allocator(), Told::default());
            let (cache, bytes) = (Cache::new(0), size.get().size as usize);
            let cursor = cache.cursor_for(&allocator, cache.layout(layout), size).unwrap();
            // SAFETY: the cache's own cursor.
            (0..count).for_each(|_| assert!(unsafe { cache.alloc(&allocator, &told, cursor) }.is_ok()));
            assert_eq!(told.all(), 0, "less than a portion");
            cache.flush(&allocator, &told);
            assert_eq!((told.all(), counted(&allocator, layout)), (count * bytes, (count, count * bytes)));
        }
    }
}
