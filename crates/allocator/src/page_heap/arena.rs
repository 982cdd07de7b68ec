//! One arena: which of its pages are free, usable, and known to be zero.
//!
//! *Callers:* the page heap, under its lock. *Invariants:*
//! - A page that is not free is usable (`ready`): what is taken was made usable first, so a refusal by the system
//!   leaves the free pages as they were. A page that is free and not usable reads as zero when it becomes usable.
//! - `dirty` speaks of free pages: it is set when pages come back used, and cleared when the system has taken them. Pages
//!   that were in a cache and never used keep what it says.
//! - Pages below `grown` were made usable once, and the parts of the tables that serve them still are. Growth goes up
//!   in units of 2 MiB: a search that reaches beyond `grown` starts at or below it, because all above is free.
//! - Free pages that touch are one run: the bitmap has no borders to remove, so giving back is all that coalescing is.

use super::runs::{self, Bitmap, Summary, WORDS, masks};
use crate::geometry::*;
use crate::sanitize;
use spanheap_memory::{MemoryError, PageKind, Reservation};
use spanheap_sync::Arc;
use std::ops::Range;

/// Pages of a growth unit.
pub(super) const UNIT_PAGES: usize = GROWTH_UNIT / PAGE_SIZE;

const _: () = assert!(UNIT_PAGES.is_multiple_of(64) && ARENA_PAGES / UNIT_PAGES <= u32::BITS as usize);

pub(super) struct Arena {
    /// Shared with who gives pages back to the system, which is done without the page heap's lock.
    pub(super) reservation: Arc<Reservation>,
    pub(super) base: usize,
    /// The first page beyond its reservation: `ARENA_PAGES`, or less in a short arena.
    end: usize,
    /// Pages that can be handed out.
    free: Bitmap,
    /// Pages that are usable.
    ready: Bitmap,
    /// Free pages that may hold something.
    dirty: Bitmap,
    summary: Summary,
    /// No word of `free` below this one has a bit set.
    first: usize,
    /// Pages below were made usable at some time.
    grown: usize,
    /// Pages from here on were never handed out, nor populated.
    pub(super) untouched: usize,
    /// Huge pages were asked for from this page on.
    advised: usize,
    /// Growth units that were prepared ahead, and of which no page was taken yet, a bit each.
    ahead: u32,
    /// How many pages are usable.
    ready_pages: usize,
    /// How many of them are free.
    pub(super) free_ready: usize,
}

impl Arena {
    /// An arena over a new reservation, whose pages may be touched and are all zero.
    pub(super) fn new(reservation: Reservation) -> Result<Arena, MemoryError> {
        reservation.used(0, HEADER_OFFSET, PageKind::Small)?;
        let end = reservation.len() / PAGE_SIZE;
        let mut free = [0; WORDS];
        masks(FIRST_DATA_PAGE..end).for_each(|(word, mask)| free[word] = mask);
        Ok(Arena {
            base: reservation.base().as_ptr() as usize,
            reservation: Arc::new(reservation),
            end,
            summary: Summary::of(&free),
            free,
            ready: [0; WORDS],
            dirty: [0; WORDS],
            first: FIRST_DATA_PAGE / 64,
            grown: FIRST_DATA_PAGE,
            untouched: FIRST_DATA_PAGE,
            advised: end,
            ahead: 0,
            ready_pages: 0,
            free_ready: 0,
        })
    }

    /// Pages that were usable once and are not now.
    pub(super) fn released_pages(&self) -> usize {
        self.grown - FIRST_DATA_PAGE - self.ready_pages
    }

    /// The lowest page at which `pages` free pages start.
    #[inline]
    pub(super) fn find(&mut self, pages: usize) -> Option<usize> {
        let page = self.summary.find(&self.free, self.first, pages)?;
        if pages == 1 {
            self.first = page / 64;
        }
        Some(page)
    }

    /// An upper bound of the longest free run, after a search for `pages` pages has failed.
    pub(super) fn bound(&self, pages: usize) -> usize {
        if pages <= 64 { self.summary.longest() } else { pages - 1 }
    }

    /// Whether all pages of a range are free; none beyond the reservation is.
    pub(super) fn is_free(&self, pages: Range<usize>) -> bool {
        pages.is_empty() || (pages.end <= self.end && masks(pages).all(|(word, mask)| self.free[word] & mask == mask))
    }

