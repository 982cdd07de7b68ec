//! The page heap: arenas, and which of their pages are free.
//!
//! *Callers:* the allocator takes runs of pages for spans and gives them back. *Invariants:* runs are taken address
//! first (the lowest arena and page that fit), so that a heap that shrinks becomes free at its top; a page is free or
//! belongs to exactly one span; pages are made usable in units of 2 MiB, and an arena's tables with them, so that
//! what is committed follows what is used; [`PageHeap::trim`] gives free ones back. An object too large for an arena gets a huge arena: a reservation of
//! several 64 MiB units whose tables stand in the first unit alone. *Locks:* `Rank::PageHeap`; system calls are made
//! under it, which is why caches and central lists take whole spans and never hold their own lock here.

use crate::arena_index::ArenaIndex;
use crate::error::AllocError;
use crate::geometry::*;
use spanheap_memory::{Memory, MemoryError, PageKind, Reservation};
use spanheap_sync::{Arc, Mutex, Rank};

/// Words of the bitmap of an arena's pages.
const PAGE_BITMAP: usize = ARENA_PAGES / 64;

/// Pages of a growth unit.
const UNIT_PAGES: usize = GROWTH_UNIT / PAGE_SIZE;

const _: () = assert!(ARENA_SIZE / GROWTH_UNIT <= 64 && UNIT_PAGES.is_multiple_of(64));

/// From how many usable bytes on a heap asks for huge pages: below, a small heap would pay for memory it never uses.
const HUGE_PAGES_FROM: usize = 16 << 20;

/// Lowest and highest address offered as a random base. High enough to be clear of programs and their `brk` heaps,
/// low enough to be clear of the kernel's own top-down placement.
const BASES: std::ops::Range<usize> = 0x1000_0000_0000..0x6000_0000_0000;

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

/// Where the first arena is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseAddress {
    /// Somewhere random, from the process's own entropy.
    Random,
    /// Somewhere random, from a seed: the same on every run.
    Seeded(u64),
    /// Wherever the operating system likes.
    Os,
}

/// Figures of the page heap, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageFigures {
    /// Arenas, huge ones included.
    pub arenas: usize,
    /// Bytes of pages that belong to spans.
    pub in_use: usize,
    /// The most that ever was.
    pub peak_in_use: usize,
}

/// The arenas of one heap.
pub struct PageHeap {
    memory: Arc<Memory>,
    limit: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    /// By base address.
    arenas: Vec<Arena>,
    huge: Vec<HugeArena>,
    hint: Option<usize>,
    in_use: usize,
    peak_in_use: usize,
}

struct Arena {
    reservation: Reservation,
    base: usize,
    /// One bit per page, set where the page is free.
    free: [u64; PAGE_BITMAP],
    /// An upper bound of the longest free run.
    longest: usize,
    /// No page below is free.
    first: usize,
    /// Pages below are usable, but for units that were given back.
    ready: usize,
    /// Pages from here on were never handed out.
    untouched: usize,
    /// One bit per page, set where the page was handed out since the system last gave it: elsewhere all bytes are zero.
    dirty: [u64; PAGE_BITMAP],
    /// One bit per growth unit, set where it was given back to the system.
    released: u64,
}

struct HugeArena {
    reservation: Reservation,
    base: usize,
    in_use: bool,
}

impl PageHeap {
    /// A page heap without arenas.
    pub fn new(memory: Arc<Memory>, base: BaseAddress, limit: usize) -> PageHeap {
        let random = |bits: u64| BASES.start + (bits as usize % ((BASES.end - BASES.start) / ARENA_SIZE)) * ARENA_SIZE;
        let hint = match base {
            BaseAddress::Os => None,
            BaseAddress::Seeded(seed) => Some(random(mix(seed))),
            BaseAddress::Random => Some(random(entropy())),
        };
        let inner = Inner { arenas: Vec::new(), huge: Vec::new(), hint, in_use: 0, peak_in_use: 0 };
        PageHeap { memory, limit, inner: Mutex::new(Rank::PageHeap, inner) }
    }

