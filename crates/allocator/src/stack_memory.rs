//! Stack memory: the blocks in which VM stacks keep their slots.
//!
//! *Callers:* the mutator layer takes, moves and retires blocks; the collector ends the grace of retired ones; the
//! sweeper gives back those of dead stacks. Blocks are powers of two from [`MIN_BLOCK`] up. Those below 32 KiB are
//! carved from *manual spans*: runs of 32 KiB, each for one size, that go home when their last block comes back. Larger
//! ones are runs of their own, a few of which are kept for reuse.
//!
//! *Invariants:*
//! - The pages of stack memory have no span class, and none of their bits is set: no word is taken for an object there,
//!   and neither marker nor sweeper ever looks. What a block holds is known through the stack object alone.
//! - `[stack.retired]` A block that threads may still read is not given back but retired. It is used again only after a
//!   handshake of all mutators that began after the retirement: slices of a stack's slots do not outlive a safepoint,
//!   and whoever reads the stack's block word after that handshake reads the new one, because the word was written
//!   before the block was retired, and the list of retired blocks was taken before the handshake. A mutator that
//!   attaches meanwhile takes the registry's lock after the handshake did, and reads the new word too.
//! - `[stack.block-follows-object]` A dead stack's block is given back at once: as nobody has a reference to the object,
//!   nobody has a slice of its slots.
//!
//! *Locks:* `Rank::StackMemory`, for a few instructions; pages are taken and given back without it.

mod retired;

use crate::allocator::POISON;
use crate::arena_index::ArenaIndex;
use crate::error::AllocError;
use crate::geometry::{PAGE_SIZE, arena_of, page_of};
use crate::page_heap::{PageHeap, PageRun, Run};
use crate::sanitize;
use spanheap_sync::word::{AtomicUsize, Ordering};
use spanheap_sync::{Mutex, Rank};
use std::collections::{BTreeMap, BTreeSet};

pub use retired::{Grace, Retired};

/// Bytes of the smallest block.
pub const MIN_BLOCK: usize = 2 << 10;

/// Bytes of a manual span; blocks from this size on are runs of their own.
const SPAN_BYTES: usize = 32 << 10;

/// Sizes of blocks that are carved from manual spans.
const CARVED_SIZES: usize = (SPAN_BYTES / MIN_BLOCK).trailing_zeros() as usize;

/// Bytes that the pool of one size may keep: some blocks of the smaller sizes, none above.
const POOL_BYTES: usize = 256 << 10;

const _: () = assert!(SPAN_BYTES.is_multiple_of(PAGE_SIZE) && SPAN_BYTES / MIN_BLOCK <= u16::BITS as usize);

/// A block in one word: its address, and the logarithm of its size in the low bits, which are zero in the address. One
/// load therefore reads an address and a size that belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block(usize);

impl Block {
    /// No block: of no bytes.
    pub const NONE: Block = Block(0);

    /// The block of `bytes` bytes at `base`; both as [`StackMemory::take`] hands them out.
    pub const fn new(base: usize, bytes: usize) -> Block {
        debug_assert!(base.is_multiple_of(MIN_BLOCK) && base != 0 && bytes.is_power_of_two() && bytes >= MIN_BLOCK);
        Block(base | bytes.trailing_zeros() as usize)
    }

    /// The block that [`Block::word`] stands for.
    #[inline(always)]
    pub const fn from_word(word: usize) -> Block {
        Block(word)
    }

    /// The block as a word; 0 for none.
    #[inline(always)]
    pub const fn word(self) -> usize {
        self.0
    }

    /// Address of the first byte; 0 for none.
    #[inline(always)]
    pub const fn base(self) -> usize {
        self.0 & !(MIN_BLOCK - 1)
    }

    /// Bytes of the block; 0 for none.
    #[inline(always)]
    pub const fn bytes(self) -> usize {
        // The shift of no block gives 1, which no block has.
        (1 << (self.0 & (MIN_BLOCK - 1))) & !1
    }

    /// Whether there is no block.
    #[inline(always)]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Figures of stack memory, in bytes but for the blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackFigures {
    /// Blocks that belong to stacks.
    pub blocks: usize,
    /// Bytes of blocks that belong to stacks.
    pub in_use: usize,
    /// Bytes of blocks that are retired and wait for their handshake.
    pub retired: usize,
    /// Bytes that are free: in manual spans and in pools.
    pub pooled: usize,
}

/// The stack memory of one heap.
pub struct StackMemory {
    inner: Mutex<Inner>,
    retired: Retired,
    poison: bool,
    /// Stacks that scans have found since the figures were last taken, and the bytes that they used.
    observed: AtomicUsize,
    observed_bytes: AtomicUsize,
}

