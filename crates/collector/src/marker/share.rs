//! How marking workers pass references to each other, and how they find out that all is marked.
//!
//! *Callers:* `lane`; the loom model `share`. *Invariants:*
//! - `[share.one-owner]` Every 64 KiB of addresses belong to one worker: it alone reads and writes the mark bits of the
//!   objects that begin there, and scans them. Whoever finds a reference to another's object sends it to the owner.
//! - `[share.credit]` `credits` is the number of workers that are not at rest plus the blocks under way. A worker takes a
//!   block's credit before it sends the block, and keeps its own until it has nothing left to do or to send. So whoever
//!   reads 0 knows that no worker has work, and that none will get any.
//!
//! Owning instead of locking, because a locked instruction on a mark word costs as much as all the rest of marking an
//! object; and owning small parts, so that a graph of any shape spreads over the workers, also from one root.

use crate::grey::{Block, GreyQueue, Spare};
use spanheap_sync::Padded;
use spanheap_sync::atomic::{AtomicUsize, Ordering};
use spanheap_sync::{Backoff, hint, thread};

/// Log2 of the bytes that belong to one worker in a row. A cache line of mark bits covers 8 KiB.
const SHARD_SHIFT: usize = 16;

/// How often a worker that rests looks for work before it sleeps in between: some ten microseconds.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 1000 };

/// Blocks that may wait for a worker before others stop feeding it from large arrays.
const FLOOD: usize = 64;

/// What the workers of one marking share.
pub(crate) struct Share {
    inboxes: Box<[Inbox]>,
    credits: Padded<AtomicUsize>,
    empty: Spare,
    /// References that are sent in one block.
    sent: usize,
}

struct Inbox {
    blocks: GreyQueue,
    /// Blocks in it, or soon: a hint for the owner, which need not look into an empty queue, and for senders.
    waiting: Padded<AtomicUsize>,
    /// The owner has nothing to do.
    at_rest: Padded<AtomicUsize>,
}

impl Share {
    /// For so many workers, a power of two, of which all may have work, and which send so many references at once.
    pub(crate) fn new(workers: usize, sent: usize) -> Share {
        debug_assert!(workers.is_power_of_two());
        let inbox = |_| Inbox {
            blocks: GreyQueue::new(),
            waiting: Padded::new(AtomicUsize::new(0)),
            at_rest: Padded::new(AtomicUsize::new(0)),
        };
        Share {
            inboxes: (0..workers).map(inbox).collect(),
            credits: Padded::new(AtomicUsize::new(workers)),
            empty: Spare::new(),
            sent,
        }
    }

    /// All workers may have work again. None is at it, and nothing is under way.
    pub(crate) fn begin(&self) {
        self.credits.store(self.workers(), Ordering::Relaxed);
    }

    pub(crate) fn workers(&self) -> usize {
        self.inboxes.len()
    }

    /// References that are sent in one block.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// The worker that owns the object at `addr`.
    #[inline(always)]
    pub(crate) fn owner(addr: usize, workers: usize) -> usize {
        (addr >> SHARD_SHIFT) & (workers - 1)
    }

    /// Sends references to their owner.
    pub(crate) fn send(&self, to: usize, block: Block) {
        // [share.credit]: relaxed, as this worker's own credit stands until it rests.
        self.credits.fetch_add(1, Ordering::Relaxed);
        self.deliver(to, block);
    }

    /// A mutant: the block is on its way before its credit is taken.
    #[cfg(all(test, loom))]
    pub(crate) fn send_on_tick(&self, to: usize, block: Block) {
        self.deliver(to, block);
        self.credits.fetch_add(1, Ordering::Relaxed);
    }

    fn deliver(&self, to: usize, block: Block) {
        let inbox = &self.inboxes[to];
        inbox.waiting.fetch_add(1, Ordering::Relaxed);
        inbox.blocks.push(block);
    }

    /// Whether a block may wait for worker `me`.
    #[inline(always)]
    pub(crate) fn has_mail(&self, me: usize) -> bool {
        self.inboxes[me].waiting.load(Ordering::Relaxed) != 0
    }

    /// Takes a block; [`Share::received`] is due when nothing is left of it but the worker's own work.
    pub(crate) fn receive(&self, me: usize) -> Option<Block> {
        let block = self.inboxes[me].blocks.pop()?;
        self.inboxes[me].waiting.fetch_sub(1, Ordering::Relaxed);
        Some(block)
    }

    /// A block to be filled.
    pub(crate) fn empty_block(&self) -> Block {
        self.empty.take(self.sent)
    }

    /// Gives a received block's credit back, and the block.
    pub(crate) fn received(&self, block: Block) {
        self.empty.keep(block);
        // Relaxed: the worker's own credit still stands.
        self.credits.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a worker has nothing to do: it is fed with the little that there is.
    #[inline(always)]
    pub(crate) fn is_at_rest(&self, worker: usize) -> bool {
        self.inboxes[worker].at_rest.load(Ordering::Relaxed) != 0
    }

    /// Whether so much waits for a worker that it need not be fed.
    pub(crate) fn is_flooded(&self, worker: usize) -> bool {
        self.inboxes[worker].waiting.load(Ordering::Relaxed) >= FLOOD
    }

    /// Worker `me` has nothing to do and nothing to send. Waits until there is something, or until all is marked: false.
    pub(crate) fn rest(&self, me: usize) -> bool {
        let inbox = &self.inboxes[me];
        inbox.at_rest.store(1, Ordering::Relaxed);
        // Release: what this worker did is seen by whoever reads 0. Acquire: and this one sees what they did.
        self.credits.fetch_sub(1, Ordering::AcqRel);
        let (mut looks, mut wait) = (0, Backoff::new());
        let more = loop {
            if self.has_mail(me) && !inbox.blocks.is_empty() {
                // The block's credit stands, so that the count has not been 0 and is not now.
                self.credits.fetch_add(1, Ordering::Relaxed);
                break true;
            }
            if self.credits.load(Ordering::Acquire) == 0 {
                break false;
            }
            if looks < LOOKS {
                looks += 1;
                hint::spin_loop();
            } else {
                wait.pause();
            }
        };
        inbox.at_rest.store(0, Ordering::Relaxed);
        more
    }

    /// Lets others have the processor.
    pub(crate) fn yield_now(&self) {
        thread::yield_now();
    }
}
