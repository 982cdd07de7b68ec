//! Giving memory back: whole units, runs, budgets, and what is known of it afterwards.

use super::busy::{Busy, During};
use super::*;

const UNIT: usize = GROWTH_UNIT / PAGE_SIZE;

#[test]
fn trim_gives_whole_free_units_back_and_they_come_again_as_zeros() {
    let (heap, index) = heap(usize::MAX);
    let runs: Vec<Run> = (0..12).map(|_| heap.take(UNIT, &index).unwrap()).collect();
    runs.iter().for_each(|&run| fill(run, UNIT, 7));
    assert_eq!(heap.trim(0), 0, "no whole unit is free");
    let ready = heap.memory().counters().ready;
    for run in &runs[3..] {
        heap.give_back(run.arena, run.page, UNIT);
    }
    let kept = 2 * GROWTH_UNIT;
    let given = heap.trim(kept);
    assert!(given >= 6 * GROWTH_UNIT, "{given}");
    assert_eq!(heap.memory().counters().ready, ready - given);
    assert_eq!(heap.figures().released, given);
    assert_eq!(heap.trim(kept), 0, "once is enough");
    let again: Vec<Run> = (0..9).map(|_| heap.take(UNIT, &index).unwrap()).collect();
    assert!(again.iter().map(|run| run.page).eq(runs[3..].iter().map(|run| run.page)));
    assert!(again.iter().all(|&run| !run.zero || holds(run, UNIT, 0)));
    assert!(again.iter().filter(|run| run.zero).count() >= 4);
    assert_eq!(heap.memory().counters().ready, ready);
    check(&heap, &index);
}

#[test]
fn trim_pages_also_gives_long_enough_runs_back() {
    let (heap, index) = heap(usize::MAX);
    let runs: Vec<Run> = (0..100).map(|_| heap.take(10, &index).unwrap()).collect();
    runs.iter().for_each(|&run| fill(run, 10, 1));
    for run in runs.iter().step_by(2) {
        heap.give_back(run.arena, run.page, 10);
    }
    heap.trim_pages(0, 11);
    let (calls, free) = (heap.memory().counters().calls, heap.figures().free_ready);
    assert_eq!(free, 50 * 10 * PAGE_SIZE, "the runs between the used ones are too short");
    assert_eq!(heap.trim_pages(20 * PAGE_SIZE, 10), 48 * 10 * PAGE_SIZE);
    assert_eq!(heap.memory().counters().calls, calls + 48, "one call for each run");
    assert!(runs.iter().skip(1).step_by(2).all(|&run| holds(run, 10, 1)));
    let again = heap.take(10, &index).unwrap();
    assert!(!again.zero && again.page == runs[0].page, "the lowest are kept");
    heap.take(10, &index).unwrap();
    assert!(heap.take(10, &index).unwrap().zero);
    check(&heap, &index);
}

#[test]
fn scavenging_keeps_to_its_budget() {
    let (heap, index) = heap(usize::MAX);
    let run = heap.take(10 * UNIT, &index).unwrap();
    heap.give_back(run.arena, run.page, 10 * UNIT);
    assert_eq!(heap.scavenge(GROWTH_UNIT - 1), 0);
    assert_eq!(heap.scavenge(3 * GROWTH_UNIT + 5), 3 * GROWTH_UNIT);
    assert!(heap.scavenge(usize::MAX) >= 6 * GROWTH_UNIT);
    assert_eq!(heap.scavenge(usize::MAX), 0);
    check(&heap, &index);
}

#[test]
fn the_heap_works_while_the_system_takes_memory_back() {
    let runs = Arc::new(std::sync::Mutex::new(Vec::new()));
    let taken = Arc::clone(&runs);
    let (heap, os) = Busy::heap(During::Discard, move |heap, index, start| {
        let run = heap.take(3, index).unwrap();
        fill(run, 3, 9);
        taken.lock().unwrap().push(run);
        assert!(heap.is_free(arena_of(start), page_of(start)));
    });
    let index = ArenaIndex::new();
    let run = heap.take(4 * UNIT, &index).unwrap();
    heap.give_back(run.arena, run.page, 4 * UNIT);
    let index = os.meet(&heap, index);
    assert!(heap.scavenge(usize::MAX) > 0);
    assert!(heap.trim_pages(0, 1) > 0);
    let runs = runs.lock().unwrap();
    assert!(runs.len() > 3 && runs.iter().all(|&run| holds(run, 3, 9)), "what was taken meanwhile stays");
    assert_eq!(heap.figures().in_use, runs.len() * 3 * PAGE_SIZE);
    check(&heap, index);
}
