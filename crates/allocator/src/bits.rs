//! Bits and bytes of an arena's side tables, found from an address.
//!
//! *Callers:* `span`, the marker, the barrier's filters. *Invariants:* the tables are mapped as long as the heap lives, and
//! consist of atomics, so that any thread may look at any of them at any time; who may write which, and what a bit says,
//! stands in `span`.

use crate::geometry::*;
use crate::span::{PAGE_TINY, SpanRef};
use spanheap_sync::word::{AtomicU8, AtomicU16, AtomicU64, Ordering};

/// Which of the three side bitmaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Bits {
    /// Slots that hold objects (or were handed out to a cache).
    Alloc = ALLOC_OFFSET,
    /// Slots whose objects the marker has reached.
    Mark = MARK_OFFSET,
    /// Slots handed out since marking began.
    New = NEW_OFFSET,
}

/// The bitmap word `word` (counted from the arena's start) of the arena at `arena`.
///
/// # Safety
/// 1. `arena` is the base of an arena of a heap that outlives `'a`. 2. `word` lies in its tables.
#[inline(always)]
pub unsafe fn bitmap_word<'a>(arena: usize, bits: Bits, word: usize) -> &'a AtomicU64 {
    debug_assert!(word < BITMAP_BYTES / 8);
    // SAFETY: by 1 and 2 the word is mapped memory of the arena's tables, which are only ever used as atomics.
    unsafe { &*((arena + bits as usize + word * 8) as *const AtomicU64) }
}

impl Bits {
    /// Number of the bitmap among the three.
    pub(crate) fn plane(self) -> usize {
        (self as usize - ALLOC_OFFSET) / BITMAP_BYTES
    }
}

/// The word and mask of an object's bit.
///
/// # Safety
/// 1. `addr` is the base of an object of a heap that outlives `'a`.
#[inline(always)]
pub unsafe fn object_bit<'a>(addr: usize, bits: Bits) -> (&'a AtomicU64, u64) {
    let arena = arena_of(addr);
    // SAFETY: by 1 (a huge object starts in its arena's first 64 MiB).
    let byte = unsafe { page_class(arena, page_of(addr)) }.load(Ordering::Acquire);
    if byte == PAGE_TINY {
        // SAFETY: by 1.
        return unsafe { tiny_bit(addr, bits) };
    }
    let (word, mask) = bit_of(addr);
    // SAFETY: by 1.
    (unsafe { bitmap_word(arena, bits, word) }, mask)
}

/// As [`object_bit`], for an object in a page of class [`PAGE_TINY`].
///
/// # Safety
/// As [`object_bit`].
#[cold]
pub unsafe fn tiny_bit<'a>(addr: usize, bits: Bits) -> (&'a AtomicU64, u64) {
    // SAFETY: by the caller's promise; a tiny span has one page.
    let span = unsafe { SpanRef::at(arena_of(addr), page_of(addr)) };
    let (index, mask) = span.bit_place(addr);
    (span.word(bits, index), mask)
}

/// The page class byte of the page that holds `addr`.
///
/// # Safety
/// 1. `arena` is the base of an arena of a heap that outlives `'a`. 2. `page` is less than [`ARENA_PAGES`].
#[inline(always)]
pub unsafe fn page_class<'a>(arena: usize, page: usize) -> &'a AtomicU8 {
    debug_assert!(page < ARENA_PAGES);
    // SAFETY: by 1 and 2, as in `bitmap_word`.
    unsafe { &*((arena + PAGE_CLASS_OFFSET + page) as *const AtomicU8) }
}

/// The first page of the span that holds page `page`.
///
/// # Safety
/// As [`page_class`].
#[inline(always)]
pub unsafe fn page_start<'a>(arena: usize, page: usize) -> &'a AtomicU16 {
    debug_assert!(page < ARENA_PAGES);
    // SAFETY: by 1 and 2, as in `bitmap_word`.
    unsafe { &*((arena + PAGE_START_OFFSET + 2 * page) as *const AtomicU16) }
}
