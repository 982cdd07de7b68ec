//! Stack memory alone: sizes, reuse, where pages go, and the limit.

use super::*;
use crate::page_heap::{BaseAddress, HugePages, PageOptions};
use spanheap_memory::Memory;
use spanheap_sync::Arc;

struct Heap {
    stacks: StackMemory,
    pages: PageHeap,
    index: ArenaIndex,
}

impl Heap {
    fn new(limit: usize) -> Heap {
        let pages = PageHeap::new(
            Arc::new(Memory::new()),
            PageOptions { limit, base: BaseAddress::Os, huge_pages: HugePages::default() },
        );
        Heap { stacks: StackMemory::new(true), pages, index: ArenaIndex::new() }
    }

    fn take(&self, bytes: usize) -> Block {
        self.stacks.take(bytes, &self.pages, &self.index).unwrap()
    }

    fn give_back(&self, block: Block) {
        self.stacks.give_back(&[block], &self.pages);
    }

    fn page_bytes(&self) -> usize {
        self.pages.figures().in_use
    }
}

fn bytes_of(block: Block) -> &'static mut [u8] {
    // SAFETY: the test holds the block, and looks at it from one place at a time.
    unsafe { std::slice::from_raw_parts_mut(block.base() as *mut u8, block.bytes()) }
}

#[test]
fn a_block_is_one_word() {
    assert_eq!((Block::NONE.word(), Block::NONE.base(), Block::NONE.bytes()), (0, 0, 0));
    for shift in 11..40 {
        let block = Block::new(0x7000_0000_0000 + (3 << 11), 1 << shift);
        assert_eq!((block.base(), block.bytes()), (0x7000_0000_0000 + (3 << 11), 1 << shift));
        assert!(!block.is_none());
        assert_eq!(Block::from_word(block.word()), block);
    }
}

#[test]
fn blocks_of_every_size_are_zero_and_apart() {
    let heap = Heap::new(usize::MAX);
    let mut taken: Vec<Block> = Vec::new();
    for round in 0..3 {
        for shift in 11..=17 {
            for _ in 0..20 {
                let block = heap.take(1 << shift);
                assert_eq!(block.bytes(), 1 << shift);
                assert!(bytes_of(block).iter().all(|&byte| byte == 0));
                bytes_of(block).fill(round + 1);
                taken.push(block);
            }
        }
        taken.sort();
        for pair in taken.windows(2) {
            assert!(pair[0].base() + pair[0].bytes() <= pair[1].base(), "overlap");
        }
        // Every third goes back and is taken again in the next round.
        let mut place = 0;
        taken.retain(|&block| {
            place += 1;
            if place % 3 == 0 {
                heap.give_back(block);
            }
            place % 3 != 0
        });
    }
    assert_eq!(heap.stacks.figures().blocks, taken.len());
    assert_eq!(heap.stacks.figures().in_use, taken.iter().map(|block| block.bytes()).sum());
    taken.into_iter().for_each(|block| heap.give_back(block));
    heap.stacks.drain_pools(&heap.pages);
    assert_eq!(heap.stacks.figures(), StackFigures::default());
    assert_eq!(heap.page_bytes(), 0);
}

#[test]
fn a_manual_span_is_shared_and_goes_home_with_its_last_block() {
    let heap = Heap::new(usize::MAX);
    for bytes in [MIN_BLOCK, 4 << 10, 8 << 10, 16 << 10] {
        let blocks: Vec<Block> = (0..SPAN_BYTES / bytes).map(|_| heap.take(bytes)).collect();
        assert_eq!((heap.page_bytes(), heap.stacks.figures().pooled), (SPAN_BYTES, 0), "{bytes}");
        let next = heap.take(bytes);
        assert_eq!((heap.page_bytes(), heap.stacks.figures().pooled), (2 * SPAN_BYTES, SPAN_BYTES - bytes));
        heap.give_back(blocks[1]);
        heap.give_back(next);
        assert_eq!(heap.page_bytes(), SPAN_BYTES);
        assert_eq!(heap.take(bytes), blocks[1]);
        blocks.into_iter().for_each(|block| heap.give_back(block));
        assert_eq!(heap.page_bytes(), 0);
    }
}

