//! Allocations that fail on purpose, so that a test can see what a program makes of every failure there can be.
//!
//! *Callers:* a cache before it hands out a slot, large objects, objects that grow, blocks of stacks: they ask
//! [`Refusals::check`]; the heap's handle says which are to fail. *Invariants:* in a heap that was not made for this
//! ([`AllocatorOptions::fail_allocation`](crate::AllocatorOptions::fail_allocation)) nothing is counted and nothing
//! refused; in one that was, caches hand out slots one at a time, so that every allocation passes here. The words are
//! plain counters: threads that allocate while the numbers are set may be counted before or after.

use crate::error::AllocError;
use spanheap_sync::word::{AtomicU64, Ordering};

/// Which of a heap's allocations fail, and how many there were.
pub struct Refusals {
    prepared: bool,
    /// What a refusal gives as the heap's limit.
    limit: usize,
    counted: AtomicU64,
    /// The first that fails, by its number from 1, and the first after it that does not.
    from: AtomicU64,
    until: AtomicU64,
    refused: AtomicU64,
}

impl Refusals {
    /// None fails if `nth` is `None` or 0, else the one with this number; `None` can not be changed later.
    pub(crate) fn new(nth: Option<u64>, limit: usize) -> Refusals {
        let refusals = Refusals {
            prepared: nth.is_some(),
            limit,
            counted: AtomicU64::new(0),
            from: AtomicU64::new(0),
            until: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        refusals.set(nth.unwrap_or(0), 1);
        refusals
    }

    /// Whether allocations are counted, and can be refused.
    #[inline(always)]
    pub fn prepared(&self) -> bool {
        self.prepared
    }

    /// Lets the `first`-th allocation from now fail, and those after it until `count` have; 0 is none.
    pub fn set(&self, first: u64, count: u64) {
        // Empty while it changes.
        self.until.store(0, Ordering::Relaxed);
        let from = self.counted.load(Ordering::Relaxed).saturating_add(first);
        self.from.store(from, Ordering::Relaxed);
        self.until.store(if first == 0 { 0 } else { from.saturating_add(count) }, Ordering::Relaxed);
    }

    /// Allocations so far, refused ones included.
    pub fn counted(&self) -> u64 {
        self.counted.load(Ordering::Relaxed)
    }

    /// Allocations refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Counts an allocation of `requested` bytes.
    ///
    /// # Errors
    /// [`AllocError::Limit`] if it is to fail.
    #[inline(always)]
    pub(crate) fn check(&self, requested: usize) -> Result<(), AllocError> {
        if self.prepared { self.count(requested) } else { Ok(()) }
    }

    #[cold]
    fn count(&self, requested: usize) -> Result<(), AllocError> {
        let number = self.counted.fetch_add(1, Ordering::Relaxed) + 1;
        if number < self.from.load(Ordering::Relaxed) || number >= self.until.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(AllocError::Limit { requested, limit: self.limit })
    }
}
