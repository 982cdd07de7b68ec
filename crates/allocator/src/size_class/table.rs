//! The table of classes against what its rules say.
//!
//! *Callers:* `cargo test`. *Invariants:* none; nothing here touches memory.

use super::*;

/// Bytes that are lost at the end of a span of so many pages.
fn loss(size: usize, pages: usize) -> usize {
    pages * PAGE_SIZE % size
}

#[test]
fn a_span_has_the_fewest_pages_that_lose_little() {
    for id in SizeClassId::all() {
        let class = id.get();
        let (size, pages) = (class.size as usize, class.pages as usize);
        let candidates = size.div_ceil(PAGE_SIZE)..=MAX_SPAN_PAGES;
        let good = candidates.clone().find(|&pages| loss(size, pages) * 32 <= pages * PAGE_SIZE);
        // Of those that lose the same part, the fewest; parts are compared as fractions.
        let best = candidates.reduce(
            |best, pages| {
                if loss(size, pages) * best < loss(size, best) * pages { pages } else { best }
            },
        );
        assert_eq!(Some(pages), good.or(best), "{size} bytes");
        assert_eq!(class.slots as usize, pages * PAGE_SIZE / size);
    }
}

#[test]
fn sizes_rise_by_a_granule_then_in_eight_and_then_in_sixteen_steps_a_doubling() {
    let sizes: Vec<usize> = SizeClassId::all().map(|id| id.get().size as usize).collect();
    assert_eq!((sizes.len(), sizes[0], sizes[2], sizes.last()), (CLASSES, TINY, UNEVEN, Some(&MAX_SMALL)));
    for pair in sizes[3..].windows(2) {
        let doubling = 1 << pair[0].ilog2();
        let steps = if doubling >= 2048 { 16 } else { 8 };
        assert_eq!(pair[1] - pair[0], (doubling / steps).max(GRANULE), "after {} bytes", pair[0]);
    }
}

#[test]
fn a_class_has_a_bitmap_word_for_every_64_granules() {
    for id in SizeClassId::all() {
        let class = id.get();
        assert_eq!(class.granule(), if class.size as usize == TINY { TINY } else { GRANULE });
        assert_eq!(class.words() * 64 * class.granule(), class.pages as usize * PAGE_SIZE);
    }
}

#[test]
fn middles_are_where_every_second_slot_starts() {
    for word in 0..9 {
        let middle = |bit: &u32| (word * 64 + *bit as usize) * GRANULE % (2 * UNEVEN) == UNEVEN - GRANULE / 2;
        let expected = (0..64).filter(middle).fold(0u64, |mask, bit| mask | 1 << bit);
        assert_eq!(middle_starts(word), expected);
    }
}