#[test]
fn large_blocks_are_kept_and_go_home_when_idle() {
    let heap = Heap::new(usize::MAX);
    let blocks: Vec<Block> = (0..20).map(|_| heap.take(64 << 10)).collect();
    blocks.iter().for_each(|&block| heap.give_back(block));
    assert_eq!(heap.stacks.figures().pooled, POOL_BYTES);
    assert_eq!(heap.page_bytes(), POOL_BYTES);
    let again = heap.take(64 << 10);
    assert!(blocks.contains(&again));
    heap.give_back(again);
    let cycle = || heap.stacks.end_grace(heap.stacks.begin_grace(), &heap.pages);
    cycle();
    assert_eq!(heap.page_bytes(), POOL_BYTES, "nothing was idle from the first");
    cycle();
    assert_eq!((heap.page_bytes(), heap.stacks.figures().pooled), (0, 0));
    let large = heap.take(1 << 20);
    heap.give_back(large);
    assert_eq!(heap.page_bytes(), 0, "a large block is not kept");
    let huge = heap.take(128 << 20);
    assert!(bytes_of(huge)[..4096].iter().all(|&byte| byte == 0));
    heap.give_back(huge);
    assert_eq!(heap.page_bytes(), 0);
}

#[test]
fn a_retired_block_is_readable_and_not_handed_out_before_its_grace_ends() {
    let heap = Heap::new(usize::MAX);
    let block = heap.take(MIN_BLOCK);
    bytes_of(block).fill(9);
    let before = heap.stacks.begin_grace();
    heap.stacks.retire(block);
    heap.stacks.retire(Block::NONE);
    heap.stacks.end_grace(before, &heap.pages);
    let figures = StackFigures { retired: MIN_BLOCK, pooled: SPAN_BYTES - MIN_BLOCK, ..StackFigures::default() };
    assert_eq!(heap.stacks.figures(), figures);
    let others: Vec<Block> = (0..40).map(|_| heap.take(MIN_BLOCK)).collect();
    assert!(!others.contains(&block));
    let grace = heap.stacks.begin_grace();
    assert_eq!(grace.blocks(), [block]);
    assert!(bytes_of(block).iter().all(|&byte| byte == 9));
    heap.stacks.end_grace(grace, &heap.pages);
    // A sanitizer would stop whoever looks.
    #[cfg(not(spanheap_asan))]
    assert!(bytes_of(block).iter().all(|&byte| byte == POISON));
    assert_eq!(heap.take(MIN_BLOCK), block);
    assert!(bytes_of(block).iter().all(|&byte| byte == 0));
}

#[test]
fn the_limit_of_the_heap_holds_for_stacks() {
    let heap = Heap::new(2 * SPAN_BYTES);
    let first = heap.take(SPAN_BYTES);
    let second = heap.take(MIN_BLOCK);
    let refused = heap.stacks.take(SPAN_BYTES, &heap.pages, &heap.index);
    assert!(matches!(refused, Err(AllocError::Limit { requested: SPAN_BYTES, .. })), "{refused:?}");
    assert_eq!(heap.stacks.figures().blocks, 2, "a refusal counts for nothing");
    heap.give_back(second);
    let third = heap.take(SPAN_BYTES);
    heap.give_back(first);
    heap.give_back(third);
    assert_eq!(heap.stacks.figures().pooled, 2 * SPAN_BYTES);
    heap.take(2 * SPAN_BYTES);
}

#[test]
fn the_average_is_of_what_was_observed_since() {
    let stacks = StackMemory::new(false);
    assert_eq!(stacks.take_average(), None);
    for bytes in [1000, 2000, 6000] {
        stacks.observe(bytes);
    }
    assert_eq!((stacks.take_average(), stacks.take_average()), (Some(3000), None));
}
