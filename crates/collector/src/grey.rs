//! The shared end of the grey queue: blocks of object addresses on their way to a marker.
//!
//! *Callers:* mutators push their logs and roots; markers pop. *Invariants:* `[grey.no-loss]` a block that was pushed
//! is popped by exactly one marker or is still there when [`GreyQueue::is_empty`] says false. This is the one module
//! that names crossbeam-deque; it is not loom-aware, so that under loom a locked queue of the same meaning stands in
//! and the models check the protocols around the queue.

/// Addresses of objects, already checked to be objects; the marker tests and sets their marks.
pub type Block = Vec<usize>;

/// Blocks of grey objects, first in, first out.
pub struct GreyQueue {
    blocks: queue::Queue,
}

impl GreyQueue {
    /// An empty queue.
    pub fn new() -> GreyQueue {
        GreyQueue { blocks: queue::Queue::new() }
    }

    /// Adds a block. An empty block is dropped.
    pub fn push(&self, block: Block) {
        if !block.is_empty() {
            self.blocks.push(block);
        }
    }

    /// Adds a block, empty or not.
    pub(crate) fn keep(&self, block: Block) {
        self.blocks.push(block);
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

impl Default for GreyQueue {
    fn default() -> GreyQueue {
        GreyQueue::new()
    }
}

#[cfg(not(loom))]
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

#[cfg(loom)]
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
