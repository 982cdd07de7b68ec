//! Giving free pages back to the system: on request, and in small steps for a background thread.
//!
//! *Callers:* the embedder's `trim`, policies. *Invariants:* the page heap's lock is held while pages are chosen, taken
//! out of the free pages, and put back, never during the system call. Meanwhile the pages are neither free nor in use,
//! so nobody can be given a page whose contents are about to go; a request that finds too little may grow the heap
//! though the pages will be free again at once. If the system refuses, the pages are free and usable as before.
//!
//! Pages go back from the highest addresses down: the lowest are the first to be taken again.

use super::PageHeap;
use super::arena::UNIT_PAGES;
use crate::geometry::*;
use spanheap_memory::{PageKind, Reservation};
use spanheap_sync::Arc;
use std::ops::Range;

/// Arenas that are looked at in one go under the lock.
const ARENAS_PER_LOCK: usize = 16;

/// Pages that are on their way to the system.
pub(crate) struct Release {
    reservation: Arc<Reservation>,
    arena: usize,
    pages: Range<usize>,
    /// How many of them were usable.
    usable: usize,
}

impl Release {
    /// The system call. Returns whether the system took the pages.
    pub(crate) fn unused(&self) -> bool {
        self.reservation.unused(self.pages.start * PAGE_SIZE, self.pages.len() * PAGE_SIZE).is_ok()
    }

    /// A second claim to the same pages, which nobody but a mutant may make.
    #[cfg(all(test, loom))]
    pub(crate) fn clone_for_mutant(&self) -> Release {
        let (reservation, pages) = (Arc::clone(&self.reservation), self.pages.clone());
        Release { reservation, arena: self.arena, pages, usable: self.usable }
    }
}

/// What may be given back.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// Whole growth units.
    Whole,
    /// Runs of at least so many pages.
    Run(usize),
}

/// Where a search for pages to give back goes on: below this page of this arena.
pub(crate) struct Position {
    arena: usize,
    page: usize,
}

impl Position {
    /// Above all arenas.
    pub(crate) const TOP: Position = Position { arena: usize::MAX, page: ARENA_PAGES };
}

impl PageHeap {
    /// Gives free memory back to the system, in whole growth units and from the highest addresses down, until no more
    /// than `keep` bytes of free usable memory are left. Returns the bytes given back. A unit that is being prepared ahead
    /// meanwhile is given back by who prepares it, and nothing more is prepared until the heap grows.
    ///
    /// Pages of a unit in which any page is in use stay: giving back a part would split a huge page.
    pub fn trim(&self, keep: usize) -> usize {
        self.call_off();
        let mut returned = 0;
        while self.figures().free_ready > keep
            && let Some((base, pages)) = self.unreturned_huge()
        {
            self.shrink_huge(base, 0);
            if self.inner.lock().huge.iter().any(|huge| huge.base == base && huge.free_ready() != 0) {
                break;
            }
            returned += pages * PAGE_SIZE;
        }
        let surplus = self.inner.lock().call_off(keep);
        returned + self.release(surplus, Unit::Whole)
    }

    /// As [`PageHeap::trim`], and then also gives back runs of at least `min_run_pages` free pages, one system call for
    /// each. That may split huge pages, and costs a fault per page when they are used again: for a heap that is known
    /// to stay as it is. Returns the bytes given back.
    pub fn trim_pages(&self, keep: usize, min_run_pages: usize) -> usize {
        self.trim(keep) + self.release(self.surplus(keep), Unit::Run(min_run_pages.max(1)))
    }

    /// Gives up to `budget_bytes` of free memory back to the system, in whole growth units, from the highest addresses
    /// down: a step of a background thread. Returns the bytes given back.
    pub fn scavenge(&self, budget_bytes: usize) -> usize {
        self.release(budget_bytes, Unit::Whole)
    }

