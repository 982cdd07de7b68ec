//! What sweeps count, what they leave in slots, and where they send spans, tables and blocks.
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
    let options = AllocatorOptions { base: BaseAddress::Os, poison, ..AllocatorOptions::default() };
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
#[cfg_attr(spanheap_asan, ignore = "looks into freed memory on purpose")]
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
        // Spans that are swept because they are needed count as those that the sweeper takes.
        let counters = &allocator.classes.layout(layout).counters;
        let bytes = counters.freed_bytes.load(Ordering::Relaxed);
        assert_eq!(counters.freed_objects.load(Ordering::Relaxed), slots as u64 + 1);
        assert_eq!(bytes, (slots as u64 + 1) * size.get().size as u64);
    }
}

#[test]
fn a_full_span_is_never_acquired() {
    for size in sizes() {
        let (allocator, slots) = (allocator(false), size.get().slots as usize);
        let objects = take(&allocator, register(&allocator), size, slots);
        let span = allocator.resolve(objects[0]).unwrap().span;
        let class = allocator.class_of(span);
        mark(objects.iter().copied());
        allocator.next_generation();
        let mut pages = PageCache::new();
        let other = allocator.acquire(class, &mut pages, &Sweep(&allocator)).unwrap();
        assert!(other != span && span.generation() == allocator.generation());
        allocator.pages.flush(&mut pages);
    }
}

#[test]
fn a_span_has_free_slots_from_its_cursor_on() {
    for size in [SizeClassId::TINY, SizeClassId::of(24).unwrap()] {
        let (allocator, slots) = (allocator(false), size.get().slots as usize);
        let objects = take(&allocator, register(&allocator), size, slots);
        let span = allocator.resolve(objects[0]).unwrap().span;
        let class = allocator.class_of(span);
        span.set_cursor(0);
        assert!(!allocator.has_free_slots(class, span));
        let (index, mask) = span.bit_place(objects[slots / 2]);
        span.clear_bits(Bits::Alloc, index, mask);
        assert!(allocator.has_free_slots(class, span));
        span.set_cursor(index);
        assert!(allocator.has_free_slots(class, span));
        span.set_cursor(index + 1);
        assert!(!allocator.has_free_slots(class, span), "it lies behind");
    }
}

#[test]
fn tables_of_dead_spans_are_used_again() {
    let allocator = allocator(false);
    let (layout, cache) = (register(&allocator), Cache::new(0));
    let round = || {
        take(&allocator, layout, SizeClassId::TINY, 1);
        cache.alloc_mixed(&allocator, &Sweep(&allocator), layout, SizeClassId::of(40).unwrap()).unwrap();
        cache.flush(&allocator, &Sweep(&allocator));
        assert_eq!(allocator.pages.figures().in_use, 2 * PAGE_SIZE);
        allocator.next_generation();
        sweep_everything(&allocator, false);
        assert_eq!(allocator.pages.figures().in_use, 0);
    };
    round();
    let (layouts, tiny) = (allocator.layout_tables.bytes(), allocator.tiny_tables.bytes());
    // More than fit the memory that the first ones are taken from.
    let fit = (layouts / size_of::<LayoutTable>()).max(tiny / size_of::<TinyTable>());
    (0..2 * fit).for_each(|_| round());
    assert_eq!((allocator.layout_tables.bytes(), allocator.tiny_tables.bytes()), (layouts, tiny));
    // So it is for a table whose span could not be made.
    let options = AllocatorOptions { limit: 0, base: BaseAddress::Os, ..AllocatorOptions::default() };
    let full = Allocator::new(Arc::new(Memory::new()), options);
    let (layout, cache) = (register(&full), Cache::new(0));
    let cursor = cache.cursor_for(&full, cache.layout(layout), SizeClassId::TINY).unwrap();
    for _ in 0..2 * fit {
        // SAFETY: the cache's own cursor.
        assert!(unsafe { cache.alloc(&full, &Sweep(&full), cursor) }.is_err());
    }
    assert_eq!(full.tiny_tables.bytes(), tiny);
}