    /// The memory that the arenas come from.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Most bytes of pages that spans may have.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Takes a run of `pages` pages.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`], [`AllocError::TooLarge`].
    pub fn take(&self, pages: usize, index: &ArenaIndex) -> Result<Run, AllocError> {
        let bytes = pages.checked_mul(PAGE_SIZE).ok_or(AllocError::TooLarge { requested: usize::MAX })?;
        let mut inner = self.inner.lock();
        if inner.in_use.saturating_add(bytes) > self.limit {
            return Err(AllocError::Limit { requested: bytes, limit: self.limit });
        }
        let failed = |source| AllocError::Exhausted { requested: bytes, source };
        let run = if pages > DATA_PAGES {
            inner.take_huge(&self.memory, bytes, index)?
        } else {
            match inner.find(pages).map_err(failed)? {
                Some(run) => run,
                None => {
                    inner.add_arena(&self.memory, index).map_err(failed)?;
                    inner.find(pages).map_err(failed)?.expect("a new arena holds any run of up to DATA_PAGES pages")
                }
            }
        };
        inner.in_use += bytes;
        inner.peak_in_use = inner.peak_in_use.max(inner.in_use);
        Ok(run)
    }

    /// Gives pages back. Their bits in all tables are clear, and no span claims them any more.
    pub fn give_back(&self, arena: usize, page: usize, pages: usize) {
        let mut inner = self.inner.lock();
        inner.in_use -= pages * PAGE_SIZE;
        if pages > DATA_PAGES {
            inner.give_back_huge(arena);
            return;
        }
        let place = inner.arenas.partition_point(|candidate| candidate.base < arena);
        inner.arenas[place].give_back(page, pages);
    }

    /// Gives free memory back to the system, in whole growth units and from the highest addresses down, until no more
    /// than `keep` bytes of free usable memory are left. Returns the bytes given back.
    ///
    /// Pages of a unit in which any page is in use stay: giving back a part would split a huge page.
    pub fn trim(&self, keep: usize) -> usize {
        let mut inner = self.inner.lock();
        let free: usize = inner.arenas.iter().map(Arena::free_ready).sum();
        let mut surplus = free.saturating_sub(keep);
        let mut given_back = 0;
        for arena in inner.arenas.iter_mut().rev() {
            for unit in (0..ARENA_SIZE / GROWTH_UNIT).rev() {
                if surplus < GROWTH_UNIT {
                    return given_back;
                }
                let bytes = arena.release(unit);
                surplus -= bytes;
                given_back += bytes;
            }
        }
        given_back
    }

    /// Figures as they are now.
    pub fn figures(&self) -> PageFigures {
        let inner = self.inner.lock();
        PageFigures {
            arenas: inner.arenas.len() + inner.huge.len(),
            in_use: inner.in_use,
            peak_in_use: inner.peak_in_use,
        }
    }

    /// Calls `visit` with every arena's base and the pages that spans may occupy: for walks over all spans.
    pub fn for_each_arena(&self, mut visit: impl FnMut(usize, std::ops::Range<usize>)) {
        let arenas: Vec<_> = {
            let inner = self.inner.lock();
            let huge = inner.huge.iter().map(|huge| (huge.base, FIRST_DATA_PAGE..FIRST_DATA_PAGE + 1));
            inner.arenas.iter().map(|arena| (arena.base, FIRST_DATA_PAGE..arena.untouched)).chain(huge).collect()
        };
        arenas.into_iter().for_each(|(base, pages)| visit(base, pages));
    }

    /// Whether a page of an ordinary arena is free. For the verifier.
    pub fn is_free(&self, arena: usize, page: usize) -> bool {
        let inner = self.inner.lock();
        match inner.arenas.binary_search_by_key(&arena, |candidate| candidate.base) {
            Ok(place) => inner.arenas[place].free[page / 64] >> (page % 64) & 1 != 0,
            Err(_) => inner.huge.iter().any(|huge| huge.base == arena && !huge.in_use),
        }
    }
}

impl Inner {
    fn find(&mut self, pages: usize) -> Result<Option<Run>, MemoryError> {
        let kind = self.page_kind();
        for arena in &mut self.arenas {
            if arena.longest < pages {
                continue;
            }
            match arena.find(pages) {
                Some(page) => return arena.take(page, pages, kind).map(Some),
                None => arena.longest = pages - 1,
            }
        }
        Ok(None)
    }

    fn page_kind(&self) -> PageKind {
        if self.in_use >= HUGE_PAGES_FROM { PageKind::Huge } else { PageKind::Small }
    }

