//! A cursor: the place in a span from which one mutator takes the slots of one span class.
//!
//! *Callers:* `cache` owns the cursors and refills them; the mutator layer keeps [`CursorRef`]s and takes slots of the
//! current run with [`CursorRef::bump`]. *Invariants:* a cursor never moves and lives as long as its cache; slots of the
//! current run and word have their bits already (`[cache.bits-first]`).

use crate::classes::SpanClassId;
use crate::geometry::GRANULE;
use crate::prefetch;
use crate::sanitize;
use crate::size_class::SizeClass;
use crate::span::{Bits, SpanRef};
use std::cell::{Cell, UnsafeCell};
use std::ptr::NonNull;

/// A place in a span from which slots are handed out.
#[repr(C)]
pub(crate) struct Cursor {
    /// Next free byte of the current run.
    pub(crate) next: Cell<usize>,
    /// End of the current run. Next and end are equal when there is none.
    pub(crate) end: Cell<usize>,
    /// Free slots of the current bitmap word that lie scattered.
    pub(crate) word: Cell<u64>,
    /// Address of the first granule of that word.
    pub(crate) word_base: Cell<usize>,
    /// Which of its granules have a slot that starts in their middle.
    pub(crate) middles: Cell<u64>,
    /// Bytes of a slot.
    pub(crate) size: usize,
    /// Bytes for which there is one bit.
    pub(crate) granule: usize,
    pub(crate) class: SpanClassId,
    /// Whether offered slots get new bits.
    pub(crate) in_new: Cell<bool>,
    pub(crate) span: Cell<Option<SpanRef>>,
    /// Slots handed out and not yet counted.
    pub(crate) handed: Cell<u64>,
    /// Spans that are used up, on their way to the central list.
    pub(crate) spent: UnsafeCell<Vec<SpanRef>>,
}

impl Cursor {
    pub(crate) fn new(class: SpanClassId, size: SizeClass) -> Cursor {
        Cursor {
            next: Cell::new(0),
            end: Cell::new(0),
            word: Cell::new(0),
            word_base: Cell::new(0),
            middles: Cell::new(0),
            size: size.size as usize,
            granule: size.granule(),
            class,
            in_new: Cell::new(false),
            span: Cell::new(None),
            handed: Cell::new(0),
            spent: UnsafeCell::new(Vec::new()),
        }
    }

    /// The next slot of the current run.
    #[inline(always)]
    pub(crate) fn take_next(&self, size: usize) -> Option<usize> {
        let at = self.next.get();
        let next = at + size;
        (next <= self.end.get()).then(|| {
            self.next.set(next);
            sanitize::unpoison(at, size);
            prefetch::for_writing(at + AHEAD);
            at
        })
    }

    /// The lowest of the scattered free slots.
    #[inline(always)]
    pub(crate) fn take_scattered(&self) -> Option<usize> {
        let word = self.word.get();
        (word != 0).then(|| {
            self.word.set(word & (word - 1));
            let bit = word.trailing_zeros();
            let middle = (self.middles.get() >> bit & 1) as usize * (GRANULE / 2);
            let at = self.word_base.get() + bit as usize * self.granule + middle;
            sanitize::unpoison(at, self.size);
            at
        })
    }

    pub(crate) fn table(&self) -> Bits {
        if self.in_new.get() { Bits::New } else { Bits::Alloc }
    }

    /// Calls `visit` with the word index (in the span) and mask of every slot that was offered and not used.
    pub(crate) fn for_each_unused(&self, span: SpanRef, mut visit: impl FnMut(usize, u64)) {
        let mut addr = self.next.get();
        while addr + self.size <= self.end.get() {
            let (word, mask) = span.bit_place(addr);
            visit(word, mask);
            addr += self.size;
        }
        if self.word.get() != 0 {
            visit(span.bit_place(self.word_base.get()).0, self.word.get());
        }
    }

    /// Forgets what was offered.
    pub(crate) fn clear(&self) {
        self.next.set(0);
        self.end.set(0);
        self.word.set(0);
    }
}

/// How far ahead of the slot that is handed out its run is fetched for writing. Programs that store into older objects
/// between allocations hide the run's regular stride from the processor.
const AHEAD: usize = 2048;

/// A cursor of one cache, by address. Good as long as that cache.
#[derive(Clone, Copy)]
pub struct CursorRef(pub(crate) NonNull<Cursor>);

impl CursorRef {
    /// The cursor.
    ///
    /// # Safety
    /// 1. Its cache lives, and is used by the calling thread alone meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn get<'a>(self) -> &'a Cursor {
        // SAFETY: by 1; a cache boxes its cursors, so that they do not move.
        unsafe { self.0.as_ref() }
    }

    /// The fast path of allocation: the next slot of the current run, if it has one. The slot holds whatever was there.
    ///
    /// # Safety
    /// 1. The cursor's cache lives, and is used by the calling thread alone meanwhile. 2. `size` is
    ///    [`CursorRef::slot_size`].
    #[inline(always)]
    pub unsafe fn bump(self, size: usize) -> Option<usize> {
        // SAFETY: by 1.
        let cursor = unsafe { self.get() };
        debug_assert_eq!(size, cursor.size);
        cursor.take_next(size)
    }

    /// Bytes of a slot.
    ///
    /// # Safety
    /// 1. The cursor's cache lives.
    #[inline(always)]
    pub unsafe fn slot_size(self) -> usize {
        // SAFETY: by 1; the field never changes.
        unsafe { self.get() }.size
    }
}