#[test]
fn records_are_what_the_system_gave_beside_the_arenas() {
    let allocator = allocator(false);
    let ready = || allocator.pages.memory().counters().ready;
    let mut grew = 0;
    for step in 0..4 {
        let before = allocator.metadata_bytes();
        match step {
            0 => {}
            1 => drop(register(&allocator)),
            2 => drop(allocator.layout_tables.take().unwrap()),
            _ => drop(allocator.tiny_tables.take().unwrap()),
        }
        assert_eq!(allocator.metadata_bytes(), ready());
        grew += usize::from(allocator.metadata_bytes() > before);
    }
    assert_eq!(grew, 3);
    let before = allocator.metadata_bytes();
    allocator.pages.take(1, &allocator.index).unwrap();
    assert!(allocator.index.metadata_bytes() > 0, "the arena is entered");
    assert_eq!(allocator.metadata_bytes() - before, allocator.index.metadata_bytes());
}

#[test]
fn a_dead_stack_gives_its_block_back_and_a_live_one_keeps_it() {
    let allocator = allocator(false);
    let layout = ObjectLayout { stack: true, ..ObjectLayout::fixed("stack", TypeLayout::leaf::<[u64; 4]>()) };
    let layout = allocator.classes.register(layout).unwrap();
    let stacks = take(&allocator, layout, SizeClassId::of(32).unwrap(), 9);
    for (number, &stack) in stacks.iter().enumerate() {
        // Every third stack has no block.
        let block = if number % 3 == 2 { Block::NONE } else { allocator.stack_block(4096).unwrap() };
        slot(stack, 32).fill(0);
        slot(stack, 8).copy_from_slice(&block.word().to_ne_bytes());
    }
    assert_eq!((allocator.stacks.figures().blocks, allocator.stacks.figures().in_use), (6, 6 * 4096));
    mark(stacks[..4].iter().copied());
    allocator.next_generation();
    sweep_everything(&allocator, false);
    assert_eq!((allocator.stacks.figures().blocks, allocator.stacks.figures().in_use), (3, 3 * 4096));
    allocator.next_generation();
    sweep_everything(&allocator, false);
    assert_eq!(allocator.stacks.figures().blocks, 0);
}

#[test]
fn retired_blocks_are_free_after_their_grace() {
    let allocator = allocator(false);
    let block = allocator.stack_block(4096).unwrap();
    assert_eq!(block.bytes(), 4096);
    allocator.stacks.retire(block);
    let grace = allocator.stacks.begin_grace();
    assert_eq!(allocator.stacks.figures().retired, 4096);
    allocator.end_grace(grace);
    assert_eq!((allocator.stacks.figures().retired, allocator.stacks.figures().in_use), (0, 0));
}

#[test]
fn a_large_object_that_grows_is_found_up_to_its_new_end() {
    let allocator = allocator(false);
    let (layout, cache) = (register(&allocator), Cache::new(0));
    let before = take(&allocator, layout, SizeClassId::of(24).unwrap(), 3);
    let addr = cache.alloc_large(&allocator, &Sweep(&allocator), layout, 40_000).unwrap();
    let span = allocator.resolve(addr).unwrap().span;
    for bytes in [40_960, 41_000, 100_000, 1 << 20] {
        let old = span.large_bytes();
        // SAFETY: the object is alive, and nobody else makes one longer.
        assert!(unsafe { cache.make_room(&allocator, addr, bytes) }.unwrap());
        let new = span.large_bytes();
        assert_eq!((new, span.slot_size(), span.pages()), (bytes.next_multiple_of(16), new, new.div_ceil(PAGE_SIZE)));
        assert!(old <= new && allocator.resolve(addr + new - 1).is_some_and(|found| found.base == addr));
        assert_eq!(allocator.resolve(addr + new), None);
        assert!(slot(addr, new)[40_000..].iter().all(|&byte| byte == 0));
        assert!(before.iter().all(|&small| allocator.resolve(small).is_some_and(|found| found.base == small)));
    }
    // SAFETY: as above.
    assert!(unsafe { cache.make_room(&allocator, addr, 5) }.unwrap(), "it is long enough");
    assert_eq!(span.large_bytes(), 1 << 20);
    allocator.next_generation();
    sweep_everything(&allocator, false);
    assert_eq!(allocator.pages.figures().in_use, 0);
}