    fn add_arena(&mut self, memory: &Arc<Memory>, index: &ArenaIndex) -> Result<(), MemoryError> {
        let reservation = memory.reserve(ARENA_SIZE, ARENA_SIZE, self.hint)?;
        reservation.map(0, ARENA_SIZE)?;
        reservation.used(0, GROWTH_UNIT, PageKind::Huge)?;
        let base = reservation.base().as_ptr() as usize;
        self.hint = Some(base + ARENA_SIZE);
        index.publish(base, ARENA_SIZE);
        let mut free = [u64::MAX; PAGE_BITMAP];
        (0..FIRST_DATA_PAGE).for_each(|page| free[page / 64] &= !(1 << (page % 64)));
        let arena = Arena {
            reservation,
            base,
            free,
            longest: DATA_PAGES,
            first: FIRST_DATA_PAGE,
            ready: FIRST_DATA_PAGE,
            untouched: FIRST_DATA_PAGE,
            dirty: [0; PAGE_BITMAP],
            released: 0,
        };
        let place = self.arenas.partition_point(|other| other.base < base);
        self.arenas.insert(place, arena);
        Ok(())
    }

    fn take_huge(&mut self, memory: &Arc<Memory>, bytes: usize, index: &ArenaIndex) -> Result<Run, AllocError> {
        let too_large = AllocError::TooLarge { requested: bytes };
        let Some(len) = bytes.checked_add(DATA_OFFSET).and_then(|len| round_up(len, ARENA_SIZE)) else {
            return Err(too_large);
        };
        if len >> ADDRESS_BITS != 0 {
            return Err(too_large);
        }
        let failed = |source| AllocError::Exhausted { requested: bytes, source };
        let fits = |huge: &HugeArena| !huge.in_use && huge.reservation.len() >= len;
        let known =
            (0..self.huge.len()).filter(|&n| fits(&self.huge[n])).min_by_key(|&n| self.huge[n].reservation.len());
        let place = match known {
            Some(place) => place,
            None => {
                let reservation = memory.reserve(len, ARENA_SIZE, None).map_err(failed)?;
                reservation.map(0, len).map_err(failed)?;
                for (offset, len) in tables(FIRST_DATA_PAGE, FIRST_DATA_PAGE + 1) {
                    reservation.used(offset, len, PageKind::Small).map_err(failed)?;
                }
                reservation.used(0, HEADER_OFFSET, PageKind::Small).map_err(failed)?;
                let base = reservation.base().as_ptr() as usize;
                index.publish(base, len);
                self.huge.push(HugeArena { reservation, base, in_use: false });
                self.huge.len() - 1
            }
        };
        let huge = &mut self.huge[place];
        huge.reservation.used(DATA_OFFSET, bytes, PageKind::Huge).map_err(failed)?;
        huge.in_use = true;
        Ok(Run { arena: huge.base, page: FIRST_DATA_PAGE, zero: true })
    }

    /// A huge arena's pages go back to the system at once; its addresses are kept for the next huge object, so that a
    /// stale word never points into unmapped tables.
    fn give_back_huge(&mut self, base: usize) {
        let huge = self.huge.iter_mut().find(|huge| huge.base == base).expect("the huge arena of a huge span");
        let len = huge.reservation.len() - DATA_OFFSET;
        // If the system refuses, the pages stay: they must not count as zero, so the arena is not offered again.
        huge.in_use = huge.reservation.unused(DATA_OFFSET, len).is_err();
    }
}

/// The parts of an arena's tables that serve the pages `from..to`, widened to whole system pages.
fn tables(from: usize, to: usize) -> [(usize, usize); 4] {
    const UNIT: usize = 4096;
    let part = |offset: usize, per_page: usize| {
        let (start, end) = (offset + from * per_page, offset + to * per_page);
        let start = start & !(UNIT - 1);
        (start, end.div_ceil(UNIT) * UNIT - start)
    };
    let bits = PAGE_WORDS * 8;
    [part(HEADER_OFFSET, HEADER_BYTES), part(ALLOC_OFFSET, bits), part(MARK_OFFSET, bits), part(NEW_OFFSET, bits)]
}