struct Inner {
    /// By size, from [`MIN_BLOCK`] up.
    carved: [Carved; CARVED_SIZES],
    /// Free blocks of 32 KiB and above, by size.
    pools: BTreeMap<usize, Pool>,
    /// Blocks handed out and not yet given back, retired ones included, and their bytes.
    taken: usize,
    taken_bytes: usize,
    /// Bytes of free blocks.
    pooled: usize,
}

/// The manual spans of one size of blocks.
#[derive(Default)]
struct Carved {
    /// By address: one bit per block, set where it is free.
    spans: BTreeMap<usize, u16>,
    /// The spans with free blocks.
    open: BTreeSet<usize>,
}

#[derive(Default)]
struct Pool {
    free: Vec<usize>,
    /// The fewest blocks that were free since the last grace: so many were not needed.
    idle: usize,
}

impl StackMemory {
    /// Stack memory that has no pages yet. `poison` fills blocks that come back with [`POISON`].
    pub fn new(poison: bool) -> StackMemory {
        let inner = Inner {
            carved: std::array::from_fn(|_| Carved::default()),
            pools: BTreeMap::new(),
            taken: 0,
            taken_bytes: 0,
            pooled: 0,
        };
        StackMemory {
            inner: Mutex::new(Rank::StackMemory, inner),
            retired: Retired::new(),
            poison,
            observed: AtomicUsize::new(0),
            observed_bytes: AtomicUsize::new(0),
        }
    }

    /// Takes a block of `bytes` bytes, all zero.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`], [`AllocError::TooLarge`].
    ///
    /// # Panics
    /// If `bytes` is not a power of two of at least [`MIN_BLOCK`].
    pub fn take(&self, bytes: usize, pages: &PageHeap, index: &ArenaIndex) -> Result<Block, AllocError> {
        assert!(bytes.is_power_of_two() && bytes >= MIN_BLOCK, "a block of {bytes} bytes");
        let known = self.inner.lock().take_free(bytes);
        let (base, zero) = match known {
            Some(base) => (base, false),
            None => {
                let run = self.run(bytes.max(SPAN_BYTES) / PAGE_SIZE, pages, index)?;
                let base = run.arena + run.page * PAGE_SIZE;
                sanitize::poison(base, bytes.max(SPAN_BYTES));
                self.inner.lock().add_run(base, bytes);
                (base, run.zero)
            }
        };
        sanitize::unpoison(base, bytes);
        if !zero {
            // SAFETY: the block is usable memory that nobody else knows: it is new, or by [stack.retired] nobody reads it.
            unsafe { std::ptr::write_bytes(base as *mut u8, 0, bytes) };
        }
        Ok(Block::new(base, bytes))
    }

    /// Pages; if the limit allows no more, what the pools keep goes home first.
    fn run(&self, count: usize, pages: &PageHeap, index: &ArenaIndex) -> Result<Run, AllocError> {
        match pages.take(count, index) {
            Err(AllocError::Limit { .. }) => {
                self.drain_pools(pages);
                pages.take(count, index)
            }
            outcome => outcome,
        }
    }

    /// Gives back blocks of stacks that nobody can read any more, or that nobody ever saw.
    pub fn give_back(&self, blocks: &[Block], pages: &PageHeap) {
        if blocks.is_empty() {
            return;
        }
        for block in blocks {
            if self.poison {
                // SAFETY: nobody reads the block any more.
                unsafe { std::ptr::write_bytes(block.base() as *mut u8, POISON, block.bytes()) };
            }
            sanitize::poison(block.base(), block.bytes());
        }
        let home = {
            let mut inner = self.inner.lock();
            blocks.iter().filter_map(|&block| inner.put(block)).collect()
        };
        go_home(home, pages);
    }

    /// Takes a block from its stack, whose block word has been changed, while other threads may still read the block.
    pub fn retire(&self, block: Block) {
        if !block.is_none() {
            self.retired.add(block);
        }
    }

    /// The blocks retired so far: a handshake of all mutators that begins after this call makes them free
    /// (`[stack.retired]`).
    pub fn begin_grace(&self) -> Grace {
        self.retired.begin_grace()
    }

    /// The handshake has completed: the blocks of `grace` are free. What a pool has not needed since the last grace goes
    /// home.
    pub fn end_grace(&self, grace: Grace, pages: &PageHeap) {
        self.give_back(grace.blocks(), pages);
        self.retired.end_grace(&grace);
        let idle = self.inner.lock().drain_idle();
        go_home(idle, pages);
    }

    /// Gives everything that the pools keep back to the page heap.
    pub fn drain_pools(&self, pages: &PageHeap) {
        let all = {
            let mut inner = self.inner.lock();
            inner.pools.values_mut().for_each(|pool| pool.idle = pool.free.len());
            inner.drain_idle()
        };
        go_home(all, pages);
    }