    /// Takes free pages out. Returns whether all of them are zero. If the system refuses, nothing is taken.
    #[inline]
    pub(super) fn take(&mut self, pages: Range<usize>, kind: PageKind) -> Result<bool, MemoryError> {
        let (word, last) = (pages.start / 64, (pages.end - 1) / 64);
        if word == last {
            // As below, in one word.
            let mask = (u64::MAX >> (64 - pages.len())) << (pages.start % 64);
            if mask & !self.ready[word] == 0 {
                debug_assert_eq!(self.free[word] & mask, mask, "pages {pages:?} are not all free");
                self.free[word] &= !mask;
                self.taken(pages);
                return Ok(self.dirty[word] & mask == 0);
            }
        }
        if masks(pages.clone()).any(|(word, mask)| mask & !self.ready[word] != 0) {
            self.make_ready(pages.clone(), kind)?;
        }
        let dirty = masks(pages.clone()).fold(0, |dirty, (word, mask)| dirty | self.dirty[word] & mask);
        for (word, mask) in masks(pages.clone()) {
            debug_assert_eq!(self.free[word] & mask, mask, "pages {pages:?} are not all free");
            self.free[word] &= !mask;
        }
        self.taken(pages);
        Ok(dirty == 0)
    }

    #[inline]
    fn taken(&mut self, pages: Range<usize>) {
        self.free_ready -= pages.len();
        self.untouched = self.untouched.max(pages.end);
        self.summary.update(&self.free, pages.start / 64, (pages.end - 1) / 64);
        self.begun(pages);
    }

    /// The units of these pages are no longer as they were prepared.
    #[inline]
    fn begun(&mut self, pages: Range<usize>) {
        if self.ahead != 0 {
            let (first, last) = (pages.start / UNIT_PAGES, (pages.end - 1) / UNIT_PAGES);
            self.ahead &= !((u32::MAX << first) & (u32::MAX >> (u32::BITS as usize - 1 - last)));
        }
    }

    /// How far the arena has grown: this changes when pages become usable, and when a unit is begun that was prepared ahead.
    #[inline]
    pub(super) fn extent(&self) -> Extent {
        Extent { ready_pages: self.ready_pages, ahead: self.ahead }
    }

    /// Takes all free pages out of the lowest aligned chunk of 64 that has a free run of `pages` pages, or of the usable
    /// ones if these have such a run, but no more than `most`. Returns the chunk, its pages, and which of them are zero.
    pub(super) fn take_chunk(
        &mut self,
        pages: usize,
        most: usize,
        kind: PageKind,
    ) -> Result<Option<(usize, u64, u64)>, MemoryError> {
        let Some(word) = self.summary.find_inside(self.first, pages) else { return Ok(None) };
        let usable = self.free[word] & self.ready[word];
        let mut bits = if runs::longest(usable) >= pages { usable } else { self.free[word] };
        while bits.count_ones() as usize > most {
            bits &= !(1 << bits.ilog2());
        }
        if runs::longest(bits) < pages {
            return Ok(None);
        }
        if bits & !self.ready[word] != 0 {
            let (low, high) = (bits.trailing_zeros() as usize, bits.ilog2() as usize);
            self.make_ready(word * 64 + low..word * 64 + high + 1, kind)?;
        }
        self.free[word] &= !bits;
        self.free_ready -= bits.count_ones() as usize;
        self.untouched = self.untouched.max(word * 64 + bits.ilog2() as usize + 1);
        self.summary.update(&self.free, word, word);
        self.begun(word * 64..word * 64 + 64);
        Ok(Some((word, bits, bits & !self.dirty[word])))
    }

    /// Puts pages of one chunk back that a cache did not use. Returns as [`Arena::give_back`].
    pub(super) fn put_back(&mut self, word: usize, bits: u64) -> usize {
        debug_assert_eq!(self.free[word] & bits, 0, "pages of chunk {word} are free already");
        self.free[word] |= bits;
        self.free_ready += bits.count_ones() as usize;
        self.freed(word, word)
    }