#[test]
fn a_page_is_slow_until_what_is_new_in_it_is_swept() {
    for size in sizes() {
        let allocator = allocator(false);
        let (layout, cache) = (register(&allocator), Cache::new(0));
        let cursor = cache.cursor_for(&allocator, cache.layout(layout), size).unwrap();
        cache.begin_marking(allocator.generation());
        // SAFETY: the cache's own cursor.
        let object = unsafe { cache.alloc(&allocator, &Sweep(&allocator), cursor) }.unwrap();
        cache.flush(&allocator, &Sweep(&allocator));
        let span = allocator.resolve(object).unwrap().span;
        // SAFETY: a page of a live heap.
        let byte = |page| unsafe { page_class(span.arena(), page) }.load(Ordering::Relaxed);
        let pages = span.page()..span.page() + span.pages();
        let slow = if span.is_tiny() { PAGE_TINY } else { crate::span::PAGE_SLOW };
        assert!(pages.clone().all(|page| byte(page) == slow));
        allocator.next_generation();
        assert_eq!(sweep_everything(&allocator, false).live_objects, 1);
        let class = allocator.class_of(span);
        assert!(pages.clone().all(|page| byte(page) == class.page_byte));
        assert_eq!(class.page_byte == slow, span.is_tiny());
    }
}

#[test]
fn a_span_is_trimmed_once_and_again_when_more_is_free() {
    let options =
        AllocatorOptions { base: BaseAddress::Os, huge_pages: HugePages::Never, ..AllocatorOptions::default() };
    let allocator = Allocator::new(Arc::new(Memory::new()), options);
    // Two objects in each span of nine pages, one at each end of a system page.
    let size = SizeClassId::of(9472).unwrap();
    let slots = size.get().slots as usize;
    let objects = take(&allocator, register(&allocator), size, 4 * slots);
    let ends = || objects.iter().copied().step_by(slots).chain(objects[slots - 1..].iter().copied().step_by(slots));
    let released = || allocator.pages.memory().counters().released as usize;
    let trim = || {
        let before = released();
        let returned = allocator.trim_spans();
        assert_eq!(released() - before, returned);
        returned
    };
    assert_eq!(trim(), 0, "nothing is swept and free");
    mark(ends());
    allocator.next_generation();
    sweep_everything(&allocator, false);
    // Between two objects no more than a system page at each end stays.
    let free = 4 * (slots - 2) * size.get().size as usize;
    let first = trim();
    assert!(first > free - 4 * 2 * 4096 && first <= free, "{first} of {free}");
    assert_eq!(trim(), 0, "it is done");
    mark(ends().take(4));
    allocator.next_generation();
    sweep_everything(&allocator, false);
    assert!(trim() > first, "another slot of each span is free");
    assert_eq!(trim(), 0);
}

#[test]
fn spans_are_visited_up_to_the_last_page_that_is_ready() {
    let allocator = allocator(false);
    let layout = register(&allocator);
    // Up to a border of what is made ready at once: behind it there is not even a header.
    let pages = GROWTH_UNIT / PAGE_SIZE - FIRST_DATA_PAGE % (GROWTH_UNIT / PAGE_SIZE);
    let addr = allocator.alloc_large(layout, pages * PAGE_SIZE, |_| false).unwrap();
    assert_eq!((addr + pages * PAGE_SIZE) % GROWTH_UNIT, 0);
    let mut spans = Vec::new();
    allocator.for_each_span(|span, _| spans.push((span.base(), span.pages())));
    assert_eq!(spans, [(addr, pages)]);
}
