//! The page heap against a naive model, and its failure paths.

use super::*;
use proptest::prelude::*;
use spanheap_memory::mock::MockOs;
use std::collections::BTreeMap;

fn heap(limit: usize) -> (PageHeap, ArenaIndex) {
    (PageHeap::new(Arc::new(Memory::new()), BaseAddress::Random, limit), ArenaIndex::new())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Runs never overlap, the lowest fit is taken, and figures equal the sum of what is out.
    #[test]
    fn equals_a_naive_first_fit(steps in prop::collection::vec((1usize..700, any::<prop::sample::Index>(), any::<bool>()), 1..120)) {
        let (heap, index) = heap(usize::MAX);
        let mut out: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (pages, pick, take) in steps {
            if take || out.is_empty() {
                let run = heap.take(pages, &index).unwrap();
                let lowest = naive_first_fit(&out, pages);
                if let Some(lowest) = lowest {
                    prop_assert_eq!((run.arena, run.page), lowest);
                }
                out.insert((run.arena, run.page), pages);
                prop_assert_eq!(index.arena(run.arena + run.page * PAGE_SIZE), Some(run.arena));
            } else {
                let (&key, &pages) = out.iter().nth(pick.index(out.len())).unwrap();
                heap.give_back(key.0, key.1, pages);
                out.remove(&key);
            }
            prop_assert_eq!(heap.figures().in_use, out.values().sum::<usize>() * PAGE_SIZE);
        }
    }
}

/// The lowest place among the arenas that already hold something; `None` if only a new arena would do.
fn naive_first_fit(out: &BTreeMap<(usize, usize), usize>, pages: usize) -> Option<(usize, usize)> {
    let mut arenas: Vec<usize> = out.keys().map(|key| key.0).collect();
    arenas.dedup();
    for arena in arenas {
        let mut at = FIRST_DATA_PAGE;
        for (&(_, page), &len) in out.range((arena, 0)..(arena, usize::MAX)) {
            if page - at >= pages {
                return Some((arena, at));
            }
            at = page + len;
        }
        if ARENA_PAGES - at >= pages {
            return Some((arena, at));
        }
    }
    None
}

#[test]
fn huge_runs_are_whole_reservations_and_are_reused() {
    let (heap, index) = heap(usize::MAX);
    let pages = 3 * ARENA_PAGES;
    let run = heap.take(pages, &index).unwrap();
    assert!(run.zero);
    assert_eq!(index.arena(run.arena + 2 * ARENA_SIZE + 77), Some(run.arena));
    heap.give_back(run.arena, run.page, pages);
    assert_eq!(heap.figures().in_use, 0);
    assert_eq!(heap.take(pages - 5, &index).unwrap().arena, run.arena);
    assert_ne!(heap.take(pages - 5, &index).unwrap().arena, run.arena);
}

#[test]
fn the_limit_is_an_error_and_not_an_end() {
    let (heap, index) = heap(10 * PAGE_SIZE);
    let run = heap.take(8, &index).unwrap();
    assert!(matches!(heap.take(3, &index), Err(AllocError::Limit { requested, limit })
        if requested == 3 * PAGE_SIZE && limit == 10 * PAGE_SIZE));
    heap.take(2, &index).unwrap();
    heap.give_back(run.arena, run.page, 8);
    heap.take(3, &index).unwrap();
    assert!(matches!(heap.take(usize::MAX, &index), Err(AllocError::TooLarge { .. })));
}

#[test]
fn every_failing_system_call_leaves_a_usable_heap() {
    for n in 1.. {
        let os = MockOs::new();
        os.fail_at(n);
        let memory = Arc::new(Memory::with_os(Box::new(os.clone())));
        let (heap, index) = (PageHeap::new(memory, BaseAddress::Os, usize::MAX), ArenaIndex::new());
        let mut failures = 0;
        for pages in [1, 300, 2 * ARENA_PAGES] {
            if heap.take(pages, &index).is_err() {
                failures += 1;
                heap.take(pages, &index).expect("only one call fails");
            }
        }
        assert_eq!(heap.figures().in_use, (301 + 2 * ARENA_PAGES) * PAGE_SIZE);
        if failures == 0 {
            assert!(n > 3, "no call failed");
            return;
        }
    }
}

#[test]
fn a_seeded_base_repeats() {
    let base = |seed| {
        let heap = PageHeap::new(Arc::new(Memory::new()), BaseAddress::Seeded(seed), usize::MAX);
        heap.take(1, &ArenaIndex::new()).unwrap().arena
    };
    assert_eq!(base(7), base(7));
    assert_ne!(base(7), base(8));
}

#[test]
fn trim_gives_whole_free_units_back_and_they_come_again_as_zeros() {
    let (heap, index) = heap(usize::MAX);
    let unit = GROWTH_UNIT / PAGE_SIZE;
    let runs: Vec<Run> = (0..12).map(|_| heap.take(unit, &index).unwrap()).collect();
    let fill = |run: &Run, byte| {
        // SAFETY: the run is ours.
        unsafe { std::ptr::write_bytes((run.arena + run.page * PAGE_SIZE) as *mut u8, byte, GROWTH_UNIT) };
    };
    runs.iter().for_each(|run| fill(run, 7));
    assert_eq!(heap.trim(0), 0, "nothing is free");
    let ready = heap.memory().counters().ready;
    for run in &runs[3..] {
        heap.give_back(run.arena, run.page, unit);
    }
    let kept = 2 * GROWTH_UNIT;
    let given = heap.trim(kept);
    assert!(given >= 6 * GROWTH_UNIT, "{given}");
    assert_eq!(heap.memory().counters().ready, ready - given);
    assert_eq!(heap.trim(kept), 0, "once is enough");
    let again: Vec<Run> = (0..9).map(|_| heap.take(unit, &index).unwrap()).collect();
    assert_eq!(
        again.iter().map(|run| run.page).collect::<Vec<_>>(),
        runs[3..].iter().map(|run| run.page).collect::<Vec<_>>()
    );
    let mut zero = 0;
    for run in &again {
        // SAFETY: the run is ours.
        let bytes = unsafe { std::slice::from_raw_parts((run.arena + run.page * PAGE_SIZE) as *const u8, GROWTH_UNIT) };
        let is_zero = bytes.iter().all(|&byte| byte == 0);
        assert!(is_zero || !run.zero, "a run is said to be zero and is not");
        zero += run.zero as usize;
    }
    assert!(zero >= 4, "{zero}");
    assert_eq!(heap.memory().counters().ready, ready);
}
