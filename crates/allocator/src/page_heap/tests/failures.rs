//! Every system call of a history refused in turn: the heap stays usable and its figures true.

use super::*;

/// Runs a history that uses every operation; an operation that fails is done again. Returns how many failed.
fn history(heap: &PageHeap, index: &ArenaIndex) -> usize {
    let mut failures = 0;
    let mut twice = |operation: &mut dyn FnMut() -> Result<(), AllocError>| {
        if operation().is_err() {
            failures += 1;
            check(heap, index);
            operation().expect("only one call fails");
        }
        check(heap, index);
    };
    let mut cache = PageCache::new();
    let (mut small, mut large, mut huge) = (None, None, None);
    twice(&mut || heap.take(1, index).map(|run| small = Some(run)));
    twice(&mut || heap.take(700, index).map(|run| large = Some(run)));
    twice(&mut || heap.take_cached(&mut cache, 3, index).map(drop));
    twice(&mut || heap.take(2 * ARENA_PAGES, index).map(|run| huge = Some(run)));
    let (large, huge) = (large.unwrap(), huge.unwrap());
    heap.shrink(large.arena, large.page, 700, 600);
    twice(&mut || heap.extend(large.arena, large.page, 600, 700).map(|extended| assert!(extended.is_some())));
    heap.shrink(huge.arena, huge.page, 2 * ARENA_PAGES, ARENA_PAGES);
    check(heap, index);
    twice(&mut || heap.extend(huge.arena, huge.page, ARENA_PAGES, 2 * ARENA_PAGES).map(drop));
    twice(&mut || heap.take(GROWTH_UNIT / PAGE_SIZE, index).map(drop));
    assert!(heap.is_more_wanted());
    // A refusal ends the round, and loses nothing.
    for _ in 0..2 {
        while heap.prepare() {
            check(heap, index);
        }
        check(heap, index);
    }
    assert!(heap.figures().free_ready >= 3 * GROWTH_UNIT);
    heap.give_back(huge.arena, huge.page, 2 * ARENA_PAGES);
    heap.give_back(large.arena, large.page, 700);
    heap.flush(&mut cache);
    let steps: [fn(&PageHeap) -> usize; 3] =
        [|heap| heap.scavenge(GROWTH_UNIT), |heap| heap.trim(0), |heap| heap.trim_pages(0, 1)];
    for give_back in steps {
        let free = heap.figures().free_ready;
        let returned = give_back(heap);
        assert_eq!(heap.figures().free_ready, free - returned);
        check(heap, index);
    }
    heap.trim_pages(0, 1);
    assert_eq!(heap.figures().free_ready, 0, "what was refused once is given back at the next time");
    twice(&mut || heap.take(700, index).map(|run| assert!(run.zero && holds(run, 700, 0))));
    twice(&mut || heap.take(2 * ARENA_PAGES, index).map(|run| assert!(run.zero)));
    assert_eq!(heap.figures().in_use, (1 + 3 + 700 + 2 * ARENA_PAGES) * PAGE_SIZE + GROWTH_UNIT);
    failures
}

#[test]
fn every_failing_system_call_leaves_a_usable_heap() {
    let mut failures = 0;
    for n in 1.. {
        let (heap, index, os) = mocked();
        os.fail_at(n);
        failures += history(&heap, &index);
        if os.failed_calls() == 0 {
            assert!(n > 15 && failures >= 3, "{failures} failures of {n} calls were seen");
            return;
        }
    }
}

#[test]
fn a_huge_arena_that_the_system_did_not_take_back_is_used_again_and_not_called_zero() {
    let (heap, index, os) = mocked();
    let pages = 2 * ARENA_PAGES;
    let run = heap.take(pages, &index).unwrap();
    fill(run, 1, 5);
    os.fail_at(os.calls() + 1);
    heap.give_back(run.arena, run.page, pages);
    assert_eq!((heap.figures().in_use, heap.figures().free_ready), (0, pages * PAGE_SIZE));
    let again = heap.take(pages, &index).unwrap();
    assert_eq!((again.arena, again.zero), (run.arena, false));
}
