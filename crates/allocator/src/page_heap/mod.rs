//! The page heap: arenas, and which of their pages are free.
//!
//! *Callers:* the allocator takes runs of pages for spans and gives them back; mutators do so through page caches.
//! *Invariants:*
//! - Runs are taken address first (the lowest arena and page that fit), so that a heap that shrinks becomes free at its
//!   top. A page is free, in one cache, on its way to the system, or in use: exactly one of these.
//! - Pages are made usable in units of 2 MiB, and an arena's tables with them, so that what is committed follows what is
//!   used. A refusal by the system at any point loses no page, and the figures stay true.
//! - Adjacent free runs are one run without further ado, because free pages are bits (`arena`).
//! - Pages in caches count as in use: a request can fail on the limit, or make the heap grow, while other mutators'
//!   caches hold up to 64 pages (512 KiB) each.
//!
//! *Locks:* `Rank::PageHeap`. The heap grows under it; memory goes back to the system without it (`release`, `huge`).
//!
//! Where things are: `ahead` prepares memory that will be wanted; `runs` finds runs in an arena's bitmap, `bounds` an arena among many; `arena` is one arena,
//! `huge` those with one object; `growth` makes arenas; `cache` is a mutator's share.

mod ahead;
mod arena;
mod bounds;
mod cache;
mod growth;
mod huge;
mod options;
mod release;
mod runs;

use crate::arena_index::ArenaIndex;
use crate::error::AllocError;
use crate::geometry::*;
use crate::sanitize;
use arena::Arena;
use bounds::Bounds;
use huge::HugeArena;
use spanheap_memory::{Memory, PageKind};
use spanheap_sync::word::AtomicU8;
use spanheap_sync::{Arc, Mutex, Rank};
use std::ops::Range;

pub use cache::PageCache;
pub use options::{BaseAddress, HugePages, PageOptions};
#[cfg(all(test, loom))]
pub(crate) use release::{Position, Unit};

/// A cache that has at least so many pages keeps them when it lacks a run of the wanted length.
const CACHE_KEEPS: u32 = 8;

/// A cache gets at most one part in so many of what the limit still allows.
const CACHE_SHARE: usize = 8;

/// A run of pages, handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Base of the arena.
    pub arena: usize,
    /// First page.
    pub page: usize,
    /// Whether every byte is known to be zero.
    pub zero: bool,
}

/// A run of pages, to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRun {
    /// Base of the arena.
    pub arena: usize,
    /// First page.
    pub page: usize,
    /// Number of pages.
    pub pages: usize,
}

/// Figures of the page heap, in bytes unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageFigures {
    /// Number of arenas, huge ones included.
    pub arenas: usize,
    /// Pages that belong to spans or stand in caches.
    pub in_use: usize,
    /// The most that ever was.
    pub peak_in_use: usize,
    /// Pages that are usable and free: what giving back could give back.
    pub free_ready: usize,
    /// Pages of ordinary arenas that were given back to the system and are not in use again.
    pub released: usize,
}

/// The arenas of one heap.
pub struct PageHeap {
    memory: Arc<Memory>,
    limit: usize,
    huge_pages: HugePages,
    /// Whether memory should be prepared ahead (`ahead`). A hint, which orders nothing.
    wish: AtomicU8,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Bases of the arenas, in order: a dense copy for look-ups.
    bases: Vec<usize>,
    /// In the same order. Boxed, so that an arena that comes between others moves addresses only.
    #[allow(clippy::vec_box, reason = "records of kilobytes would be moved by an insertion")]
    arenas: Vec<Box<Arena>>,
    /// In the same order.
    bounds: Bounds,
    huge: Vec<HugeArena>,
    /// Where the next arena is asked for.
    hint: Option<usize>,
    in_use: usize,
    peak_in_use: usize,
    /// Arena and pages of what is on its way to the system, or being populated.
    away: Vec<(usize, Range<usize>)>,
    /// Growth units that were prepared ahead and of which no page was taken.
    ahead: usize,
    /// Pages that are being populated.
    preparing: usize,
    /// They are to be given back.
    called_off: bool,
}

