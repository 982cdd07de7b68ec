//! The write barrier: what a mutator notes while the collector marks.
//!
//! *Callers:* every store of a reference into the heap goes through [`Barrier::before_store`], or through
//! [`Barrier::before_overwrite`] and [`Barrier::before_publish`] for a whole range; handshakes change the mode and take
//! the log; generated code reads the mode where [`Barrier::flag`] says. *Invariants:*
//! - `[barrier.deletion]` While the barrier is on, a reference that is overwritten in the heap is logged first: what was
//!   reachable when marking began stays visible to the marker (snapshot at the beginning; Yuasa 1990).
//! - `[barrier.insertion]` Until a mutator's own roots have been scanned it also logs what it stores: an object that only
//!   its roots hold can not hide behind an object that is already black (the hybrid of Go, proposal 17503).
//! - `[barrier.log-grows]` Between two flushes nothing leaves a log but what marking knows.
//! - `[barrier.filter]` What is marked or new need not be logged: it has been or will be scanned in this cycle, or is black.
//!   Mark bits are set in this cycle only: every span has been swept since the last one, but for those that a mutator is
//!   sweeping, which it ends before it answers that its barrier is on; what others drop for a bit of the last cycle
//!   until then belongs to no snapshot yet. Whoever reads an old value of a bit keeps an entry in vain. A log is filtered when it is full, and not with each store: the store would
//!   wait for the mark word, after it has waited for the slot, where hundreds of look-ups at once wait together.
//!
//! Two mutators may store to one slot at once, both having read the same old value; then the value stored first is
//! overwritten without being logged. That is sound once every mutator has the barrier on: that value was never part of
//! the snapshot, and `[barrier.insertion]` or its owner's scanned roots account for it. A store that *began* before the
//! last mutator had the barrier on could break this, so a handshake round of its own separates switching the barrier
//! on from scanning the first root (see `cycle`).
//!
//! A store of a range is many stores of which the log entries come first. It is the same as if each had been made by
//! itself, but that more time passes between the first entry and its store. That time has no safepoint in it either, so
//! that no handshake sees a part of it; and a store by another mutator in between is the case above.

use crate::grey::{Block, GreyQueue};
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::word::{AtomicUsize, Ordering};
use std::cell::Cell;

/// What the barrier of one mutator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BarrierMode {
    /// Nothing: no marking.
    Off = 0,
    /// Logs what is overwritten and what is stored: marking, own roots not yet scanned.
    Both = 1,
    /// Logs what is overwritten: marking, own roots scanned.
    Deletion = 2,
    /// Logs nothing, but is not off: no marking, and the heap wants to know of every store.
    Watch = 3,
}

/// The barrier of one mutator.
pub struct Barrier {
    mode: Cell<BarrierMode>,
    log: UnsafeCell<Block>,
    /// Entries after which the log is filtered, and handed over without waiting for a handshake.
    entries: usize,
    /// What it does while nobody marks.
    idle: BarrierMode,
}

impl Barrier {
    /// A barrier that is off, or never more than on the watch. Its log has room for so many entries, or somewhat more.
    pub fn new(entries: usize, watched: bool) -> Barrier {
        let idle = if watched { BarrierMode::Watch } else { BarrierMode::Off };
        Barrier { mode: Cell::new(idle), log: UnsafeCell::new(Vec::new()), entries, idle }
    }

    /// What it does now.
    #[inline(always)]
    pub fn mode(&self) -> BarrierMode {
        self.mode.get()
    }

    /// Changes what it does. In a handshake only.
    pub fn set_mode(&self, mode: BarrierMode) {
        self.mode.set(mode);
    }

    /// Nobody marks any more. In a handshake only.
    pub fn rest(&self) {
        self.mode.set(self.idle);
    }

    /// Whether the heap wants to know of every store.
    #[inline(always)]
    pub fn is_watched(&self) -> bool {
        self.idle == BarrierMode::Watch
    }

    /// Whether stores are logged.
    #[inline]
    fn logs(&self) -> bool {
        self.mode.get() != BarrierMode::Watch
    }

    /// The address of the byte that is the mode: a [`BarrierMode`]. It stays there as long as the mutator's record.
    pub fn flag(&self) -> *const u8 {
        self.mode.as_ptr().cast()
    }

    /// Whether anything is to be logged: the one test on the fast path.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.mode.get() != BarrierMode::Off
    }

    /// Notes that `new` is about to replace `old` in the heap (0: null). Call only while the barrier is on.
    #[inline]
    pub fn before_store(&self, old: usize, new: usize, queue: &GreyQueue) {
        if old == new {
            return;
        }
        if old != 0 {
            self.shade(old, queue);
        }
        if new != 0 && self.mode.get() == BarrierMode::Both {
            self.shade(new, queue);
        }
    }

    /// Notes that the references in `slots` are about to be overwritten: [`Barrier::before_store`] for many, by the half of
    /// it that looks at what is there. Call only while the barrier is on.
    #[cold]
    #[inline(never)]
    pub fn before_overwrite(&self, slots: &[AtomicUsize], queue: &GreyQueue) {
        self.shade_all(slots.iter().map(|slot| slot.load(Ordering::Relaxed)), queue);
    }

    /// Notes that these references are about to be stored: the other half of [`Barrier::before_store`] for many. Call only
    /// while the barrier is on.
    #[cold]
    #[inline(never)]
    pub fn before_publish(&self, words: &[usize], queue: &GreyQueue) {
        if self.mode.get() == BarrierMode::Both {
            self.shade_all(words.iter().copied(), queue);
        }
    }

    /// Logs the objects at these addresses, but for 0.
    fn shade_all(&self, objects: impl Iterator<Item = usize>, queue: &GreyQueue) {
        if !self.logs() {
            return;
        }
        self.log.with_mut(|log| {
            // SAFETY: as in `shade`; the callers' iterators read words, and nothing of the barrier.
            let log = unsafe { &mut *log };
            for object in objects.filter(|&object| object != 0) {
                if log.len() == log.capacity() {
                    make_room(log, queue, self.entries);
                }
                log.push(object);
            }
        });
    }

    /// Logs an object.
    #[inline]
    pub fn shade(&self, object: usize, queue: &GreyQueue) {
        if !self.logs() {
            return;
        }
        self.log.with_mut(|log| {
            // SAFETY: [handshake.one-actor]: one thread uses the barrier, and the reference ends with this closure.
            let log = unsafe { &mut *log };
            if log.len() == log.capacity() {
                make_room(log, queue, self.entries);
            }
            log.push(object);
        });
    }

    /// Hands the log over, but for what marking knows.
    pub fn flush(&self, queue: &GreyQueue) {
        self.log.with_mut(|log| {
            // SAFETY: as in `shade`.
            let log = unsafe { &mut *log };
            queue.drop_known(log);
            if !log.is_empty() {
                queue.push(std::mem::take(log));
            }
        });
    }

    /// Forgets the log: marking has ended, so that everything in it is marked or dead.
    pub fn discard(&self) {
        // SAFETY: as in `shade`.
        self.log.with_mut(|log| unsafe { &mut *log }.clear());
    }
}

/// Filters a full log, and hands it over if that does not help.
#[cold]
#[inline(never)]
fn make_room(log: &mut Block, queue: &GreyQueue, entries: usize) {
    queue.drop_known(log);
    if log.len() >= log.capacity() / 2 {
        // The blocks of loggers and markers go round: to allocate one for every few hundred stores costs more than the
        // stores.
        queue.push_full(std::mem::replace(log, queue.empty_block(entries)));
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
