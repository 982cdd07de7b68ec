//! Caches, spans and sweeping together, with a collector that decides what the test says.

use super::*;
use crate::span::{Bits, SpanRef, Swept};
use spanheap_memory::Memory;
use spanheap_sync::Arc;
use std::cell::Cell;
use std::collections::BTreeMap;

struct Decide<'a> {
    allocator: &'a Allocator,
    charged: Cell<usize>,
    portions: Cell<usize>,
}

impl Reclaim for Decide<'_> {
    fn charge(&self, bytes: usize) {
        self.charged.set(self.charged.get() + bytes);
    }

    fn portion_used(&self) {
        self.portions.set(self.portions.get() + 1);
    }

    fn reclaim(&self, class: &SpanClass, span: SpanRef) -> Swept {
        self.allocator.sweep(class, span, false)
    }
}

fn allocator(limit: usize) -> Allocator {
    let options = AllocatorOptions { limit, base: BaseAddress::Os, poison: true, ..AllocatorOptions::default() };
    Allocator::new(Arc::new(Memory::new()), options)
}

fn cursor_of_size(cache: &Cache, allocator: &Allocator, layout: LayoutId, bytes: usize) -> (CursorRef, usize) {
    let size = SizeClassId::of(bytes).unwrap();
    let cursor = cache.cursor_for(allocator, cache.layout(layout), size).unwrap();
    (cursor, size.get().size as usize)
}

/// A cursor for leaves of up to 8 bytes.
fn tiny_cursor(cache: &Cache, allocator: &Allocator, layout: LayoutId) -> CursorRef {
    cache.cursor_for(allocator, cache.layout(layout), SizeClassId::TINY).unwrap()
}

fn leaf(allocator: &Allocator) -> LayoutId {
    allocator.classes.register(ObjectLayout::fixed("leaf", TypeLayout::leaf::<[u64; 2]>())).unwrap()
}

/// Sweeps everything, as the collector does between two markings.
fn sweep_all(allocator: &Allocator) {
    let mut batch = Vec::new();
    for class in allocator.classes.span_classes() {
        class.central.take_unswept(allocator.generation(), usize::MAX, &mut batch);
        assert_eq!(allocator.sweep_all(class, &mut batch, false).zombies, 0);
    }
}

fn mark(allocator: &Allocator, addr: usize) {
    let found = allocator.resolve(addr).unwrap();
    // SAFETY: the object lies in an arena of this heap.
    let (word, mask) = unsafe { span::object_bit(found.base, Bits::Mark) };
    word.fetch_or(mask, spanheap_sync::word::Ordering::Relaxed);
}

#[test]
fn slots_are_distinct_aligned_and_found_again() {
    let allocator = allocator(usize::MAX);
    let decide = Decide { allocator: &allocator, charged: Cell::new(0), portions: Cell::new(0) };
    let (cache, layout) = (Cache::new(0), leaf(&allocator));
    let mut seen = BTreeMap::new();
    for bytes in [1, 16, 17, 24, 48, 100, 1000, 1025, 5000, MAX_SMALL] {
        let (cursor, size) = cursor_of_size(&cache, &allocator, layout, bytes);
        for _ in 0..700 {
            // SAFETY: the cache's own cursor.
            let addr = unsafe { cache.alloc(&allocator, &decide, cursor) }.unwrap();
            assert_eq!(addr % if size == 24 { 8 } else { 16 }, 0);
            if let Some((&below, &len)) = seen.range(..=addr).next_back() {
                assert!(below + len <= addr, "overlap");
            }
            seen.insert(addr, size);
            let inside = allocator.resolve(addr + size - 1).unwrap();
            assert_eq!((inside.base, allocator.layout_of(inside)), (addr, Some(layout)));
        }
    }
    assert!(decide.charged.get() > 0);
    assert_eq!(allocator.resolve(0x10), None);
}

