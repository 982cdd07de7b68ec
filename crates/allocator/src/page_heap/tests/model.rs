//! Random histories against a map of what is out: places, zeros, figures.

use super::*;
use proptest::prelude::*;
use spanheap_memory::mock::Request;
use std::collections::BTreeMap;

/// Arena and first page, to pages and the byte that fills them.
type Out = BTreeMap<(usize, usize), (usize, u8)>;

#[derive(Clone, Debug)]
enum Step {
    Take(usize),
    TakeCached(usize, usize),
    GiveBack(prop::sample::Index),
    Resize(prop::sample::Index, usize),
    Refill(usize),
    Flush(usize),
    Trim(usize),
    TrimPages(usize),
    Scavenge(usize),
    Prepare,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![1usize..20, 1usize..700].prop_map(Step::Take),
        8 => (0usize..2, 1usize..=18).prop_map(|(cache, pages)| Step::TakeCached(cache, pages)),
        8 => any::<prop::sample::Index>().prop_map(Step::GiveBack),
        3 => (any::<prop::sample::Index>(), 1usize..80).prop_map(|(run, pages)| Step::Resize(run, pages)),
        1 => (0usize..2).prop_map(Step::Refill),
        1 => (0usize..2).prop_map(Step::Flush),
        1 => (0usize..4 << 20).prop_map(Step::Trim),
        1 => (1usize..40).prop_map(Step::TrimPages),
        1 => (0usize..8 << 20).prop_map(Step::Scavenge),
        3 => Just(Step::Prepare),
    ]
}

