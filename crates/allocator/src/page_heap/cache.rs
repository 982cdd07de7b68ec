//! A mutator's page cache: up to 64 neighbouring pages that it hands out without the page heap's lock.
//!
//! *Callers:* a mutator's allocation cache owns one and passes it to [`PageHeap::take_cached`](super::PageHeap::take_cached).
//! *Invariants:* the pages lie in one aligned chunk of 64 and one arena; the page heap counts them as in use from the
//! moment they enter a cache to the moment they are given back or flushed. One thread uses a cache at a time.

use super::Run;
use super::runs;
use crate::geometry::PAGE_SIZE;
use crate::sanitize;

/// Free pages of one chunk that belong to one mutator. Whoever drops it without
/// [`PageHeap::flush`](super::PageHeap::flush) loses its pages until the heap ends.
#[derive(Debug, Default)]
pub struct PageCache {
    /// Base of the arena; any while no page is free.
    pub(super) arena: usize,
    /// Number of the chunk in the arena: its first page is 64 times that.
    pub(super) chunk: usize,
    /// The free pages.
    pub(super) free: u64,
    /// Those of them that are known to be all zero.
    pub(super) zero: u64,
}

impl PageCache {
    /// The longest run that a cache is asked for, in pages.
    pub const MOST_PAGES: usize = 16;

    /// An empty cache.
    pub const fn new() -> PageCache {
        PageCache { arena: 0, chunk: 0, free: 0, zero: 0 }
    }

    /// Bytes of pages that it holds.
    pub fn bytes(&self) -> usize {
        self.free.count_ones() as usize * PAGE_SIZE
    }

    /// Takes the lowest run of `pages` pages, at least 1. `None` if it has none, or if `pages` exceeds
    /// [`PageCache::MOST_PAGES`].
    #[inline]
    pub fn take(&mut self, pages: usize) -> Option<Run> {
        if pages > PageCache::MOST_PAGES {
            return None;
        }
        let start = runs::first_run(self.free, 0, pages)?;
        let mask = (u64::MAX >> (64 - pages)) << start;
        self.free &= !mask;
        let page = self.chunk * 64 + start;
        sanitize::unpoison(self.arena + page * PAGE_SIZE, pages * PAGE_SIZE);
        Some(Run { arena: self.arena, page, zero: self.zero & mask == mask })
    }
}