    /// Gives the contents of used pages back to the system, whole system pages between the two addresses: they read as zero
    /// from now on. Returns the bytes given back, or `None` if the system refuses. The caller owns what lies there.
    pub(crate) fn renew(&self, arena: usize, addresses: Range<usize>) -> Option<usize> {
        let unit = self.memory.page_size();
        let (start, end) = (addresses.start.next_multiple_of(unit), addresses.end / unit * unit);
        if start >= end {
            return Some(0);
        }
        let reservation = {
            let inner = self.inner.lock();
            let place = inner.bases.binary_search(&arena).expect("spans of small objects lie in ordinary arenas");
            Arc::clone(&inner.arenas[place].reservation)
        };
        let (offset, len) = (start - arena, end - start);
        reservation.unused(offset, len).ok()?;
        reservation.used(offset, len, PageKind::Small).expect("the range was checked just now");
        Some(len)
    }

    /// Makes pages in use fault when touched, or takes that back. False if the system refuses, or the pages are those of a huge
    /// arena, whose contents go back to the system when its object dies. The caller owns what lies there.
    pub(crate) fn guard(&self, run: super::PageRun, guarded: bool) -> bool {
        let reservation = {
            let inner = self.inner.lock();
            let Ok(place) = inner.bases.binary_search(&run.arena) else { return false };
            Arc::clone(&inner.arenas[place].reservation)
        };
        reservation.guard(run.page * PAGE_SIZE, run.pages * PAGE_SIZE, guarded).is_ok()
    }

    fn surplus(&self, keep: usize) -> usize {
        self.figures().free_ready.saturating_sub(keep)
    }

    fn release(&self, budget: usize, unit: Unit) -> usize {
        let (mut returned, mut position) = (0, Position::TOP);
        loop {
            let most = (budget - returned) / PAGE_SIZE;
            let Some(release) = self.begin_release(&mut position, most, unit) else { return returned };
            let taken = release.unused();
            returned += self.end_release(release, taken);
        }
    }

    /// Takes free pages out, the highest below the position that do, with at most `most` usable ones.
    pub(crate) fn begin_release(&self, position: &mut Position, most: usize, unit: Unit) -> Option<Release> {
        let least = match unit {
            Unit::Whole => UNIT_PAGES,
            Unit::Run(least) => least,
        };
        // A whole unit may have fewer usable pages than pages; it is given back under the same condition.
        if most < least {
            return None;
        }
        loop {
            let mut inner = self.inner.lock();
            let mut end = inner.bases.partition_point(|&base| base <= position.arena);
            for _ in 0..ARENAS_PER_LOCK {
                if end == 0 {
                    return None;
                }
                let arena = &mut inner.arenas[end - 1];
                let below = if arena.base == position.arena { position.page } else { ARENA_PAGES };
                let found = match unit {
                    Unit::Whole if arena.free_ready == 0 => None,
                    Unit::Run(least) if arena.free_ready < least => None,
                    Unit::Whole => arena.last_idle_unit(below),
                    Unit::Run(least) => arena.last_idle_run(below, least),
                };
                if let Some(pages) = found {
                    let pages = pages.start.max(pages.end.saturating_sub(most))..pages.end;
                    *position = Position { arena: arena.base, page: pages.start };
                    let ahead = arena.extent().ahead();
                    let usable = arena.begin_release(pages.clone());
                    let begun = ahead - arena.extent().ahead();
                    let (reservation, arena) = (Arc::clone(&arena.reservation), arena.base);
                    inner.ahead -= begun;
                    inner.away.push((arena, pages.clone()));
                    return Some(Release { reservation, arena, pages, usable });
                }
                *position = Position { arena: arena.base, page: 0 };
                end -= 1;
            }
        }
    }

    /// Puts the pages back. Returns the bytes that the system took.
    pub(crate) fn end_release(&self, release: Release, taken: bool) -> usize {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let place = inner.returns(release.arena, &release.pages);
        let bound = inner.arenas[place].end_release(release.pages, release.usable, taken);
        inner.bounds.raise(place, bound);
        if taken { release.usable * PAGE_SIZE } else { 0 }
    }
}