impl PageHeap {
    /// A page heap without arenas.
    pub fn new(memory: Arc<Memory>, options: PageOptions) -> PageHeap {
        let inner = Inner {
            bases: Vec::new(),
            arenas: Vec::new(),
            bounds: Bounds::default(),
            huge: Vec::new(),
            hint: options.base.hint(),
            in_use: 0,
            peak_in_use: 0,
            away: Vec::new(),
            ahead: 0,
            preparing: 0,
            called_off: false,
        };
        let (limit, huge_pages) = (options.limit, options.huge_pages);
        PageHeap {
            memory,
            limit,
            huge_pages,
            wish: AtomicU8::new(ahead::QUIET),
            inner: Mutex::new(Rank::PageHeap, inner),
        }
    }

    /// The memory that the arenas come from.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Most bytes of pages that may be in use.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Takes the lowest run of `pages` pages, at least 1.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`], [`AllocError::TooLarge`]. Nothing is taken then.
    pub fn take(&self, pages: usize, index: &ArenaIndex) -> Result<Run, AllocError> {
        self.take_locked(&mut self.inner.lock(), pages, index)
    }

    /// Takes a run of `pages` pages, at least 1: for up to [`PageCache::MOST_PAGES`] from the cache, which is filled
    /// again when it has next to nothing left, and else as [`PageHeap::take`].
    ///
    /// A cache is filled from the lowest chunk that has the run, with no more than an eighth of what the limit still
    /// allows; the heap makes no arena for it.
    ///
    /// # Errors
    /// As [`PageHeap::take`].
    #[inline]
    pub fn take_cached(&self, cache: &mut PageCache, pages: usize, index: &ArenaIndex) -> Result<Run, AllocError> {
        match cache.take(pages) {
            Some(run) => Ok(run),
            None => self.take_uncached(cache, pages, index),
        }
    }

    #[cold]
    fn take_uncached(&self, cache: &mut PageCache, pages: usize, index: &ArenaIndex) -> Result<Run, AllocError> {
        let mut inner = self.inner.lock();
        if pages <= PageCache::MOST_PAGES && cache.free.count_ones() < CACHE_KEEPS {
            inner.put_back(cache);
            // A refusal of the system here is reported below, if it comes again for the run alone.
            let _ = self.fill_locked(&mut inner, cache, pages);
            if let Some(run) = cache.take(pages) {
                return Ok(run);
            }
        }
        self.take_locked(&mut inner, pages, index)
    }

    /// Gives back what a cache holds.
    pub fn flush(&self, cache: &mut PageCache) {
        if cache.free != 0 {
            self.inner.lock().put_back(cache);
        }
    }

    /// Gives used pages back. Their bits in all tables are clear, and no span claims them any more.
    pub fn give_back(&self, arena: usize, page: usize, pages: usize) {
        self.give_back_range(arena, page..page + pages, 0);
    }

    /// Gives many runs back, as [`PageHeap::give_back`].
    pub fn give_back_all(&self, runs: &[PageRun]) {
        if runs.is_empty() {
            return;
        }
        let mut huge = Vec::new();
        {
            let mut inner = self.inner.lock();
            for run in runs {
                if !inner.give_back(run.arena, run.page..run.page + run.pages) {
                    huge.push(run.arena);
                }
            }
        }
        huge.into_iter().for_each(|arena| self.shrink_huge(arena, 0));
    }

    /// Makes a run that is in use longer, from `old_pages` to `new_pages`, by the free pages right behind it. Returns
    /// whether the new pages are all zero, or `None` if the pages behind are not free or not there.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`]. The run is as before then.
    pub fn extend(
        &self,
        arena: usize,
        page: usize,
        old_pages: usize,
        new_pages: usize,
    ) -> Result<Option<bool>, AllocError> {
        debug_assert!(old_pages > 0 && old_pages <= new_pages);
        let mut inner = self.inner.lock();
        let Some(bytes) = (new_pages - old_pages).checked_mul(PAGE_SIZE) else { return Ok(None) };
        if bytes == 0 {
            return Ok(Some(true));
        }
        let failed = |source| AllocError::Exhausted { requested: bytes, source };
        let extended = match inner.bases.binary_search(&arena) {
            Ok(place) => {
                let pages = page + old_pages..page.saturating_add(new_pages);
                if !inner.arenas[place].is_free(pages.clone()) {
                    return Ok(None);
                }
                self.check_limit(&inner, bytes)?;
                let kind = self.huge_pages.kind(inner.in_use + bytes);
                let before = inner.arenas[place].extent();
                let taken = inner.arenas[place].take(pages, kind).map(Some);
                // A refusal can come after a part of the pages has become usable.
                self.note_growth(&mut inner, place, before);
                taken
            }
            Err(_) => {
                self.check_limit(&inner, bytes)?;
                inner.extend_huge(arena, new_pages, self.kind_of_huge())
            }
        };
        let extended = extended.map_err(failed)?;
        if extended.is_some() {
            sanitize::unpoison(arena + (page + old_pages) * PAGE_SIZE, bytes);
            inner.count(bytes);
        }
        Ok(extended)
    }