    /// Figures as they are now; while other threads take and retire blocks, those of about now.
    pub fn figures(&self) -> StackFigures {
        let (count, retired) = self.retired.figures();
        let inner = self.inner.lock();
        StackFigures {
            blocks: inner.taken.saturating_sub(count),
            in_use: inner.taken_bytes.saturating_sub(retired),
            retired,
            pooled: inner.pooled,
        }
    }

    /// Notes that a scan found a stack that used `bytes` bytes of its block.
    #[inline]
    pub fn observe(&self, bytes: usize) {
        self.observed.fetch_add(1, Ordering::Relaxed);
        self.observed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The average of what was observed, in bytes; starts anew. `None` if no stack was.
    pub fn take_average(&self) -> Option<usize> {
        let (stacks, bytes) =
            (self.observed.swap(0, Ordering::Relaxed), self.observed_bytes.swap(0, Ordering::Relaxed));
        bytes.checked_div(stacks)
    }
}

fn go_home(runs: Vec<(usize, usize)>, pages: &PageHeap) {
    let run = |(base, bytes)| PageRun { arena: arena_of(base), page: page_of(base), pages: bytes / PAGE_SIZE };
    pages.give_back_all(&runs.into_iter().map(run).collect::<Vec<_>>());
}

/// Index of the size of carved blocks; `None` for those that are runs of their own.
fn carved_size(bytes: usize) -> Option<usize> {
    (bytes < SPAN_BYTES).then(|| (bytes / MIN_BLOCK).trailing_zeros() as usize)
}

/// The mask of a manual span with nothing but free blocks of `bytes` bytes.
fn all_free(bytes: usize) -> u16 {
    u16::MAX >> (u16::BITS as usize - SPAN_BYTES / bytes)
}

impl Inner {
    /// A free block, if there is one: the lowest of its size, so that the highest spans become free.
    fn take_free(&mut self, bytes: usize) -> Option<usize> {
        let base = match carved_size(bytes) {
            Some(size) => {
                let carved = &mut self.carved[size];
                let span = *carved.open.first()?;
                let mask = carved.spans.get_mut(&span).expect("an open span is a span");
                let block = mask.trailing_zeros() as usize;
                *mask &= *mask - 1;
                if *mask == 0 {
                    carved.open.remove(&span);
                }
                span + block * bytes
            }
            None => {
                let pool = self.pools.get_mut(&bytes)?;
                let base = pool.free.pop()?;
                pool.idle = pool.idle.min(pool.free.len());
                base
            }
        };
        self.pooled -= bytes;
        self.count_taken(bytes);
        Some(base)
    }

    fn count_taken(&mut self, bytes: usize) {
        self.taken_bytes += bytes;
        self.taken += 1;
    }

    /// Adds a fresh run and takes its first block.
    fn add_run(&mut self, base: usize, bytes: usize) {
        if let Some(size) = carved_size(bytes) {
            let carved = &mut self.carved[size];
            carved.spans.insert(base, all_free(bytes) & !1);
            carved.open.insert(base);
            self.pooled += SPAN_BYTES - bytes;
        }
        self.count_taken(bytes);
    }

    /// Puts a block back. Returns the run that is free now and goes home, if there is one.
    fn put(&mut self, block: Block) -> Option<(usize, usize)> {
        let (base, bytes) = (block.base(), block.bytes());
        self.taken_bytes -= bytes;
        self.taken -= 1;
        let Some(size) = carved_size(bytes) else {
            let pool = self.pools.entry(bytes).or_default();
            if (pool.free.len() + 1) * bytes > POOL_BYTES {
                return Some((base, bytes));
            }
            pool.free.push(base);
            self.pooled += bytes;
            return None;
        };
        let carved = &mut self.carved[size];
        let (&span, mask) = carved.spans.range_mut(..=base).next_back().expect("a carved block lies in a span");
        let bit = 1 << ((base - span) / bytes);
        debug_assert!(base - span < SPAN_BYTES && *mask & bit == 0, "block {base:#x} is given back twice");
        *mask |= bit;
        self.pooled += bytes;
        if *mask != all_free(bytes) {
            carved.open.insert(span);
            return None;
        }
        carved.spans.remove(&span);
        carved.open.remove(&span);
        self.pooled -= SPAN_BYTES;
        Some((span, SPAN_BYTES))
    }

    /// Takes out of the pools what they have not needed.
    fn drain_idle(&mut self) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        for (&bytes, pool) in &mut self.pools {
            let idle = pool.idle.min(pool.free.len());
            out.extend(pool.free.drain(..idle).map(|base| (base, bytes)));
            self.pooled -= idle * bytes;
            pool.idle = pool.free.len();
        }
        out
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
