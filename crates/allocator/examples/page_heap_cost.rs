//! What a run of pages costs: a load for `valgrind --tool=callgrind`, whose figures `docs/decisions/0011-page-heap.md` has.
//!
//! *Callers:* people who measure. `page_heap_cost MODE ROUNDS MEBIBYTES`: builds a fragmented heap of which half
//! is free in runs of 1 to 4 pages, then takes such
//! runs and gives random ones back, ROUNDS of each in batches. *Invariants:* the
//! calls to measure stand in [`take_one`], [`take_one_cached`] and [`give_back_one`], which are never inlined, so that callgrind's
//! `--toggle-collect` finds them; the sequence of requests is the same in every run.

use spanheap_allocator::{ArenaIndex, BaseAddress, PageCache, PageHeap, PageOptions};
use spanheap_memory::Memory;
use spanheap_sync::Arc;

/// Runs that are taken in a row, and then given back in a row, as a sweep does.
const BATCH: usize = 1000;

/// A run: arena, first page, pages.
type Held = (usize, usize, usize);

#[inline(never)]
fn take_one(heap: &PageHeap, pages: usize, index: &ArenaIndex) -> Held {
    let run = heap.take(pages, index).expect("no limit is set");
    (run.arena, run.page, pages)
}

#[inline(never)]
fn take_one_cached(heap: &PageHeap, cache: &mut PageCache, pages: usize, index: &ArenaIndex) -> Held {
    let run = heap.take_cached(cache, pages, index).expect("no limit is set");
    (run.arena, run.page, pages)
}

#[inline(never)]
fn give_back_one(heap: &PageHeap, (arena, page, pages): Held) {
    heap.give_back(arena, page, pages);
}

/// A linear congruential generator: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let mode = arguments.get(1).map_or("direct", |text| text.as_str());
    let rounds: usize = arguments.get(2).map_or(Ok(10_000), |text| text.parse()).expect("rounds: a number");
    let mebibytes: usize = arguments.get(3).map_or(Ok(48), |text| text.parse()).expect("mebibytes: a number");
    let heap = PageHeap::new(Arc::new(Memory::new()), PageOptions { base: BaseAddress::Os, ..PageOptions::default() });
    let (index, mut numbers) = (ArenaIndex::new(), Numbers(1));
    let (mut held, mut pages_out): (Vec<Held>, usize) = (Vec::new(), 0);
    while pages_out < mebibytes * 128 {
        let pages = 1 + numbers.below(4);
        let run = heap.take(pages, &index).expect("no limit is set");
        held.push((run.arena, run.page, pages));
        pages_out += pages;
    }
    for _ in 0..held.len() / 2 {
        let victim = held.swap_remove(numbers.below(held.len()));
        heap.give_back(victim.0, victim.1, victim.2);
    }
    let mut cache = PageCache::new();
    for _ in 0..rounds / BATCH {
        for _ in 0..BATCH {
            let pages = 1 + numbers.below(4);
            held.push(match mode {
                "direct" => take_one(&heap, pages, &index),
                "cached" => take_one_cached(&heap, &mut cache, pages, &index),
                other => panic!("no mode {other}"),
            });
        }
        (0..BATCH).for_each(|_| give_back_one(&heap, held.swap_remove(numbers.below(held.len()))));
    }
    println!("{:?}", heap.figures());
}