fn the_unmarked_die(cursor_for: impl Fn(&Cache, &Allocator, LayoutId) -> CursorRef) {
    let allocator = allocator(usize::MAX);
    let decide = Decide { allocator: &allocator, charged: Cell::new(0), portions: Cell::new(0) };
    let (cache, layout) = (Cache::new(0), leaf(&allocator));
    let cursor = cursor_for(&cache, &allocator, layout);
    // SAFETY: the cache's own cursor.
    let take = || unsafe { cache.alloc(&allocator, &decide, cursor) }.unwrap();
    let all: Vec<usize> = (0..2000).map(|_| take()).collect();
    cache.flush(&allocator, &decide);
    all.iter().step_by(3).for_each(|&addr| mark(&allocator, addr));
    allocator.next_generation();
    let again: Vec<usize> = (0..500).map(|_| take()).collect();
    let live: std::collections::BTreeSet<usize> = all.iter().step_by(3).copied().collect();
    assert!(again.iter().all(|addr| !live.contains(addr)), "a live slot was handed out");
    assert!(again.iter().any(|addr| all.contains(addr)), "no slot was used again");
    cache.flush(&allocator, &decide);
    sweep_all(&allocator);
    for &addr in &all {
        let is_live = live.contains(&addr) || again.contains(&addr);
        assert_eq!(allocator.resolve(addr).is_some(), is_live);
        assert_eq!(allocator.is_base(addr, Bits::Alloc), is_live);
    }
    let spans: std::collections::BTreeSet<SpanRef> =
        all.iter().filter_map(|&addr| allocator.slot_at(addr)).map(|found| found.span).collect();
    let bases =
        |span: &SpanRef| (span.base()..span.base() + (8 << 10)).filter(|&word| allocator.is_base(word, Bits::Alloc));
    let bases: std::collections::BTreeSet<usize> = spans.iter().flat_map(bases).collect();
    assert!(
        bases.iter().eq(live.iter().chain(&again).collect::<std::collections::BTreeSet<_>>()),
        "no other word is a base"
    );
    let counters = &allocator.classes.layout(layout).counters;
    let freed = counters.freed_objects.load(spanheap_sync::word::Ordering::Relaxed);
    assert_eq!(freed as usize, all.len() - live.len());
}

#[test]
fn the_unmarked_die_and_their_slots_are_used_again() {
    for bytes in [16, 24, 48] {
        the_unmarked_die(|cache, allocator, layout| cursor_of_size(cache, allocator, layout, bytes).0);
    }
    the_unmarked_die(tiny_cursor);
}

#[test]
fn neighbours_in_a_granule_live_and_die_alone() {
    let allocator = allocator(usize::MAX);
    let decide = Decide { allocator: &allocator, charged: Cell::new(0), portions: Cell::new(0) };
    let (cache, layout) = (Cache::new(0), leaf(&allocator));
    let cursor = tiny_cursor(&cache, &allocator, layout);
    // SAFETY: the cache's own cursor.
    let take = || unsafe { cache.alloc(&allocator, &decide, cursor) }.unwrap();
    let old: Vec<usize> = (0..1024).map(|_| take()).collect();
    assert!(old.iter().enumerate().all(|(number, addr)| *addr == old[0] + 8 * number), "a span has no gaps");
    assert_eq!(allocator.pages.figures().in_use, 8 << 10);
    cache.begin_marking(allocator.generation());
    let new: Vec<usize> = (0..3).map(|_| take()).collect();
    old.iter().step_by(2).for_each(|&addr| mark(&allocator, addr));
    allocator.next_generation();
    cache.flush(&allocator, &decide);
    sweep_all(&allocator);
    for (number, &addr) in old.iter().enumerate() {
        assert_eq!(allocator.is_base(addr, Bits::Alloc), number % 2 == 0);
    }
    assert!(new.iter().all(|&addr| allocator.is_base(addr, Bits::Alloc)));
    allocator.next_generation();
    sweep_all(&allocator);
    assert_eq!(allocator.pages.figures().in_use, 0, "empty spans go home");
    let metadata = allocator.metadata_bytes();
    assert!((0..2048).map(|_| take()).all(|addr| addr != 0));
    assert_eq!(allocator.metadata_bytes(), metadata, "tables are used again");
}

