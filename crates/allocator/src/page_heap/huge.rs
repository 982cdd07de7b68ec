//! Huge arenas: one object each, too large for an ordinary arena.
//!
//! *Callers:* the page heap. *Invariants:* a huge arena reserves what its first object needed, in whole units of 2 MiB;
//! its tables stand at its start and serve the first page alone, and the arena index answers for every 64 MiB that it
//! touches. A huge arena is never unmapped before the heap ends, so that a stale word never points into unmapped
//! tables: its pages go back to the system, and its addresses wait for the next object that fits. *Locks:* the page
//! heap's; pages are given back to the system without it, while the arena is `Returning` or its owner shrinks it.

use super::arena::tables;
use super::{Inner, PageHeap, Run};
use crate::arena_index::ArenaIndex;
use crate::error::AllocError;
use crate::geometry::*;
use crate::sanitize;
use spanheap_memory::{Memory, MemoryError, PageKind, Reservation};
use spanheap_sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    InUse,
    /// Its pages are on their way to the system.
    Returning,
}

pub(super) struct HugeArena {
    pub(super) reservation: Arc<Reservation>,
    pub(super) base: usize,
    state: State,
    /// Pages of the object.
    pages: usize,
    /// Pages from here on are not usable; below, they are.
    ready: usize,
    /// Pages from here on are zero when they become part of the object.
    dirty: usize,
}

impl HugeArena {
    pub(super) fn is_free(&self) -> bool {
        self.state != State::InUse
    }

    fn capacity(&self) -> usize {
        (self.reservation.len() - DATA_OFFSET) / PAGE_SIZE
    }

    /// Pages that are usable, belong to no object and are not on their way to the system.
    pub(super) fn free_ready(&self) -> usize {
        if self.state == State::Returning { 0 } else { self.ready - self.pages }
    }

    /// Makes the object `pages` pages long. Returns whether what is new is zero.
    fn grow(&mut self, pages: usize, kind: PageKind) -> Result<bool, MemoryError> {
        let old = self.pages;
        self.reservation.used(DATA_OFFSET + old * PAGE_SIZE, (pages - old) * PAGE_SIZE, kind)?;
        let zero = self.dirty <= old;
        self.pages = pages;
        self.ready = self.ready.max(pages);
        self.dirty = self.dirty.max(pages);
        Ok(zero)
    }

    /// Reserves and prepares an arena for an object of `pages` pages.
    fn new(memory: &Arc<Memory>, pages: usize) -> Result<HugeArena, MemoryError> {
        let len = DATA_OFFSET + pages * PAGE_SIZE;
        let reservation = memory.reserve(len.next_multiple_of(GROWTH_UNIT), ARENA_SIZE, None)?;
        reservation.map(0, reservation.len())?;
        for (offset, len) in tables(FIRST_DATA_PAGE, FIRST_DATA_PAGE + 1) {
            reservation.used(offset, len, PageKind::Small)?;
        }
        reservation.used(0, HEADER_OFFSET, PageKind::Small)?;
        let base = reservation.base().as_ptr() as usize;
        Ok(HugeArena { reservation: Arc::new(reservation), base, state: State::Idle, pages: 0, ready: 0, dirty: 0 })
    }
}

#[cfg(spanheap_asan)]
impl Drop for HugeArena {
    /// The addresses may be somebody else's soon.
    fn drop(&mut self) {
        sanitize::unpoison(self.base, self.reservation.len());
    }
}

impl Inner {
    pub(super) fn take_huge(
        &mut self,
        memory: &Arc<Memory>,
        pages: usize,
        kind: PageKind,
        index: &ArenaIndex,
    ) -> Result<Run, AllocError> {
        let bytes = pages * PAGE_SIZE;
        let most = (1 << ADDRESS_BITS) - DATA_OFFSET - GROWTH_UNIT;
        if bytes > most {
            return Err(AllocError::TooLarge { requested: bytes });
        }
        let failed = |source| AllocError::Exhausted { requested: bytes, source };
        let fits = |huge: &HugeArena| huge.state == State::Idle && huge.capacity() >= pages;
        let known = (0..self.huge.len()).filter(|&n| fits(&self.huge[n])).min_by_key(|&n| self.huge[n].capacity());
        let place = match known {
            Some(place) => place,
            None => {
                let huge = HugeArena::new(memory, pages).map_err(failed)?;
                index.publish(memory, huge.base, huge.reservation.len()).map_err(failed)?;
                self.huge.push(huge);
                self.huge.len() - 1
            }
        };
        let huge = &mut self.huge[place];
        let zero = huge.grow(pages, kind).map_err(failed)?;
        huge.state = State::InUse;
        Ok(Run { arena: huge.base, page: FIRST_DATA_PAGE, zero })
    }

    fn huge(&mut self, base: usize) -> &mut HugeArena {
        self.huge.iter_mut().find(|huge| huge.base == base).expect("the arena of a run is the page heap's")
    }

    /// Makes the object of a huge arena longer, if its reservation allows that; as `PageHeap::extend`.
    pub(super) fn extend_huge(
        &mut self,
        base: usize,
        pages: usize,
        kind: PageKind,
    ) -> Result<Option<bool>, MemoryError> {
        let huge = self.huge(base);
        if pages > huge.capacity() { Ok(None) } else { huge.grow(pages, kind).map(Some) }
    }
}

impl PageHeap {
    /// Cuts the object of a huge arena down to `pages` pages, or to nothing, and gives the rest back to the system.
    ///
    /// If the system refuses, the rest stays usable and counts as free; it is not zero when it is used again.
    pub(super) fn shrink_huge(&self, base: usize, pages: usize) {
        let (reservation, ready) = {
            let mut inner = self.inner.lock();
            let huge = inner.huge(base);
            huge.pages = pages;
            huge.state = if pages == 0 { State::Returning } else { State::InUse };
            (Arc::clone(&huge.reservation), huge.ready)
        };
        sanitize::poison(base + DATA_OFFSET + pages * PAGE_SIZE, (ready - pages) * PAGE_SIZE);
        let taken = reservation.unused(DATA_OFFSET + pages * PAGE_SIZE, (ready - pages) * PAGE_SIZE).is_ok();
        let mut inner = self.inner.lock();
        let huge = inner.huge(base);
        if taken {
            huge.ready = pages;
            huge.dirty = pages;
        }
        if pages == 0 {
            huge.state = State::Idle;
        }
    }

    /// Base of an idle huge arena that has usable pages, because the system once refused to take them.
    pub(super) fn unreturned_huge(&self) -> Option<(usize, usize)> {
        let mut inner = self.inner.lock();
        let huge = inner.huge.iter_mut().find(|huge| huge.state == State::Idle && huge.ready != 0)?;
        huge.state = State::Returning;
        Some((huge.base, huge.ready))
    }
}
