//! Spans of every kind: where their slots are, and what a sweep makes of any bits.
//!
//! *Callers:* `cargo test`. *Invariants:* each test has its own allocator, and owns the spans that it looks at.

use super::*;
use crate::allocator::{Allocator, AllocatorOptions, Reclaim};
use crate::cache::Cache;
use crate::central::Taken;
use crate::classes::SpanClass;
use crate::layout::{ObjectLayout, TypeLayout};
use crate::page_heap::BaseAddress;
use crate::size_class::{SizeClassId, start_masks};
use proptest::prelude::*;
use spanheap_memory::Memory;
use spanheap_sync::Arc;

/// Nothing is ever swept but by the tests.
struct Never;

impl Reclaim for Never {
    fn charge(&self, _: usize) {}

    fn reclaim(&self, _: &SpanClass, _: SpanRef) -> Swept {
        unreachable!("all spans are swept")
    }
}

fn allocator() -> Allocator {
    let options = AllocatorOptions { base: BaseAddress::Os, ..AllocatorOptions::default() };
    Allocator::new(Arc::new(Memory::new()), options)
}

/// A span of a size class that holds nothing.
fn empty_span(allocator: &Allocator, size: SizeClassId) -> SpanRef {
    let cache = Cache::new(0);
    let layout = allocator.classes.register(ObjectLayout::fixed("leaf", TypeLayout::leaf::<u64>())).unwrap();
    let cursor = cache.cursor_for(allocator, cache.layout(layout), size).unwrap();
    // SAFETY: the cache's own cursor.
    let addr = unsafe { cache.alloc(allocator, &Never, cursor) }.unwrap();
    cache.flush(allocator, &Never);
    let class = allocator.class_of(allocator.resolve(addr).unwrap().span);
    let Some(Taken::Swept(span)) = class.central.take(allocator.generation()) else {
        panic!("one span is in the list")
    };
    assert_eq!(span.sweep(false, true, None), Swept { live: 0, freed: 1, zombies: 0 });
    span
}

/// The size classes with all kinds of spans: slots smaller than a granule, uneven ones, many words, several pages.
fn sizes() -> Vec<SizeClassId> {
    let mut sizes = vec![SizeClassId::TINY];
    sizes.extend([16, 24, 32, 48, 1000, 3000, 9472, 30_000].map(|bytes| SizeClassId::of(bytes).unwrap()));
    sizes
}

fn read(span: SpanRef, bits: Bits, words: usize) -> Vec<u64> {
    (0..words).map(|index| span.word(bits, index).load(Ordering::Relaxed)).collect()
}

#[test]
fn every_address_of_a_span_is_in_its_slot() {
    for size in sizes() {
        let allocator = allocator();
        let (span, class) = (empty_span(&allocator, size), size.get());
        let (bytes, slots) = (class.size as usize, class.slots as usize);
        assert_eq!((span.pages(), span.slots(), span.slot_size()), (class.pages as usize, slots, bytes));
        assert_eq!((span.is_tiny(), span.is_large(), span.large_bytes()), (bytes == TINY, false, 0));
        assert_eq!(span.words(), class.words());
        assert_eq!((span.arena() + span.page() * PAGE_SIZE, span.base() % PAGE_SIZE), (span.base(), 0));
        // SAFETY: the arena and the page of a span.
        assert_eq!(unsafe { SpanRef::at(span.arena(), span.page()) }, span);
        for addr in span.base()..span.base() + span.pages() * PAGE_SIZE {
            let slot = (addr - span.base()) / bytes;
            assert_eq!(span.slot_of(addr), (slot < slots).then_some(slot));
        }
        for slot in 0..slots {
            let addr = span.slot_address(slot);
            assert_eq!(addr, span.base() + slot * bytes);
            let (index, mask) = span.bit_place(addr);
            assert_eq!(mask.count_ones(), 1);
            assert_eq!(span.slot_start(index, mask.trailing_zeros()), addr);
            assert_eq!(start_masks(class)[index] & mask, mask);
        }
    }
}

#[test]
fn all_pages_of_a_span_lead_to_it() {
    for size in sizes() {
        let allocator = allocator();
        let span = empty_span(&allocator, size);
        let pages = span.page()..span.page() + span.pages();
        // SAFETY: the pages lie in the arena of a live allocator, as do those right before and behind.
        let byte = |page: usize| unsafe { page_class(span.arena(), page) }.load(Ordering::Relaxed);
        // SAFETY: as above.
        let start = |page: usize| unsafe { page_start(span.arena(), page) }.load(Ordering::Relaxed) as usize;
        assert!(pages.clone().all(|page| start(page) == span.page() && byte(page) != PAGE_FREE));
        let (before, behind) = (byte(pages.start - 1), byte(pages.end));
        span.make_slow();
        let slow = if span.is_tiny() { PAGE_TINY } else { PAGE_SLOW };
        assert!(pages.clone().all(|page| byte(page) == slow));
        span.set_page_byte(7);
        assert!(pages.clone().all(|page| byte(page) == 7));
        span.end();
        assert!(pages.clone().all(|page| byte(page) == PAGE_FREE) && span.class().is_none());
        assert_eq!((byte(pages.start - 1), byte(pages.end)), (before, behind), "the neighbours stay");
    }
}