impl Arena {
    /// The lowest page at which `pages` free pages start.
    fn find(&self, pages: usize) -> Option<usize> {
        let mut page = self.first;
        while let Some(start) = self.next(page, true) {
            let end = self.next_within(start, start + pages);
            if end - start == pages {
                return Some(start);
            }
            page = end;
        }
        None
    }

    /// The first page from `page` on that is free (or not free).
    fn next(&self, page: usize, free: bool) -> Option<usize> {
        let mut word = page / 64;
        let flip = if free { 0 } else { u64::MAX };
        let mut bits = (*self.free.get(word)? ^ flip) & (u64::MAX << (page % 64));
        while bits == 0 {
            word += 1;
            bits = *self.free.get(word)? ^ flip;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }

    /// The end of the free run that starts at `start`, or `limit` if that comes first.
    fn next_within(&self, start: usize, limit: usize) -> usize {
        self.next(start, false).unwrap_or(ARENA_PAGES).min(limit)
    }

    fn take(&mut self, page: usize, pages: usize, kind: PageKind) -> Result<Run, MemoryError> {
        let end = page + pages;
        while self.ready < end {
            let next = ((self.ready * PAGE_SIZE / GROWTH_UNIT) + 1) * GROWTH_UNIT / PAGE_SIZE;
            for (offset, len) in tables(self.ready, next) {
                self.reservation.used(offset, len, PageKind::Small)?;
            }
            self.reservation.used(self.ready * PAGE_SIZE, (next - self.ready) * PAGE_SIZE, kind)?;
            self.ready = next;
        }
        self.reuse_released(page, end, kind)?;
        let mut dirty = 0;
        for page in page..end {
            let (word, bit) = (page / 64, 1 << (page % 64));
            debug_assert!(self.free[word] & bit != 0);
            self.free[word] &= !bit;
            dirty |= self.dirty[word] & bit;
            self.dirty[word] |= bit;
        }
        if page == self.first {
            self.first = self.next(end, true).unwrap_or(ARENA_PAGES);
        }
        self.untouched = self.untouched.max(end);
        Ok(Run { arena: self.base, page, zero: dirty == 0 })
    }

    /// Makes the given-back units among the pages `page..end` usable again.
    fn reuse_released(&mut self, page: usize, end: usize, kind: PageKind) -> Result<(), MemoryError> {
        for unit in page / UNIT_PAGES..end.div_ceil(UNIT_PAGES) {
            if self.released >> unit & 1 != 0 {
                self.reservation.used(unit * GROWTH_UNIT, GROWTH_UNIT, kind)?;
                self.released &= !(1 << unit);
            }
        }
        Ok(())
    }

    /// Whether a whole growth unit is usable, free, and worth giving back.
    fn is_surplus(&self, unit: usize) -> bool {
        let (first, end) = (unit * UNIT_PAGES, (unit + 1) * UNIT_PAGES);
        let words = first / 64..end / 64;
        first >= FIRST_DATA_PAGE
            && end <= self.ready
            && self.released >> unit & 1 == 0
            && self.free[words].iter().all(|&word| word == u64::MAX)
    }

    /// Bytes that are free and usable, in whole units.
    fn free_ready(&self) -> usize {
        (0..ARENA_SIZE / GROWTH_UNIT).filter(|&unit| self.is_surplus(unit)).count() * GROWTH_UNIT
    }

    /// Gives a unit back, if it is surplus and the system takes it. Returns the bytes given back.
    fn release(&mut self, unit: usize) -> usize {
        if !self.is_surplus(unit) || self.reservation.unused(unit * GROWTH_UNIT, GROWTH_UNIT).is_err() {
            return 0;
        }
        self.released |= 1 << unit;
        self.dirty[unit * UNIT_PAGES / 64..(unit + 1) * UNIT_PAGES / 64].fill(0);
        GROWTH_UNIT
    }

    fn give_back(&mut self, page: usize, pages: usize) {
        for page in page..page + pages {
            debug_assert!(self.free[page / 64] >> (page % 64) & 1 == 0, "page {page} given back twice");
            self.free[page / 64] |= 1 << (page % 64);
        }
        self.first = self.first.min(page);
        self.longest = DATA_PAGES;
    }
}

/// Random bits from the standard library's hash seed: an address to start at, not a secret.
fn entropy() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Spreads a seed over all bits (the finaliser of SplitMix64, Steele et al., OOPSLA 2014).
fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(all(test, not(loom)))]
mod tests;
