//! The shape of the heap in numbers: granules, pages, arenas, and where an arena keeps its side tables.
//!
//! *Callers:* every module that turns an address into a bit, a page or a span. *Invariants:* all sizes are powers of
//! two and every table divides evenly into pages; the `const` assertions below fail the build, not the program.
//! *Not here:* size classes (`size_class`), the state of a page (`page_heap`).
//!
//! An arena is 64 MiB of addresses, aligned to 64 MiB, so that the arena of an object is its address with the low 26
//! bits cleared. Its side tables stand at its start, in this order:
//!
//! ```text
//! 0            page classes   one byte per page: what the marker must know to scan an object of that page
//! +8 KiB       page starts    one u16 per page: the first page of the span that holds it
//! +24 KiB      (a spare 8 KiB, so that what follows is page aligned)
//! +32 KiB      span headers   64 bytes per page, used at the first page of each span
//! +544 KiB     allocation bits, mark bits, new bits: one bit per granule, 512 KiB each
//! +2080 KiB    the pages that hold objects
//! ```
//!
//! The tables cover the whole arena, the table pages themselves included (their entries are never used): one shift
//! per look-up is worth more than 3 % of the tables, and untouched table pages cost nothing.

/// Log2 of the size of an arena.
pub const ARENA_SHIFT: usize = 26;
/// Bytes of addresses in an arena: 64 MiB.
pub const ARENA_SIZE: usize = 1 << ARENA_SHIFT;
/// Clears the arena part of an address.
pub const ARENA_MASK: usize = ARENA_SIZE - 1;

/// Log2 of the size of a page.
pub const PAGE_SHIFT: usize = 13;
/// Bytes in a page, the unit in which spans are made: 8 KiB.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// Pages in an arena, the pages of its side tables included.
pub const ARENA_PAGES: usize = ARENA_SIZE / PAGE_SIZE;

/// Log2 of the size of a granule.
pub const GRANULE_SHIFT: usize = 4;
/// Bytes in a granule, the unit for which bitmaps have a bit: 16.
pub const GRANULE: usize = 1 << GRANULE_SHIFT;
/// Bytes of heap that one 64-bit word of a side bitmap covers: 1 KiB.
pub const WORD_SPAN: usize = 64 * GRANULE;
/// Bitmap words per page.
pub const PAGE_WORDS: usize = PAGE_SIZE / WORD_SPAN;
/// Bytes of one side bitmap of an arena.
pub const BITMAP_BYTES: usize = ARENA_SIZE / GRANULE / 8;

/// The unit in which the page heap makes memory usable and (later) gives it back: 2 MiB, one huge page.
pub const GROWTH_UNIT: usize = 2 << 20;

/// Bytes of a span header.
pub const HEADER_BYTES: usize = 64;

/// Offset of the page classes in an arena.
pub const PAGE_CLASS_OFFSET: usize = 0;
/// Offset of the page starts in an arena.
pub const PAGE_START_OFFSET: usize = PAGE_CLASS_OFFSET + ARENA_PAGES;
/// Offset of the span headers in an arena.
pub const HEADER_OFFSET: usize = 32 << 10;
/// Offset of the allocation bits in an arena.
pub const ALLOC_OFFSET: usize = HEADER_OFFSET + ARENA_PAGES * HEADER_BYTES;
/// Offset of the mark bits in an arena.
pub const MARK_OFFSET: usize = ALLOC_OFFSET + BITMAP_BYTES;
/// Offset of the new bits in an arena: the slots handed out since marking began.
pub const NEW_OFFSET: usize = MARK_OFFSET + BITMAP_BYTES;
/// Offset of the first page that holds objects.
pub const DATA_OFFSET: usize = NEW_OFFSET + BITMAP_BYTES;
/// Number of the first page that holds objects.
pub const FIRST_DATA_PAGE: usize = DATA_OFFSET / PAGE_SIZE;
/// Pages that hold objects in a whole arena.
pub const DATA_PAGES: usize = ARENA_PAGES - FIRST_DATA_PAGE;

/// Largest object that shares a span with others: 32 KiB. Larger ones get pages of their own.
pub const MAX_SMALL: usize = 32 << 10;

/// Bits of a user address that this layout can index (x86-64 and AArch64 with four-level tables).
pub const ADDRESS_BITS: usize = 48;

const _: () = assert!(PAGE_START_OFFSET + 2 * ARENA_PAGES <= HEADER_OFFSET);
const _: () = assert!(HEADER_OFFSET.is_multiple_of(PAGE_SIZE) && ALLOC_OFFSET.is_multiple_of(PAGE_SIZE));
const _: () = assert!(DATA_OFFSET.is_multiple_of(PAGE_SIZE) && BITMAP_BYTES.is_multiple_of(PAGE_SIZE));
const _: () = assert!(GROWTH_UNIT.is_multiple_of(PAGE_SIZE) && ARENA_SIZE.is_multiple_of(GROWTH_UNIT));
const _: () = assert!(PAGE_SIZE.is_multiple_of(WORD_SPAN) && ARENA_PAGES <= 1 << 16);
const _: () = assert!(usize::BITS == 64, "spanheap needs a 64-bit target");

/// The arena that a base address of an object lies in.
#[inline(always)]
pub const fn arena_of(addr: usize) -> usize {
    addr & !ARENA_MASK
}

/// Number within its arena of the page that holds `addr`.
#[inline(always)]
pub const fn page_of(addr: usize) -> usize {
    (addr & ARENA_MASK) >> PAGE_SHIFT
}

/// Index of the bitmap word, and the mask of the bit in it, for the granule that holds `addr`.
#[inline(always)]
pub const fn bit_of(addr: usize) -> (usize, u64) {
    let granule = (addr & ARENA_MASK) >> GRANULE_SHIFT;
    (granule >> 6, 1 << (granule & 63))
}

/// `len` rounded up to a multiple of `unit`, a power of two; `None` if that overflows.
pub const fn round_up(len: usize, unit: usize) -> Option<usize> {
    match len.checked_add(unit - 1) {
        Some(sum) => Some(sum & !(unit - 1)),
        None => None,
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