#[test]
fn what_is_handed_out_during_marking_survives_unmarked() {
    let allocator = allocator(usize::MAX);
    let decide = Decide { allocator: &allocator, charged: Cell::new(0), portions: Cell::new(0) };
    let (cache, layout) = (Cache::new(0), leaf(&allocator));
    let (cursor, _) = cursor_of_size(&cache, &allocator, layout, 24);
    // SAFETY: the cache's own cursor.
    let take = || unsafe { cache.alloc(&allocator, &decide, cursor) }.unwrap();
    let old: Vec<usize> = (0..10).map(|_| take()).collect();
    cache.begin_marking(allocator.generation());
    let new: Vec<usize> = (0..1000).map(|_| take()).collect();
    let span = allocator.resolve(new[0]).unwrap().span;
    assert!(span.bit(Bits::New, new[0]) && !span.bit(Bits::Alloc, new[0]));
    allocator.next_generation();
    cache.flush(&allocator, &decide);
    sweep_all(&allocator);
    assert!(old.iter().all(|&addr| allocator.resolve(addr).is_none()));
    assert!(new.iter().all(|&addr| allocator.resolve(addr).is_some()));
    allocator.next_generation();
    sweep_all(&allocator);
    assert_eq!(allocator.pages.figures().in_use, 0, "empty spans go home");
}

#[test]
fn rare_layouts_share_spans_and_keep_their_identity() {
    let allocator = allocator(usize::MAX);
    let decide = Decide { allocator: &allocator, charged: Cell::new(0), portions: Cell::new(0) };
    let cache = Cache::new(0);
    let layouts: Vec<LayoutId> = (0..20).map(|_| leaf(&allocator)).collect();
    let objects: Vec<(usize, LayoutId)> = layouts
        .iter()
        .map(|&layout| (cache.alloc_mixed(&allocator, &decide, layout, SizeClassId::of(40).unwrap()).unwrap(), layout))
        .collect();
    for &(addr, layout) in &objects {
        assert_eq!(allocator.layout_of(allocator.resolve(addr + 8).unwrap()), Some(layout));
    }
    assert_eq!(allocator.pages.figures().in_use, 8 << 10);
    cache.flush(&allocator, &decide);
    mark(&allocator, objects[3].0);
    allocator.next_generation();
    sweep_all(&allocator);
    for (number, &layout) in layouts.iter().enumerate() {
        let freed =
            allocator.classes.layout(layout).counters.freed_objects.load(spanheap_sync::word::Ordering::Relaxed);
        assert_eq!(freed, (number != 3) as u64);
    }
}

#[test]
fn large_objects_are_zero_and_go_home_when_unmarked() {
    let allocator = allocator(usize::MAX);
    let decide = Decide { allocator: &allocator, charged: Cell::new(0), portions: Cell::new(0) };
    let (cache, layout) = (Cache::new(0), leaf(&allocator));
    for bytes in [MAX_SMALL + 1, 1 << 20, 100 << 20] {
        for _ in 0..2 {
            let addr = cache.alloc_large(&allocator, &decide, layout, bytes).unwrap();
            // SAFETY: a fresh large object of this many bytes.
            let contents = unsafe { std::slice::from_raw_parts_mut(addr as *mut u8, bytes) };
            assert!(contents.iter().step_by(509).all(|&byte| byte == 0));
            contents.fill(7);
            let inside = allocator.resolve(addr + bytes - 1).unwrap();
            assert_eq!(inside.base, addr);
            allocator.next_generation();
            sweep_all(&allocator);
            assert_eq!(allocator.resolve(addr), None);
            assert_eq!(allocator.pages.figures().in_use, 0);
        }
    }
}

