//! Each transition: what it does to the memory, to the page states and to the figures.

use super::{access_at, all_are, figures, fill, mocked};
use crate::{Call, Memory, MemoryError, PageKind, State};
use spanheap_sync::Arc;

const PAGES: usize = 16;

#[test]
fn each_transition_moves_its_pages_and_their_figures() {
    let memory = Arc::new(Memory::new());
    let page = memory.page_size();
    assert_eq!(figures(&memory), [0, 0, 0]);

    let reservation = memory.reserve(PAGES * page, page, None).unwrap();
    assert_eq!(figures(&memory), [PAGES, 0, 0]);
    assert_eq!(reservation.state(0).unwrap(), State::Reserved);

    reservation.map(0, 8 * page).unwrap();
    assert_eq!(figures(&memory), [PAGES, 8, 0]);
    assert_eq!(reservation.state(8 * page - 1).unwrap(), State::Prepared);
    assert_eq!(reservation.state(8 * page).unwrap(), State::Reserved);

    reservation.used(2 * page, 4 * page, PageKind::Small).unwrap();
    assert_eq!(figures(&memory), [PAGES, 8, 4]);
    assert_eq!(reservation.state(2 * page).unwrap(), State::Ready);

    reservation.unused(4 * page, 2 * page).unwrap();
    assert_eq!(figures(&memory), [PAGES, 8, 2]);
    assert_eq!(memory.counters().released, 2 * page as u64);
    assert_eq!(reservation.state(4 * page).unwrap(), State::Prepared);

    // Two ready pages, two prepared ones.
    reservation.fault(2 * page, 4 * page).unwrap();
    assert_eq!(figures(&memory), [PAGES, 4, 0]);
    assert_eq!(reservation.state(2 * page).unwrap(), State::Reserved);

    drop(reservation);
    assert_eq!(figures(&memory), [0, 0, 0]);
    let counters = memory.counters();
    assert_eq!((counters.released, counters.peak_ready), (2 * page as u64, 4 * page));
}

#[test]
fn a_claim_made_twice_counts_once() {
    let memory = Arc::new(Memory::new());
    let page = memory.page_size();
    let reservation = memory.reserve(PAGES * page, page, None).unwrap();
    reservation.map(0, 6 * page).unwrap();
    reservation.map(3 * page, 6 * page).unwrap();
    assert_eq!(figures(&memory), [PAGES, 9, 0]);
    reservation.used(0, 4 * page, PageKind::Small).unwrap();
    reservation.used(2 * page, 4 * page, PageKind::Small).unwrap();
    assert_eq!(figures(&memory), [PAGES, 9, 6]);
    reservation.map(0, 9 * page).unwrap();
    assert_eq!(figures(&memory), [PAGES, 9, 6], "mapping again does not take pages out of use");
    reservation.unused(0, 9 * page).unwrap();
    reservation.unused(0, 9 * page).unwrap();
    assert_eq!(memory.counters().released, 6 * page as u64);
    assert_eq!(figures(&memory), [PAGES, 9, 0]);
}

#[test]
fn the_kernel_agrees_about_access() {
    let memory = Arc::new(Memory::new());
    let page = memory.page_size();
    let reservation = memory.reserve(PAGES * page, page, None).unwrap();
    let access = |offset: usize| access_at(reservation.base().addr().get() + offset).unwrap();
    assert_eq!(access(0), "---p");
    reservation.map(page, 2 * page).unwrap();
    assert_eq!([0, page, 2 * page, 3 * page].map(access), ["---p", "rw-p", "rw-p", "---p"]);
    reservation.fault(2 * page, page).unwrap();
    assert_eq!([page, 2 * page].map(access), ["rw-p", "---p"]);
}

#[test]
fn contents_survive_use_and_are_zero_after_disuse() {
    let memory = Arc::new(Memory::new());
    let page = memory.page_size();
    let reservation = memory.reserve(PAGES * page, page, None).unwrap();
    let len = reservation.len();
    reservation.map(0, len).unwrap();
    assert!(all_are(&reservation, 0..len, 0));
    fill(&reservation, 0..len, 0xa5);
    reservation.used(0, len, PageKind::Small).unwrap();
    assert!(all_are(&reservation, 0..len, 0xa5));

    reservation.unused(page, 3 * page).unwrap();
    assert!(all_are(&reservation, page..4 * page, 0));
    assert!(all_are(&reservation, 0..page, 0xa5) && all_are(&reservation, 4 * page..len, 0xa5));

    reservation.fault(0, page).unwrap();
    reservation.map(0, page).unwrap();
    assert!(all_are(&reservation, 0..page, 0), "a page that comes back from a fault is a fresh one");
}

#[test]
fn allocated_memory_is_ready_and_zero() {
    let memory = Arc::new(Memory::new());
    let page = memory.page_size();
    let records = memory.alloc(3 * page).unwrap();
    assert_eq!(figures(&memory), [3, 3, 3]);
    assert_eq!(records.state(2 * page).unwrap(), State::Ready);
    assert!(all_are(&records, 0..records.len(), 0));
    fill(&records, 0..records.len(), 1);
    drop(records);
    assert_eq!(figures(&memory), [0, 0, 0]);
    assert_eq!(memory.counters().peak_ready, 3 * page);
}

