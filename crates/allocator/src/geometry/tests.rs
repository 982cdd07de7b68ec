//! What an address is taken apart into, compared with plain division.
//!
//! *Callers:* `cargo test`. *Invariants:* none; nothing here touches memory.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn an_address_is_its_arena_its_page_and_its_granule(arena in 0usize..1 << 20, offset in 0..ARENA_SIZE) {
        let addr = arena * ARENA_SIZE + offset;
        prop_assert_eq!(arena_of(addr), arena * ARENA_SIZE);
        prop_assert_eq!(page_of(addr), offset / PAGE_SIZE);
        prop_assert_eq!(bit_of(addr), (offset / WORD_SPAN, 1 << (offset % WORD_SPAN / GRANULE)));
    }

    #[test]
    fn rounding_up_goes_to_the_next_multiple_and_no_further(len in any::<usize>(), shift in 0u32..60) {
        let (len, unit) = (len >> (shift / 2), 1usize << shift);
        prop_assert_eq!(round_up(len, unit), len.checked_next_multiple_of(unit));
    }
}

#[test]
fn rounding_keeps_multiples_and_knows_its_limits() {
    assert_eq!((round_up(0, 16), round_up(16, 16), round_up(17, 16)), (Some(0), Some(16), Some(32)));
    assert_eq!((round_up(usize::MAX - 15, 16), round_up(usize::MAX - 14, 16)), (Some(usize::MAX - 15), None));
    assert_eq!(round_up(usize::MAX, 1), Some(usize::MAX));
}

#[test]
fn tables_follow_one_another_and_the_pages_follow_them() {
    // An arena's shape as its picture above has it.
    let kib = |offset: usize| offset / 1024;
    assert_eq!((kib(PAGE_CLASS_OFFSET), kib(PAGE_START_OFFSET), kib(HEADER_OFFSET)), (0, 8, 32));
    assert_eq!((kib(ALLOC_OFFSET), kib(MARK_OFFSET), kib(NEW_OFFSET), kib(DATA_OFFSET)), (544, 1056, 1568, 2080));
    assert_eq!((ARENA_SIZE >> 20, GROWTH_UNIT >> 20, kib(PAGE_SIZE), GRANULE, kib(MAX_SMALL)), (64, 2, 8, 16, 32));
    assert_eq!((PAGE_WORDS, WORD_SPAN, FIRST_DATA_PAGE + DATA_PAGES), (8, 1024, ARENA_PAGES));
    assert_eq!(FIRST_DATA_PAGE * PAGE_SIZE, DATA_OFFSET);
}