#[test]
#[cfg_attr(spanheap_asan, ignore = "looks into free slots")]
fn pages_between_objects_go_back_and_the_objects_stay() {
    let options =
        AllocatorOptions { base: BaseAddress::Os, huge_pages: HugePages::Never, ..AllocatorOptions::default() };
    let allocator = Allocator::new(Arc::new(Memory::new()), options);
    let decide = Decide { allocator: &allocator, charged: Cell::new(0), portions: Cell::new(0) };
    let (cache, layout) = (Cache::new(0), leaf(&allocator));
    for bytes in [8, 24, 48, 1000, 3000, 9000, 30_000] {
        let (cursor, size) = match bytes {
            8 => (tiny_cursor(&cache, &allocator, layout), 8),
            _ => cursor_of_size(&cache, &allocator, layout, bytes),
        };
        let contents = |addr: usize| {
            // SAFETY: a slot of this size.
            unsafe { std::slice::from_raw_parts_mut(addr as *mut u8, size) }
        };
        // SAFETY: the cache's own cursor.
        let take = || unsafe { cache.alloc(&allocator, &decide, cursor) }.unwrap();
        let all: Vec<usize> = (0..(1 << 20) / size).map(|_| take()).collect();
        all.iter().for_each(|&addr| contents(addr).fill(7));
        let kept: Vec<usize> = all.iter().copied().step_by((16 << 10) / size + 2).collect();
        cache.flush(&allocator, &decide);
        kept.iter().for_each(|&addr| mark(&allocator, addr));
        allocator.next_generation();
        sweep_all(&allocator);
        let released = allocator.pages.memory().counters().released;
        let returned = allocator.trim_spans();
        assert_eq!(allocator.pages.memory().counters().released - released, returned as u64);
        // Of what lies between two objects, no more than a system page at each end stays.
        let pages = allocator.pages.figures().in_use;
        assert!(
            returned >= pages.saturating_sub(kept.len() * (size + (8 << 10)) + pages / 16),
            "{bytes}: {returned} of {pages}"
        );
        assert!(kept.iter().all(|&addr| contents(addr).iter().all(|&byte| byte == 7)));
        let gone = all.iter().filter(|&&addr| contents(addr).iter().all(|&byte| byte == 0)).count();
        assert!(
            gone * size <= returned && gone * size * 2 >= returned.saturating_sub(kept.len() * size * 2),
            "{bytes}"
        );
        // All of it can be used again.
        let again: std::collections::BTreeSet<usize> = (0..all.len() - kept.len()).map(|_| take()).collect();
        again.iter().for_each(|&addr| contents(addr).fill(9));
        assert!(kept.iter().all(|addr| !again.contains(addr) && contents(*addr).iter().all(|&byte| byte == 7)));
        allocator.next_generation();
        cache.flush(&allocator, &decide);
        sweep_all(&allocator);
        allocator.next_generation();
        sweep_all(&allocator);
        assert_eq!(allocator.pages.figures().in_use, 0);
    }
}

#[test]
fn a_limit_is_an_error_and_what_was_there_stays() {
    let allocator = allocator(64 << 10);
    let decide = Decide { allocator: &allocator, charged: Cell::new(0), portions: Cell::new(0) };
    let (cache, layout) = (Cache::new(0), leaf(&allocator));
    let (cursor, _) = cursor_of_size(&cache, &allocator, layout, 1024);
    let mut out = Vec::new();
    let error = loop {
        // SAFETY: the cache's own cursor.
        match unsafe { cache.alloc(&allocator, &decide, cursor) } {
            Ok(addr) => out.push(addr),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AllocError::Limit { limit: 65536, .. }));
    assert_eq!(out.len(), 64);
    cache.flush(&allocator, &decide);
    mark(&allocator, out[5]);
    allocator.next_generation();
    // SAFETY: the cache's own cursor.
    assert!(unsafe { cache.alloc(&allocator, &decide, cursor) }.is_ok());
}

#[test]
fn portions_hand_out_every_slot_and_are_counted() {
    let allocator = allocator(usize::MAX);
    let decide = Decide { allocator: &allocator, charged: Cell::new(0), portions: Cell::new(0) };
    let (cache, layout) = (Cache::new(3), leaf(&allocator));
    let (cursor, _) = cursor_of_size(&cache, &allocator, layout, 32);
    // SAFETY: the cache's own cursor.
    let all: std::collections::BTreeSet<usize> =
        (0..256).map(|_| unsafe { cache.alloc(&allocator, &decide, cursor) }.unwrap()).collect();
    assert_eq!(all.len(), 256);
    assert_eq!(allocator.pages.figures().in_use, 8 << 10);
    // A portion may be cut short by the end of a bitmap word, never be longer.
    assert!((256 / 3..=256 / 2).contains(&decide.portions.get()), "{}", decide.portions.get());
    let rare = Cache::new(100);
    let (cursor, _) = cursor_of_size(&rare, &allocator, layout, 32);
    for _ in 0..1000 {
        // SAFETY: as above.
        unsafe { rare.alloc(&allocator, &decide, cursor) }.unwrap();
    }
    assert!((256 / 3 + 9..=256 / 2 + 10).contains(&decide.portions.get()), "{}", decide.portions.get());
}