    /// Gives used pages back. Returns an upper bound of the free runs that have become longer.
    #[inline]
    pub(super) fn give_back(&mut self, pages: Range<usize>) -> usize {
        for (word, mask) in masks(pages.clone()) {
            debug_assert_eq!(self.free[word] & mask, 0, "pages {pages:?} are given back twice");
            self.free[word] |= mask;
            self.dirty[word] |= mask;
        }
        self.free_ready += pages.len();
        sanitize::poison(self.base + pages.start * PAGE_SIZE, pages.len() * PAGE_SIZE);
        self.freed(pages.start / 64, (pages.end - 1) / 64)
    }

    fn freed(&mut self, first: usize, last: usize) -> usize {
        self.first = self.first.min(first);
        let longest = self.summary.update(&self.free, first, last);
        if longest < 64 { longest } else { DATA_PAGES }
    }

    /// Makes free pages usable: whole units where nothing of the unit is, else no more than what is asked for.
    #[cold]
    fn make_ready(&mut self, pages: Range<usize>, kind: PageKind) -> Result<(), MemoryError> {
        while self.grown < pages.end {
            let next = ((self.grown / UNIT_PAGES + 1) * UNIT_PAGES).min(self.end);
            for (offset, len) in tables(self.grown, next) {
                self.reservation.used(offset, len, PageKind::Small)?;
            }
            self.use_pages(self.grown..next, kind)?;
            self.grown = next;
        }
        for unit in pages.start / UNIT_PAGES..pages.end.div_ceil(UNIT_PAGES) {
            let whole = (unit * UNIT_PAGES).max(FIRST_DATA_PAGE)..((unit + 1) * UNIT_PAGES).min(self.end);
            if runs::count(&self.ready, whole.clone()) == 0 {
                self.use_pages(whole, kind)?;
                continue;
            }
            let mut page = pages.start.max(whole.start);
            let end = pages.end.min(whole.end);
            while page < end {
                let is_ready = |page: usize| self.ready[page / 64] >> (page % 64) & 1 != 0;
                let Some(start) = (page..end).find(|&page| !is_ready(page)) else { break };
                page = (start..end).find(|&page| is_ready(page)).unwrap_or(end);
                self.use_pages(start..page, PageKind::Small)?;
            }
        }
        Ok(())
    }

    /// Makes pages usable that are free and not usable.
    fn use_pages(&mut self, pages: Range<usize>, kind: PageKind) -> Result<(), MemoryError> {
        if kind == PageKind::Huge && pages.start < self.advised {
            // Once for all that follows: a request for each unit would wait for whoever touches another one.
            let len = (self.advised - pages.start) * PAGE_SIZE;
            if self.reservation.prefer_huge(pages.start * PAGE_SIZE, len).is_ok() {
                self.advised = pages.start;
            }
        }
        self.reservation.used(pages.start * PAGE_SIZE, pages.len() * PAGE_SIZE, PageKind::Small)?;
        sanitize::poison(self.base + pages.start * PAGE_SIZE, pages.len() * PAGE_SIZE);
        masks(pages.clone()).for_each(|(word, mask)| self.ready[word] |= mask);
        self.ready_pages += pages.len();
        self.free_ready += pages.len();
        Ok(())
    }

    /// The lowest growth unit that is free and of which nothing is usable.
    pub(super) fn next_unit(&self) -> Option<Range<usize>> {
        if FIRST_DATA_PAGE + self.ready_pages == self.end {
            return None;
        }
        let units = FIRST_DATA_PAGE / UNIT_PAGES..(self.grown / UNIT_PAGES + 1).min(self.end.div_ceil(UNIT_PAGES));
        let whole = |unit: usize| (unit * UNIT_PAGES).max(FIRST_DATA_PAGE)..((unit + 1) * UNIT_PAGES).min(self.end);
        units.map(whole).find(|pages| self.is_free(pages.clone()) && runs::count(&self.ready, pages.clone()) == 0)
    }

    /// Makes a unit usable that [`Arena::next_unit`] has named, and takes it out of the free pages.
    pub(super) fn begin_ahead(&mut self, pages: Range<usize>, kind: PageKind) -> Result<(), MemoryError> {
        self.make_ready(pages.clone(), kind)?;
        self.begin_release(pages);
        Ok(())
    }