#[test]
fn residence_follows_touching_and_disuse() {
    let memory = Arc::new(Memory::new());
    let page = memory.page_size();
    let reservation = memory.reserve(PAGES * page, page, None).unwrap();
    assert_eq!(reservation.resident().unwrap(), 0);
    // The pages at the ends stay reserved, so that the range does not merge with a neighbour's: the kernel may serve a
    // touch there with a large page.
    let len = (PAGES - 2) * page;
    reservation.map(page, len).unwrap();
    reservation.used(page, len, PageKind::Small).unwrap();
    assert_eq!(reservation.resident().unwrap(), 0, "ready is a bound, not a figure of touched pages");
    fill(&reservation, 2 * page..6 * page, 1);
    let touched = reservation.resident().unwrap();
    assert!((4 * page..=len).contains(&touched), "{touched}");
    reservation.unused(2 * page, page).unwrap();
    assert!(reservation.resident().unwrap() < touched);
    reservation.unused(page, len).unwrap();
    assert_eq!(reservation.resident().unwrap(), 0);
}

#[test]
fn huge_pages_are_asked_for_only_when_wanted() {
    let (memory, os) = mocked();
    let (page, len) = (memory.page_size(), 4 << 20);
    let reservation = memory.reserve(len, 2 << 20, None).unwrap();
    reservation.map(0, len).unwrap();
    let before = os.calls();
    reservation.used(0, len / 2, PageKind::Small).unwrap();
    assert_eq!(os.calls(), before);
    reservation.used(len / 2, len / 2, PageKind::Huge).unwrap();
    assert_eq!(os.calls(), before + 1);
    assert_eq!(memory.counters().ready, len);
    fill(&reservation, len / 2..len / 2 + page, 1);
    assert!(reservation.resident().unwrap() >= page);
}

#[test]
fn ranges_that_are_no_pages_are_refused() {
    let (memory, os) = mocked();
    let page = memory.page_size();
    let reservation = memory.reserve(PAGES * page, page, None).unwrap();
    let before = (os.calls(), memory.counters());
    type Transition = fn(&crate::Reservation, usize, usize) -> Result<(), MemoryError>;
    let transitions: [(Call, Transition); 4] = [
        (Call::Map, |reservation, offset, len| reservation.map(offset, len)),
        (Call::Used, |reservation, offset, len| reservation.used(offset, len, PageKind::Small)),
        (Call::Unused, |reservation, offset, len| reservation.unused(offset, len)),
        (Call::Fault, |reservation, offset, len| reservation.fault(offset, len)),
    ];
    for (name, transition) in transitions {
        for (offset, len) in [(1, page), (0, page - 1), (page / 2, page / 2)] {
            let error = transition(&reservation, offset, len).unwrap_err();
            assert!(matches!(error, MemoryError::Unaligned { call, .. } if call == name), "{error}");
        }
        for (offset, len) in [(0, (PAGES + 1) * page), (PAGES * page, page), (page.wrapping_neg(), 2 * page)] {
            let error = transition(&reservation, offset, len).unwrap_err();
            assert!(matches!(error, MemoryError::OutOfRange { call, .. } if call == name), "{error}");
        }
        transition(&reservation, PAGES * page, 0).unwrap();
    }
    assert!(matches!(reservation.state(PAGES * page), Err(MemoryError::OutOfRange { .. })));
    assert_eq!((os.calls(), memory.counters()), before, "a refused range reaches neither the system nor the figures");
}

#[test]
fn pages_that_are_not_mapped_cannot_be_used() {
    let memory = Arc::new(Memory::new());
    let page = memory.page_size();
    let reservation = memory.reserve(PAGES * page, page, None).unwrap();
    reservation.map(0, 4 * page).unwrap();
    for error in [
        reservation.used(2 * page, 4 * page, PageKind::Huge).unwrap_err(),
        reservation.unused(2 * page, 4 * page).unwrap_err(),
    ] {
        assert!(
            matches!(error, MemoryError::State { offset, found: State::Reserved, .. } if offset == 4 * page),
            "{error}"
        );
        assert!(!error.is_out_of_memory());
    }
    assert_eq!(figures(&memory), [PAGES, 4, 0]);
}

#[test]
fn threads_change_disjoint_ranges_at_once() {
    const THREADS: usize = 4;
    let memory = Arc::new(Memory::new());
    let page = memory.page_size();
    let reservation = memory.reserve(PAGES * page, page, None).unwrap();
    let share = PAGES / THREADS * page;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let reservation = &reservation;
            scope.spawn(move || {
                let start = thread * share;
                for round in 0..50 {
                    reservation.map(start, share).unwrap();
                    reservation.used(start, share, PageKind::Small).unwrap();
                    assert!(all_are(reservation, start..start + page, 0));
                    fill(reservation, start..start + page, round + 1);
                    reservation.unused(start, share).unwrap();
                    reservation.fault(start, share).unwrap();
                }
            });
        }
    });
    assert_eq!(figures(&memory), [PAGES, 0, 0]);
    assert_eq!(memory.counters().released, (50 * PAGES * page) as u64);
}