    /// Makes a run that is in use shorter, from `old_pages` to `new_pages`, at least 1, and gives the rest back.
    pub fn shrink(&self, arena: usize, page: usize, old_pages: usize, new_pages: usize) {
        debug_assert!(new_pages > 0 && new_pages <= old_pages);
        if new_pages < old_pages {
            self.give_back_range(arena, page + new_pages..page + old_pages, new_pages);
        }
    }

    /// Gives the pages back, before which `kept` pages of their run stay in use.
    fn give_back_range(&self, arena: usize, pages: Range<usize>, kept: usize) {
        let ordinary = self.inner.lock().give_back(arena, pages);
        if !ordinary {
            self.shrink_huge(arena, kept);
        }
    }

    /// Figures as they are now. Takes time in proportion to the number of arenas.
    pub fn figures(&self) -> PageFigures {
        let inner = self.inner.lock();
        PageFigures {
            arenas: inner.arenas.len() + inner.huge.len(),
            in_use: inner.in_use,
            peak_in_use: inner.peak_in_use,
            free_ready: inner.free_ready(),
            released: inner.arenas.iter().map(|arena| arena.released_pages()).sum::<usize>() * PAGE_SIZE,
        }
    }

    /// Calls `visit` with every arena's base and the pages that spans may occupy: for walks over all spans.
    pub fn for_each_arena(&self, mut visit: impl FnMut(usize, Range<usize>)) {
        let arenas: Vec<_> = {
            let inner = self.inner.lock();
            let huge = inner.huge.iter().map(|huge| (huge.base, FIRST_DATA_PAGE..FIRST_DATA_PAGE + 1));
            inner.arenas.iter().map(|arena| (arena.base, FIRST_DATA_PAGE..arena.untouched)).chain(huge).collect()
        };
        arenas.into_iter().for_each(|(base, pages)| visit(base, pages));
    }

    /// Whether a page is free, on its way to the system, or being populated. For the verifier.
    pub fn is_free(&self, arena: usize, page: usize) -> bool {
        let inner = self.inner.lock();
        match inner.bases.binary_search(&arena) {
            Ok(place) => {
                let is_away = |entry: &(usize, Range<usize>)| entry.0 == arena && entry.1.contains(&page);
                inner.arenas[place].is_free(page..page + 1) || inner.away.iter().any(is_away)
            }
            Err(_) => inner.huge.iter().any(|huge| huge.base == arena && huge.is_free()),
        }
    }

    fn check_limit(&self, inner: &Inner, requested: usize) -> Result<(), AllocError> {
        if inner.in_use.saturating_add(requested) > self.limit {
            return Err(AllocError::Limit { requested, limit: self.limit });
        }
        Ok(())
    }

    fn kind_of_huge(&self) -> PageKind {
        if self.huge_pages == HugePages::Never { PageKind::Small } else { PageKind::Huge }
    }

    #[inline]
    fn take_locked(&self, inner: &mut Inner, pages: usize, index: &ArenaIndex) -> Result<Run, AllocError> {
        debug_assert!(pages > 0);
        let bytes = pages.checked_mul(PAGE_SIZE).ok_or(AllocError::TooLarge { requested: usize::MAX })?;
        self.check_limit(inner, bytes)?;
        let run = if pages > DATA_PAGES {
            let run = inner.take_huge(&self.memory, pages, self.kind_of_huge(), index)?;
            inner.count(bytes);
            run
        } else {
            let failed = |source| AllocError::Exhausted { requested: bytes, source };
            let (place, page) = match inner.find(pages) {
                Some(found) => found,
                None => {
                    inner.add_arena(&self.memory, pages, index).map_err(failed)?;
                    inner.find(pages).expect("an arena is made long enough for what it is made for")
                }
            };
            let kind = self.huge_pages.kind(inner.in_use + bytes);
            let arena = &mut inner.arenas[place];
            let before = arena.extent();
            let zero = arena.take(page..page + pages, kind).map_err(failed)?;
            let run = Run { arena: arena.base, page, zero };
            inner.count(bytes);
            self.note_growth(inner, place, before);
            run
        };
        sanitize::unpoison(run.arena + run.page * PAGE_SIZE, bytes);
        Ok(run)
    }