/// The lowest place for `pages` pages among the arenas there are; `None` if only a new arena would do.
fn lowest_fit(heap: &PageHeap, out: &Out, caches: &[PageCache], pages: usize) -> Option<(usize, usize)> {
    let arenas = heap.inner.lock().bases.clone();
    arenas.into_iter().find_map(|arena| {
        let mut used = vec![false; ARENA_PAGES];
        used[..FIRST_DATA_PAGE].fill(true);
        for (&(_, page), &(pages, _)) in out.range((arena, 0)..(arena, usize::MAX)) {
            used[page..page + pages].fill(true);
        }
        for cache in caches.iter().filter(|cache| cache.arena == arena) {
            (0..64).filter(|bit| cache.free >> bit & 1 != 0).for_each(|bit| used[cache.chunk * 64 + bit] = true);
        }
        let mut run = 0;
        let end = (0..ARENA_PAGES).find(|&page| {
            run = if used[page] { 0 } else { run + 1 };
            run == pages
        })?;
        Some((arena, end + 1 - pages))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// The lowest fit is taken, runs never overlap, zeros are zeros, contents stay, and figures add up.
    #[test]
    fn a_history_equals_the_naive_one(steps in prop::collection::vec(step(), 1..150), large in any::<bool>()) {
        let (heap, index) = heap(usize::MAX);
        let mut out = Out::new();
        let mut caches = [PageCache::new(), PageCache::new()];
        let mut byte = 1;
        let mut taken = |run: Run, pages: usize, out: &mut Out| {
            assert!(!run.zero || holds(run, pages, 0), "a run is said to be zero and is not");
            byte = byte % 255 + 1;
            fill(run, pages, byte);
            assert!(out.insert((run.arena, run.page), (pages, byte)).is_none());
        };
        // Memory is prepared ahead in a heap of some size only.
        let first = large.then_some(Step::Take(2200));
        for step in first.into_iter().chain(steps) {
            match step {
                Step::Take(pages) => {
                    let expected = lowest_fit(&heap, &out, &caches, pages);
                    let run = heap.take(pages, &index).unwrap();
                    prop_assert!(expected.is_none_or(|expected| expected == (run.arena, run.page)));
                    prop_assert_eq!(index.arena(run.arena + run.page * PAGE_SIZE), Some(run.arena));
                    taken(run, pages, &mut out);
                }
                Step::TakeCached(cache, pages) => {
                    let run = heap.take_cached(&mut caches[cache], pages, &index).unwrap();
                    taken(run, pages, &mut out);
                }
                Step::GiveBack(pick) if !out.is_empty() => {
                    let (&(arena, page), &(pages, byte)) = out.iter().nth(pick.index(out.len())).unwrap();
                    prop_assert!(holds(Run { arena, page, zero: false }, pages, byte), "contents are gone");
                    heap.give_back(arena, page, pages);
                    out.remove(&(arena, page));
                }
                Step::Resize(pick, pages) if !out.is_empty() => {
                    let (&(arena, page), &(old, byte)) = out.iter().nth(pick.index(out.len())).unwrap();
                    if pages < old {
                        heap.shrink(arena, page, old, pages);
                        out.insert((arena, page), (pages, byte));
                    } else if let Some(zero) = heap.extend(arena, page, old, pages).unwrap() {
                        let tail = Run { arena, page: page + old, zero };
                        prop_assert!(!zero || pages == old || holds(tail, pages - old, 0));
                        fill(tail, pages - old, byte);
                        prop_assert!(out.range((arena, page + 1)..(arena, page + pages)).next().is_none());
                        out.insert((arena, page), (pages, byte));
                    } else {
                        let expected = lowest_fit(&heap, &Out::from_iter(
                            out.clone().into_iter().filter(|entry| entry.0 != (arena, page))), &caches, 1);
                        prop_assert!(expected.is_some());
                    }
                }
                Step::GiveBack(_) | Step::Resize(..) => {}
                Step::Refill(cache) => {
                    heap.flush(&mut caches[cache]);
                    let expected = lowest_fit(&heap, &out, &caches, 1);
                    let run = heap.take_cached(&mut caches[cache], 1, &index).unwrap();
                    prop_assert!(expected.is_none_or(|(arena, page)| (arena, page / 64) == (run.arena, run.page / 64)));
                    taken(run, 1, &mut out);
                }
                Step::Flush(cache) => heap.flush(&mut caches[cache]),
                Step::Trim(keep) => { heap.trim(keep); }
                Step::TrimPages(least) => { heap.trim_pages(0, least); }
                Step::Prepare => { heap.prepare(); }
                Step::Scavenge(budget) => prop_assert!(heap.scavenge(budget) <= budget),
            }
            let held = out.values().map(|entry| entry.0 * PAGE_SIZE).sum::<usize>();
            prop_assert_eq!(heap.figures().in_use, held + caches.iter().map(PageCache::bytes).sum::<usize>());
            check(&heap, &index);
        }
        caches.iter_mut().for_each(|cache| heap.flush(cache));
        for ((arena, page), (pages, byte)) in out {
            prop_assert!(holds(Run { arena, page, zero: false }, pages, byte), "contents are gone");
            heap.give_back(arena, page, pages);
        }
        check(&heap, &index);
        prop_assert_eq!(heap.figures().in_use, 0);
        // Nothing is lost, and all that touches is one run again.
        for _ in 0..heap.figures().arenas {
            heap.take(DATA_PAGES, &index).unwrap();
        }
        prop_assert_eq!(heap.figures().in_use, heap.figures().arenas * DATA_PAGES * PAGE_SIZE);
    }
}

#[test]
fn a_cache_hands_out_its_pages_and_gives_the_rest_back() {
    let (heap, index) = heap(usize::MAX);
    let mut cache = PageCache::new();
    heap.take(1, &index).unwrap();
    let first = heap.take_cached(&mut cache, 4, &index).unwrap();
    assert_eq!(cache.bytes() + 5 * PAGE_SIZE, heap.figures().in_use);
    assert_eq!(cache.take(PageCache::MOST_PAGES + 1), None);
    let calls = heap.memory().counters().calls;
    let runs: Vec<Run> = std::iter::once(first).chain(std::iter::from_fn(|| cache.take(4))).collect();
    assert_eq!(runs.iter().map(|run| run.page).collect::<Vec<_>>(), (261..317).step_by(4).collect::<Vec<_>>());
    assert!(runs.iter().all(|run| run.zero));
    heap.flush(&mut cache);
    assert_eq!(heap.figures().in_use, (1 + runs.len() * 4) * PAGE_SIZE);
    assert_eq!(heap.memory().counters().calls, calls);
}

#[test]
fn a_cache_gets_an_eighth_of_what_the_limit_allows() {
    let (heap, index) = heap(25 * PAGE_SIZE);
    heap.take(1, &index).unwrap();
    let mut cache = PageCache::new();
    heap.take_cached(&mut cache, 1, &index).unwrap();
    assert_eq!((cache.bytes(), heap.figures().in_use), (2 * PAGE_SIZE, 4 * PAGE_SIZE));
    heap.flush(&mut cache);
    assert_eq!(heap.figures().in_use, 2 * PAGE_SIZE);
}

#[test]
fn the_limit_is_an_error_and_not_an_end() {
    let (heap, index) = heap(10 * PAGE_SIZE);
    let run = heap.take(8, &index).unwrap();
    assert!(matches!(heap.take(3, &index), Err(AllocError::Limit { requested, limit })
        if requested == 3 * PAGE_SIZE && limit == 10 * PAGE_SIZE));
    assert!(matches!(heap.extend(run.arena, run.page, 8, 11), Err(AllocError::Limit { .. })));
    let mut cache = PageCache::new();
    heap.take_cached(&mut cache, 1, &index).unwrap();
    assert_eq!(cache.bytes(), 0, "near the limit a cache hoards nothing");
    heap.take_cached(&mut cache, 1, &index).unwrap();
    assert!(matches!(heap.take_cached(&mut cache, 1, &index), Err(AllocError::Limit { .. })));
    heap.give_back(run.arena, run.page + 8, 1);
    heap.take(1, &index).unwrap();
    heap.give_back(run.arena, run.page, 8);
    heap.take(3, &index).unwrap();
    assert!(matches!(heap.take(usize::MAX, &index), Err(AllocError::TooLarge { .. })));
}

#[test]
fn huge_runs_are_whole_reservations_and_are_reused_and_resized() {
    let (heap, index) = heap(usize::MAX);
    let pages = 3 * ARENA_PAGES;
    let run = heap.take(pages, &index).unwrap();
    assert!(run.zero);
    let reserved = heap.memory().counters().reserved;
    assert!(reserved < pages * PAGE_SIZE + 2 * GROWTH_UNIT + DATA_OFFSET + ARENA_SIZE, "{reserved}");
    assert_eq!(index.arena(run.arena + 3 * ARENA_SIZE + 77), Some(run.arena), "the last unit is touched in part");
    fill(Run { page: run.page + pages - 9, ..run }, 9, 7);
    heap.shrink(run.arena, run.page, pages, pages - 9);
    assert_eq!(heap.figures().in_use, (pages - 9) * PAGE_SIZE);
    assert_eq!(heap.extend(run.arena, run.page, pages - 9, pages).unwrap(), Some(true));
    assert!(holds(Run { page: run.page + pages - 9, ..run }, 9, 0));
    assert_eq!(heap.extend(run.arena, run.page, pages, 2 * pages).unwrap(), None);
    // Cut down to what an ordinary arena could hold, it is still where it was.
    heap.shrink(run.arena, run.page, pages, 5);
    check(&heap, &index);
    heap.give_back(run.arena, run.page, 5);
    assert_eq!(heap.figures().in_use, 0);
    assert_eq!(heap.take(pages - 5, &index).unwrap().arena, run.arena);
    assert_ne!(heap.take(pages - 5, &index).unwrap().arena, run.arena);
}

#[test]
fn huge_pages_are_asked_for_as_the_option_says() {
    const UNIT: usize = GROWTH_UNIT / PAGE_SIZE;
    for (huge_pages, first, requests) in
        [(HugePages::Never, None, 0), (HugePages::Automatic, Some(2), 1), (HugePages::Always, Some(0), 0)]
    {
        let os = MockOs::new();
        let options = PageOptions { huge_pages, ..PageOptions::default() };
        let heap = PageHeap::new(Arc::new(Memory::with_os(Box::new(os.clone()))), options);
        let index = ArenaIndex::new();
        let begin = heap.take(UNIT - 4, &index).unwrap();
        let calls = os.calls();
        let runs: Vec<_> = std::iter::once(begin).chain((0..15).map(|_| heap.take(UNIT, &index).unwrap())).collect();
        assert_eq!(os.calls() - calls, requests, "{huge_pages:?}: one request for all that follows");
        let last = |run: &Run| run.arena + (run.page + UNIT - 5) * PAGE_SIZE;
        assert_eq!(runs.iter().position(|run| prefers_huge(last(run))), first, "{huge_pages:?}");
        assert_eq!(prefers_huge(last(&runs[15])), first.is_some());
    }
}

#[test]
fn one_large_array_gets_huge_pages_in_a_fresh_heap() {
    for (bytes, huge) in [(8 << 20, true), (4 << 20, true), (3 << 20, false)] {
        let (heap, index) = heap(usize::MAX);
        let run = heap.take(bytes / PAGE_SIZE, &index).unwrap();
        assert_eq!(prefers_huge(run.arena + run.page * PAGE_SIZE), huge, "{bytes} bytes");
    }
}

#[test]
fn huge_pages_that_were_refused_are_asked_for_again() {
    let (heap, index, os) = mocked();
    let heap = PageHeap { huge_pages: HugePages::Automatic, ..heap };
    let pages = GROWTH_UNIT / PAGE_SIZE;
    heap.take(pages, &index).unwrap();
    os.fail_from(os.calls() + 1);
    heap.take(pages, &index).unwrap();
    let refused = heap.take(pages, &index).unwrap();
    assert_eq!((os.failed_calls(), os.failed_calls_of(Request::PreferHuge)), (2, 2), "for each unit");
    os.fail_from(0);
    let run = heap.take(pages, &index).unwrap();
    assert!(!prefers_huge(refused.arena + refused.page * PAGE_SIZE));
    assert!(prefers_huge(run.arena + (run.page + pages - 1) * PAGE_SIZE));
    check(&heap, &index);
}
