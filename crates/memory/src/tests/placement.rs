//! Where reservations are placed: hints, alignment, what happens when the wanted place is taken.

use super::{figures, mocked};
use crate::{Memory, MemoryError};
use spanheap_sync::Arc;

const ARENA: usize = 64 << 20;

/// A region of user space that the kernel does not choose by itself (it fills the space from the top, or near the
/// program's own segments), and in which no sanitizer keeps its records; each test uses addresses of its own in it.
const QUIET: usize = 0x2000_0000_0000;

#[test]
fn a_free_hint_is_honoured_and_free_again_after_the_drop() {
    let (memory, os) = mocked();
    for _ in 0..2 {
        let arena = memory.reserve(ARENA, ARENA, Some(QUIET)).unwrap();
        assert_eq!(arena.base().addr().get(), QUIET);
        assert_eq!((os.live_mappings(), os.live_bytes()), (1, ARENA));
        drop(arena);
        assert_eq!((os.live_mappings(), os.live_bytes()), (0, 0));
    }
    assert_eq!(memory.counters().reserved, 0);
}

#[test]
fn a_taken_hint_falls_back_to_another_aligned_place() {
    let memory = Arc::new(Memory::new());
    let hint = QUIET + 16 * ARENA;
    let first = memory.reserve(ARENA, ARENA, Some(hint)).unwrap();
    let page = memory.page_size();
    first.map(0, page).unwrap();
    super::fill(&first, 0..page, 7);
    let second = memory.reserve(ARENA, ARENA, Some(hint)).unwrap();
    assert_eq!(first.base().addr().get(), hint);
    assert_ne!(second.base(), first.base());
    assert!(second.base().addr().get().is_multiple_of(ARENA));
    assert!(super::all_are(&first, 0..page, 7), "the first reservation was not replaced");
    // A place that overlaps only in part is taken as well.
    let third = memory.reserve(2 * ARENA, ARENA, Some(hint - ARENA)).unwrap();
    assert_ne!(third.base().addr().get(), hint - ARENA);
}

#[test]
fn hints_that_cannot_be_are_ignored() {
    let memory = Arc::new(Memory::new());
    let page = memory.page_size();
    for hint in [0, page, QUIET + 32 * ARENA + page, usize::MAX - ARENA + 1, 1 << 63] {
        let arena = memory.reserve(ARENA, ARENA, Some(hint)).unwrap();
        let base = arena.base().addr().get();
        assert!(base != hint && base.is_multiple_of(ARENA), "{hint:#x} gave {base:#x}");
    }
}

#[test]
fn alignment_is_kept_without_a_hint() {
    let memory = Arc::new(Memory::new());
    let page = memory.page_size();
    let odd = memory.reserve(page, 1, None).unwrap();
    let arenas: Vec<_> = (0..3).map(|_| memory.reserve(ARENA, ARENA, None).unwrap()).collect();
    assert!(arenas.iter().all(|arena| arena.base().addr().get().is_multiple_of(ARENA) && arena.len() == ARENA));
    for (arena, value) in arenas.iter().zip(1..) {
        arena.map(0, page).unwrap();
        arena.map(ARENA - page, page).unwrap();
        super::fill(arena, 0..page, value);
        super::fill(arena, ARENA - page..ARENA, value);
    }
    for (arena, value) in arenas.iter().zip(1..) {
        assert!(super::all_are(arena, 0..page, value) && super::all_are(arena, ARENA - page..ARENA, value));
    }
    drop((odd, arenas));
    assert_eq!(figures(&memory), [0, 0, 0]);
}

#[test]
fn without_a_place_to_choose_the_alignment_costs_address_space_that_is_counted() {
    let (memory, os) = mocked();
    os.refuse_places(true);
    let page = memory.page_size();
    // An alignment this coarse is not met by chance, so the reservation is widened.
    let align = 1 << 32;
    let reservation = memory.reserve(page, align, None).unwrap();
    assert!(reservation.base().addr().get().is_multiple_of(align));
    assert_eq!((reservation.len(), memory.counters().reserved), (page, page + align));
    assert_eq!(os.live_bytes(), page + align);
    reservation.map(0, page).unwrap();
    super::fill(&reservation, 0..page, 1);
    drop(reservation);
    assert_eq!((os.live_bytes(), memory.counters().reserved), (0, 0));
}

#[test]
fn a_limit_on_address_space_refuses_until_some_is_given_back() {
    let (memory, os) = mocked();
    os.limit_address_space(2 * ARENA);
    let place = |n: usize| memory.reserve(ARENA, ARENA, Some(QUIET + (48 + n) * ARENA));
    let (first, second) = (place(0).unwrap(), place(1).unwrap());
    let error = place(2).unwrap_err();
    assert!(error.is_out_of_memory(), "{error}");
    assert_eq!((memory.counters().reserved, os.live_mappings()), (2 * ARENA, 2));
    drop(first);
    assert_ne!(place(2).unwrap().base(), second.base());
}

#[test]
fn impossible_sizes_are_refused() {
    let (memory, os) = mocked();
    let page = memory.page_size();
    for (len, align) in [(0, page), (page, 3), (page, 0), (page.wrapping_neg(), ARENA)] {
        let error = memory.reserve(len, align, None).unwrap_err();
        assert!(matches!(error, MemoryError::Size { .. }), "{len} aligned to {align}: {error}");
    }
    for error in [memory.reserve(page + 1, page, None).unwrap_err(), memory.alloc(page - 1).unwrap_err()] {
        assert!(matches!(error, MemoryError::Unaligned { .. }), "{error}");
    }
    assert!(matches!(memory.alloc(0), Err(MemoryError::Size { .. })));
    assert_eq!(os.calls(), 0);
    assert!(matches!(memory.reserve(1 << 62, page, None), Err(MemoryError::Os { .. })));
    assert_eq!(os.live_mappings(), 0);
}