    /// Fills an empty cache from the lowest chunk with a free run of `pages` pages within it, if there is one and the
    /// limit allows it.
    fn fill_locked(
        &self,
        inner: &mut Inner,
        cache: &mut PageCache,
        pages: usize,
    ) -> Result<(), spanheap_memory::MemoryError> {
        // Near the limit, what one cache hoards would be refused to another.
        let most = (self.limit.saturating_sub(inner.in_use)) / PAGE_SIZE / CACHE_SHARE;
        let kind = self.huge_pages.kind(inner.in_use + pages * PAGE_SIZE);
        // The search corrects a bound that is too high.
        let Some((place, _)) = inner.find(pages) else { return Ok(()) };
        let arena = &mut inner.arenas[place];
        let before = arena.extent();
        if let Some((chunk, free, zero)) = arena.take_chunk(pages, most, kind)? {
            *cache = PageCache { arena: arena.base, chunk, free, zero };
            inner.count(cache.bytes());
            self.note_growth(inner, place, before);
        }
        Ok(())
    }
}

impl Inner {
    /// Bytes that are usable and free, or being populated to be free then.
    fn free_ready(&self) -> usize {
        let in_arenas: usize = self.arenas.iter().map(|arena| arena.free_ready).sum();
        let in_huge: usize = self.huge.iter().map(HugeArena::free_ready).sum();
        (in_arenas + in_huge + self.preparing) * PAGE_SIZE
    }

    /// The lowest arena and page with a free run of `pages` pages.
    #[inline]
    fn find(&mut self, pages: usize) -> Option<(usize, usize)> {
        while let Some(place) = self.bounds.first(pages) {
            let arena = &mut self.arenas[place];
            match arena.find(pages) {
                Some(page) => return Some((place, page)),
                None => self.bounds.set(place, arena.bound(pages)),
            }
        }
        None
    }

    /// Takes used pages back, unless they are those of a huge arena, which the caller must shrink: false then.
    #[inline]
    fn give_back(&mut self, arena: usize, pages: Range<usize>) -> bool {
        self.in_use -= pages.len() * PAGE_SIZE;
        let Ok(place) = self.bases.binary_search(&arena) else { return false };
        let bound = self.arenas[place].give_back(pages);
        self.bounds.raise(place, bound);
        true
    }

    /// What was away comes back. Returns the number of its arena.
    fn returns(&mut self, arena: usize, pages: &Range<usize>) -> usize {
        let known = self.away.iter().position(|entry| (entry.0, &entry.1) == (arena, pages));
        self.away.swap_remove(known.expect("what is away is listed"));
        self.bases.binary_search(&arena).expect("an arena stays")
    }

    /// Counts bytes that come into use.
    #[inline]
    fn count(&mut self, bytes: usize) {
        self.in_use += bytes;
        self.peak_in_use = self.peak_in_use.max(self.in_use);
    }

    /// Empties a cache.
    fn put_back(&mut self, cache: &mut PageCache) {
        let free = std::mem::take(&mut cache.free);
        if free != 0 {
            let place = self.bases.binary_search(&cache.arena).expect("the arena of a cache is the page heap's");
            let bound = self.arenas[place].put_back(cache.chunk, free);
            self.bounds.raise(place, bound);
            self.in_use -= free.count_ones() as usize * PAGE_SIZE;
        }
    }

    /// Compares what is kept twice, for tests.
    #[cfg(all(test, not(loom)))]
    fn check(&self) {
        self.arenas.iter().for_each(|arena| arena.check());
        assert_eq!(self.arenas.iter().map(|arena| arena.extent().ahead()).sum::<usize>(), self.ahead);
        assert_eq!(self.away.is_empty(), self.preparing == 0, "nothing is on its way to the system while tests look");
        assert!(self.bases.iter().eq(self.arenas.iter().map(|arena| &arena.base)) && self.bases.is_sorted());
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