    /// Puts a unit back that was prepared, or given back. Returns as [`Arena::give_back`].
    pub(super) fn end_ahead(&mut self, pages: Range<usize>, given_back: bool) -> usize {
        if !given_back {
            self.ahead |= 1 << (pages.start / UNIT_PAGES);
            self.untouched = self.untouched.max(pages.end);
        }
        let usable = pages.len();
        self.end_release(pages, usable, given_back)
    }

    /// The highest whole unit that ends at or below `below`, is free, and has a usable page.
    pub(super) fn last_idle_unit(&self, below: usize) -> Option<Range<usize>> {
        let units = FIRST_DATA_PAGE.div_ceil(UNIT_PAGES)..below.min(self.grown) / UNIT_PAGES;
        units.rev().map(|unit| unit * UNIT_PAGES..(unit + 1) * UNIT_PAGES).find(|pages| {
            let words = pages.start / 64..pages.end / 64;
            self.free[words.clone()].iter().all(|&word| word == u64::MAX)
                && self.ready[words].iter().any(|&word| word != 0)
        })
    }

    /// The highest run of at least `least` pages that are free and usable and end at or below `below`.
    pub(super) fn last_idle_run(&self, below: usize, least: usize) -> Option<Range<usize>> {
        runs::last_run(|word| self.free[word] & self.ready[word], below, least)
    }

    /// Takes free pages out that are about to be given back to the system. Returns how many of them are usable.
    pub(super) fn begin_release(&mut self, pages: Range<usize>) -> usize {
        let usable = runs::count(&self.ready, pages.clone());
        for (word, mask) in masks(pages.clone()) {
            debug_assert_eq!(self.free[word] & mask, mask, "pages {pages:?} are not all free");
            self.free[word] &= !mask;
        }
        self.free_ready -= usable;
        self.summary.update(&self.free, pages.start / 64, (pages.end - 1) / 64);
        self.begun(pages);
        usable
    }

    /// Puts the pages back, of which `usable` were usable: given back if the system took them. Returns as
    /// [`Arena::give_back`].
    pub(super) fn end_release(&mut self, pages: Range<usize>, usable: usize, taken: bool) -> usize {
        for (word, mask) in masks(pages.clone()) {
            self.free[word] |= mask;
            if taken {
                self.ready[word] &= !mask;
                self.dirty[word] &= !mask;
            }
        }
        if taken {
            self.ready_pages -= usable;
        } else {
            self.free_ready += usable;
        }
        self.freed(pages.start / 64, (pages.end - 1) / 64)
    }

    /// Counts everything anew and compares it with what is kept, for tests.
    #[cfg(all(test, not(loom)))]
    pub(super) fn check(&self) {
        let fresh = Summary::of(&self.free);
        assert!(fresh == self.summary, "the summary is out of date");
        assert_eq!(runs::count(&self.ready, 0..ARENA_PAGES), self.ready_pages);
        let usable = (0..WORDS).map(|word| (self.free[word] & self.ready[word]).count_ones() as usize).sum::<usize>();
        assert_eq!(usable, self.free_ready);
        assert!(self.free[..self.first].iter().all(|&word| word == 0));
        assert!((0..WORDS).all(|word| self.dirty[word] & !self.ready[word] == 0), "a page that is gone is dirty");
    }
}

#[cfg(spanheap_asan)]
impl Drop for Arena {
    /// The addresses may be somebody else's soon.
    fn drop(&mut self) {
        sanitize::unpoison(self.base, self.reservation.len());
    }
}

/// What [`Arena::extent`] gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    ready_pages: usize,
    /// A bit for each unit.
    ahead: u32,
}

impl Extent {
    /// Units prepared ahead of which no page was taken.
    pub(super) fn ahead(self) -> usize {
        self.ahead.count_ones() as usize
    }
}

/// The parts of an arena's tables that serve the pages `from..to`, widened to whole system pages.
pub(super) fn tables(from: usize, to: usize) -> [(usize, usize); 4] {
    const UNIT: usize = 4096;
    let part = |offset: usize, per_page: usize| {
        let (start, end) = (offset + from * per_page, offset + to * per_page);
        let start = start & !(UNIT - 1);
        (start, end.div_ceil(UNIT) * UNIT - start)
    };
    let bits = PAGE_WORDS * 8;
    [part(HEADER_OFFSET, HEADER_BYTES), part(ALLOC_OFFSET, bits), part(MARK_OFFSET, bits), part(NEW_OFFSET, bits)]
}
