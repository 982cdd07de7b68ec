//! Memory prepared ahead: growth units that are made usable and brought into memory before a mutator needs them.
//!
//! *Callers:* mutators' requests for pages say when more is wanted ([`PageHeap::tell_wanted`]); a background thread prepares
//! ([`PageHeap::prepare`]). *Why:* the first touch of memory is slow, milliseconds for a huge page where the system has to
//! find and clear it, and who grows the heap pays that in the middle of an allocation. *Invariants:*
//! - While a unit is populated it belongs to the thread that does so: it is neither free nor in use, and the page heap's lock
//!   is not held. Mutators that need pages meanwhile grow the heap by the next unit, as ever.
//! - What is populated becomes free pages that are known to be zero. A refusal by the system loses nothing: the unit is then
//!   usable and free, and whoever takes it touches it first.
//! - Growth alone asks for more: a heap that lives on what it has asks for nothing, and neither does a small one. What was
//!   prepared and not yet begun is never more than a sixteenth of what is in use (or one unit), and no more than
//!   [`MOST_AHEAD`] units.

use super::arena::Extent;
use super::{Inner, PageHeap};
use crate::geometry::*;
use crate::sanitize;
use spanheap_memory::Reservation;
use spanheap_sync::Arc;
use spanheap_sync::word::Ordering;
use std::ops::Range;

/// From how many bytes in use on memory is prepared ahead.
const AHEAD_FROM: usize = 16 << 20;

/// One part in so many of what is in use may stand prepared.
const AHEAD_SHARE: usize = 16;

/// Most units that stand prepared.
const MOST_AHEAD: usize = 3;

/// Nothing is wanted. The values of `PageHeap::wish`.
pub(super) const QUIET: u8 = 0;
/// More is wanted, and nobody was told.
const WANTED: u8 = 1;
/// More is wanted, and somebody was told.
const TOLD: u8 = 2;

/// A unit that is being populated.
pub(crate) struct Ahead {
    reservation: Arc<Reservation>,
    arena: usize,
    pages: Range<usize>,
}

impl Ahead {
    /// Brings the unit into memory. Returns whether the system did.
    pub(crate) fn populate(&self) -> bool {
        let (offset, bytes) = (self.pages.start * PAGE_SIZE, self.pages.len() * PAGE_SIZE);
        sanitize::unpoison(self.arena + offset, bytes);
        let populated = self.reservation.populate(offset, bytes).is_ok();
        sanitize::poison(self.arena + offset, bytes);
        populated
    }

    fn give_back(&self) -> bool {
        self.reservation.unused(self.pages.start * PAGE_SIZE, self.pages.len() * PAGE_SIZE).is_ok()
    }

    /// A second claim to the same pages, which nobody but a mutant may make.
    #[cfg(all(test, loom))]
    pub(crate) fn clone_for_mutant(&self) -> Ahead {
        Ahead { reservation: Arc::clone(&self.reservation), arena: self.arena, pages: self.pages.clone() }
    }
}

/// Units that should stand prepared in a heap with so many bytes in use.
fn reserve(in_use: usize) -> usize {
    if in_use < AHEAD_FROM { 0 } else { (in_use / AHEAD_SHARE / GROWTH_UNIT).clamp(1, MOST_AHEAD) }
}

impl Inner {
    /// Has what is being prepared given back, if more than `keep` bytes are usable and free. Returns how many bytes more than
    /// that then remain.
    pub(super) fn call_off(&mut self, keep: usize) -> usize {
        let surplus = self.free_ready().saturating_sub(keep);
        let preparing = self.preparing * PAGE_SIZE;
        // What is not begun yet is not begun any more, and what has ended is free.
        self.called_off = preparing > 0 && surplus > 0;
        if self.called_off { surplus.saturating_sub(preparing) } else { surplus }
    }
}

impl PageHeap {
    /// Whether more memory should be prepared. May be out of date.
    #[inline]
    pub fn is_more_wanted(&self) -> bool {
        self.wish.load(Ordering::Relaxed) != QUIET
    }

    /// Whether more memory should be prepared, and this is the first call to say so: the caller tells who prepares it.
    #[inline]
    pub fn tell_wanted(&self) -> bool {
        self.wish.load(Ordering::Relaxed) == WANTED
            && self.wish.compare_exchange(WANTED, TOLD, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Nothing more is wanted until the heap has grown again.
    pub fn call_off(&self) {
        self.wish.store(QUIET, Ordering::Relaxed);
    }

    /// Prepares one growth unit, unless none is wanted, enough stands prepared, or the limit forbids it: takes as long as the
    /// system takes to find and clear 2 MiB. Returns whether it is worth while to call this again.
    pub fn prepare(&self) -> bool {
        let Some(ahead) = self.begin_ahead() else { return false };
        let populated = ahead.populate();
        self.end_ahead(ahead);
        populated
    }

    /// Takes the lowest unit out that can be prepared.
    pub(crate) fn begin_ahead(&self) -> Option<Ahead> {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let after = inner.in_use.saturating_add((inner.ahead + 1) * GROWTH_UNIT);
        // Looked at under the lock: nothing is begun after a trim, and a trim sees what was begun before it.
        if !self.is_more_wanted() || inner.ahead >= reserve(inner.in_use) || after > self.limit {
            return None;
        }
        let kind = self.huge_pages.kind(inner.in_use);
        let (arena, pages) = inner.arenas.iter_mut().find_map(|arena| arena.next_unit().map(|pages| (arena, pages)))?;
        arena.begin_ahead(pages.clone(), kind).ok()?;
        inner.preparing += pages.len();
        inner.away.push((arena.base, pages.clone()));
        Some(Ahead { reservation: Arc::clone(&arena.reservation), arena: arena.base, pages })
    }

    /// Puts a unit back that was populated, or gives it back to the system if somebody has trimmed the heap meanwhile.
    pub(crate) fn end_ahead(&self, ahead: Ahead) {
        let mut inner = self.inner.lock();
        let mut given_back = false;
        if std::mem::take(&mut inner.called_off) {
            drop(inner);
            given_back = ahead.give_back();
            inner = self.inner.lock();
        }
        let inner = &mut *inner;
        inner.preparing -= ahead.pages.len();
        inner.ahead += usize::from(!given_back);
        let place = inner.returns(ahead.arena, &ahead.pages);
        let bound = inner.arenas[place].end_ahead(ahead.pages, given_back);
        inner.bounds.raise(place, bound);
    }

    /// Takes note that an arena may have grown by what was taken from it just now.
    #[inline]
    pub(super) fn note_growth(&self, inner: &mut Inner, place: usize, before: Extent) {
        let now = inner.arenas[place].extent();
        if now != before {
            inner.ahead -= before.ahead() - now.ahead();
            let reserve = reserve(inner.in_use);
            if reserve > 0 && inner.ahead <= reserve / 2 {
                // Whoever was told before has not prepared enough yet, and still knows.
                let _ = self.wish.compare_exchange(QUIET, WANTED, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }
}
