//! Memory prepared ahead: when, how much, what mutators find, and what happens to it beside a trim.

use super::busy::{Busy, During};
use super::*;
use spanheap_memory::mock::Request;

const UNIT: usize = GROWTH_UNIT / PAGE_SIZE;
/// Units of 64 MiB: of these, two more may stand prepared.
const LARGE: usize = 32;

/// Takes so many units, and then all pages that are usable.
fn grow(heap: &PageHeap, index: &ArenaIndex, units: usize) -> Vec<Run> {
    let runs = (0..units).map(|_| heap.take(UNIT, index).unwrap()).collect();
    while heap.figures().free_ready > 0 {
        heap.take(1, index).unwrap();
    }
    runs
}

fn ahead(heap: &PageHeap) -> usize {
    heap.inner.lock().ahead
}

/// Bytes of all ordinary arenas that are in memory.
fn resident(heap: &PageHeap) -> usize {
    heap.inner.lock().arenas.iter().map(|arena| arena.reservation.resident().unwrap()).sum()
}

#[test]
fn mutators_find_memory_that_is_there_and_is_zero() {
    let (heap, index) = heap(usize::MAX);
    grow(&heap, &index, LARGE);
    assert!(heap.is_more_wanted() && heap.tell_wanted() && !heap.tell_wanted(), "said once");
    let (before, in_memory) = (heap.figures(), resident(&heap));
    while heap.prepare() {
        check(&heap, &index);
    }
    let after = heap.figures();
    assert_eq!(after.free_ready - before.free_ready, 2 * GROWTH_UNIT);
    assert_eq!((ahead(&heap), after.in_use), (2, before.in_use));
    let grown = resident(&heap) - in_memory;
    assert!(grown >= 2 * GROWTH_UNIT, "{grown} bytes were populated");
    let mut pages = FIRST_DATA_PAGE..FIRST_DATA_PAGE;
    heap.for_each_arena(|_, range| pages = range);
    heap.call_off();

    let (in_memory, calls) = (resident(&heap), heap.memory().counters().calls);
    let prepared: Vec<_> = (0..4).map(|_| heap.take(UNIT / 2, &index).unwrap()).collect();
    let requests = heap.memory().counters().calls - calls;
    assert!(prepared.iter().all(|&run| run.zero && holds(run, UNIT / 2, 0)));
    prepared.iter().for_each(|&run| fill(run, UNIT / 2, 3));
    assert!(prepared.iter().all(|run| pages.contains(&run.page)), "what is populated counts as handed out");
    assert_eq!((requests, resident(&heap)), (0, in_memory), "nothing was touched for the first time");
    assert_eq!((ahead(&heap), heap.figures().free_ready), (0, 0));
    assert!(heap.tell_wanted(), "and now more is wanted");
    check(&heap, &index);
}

#[test]
fn small_heaps_heaps_that_do_not_grow_and_heaps_at_their_limit_prepare_nothing() {
    let (small, index) = heap(usize::MAX);
    grow(&small, &index, 6);
    assert!(!small.is_more_wanted() && !small.prepare());

    let (still, index) = heap(usize::MAX);
    let runs = grow(&still, &index, LARGE);
    still.call_off();
    runs.iter().step_by(2).for_each(|run| still.give_back(run.arena, run.page, UNIT));
    grow(&still, &index, runs.len() / 2);
    assert!(!still.is_more_wanted() && !still.prepare(), "it lives on what it has");

    let (unlimited, index) = heap(usize::MAX);
    grow(&unlimited, &index, LARGE);
    let (full, index) = heap(unlimited.figures().in_use + GROWTH_UNIT);
    grow(&full, &index, LARGE);
    assert!(full.is_more_wanted());
    assert!(full.prepare() && !full.prepare(), "one unit is left to the limit");
    assert_eq!(ahead(&full), 1);
    full.take(UNIT, &index).unwrap();
    assert!(full.take(UNIT, &index).is_err());
}

#[test]
fn a_refusal_loses_nothing_and_is_not_tried_again_at_once() {
    let (heap, index, os) = mocked();
    for _ in 0..LARGE {
        heap.take(UNIT, &index).unwrap();
    }
    let free = heap.figures().free_ready;
    os.fail_from(os.calls() + 1);
    assert!(!heap.prepare());
    assert_eq!((os.failed_calls_of(Request::Populate), os.failed_calls()), (1, 1));
    os.fail_from(0);
    assert_eq!(heap.figures().free_ready, free + GROWTH_UNIT, "usable, though not in memory");
    check(&heap, &index);
    let run = heap.take(UNIT, &index).unwrap();
    assert!(run.zero && holds(run, UNIT, 0));
}

#[test]
fn what_was_given_back_is_prepared_again_and_what_is_prepared_can_be_given_back() {
    let (heap, index) = heap(usize::MAX);
    let runs = grow(&heap, &index, LARGE);
    for run in &runs[1..3] {
        fill(*run, UNIT, 7);
        heap.give_back(run.arena, run.page, UNIT);
    }
    assert_eq!(heap.trim(0), GROWTH_UNIT);
    assert!(!heap.is_more_wanted(), "a trim calls it off");
    heap.take(2 * UNIT + 1, &index).unwrap();
    assert!(heap.prepare());
    check(&heap, &index);
    let prepared = ahead(&heap);
    assert_eq!((prepared, heap.trim(0) >= GROWTH_UNIT, ahead(&heap)), (1, true, 0));
    check(&heap, &index);
}

/// A heap that prepares one unit while something else happens. Returns it with its free bytes before.
fn beside(meanwhile: fn(&PageHeap, &ArenaIndex, usize)) -> (Arc<PageHeap>, Busy, usize) {
    let (heap, os) = Busy::heap(During::Populate, meanwhile);
    let index = os.meet(&heap, ArenaIndex::new());
    grow(&heap, index, LARGE);
    let free = heap.figures().free_ready;
    heap.prepare();
    check(&heap, index);
    (heap, os, free)
}

#[test]
fn the_heap_works_while_a_unit_is_populated() {
    let (heap, _, free) = beside(|heap, index, addr| {
        let populated = page_of(addr)..page_of(addr) + UNIT;
        let run = heap.take(3, index).unwrap();
        assert!(run.arena != arena_of(addr) || !populated.contains(&run.page), "it is somebody else's");
        fill(run, 3, 9);
        assert!(heap.is_free(arena_of(addr), page_of(addr)));
    });
    assert_eq!(ahead(&heap), 1);
    assert_eq!(heap.figures().free_ready, free + 2 * GROWTH_UNIT - 3 * PAGE_SIZE, "both have grown the heap");
}

#[test]
fn a_trim_beside_the_preparation_leaves_nothing() {
    let (heap, os, free) = beside(|heap, _, _| {
        let before = heap.figures().free_ready;
        assert!(before >= GROWTH_UNIT, "what is being prepared counts as free");
        heap.trim(0);
    });
    assert_eq!((free, heap.figures().free_ready, ahead(&heap)), (0, 0, 0));
    let run = heap.take(UNIT, os.index()).unwrap();
    assert!(run.zero && holds(run, UNIT, 0));
}
