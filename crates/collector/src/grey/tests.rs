//! The queue's order, its filter on real objects, and the empty blocks that are kept.
//!
//! *Callers:* `cargo test`. *Invariants:* one thread.

use super::*;
use crate::collector::Collector;
use crate::options::Options;
use spanheap_allocator::{Cache, ObjectLayout, SizeClassId, TypeLayout};
use spanheap_memory::Memory;
use spanheap_sync::Arc;

#[test]
fn blocks_come_out_once_and_in_order() {
    let queue = GreyQueue::default();
    assert!(queue.is_empty() && queue.pop().is_none());
    for number in 1..200 {
        queue.push(vec![number; number]);
        queue.push(Block::new());
    }
    for number in 1..200 {
        assert!(!queue.is_empty());
        assert_eq!(queue.pop(), Some(vec![number; number]));
    }
    assert!(queue.is_empty() && queue.pop().is_none());
}

#[test]
fn the_filter_drops_what_is_marked_or_new_and_nothing_else() {
    let options = Options { background: false, ..Options::default() };
    let collector = Collector::new(Arc::new(Memory::new()), options);
    let allocator = &collector.allocator;
    let leaf = allocator.classes.register(ObjectLayout::fixed("leaf", TypeLayout::leaf::<[u64; 4]>())).unwrap();
    let cache = Cache::new(0);
    // A size class with a bit for each slot's granule, and the tiny one, whose spans have bits of their own.
    for size in [SizeClassId::of(32).unwrap(), SizeClassId::TINY] {
        let cursor = cache.cursor_for(allocator, cache.layout(leaf), size).unwrap();
        // SAFETY: the cache's own cursor.
        let take = |_| unsafe { cache.alloc(allocator, &collector, cursor) }.unwrap();
        let objects: Vec<usize> = (0..300).map(take).collect();
        let set = |every: usize, bits| {
            for &object in objects.iter().step_by(every) {
                // SAFETY: a live object of this heap, which nobody else uses.
                let (word, mask) = unsafe { object_bit(object, bits) };
                word.fetch_or(mask, Ordering::Relaxed);
            }
        };
        set(3, Bits::Mark);
        set(5, Bits::New);
        let mut block = objects.clone();
        collector.grey.drop_known(&mut block);
        let white = objects.iter().enumerate().filter(|(number, _)| number % 3 != 0 && number % 5 != 0);
        assert_eq!(block, white.map(|(_, &object)| object).collect::<Block>());
        let mut none = Block::new();
        collector.grey.drop_known(&mut none);
        assert!(none.is_empty());
    }
    cache.flush(allocator, &collector);
}

#[test]
fn an_empty_block_has_room() {
    let queue = GreyQueue::new();
    assert!(queue.empty_block(700).capacity() >= 700);
    queue.recycle(vec![7; 3 * LEAST]);
    let again = queue.empty_block(LEAST);
    assert!(again.is_empty() && again.capacity() >= 3 * LEAST, "the one that was kept, without what it held");
    assert!(queue.empty_block(LEAST).capacity() < 3 * LEAST, "it was kept once");
}

#[test]
fn small_blocks_and_more_than_enough_are_not_kept() {
    let spare = Spare::new();
    spare.keep(Vec::with_capacity(LEAST - 1));
    assert_eq!(spare.len.load(Ordering::Relaxed), 0);
    let long = || Vec::with_capacity(2 * LEAST);
    (0..2 * KEPT).for_each(|_| spare.keep(long()));
    assert!(spare.take(1).capacity() < LEAST, "who wants a short one gets a short one");
    let kept = (0..2 * KEPT).filter(|_| spare.take(LEAST).capacity() >= 2 * LEAST).count();
    assert_eq!(kept, KEPT);
    spare.keep(long());
    assert!(spare.take(LEAST).capacity() >= 2 * LEAST, "there is room again");
}