#[test]
fn an_object_s_bits_are_found_by_its_page_whatever_the_page_says() {
    const { assert!(PAGE_FREE < FIRST_PAGE_UNEVEN && FIRST_PAGE_UNEVEN < PAGE_TINY && PAGE_TINY < PAGE_SLOW) };
    for size in sizes() {
        let allocator = allocator();
        let span = empty_span(&allocator, size);
        for slow in [false, true] {
            if slow {
                span.make_slow();
            }
            for slot in 0..span.slots() {
                let addr = span.slot_address(slot);
                for bits in [Bits::Alloc, Bits::Mark, Bits::New] {
                    // SAFETY: a slot of a live heap's span.
                    let (word, mask) = unsafe { object_bit(addr, bits) };
                    let (index, expected) = span.bit_place(addr);
                    assert!(std::ptr::eq(word, span.word(bits, index)) && mask == expected);
                }
            }
        }
    }
}

#[test]
fn bits_change_alone() {
    for size in sizes() {
        let allocator = allocator();
        let span = empty_span(&allocator, size);
        let addr = |slot: usize| span.slot_address(slot);
        let last = span.slots() - 1;
        for bits in [Bits::Alloc, Bits::Mark, Bits::New] {
            let set = |slot: usize| {
                let (index, mask) = span.bit_place(addr(slot));
                span.set_bits(bits, index, mask);
            };
            (0..=last).for_each(set);
            set(0);
            let (index, mask) = span.bit_place(addr(last));
            span.clear_bits(bits, index, mask);
            assert!((0..=last).all(|slot| span.bit(bits, addr(slot)) == (slot != last)));
            assert!((0..last).all(|slot| span.holds(addr(slot)) == (bits != Bits::Mark)));
            for others in [Bits::Alloc, Bits::Mark, Bits::New].into_iter().filter(|&others| others != bits) {
                assert!((0..=last).all(|slot| !span.bit(others, addr(slot))));
            }
            (0..span.words()).for_each(|index| span.clear_bits(bits, index, u64::MAX));
            assert!((0..=last).all(|slot| !span.bit(bits, addr(slot)) && !span.holds(addr(slot))));
        }
    }
}

/// A random subset of the slots, in words: none, few, half, most or all of them.
fn subset() -> impl Strategy<Value = (u64, u8)> {
    (any::<u64>(), 0u8..5)
}

fn words_of((seed, density): (u64, u8), starts: &[u64]) -> Vec<u64> {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut word = || match density {
        0 => 0,
        1 => next() & next() & next(),
        2 => next(),
        3 => next() | next() | next(),
        _ => u64::MAX,
    };
    starts.iter().map(|&starts| starts & word()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// A sweep, and the search for free slots after it, slot by slot.
    #[test]
    fn a_sweep_keeps_what_is_marked_or_new(
        size in prop::sample::select(sizes()),
        bits in (subset(), subset(), prop::option::of(subset())),
        keep_all in any::<bool>(),
        listens in any::<bool>(),
    ) {
        let allocator = allocator();
        let span = empty_span(&allocator, size);
        let starts = start_masks(size.get());
        let (alloc, mark) = (words_of(bits.0, &starts), words_of(bits.1, &starts));
        let new = bits.2.map_or(vec![0; starts.len()], |new| words_of(new, &starts));
        for index in 0..starts.len() {
            // One of the two says that a slot is in use; both say no more.
            span.set_bits(Bits::Alloc, index, alloc[index]);
            span.set_bits(Bits::Mark, index, mark[index]);
            span.set_bits(Bits::New, index, new[index]);
        }
        let slots = 0..span.slots();
        let has = |words: &[u64], slot: usize| {
            let (index, mask) = span.bit_place(span.slot_address(slot));
            words[index] & mask != 0
        };
        let is_new = |slot: usize| has(&new, slot);
        let was = |slot: usize| has(&alloc, slot);
        let is_marked = |slot: usize| has(&mark, slot);
        let lives = |slot: usize| is_new(slot) || was(slot) && (keep_all || is_marked(slot));
        let count = |is: &dyn Fn(usize) -> bool| slots.clone().filter(|&slot| is(slot)).count() as u32;
        let dead: Vec<usize> =
            slots.clone().filter(|&slot| was(slot) && !lives(slot)).map(|slot| span.slot_address(slot)).collect();

        span.set_trimmed(true);
        span.set_cursor(1);
        let mut freed = Vec::new();
        let mut note = |addr| freed.push(addr);
        let watch: Option<&mut dyn FnMut(usize)> = if listens { Some(&mut note) } else { None };
        let swept = span.sweep(keep_all, bits.2.is_some(), watch);

        let zombies = count(&|slot| is_marked(slot) && !was(slot) && !is_new(slot));
        prop_assert_eq!(swept, Swept { live: count(&lives), freed: dead.len() as u32, zombies });
        prop_assert_eq!((span.live(), span.cursor(), span.is_trimmed()), (swept.live, 0, dead.is_empty()));
        if listens {
            prop_assert_eq!(freed, dead);
        }
        for slot in slots.clone() {
            prop_assert_eq!(span.bit(Bits::Alloc, span.slot_address(slot)), lives(slot));
        }
        prop_assert!(read(span, Bits::Mark, starts.len()).into_iter().all(|word| word == 0));
        prop_assert!(read(span, Bits::New, starts.len()).into_iter().all(|word| word == 0));

        // Slots that are new are no more free than those that are allocated.
        let (index, mask) = span.bit_place(span.slot_address(0));
        span.set_bits(Bits::New, index, mask);
        let mut free = Vec::new();
        span.for_each_free(&starts, |addr| free.push(addr));
        let expected: Vec<usize> =
            slots.skip(1).filter(|&slot| !lives(slot)).map(|slot| span.slot_address(slot)).collect();
        prop_assert_eq!(free, expected);
    }
}
