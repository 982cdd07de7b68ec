//! The shared end of the grey queue: blocks of object addresses on their way to a marker.
//!
//! *Callers:* mutators push their logs and roots; markers pop. *Invariants:* `[grey.no-loss]` a block that was pushed
//! is popped by exactly one marker or is still there when [`GreyQueue::is_empty`] says false. This is the one module
//! that names crossbeam-deque; no model can see into it, so that in one a locked queue of the same meaning stands in
//! and the models check the protocols around the queue.

use spanheap_allocator::span::{Bits, object_bit};
use spanheap_sync::word::{AtomicU64, AtomicUsize, Ordering};

/// Entries for which an empty block that is kept has room at least: a log that is full at once is no log.
const LEAST: usize = 256;

/// Empty blocks that are kept, or a few more.
const KEPT: usize = 64;

/// Addresses of objects, already checked to be objects; the marker tests and sets their marks.
pub type Block = Vec<usize>;

/// Blocks of grey objects, first in, first out.
pub struct GreyQueue {
    blocks: queue::Queue,
    empty: Spare,
    filter: Filter,
    /// Logs that came because they were full.
    full_logs: AtomicU64,
}

/// Drops the objects of a block that marking knows already.
type Filter = Box<dyn Fn(&mut Block) + Send + Sync>;

/// Empty blocks, to be used again.
pub(crate) struct Spare {
    blocks: queue::Queue,
    /// How many there are, or were a moment ago.
    len: AtomicUsize,
}

impl Spare {
    pub(crate) fn new() -> Spare {
        Spare { blocks: queue::Queue::new(), len: AtomicUsize::new(0) }
    }

    /// A block with room for so many entries, or about as many. Those that are kept are long.
    pub(crate) fn take(&self, entries: usize) -> Block {
        if entries >= LEAST
            && self.len.load(Ordering::Relaxed) > 0
            && let Some(block) = self.blocks.pop()
        {
            self.len.fetch_sub(1, Ordering::Relaxed);
            return block;
        }
        Vec::with_capacity(entries)
    }

    /// Keeps a block for another use, unless enough are kept, or it has hardly any room.
    pub(crate) fn keep(&self, mut block: Block) {
        block.clear();
        if block.capacity() >= LEAST && self.len.load(Ordering::Relaxed) < KEPT {
            self.len.fetch_add(1, Ordering::Relaxed);
            self.blocks.push(block);
        }
    }
}

impl GreyQueue {
    /// An empty queue.
    pub fn new() -> GreyQueue {
        // A model's objects have no bits in an arena: a model says itself what it has marked.
        GreyQueue::with_filter(Box::new(if cfg!(loom) { |_: &mut Block| {} } else { drop_known }))
    }

    /// An empty queue with a filter of one's own.
    pub(crate) fn with_filter(filter: Filter) -> GreyQueue {
        GreyQueue { blocks: queue::Queue::new(), empty: Spare::new(), filter, full_logs: AtomicU64::new(0) }
    }

    /// Adds a block. An empty block is dropped.
    pub fn push(&self, block: Block) {
        if !block.is_empty() {
            self.blocks.push(block);
        }
    }

    /// Adds a log that has no room for more.
    pub(crate) fn push_full(&self, log: Block) {
        self.full_logs.fetch_add(!log.is_empty() as u64, Ordering::Relaxed);
        self.push(log);
    }

    /// Number of logs that were handed over because they were full, not because a handshake asked for them.
    pub fn full_logs(&self) -> u64 {
        self.full_logs.load(Ordering::Relaxed)
    }

    /// Drops the objects of a block that marking knows already: they are marked, or were born black.
    pub(crate) fn drop_known(&self, block: &mut Block) {
        (self.filter)(block);
    }

    /// An empty block with room for so many entries, or about as many.
    pub fn empty_block(&self, entries: usize) -> Block {
        self.empty.take(entries)
    }

    /// Keeps a block for another use, unless enough are kept.
    pub fn recycle(&self, block: Block) {
        self.empty.keep(block);
    }

    /// Takes the oldest block.
    pub fn pop(&self) -> Option<Block> {
        self.blocks.pop()
    }

    /// Whether no block waits.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

fn drop_known(block: &mut Block) {
    let mut kept = 0;
    for at in 0..block.len() {
        let object = block[at];
        block[kept] = object;
        // No branch: the look-ups of many objects are under way together.
        kept += !is_known(object) as usize;
    }
    block.truncate(kept);
}

fn is_known(object: usize) -> bool {
    let has = |bits| {
        // SAFETY: blocks hold base addresses of objects of this heap.
        let (word, mask) = unsafe { object_bit(object, bits) };
        word.load(Ordering::Relaxed) & mask != 0
    };
    has(Bits::Mark) | has(Bits::New)
}

impl Default for GreyQueue {
    fn default() -> GreyQueue {
        GreyQueue::new()
    }
}

#[cfg(not(any(loom, shuttle)))]
mod queue {
    use super::Block;
    use crossbeam_deque::{Injector, Steal};

    pub(super) struct Queue(Injector<Block>);

    impl Queue {
        pub(super) fn new() -> Queue {
            Queue(Injector::new())
        }

        pub(super) fn push(&self, block: Block) {
            self.0.push(block);
        }

        pub(super) fn pop(&self) -> Option<Block> {
            loop {
                match self.0.steal() {
                    Steal::Success(block) => return Some(block),
                    Steal::Empty => return None,
                    Steal::Retry => {}
                }
            }
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }
}

#[cfg(any(loom, shuttle))]
mod queue {
    use super::Block;
    use spanheap_sync::{Mutex, Rank};
    use std::collections::VecDeque;

    pub(super) struct Queue(Mutex<VecDeque<Block>>);

    impl Queue {
        pub(super) fn new() -> Queue {
            Queue(Mutex::new(Rank::GreyQueue, VecDeque::new()))
        }

        pub(super) fn push(&self, block: Block) {
            self.0.lock().push_back(block);
        }

        pub(super) fn pop(&self) -> Option<Block> {
            self.0.lock().pop_front()
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.lock().is_empty()
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
