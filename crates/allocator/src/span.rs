//! Spans: runs of pages with slots of one size, their headers, and the bits that say what each slot is.
//!
//! *Callers:* the page heap makes and unmakes spans; caches hand out slots; the collector marks and sweeps.
//! *Invariants:*
//! - `[span.one-owner]` A span is in exactly one place: in the page heap, in one central list, in one cache, or in the
//!   hands of the thread that sweeps or trims it. Whoever holds it may write its allocation and new bits; nobody else does.
//! - `[span.generation]` A span is handed out only when its generation is the heap's: it has been swept since the last
//!   marking ended. The generation survives reuse of the header: it is the one field that `SpanRef::begin` keeps.
//! - `[span.frozen]` From the moment every mutator hands out new slots until marking ends, allocation bits do not
//!   change: slots handed out meanwhile set new bits. The marker takes a word for an object only by allocation bits.
//! - `[span.marker-owns-marks]` Mark bits are written by the one marker while marking runs, and by the sweeper after.
//!
//! A slot is free if neither bit is set, and all three bits of a slot stand at the granule in which it starts; only tiny
//! spans have bits per slot, in a table of their own. A header is 64 bytes
//! in its arena's table, at the span's first page; all of its fields are atomics because a stale reader (the marker
//! with an ambiguous word, `resolve`) may look at it while the pages are being reused: it then sees an old or a new
//! value, and the allocation bits decide.

pub use crate::bits::{Bits, bitmap_word, object_bit, page_class, page_start, tiny_bit};
use crate::classes::SpanClassId;
use crate::geometry::*;
use crate::prefetch;
use crate::side_table::{LayoutTable, TINY_WORDS, TinyTable};
use crate::size_class::{SizeClass, TINY, UNEVEN, middle_starts};
use spanheap_sync::word::{AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::ptr::NonNull;

/// The page class of a page without a span.
pub const PAGE_FREE: u8 = 0;
/// The page class that sends the marker to the span's header: mixed and large spans, spans with new objects, and
/// spans whose class number does not fit a byte.
pub const PAGE_SLOW: u8 = u8::MAX;
/// The page class of all tiny spans: their objects are leaves, and have their bits in a table of their own.
pub const PAGE_TINY: u8 = PAGE_SLOW - 1;
/// The first page class of spans of the uneven class. In a page of a lower class, slots start at granules.
pub const FIRST_PAGE_UNEVEN: u8 = 224;

/// The header of a span.
#[repr(C, align(64))]
pub struct SpanHeader {
    /// The span class; 0 while there is no span. Written by `begin` and `end`.
    class: AtomicU32,
    /// Heap generation in which this span was last swept. Survives reuse.
    generation: AtomicU32,
    /// Pages of the span.
    pages: AtomicU32,
    /// Slots of the span; 1 in a large span.
    slots: AtomicU32,
    /// Bytes of a slot; 0 in a large span.
    slot_size: AtomicU32,
    /// See `SizeClass::reciprocal`; 0 in a large span.
    reciprocal: AtomicU32,
    /// First bitmap word of the span that has not been offered since the last sweep. Written by the owner.
    cursor: AtomicU32,
    /// Slots that the last sweep found live. Written by the sweeper.
    live: AtomicU32,
    /// Bytes of a large object; 0 in other spans.
    large_bytes: AtomicUsize,
    /// In a mixed span, the address of its `LayoutTable`; else 0.
    layouts: AtomicUsize,
    /// In a tiny span, the address of its `TinyTable`; else 0.
    tiny: AtomicUsize,
    /// 1 if the system pages in free slots went back to the system and no slot was handed out or freed since; else 0.
    /// Written by the owner.
    trimmed: AtomicU64,
}

const _: () = assert!(size_of::<SpanHeader>() == HEADER_BYTES);

/// A span, named by the address of its header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpanRef(NonNull<SpanHeader>);

// SAFETY: a SpanRef is an address; all access behind it is atomic, and [span.one-owner] says who may write.
unsafe impl Send for SpanRef {}
// SAFETY: as above.
unsafe impl Sync for SpanRef {}

/// What a sweep found in a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Slots that hold objects.
    pub live: u32,
    /// Slots that this sweep made free.
    pub freed: u32,
    /// Marked slots that held no object: always 0 unless the heap is corrupt.
    pub zombies: u32,
}

impl SpanRef {
    /// The span whose first page is `page` of the arena at `arena`.
    ///
    /// # Safety
    /// 1. `arena` is the base of an arena of a heap that outlives the result. 2. `page` is less than [`ARENA_PAGES`].
    #[inline(always)]
    pub unsafe fn at(arena: usize, page: usize) -> SpanRef {
        let addr = arena + HEADER_OFFSET + page * HEADER_BYTES;
        // SAFETY: an arena's base is not 0.
        SpanRef(unsafe { NonNull::new_unchecked(addr as *mut SpanHeader) })
    }

    #[inline(always)]
    fn header<'a>(self) -> &'a SpanHeader {
        // SAFETY: by the contract of `at`, the header is mapped; it consists of atomics only.
        unsafe { self.0.as_ref() }
    }

    /// Base of the span's arena.
    #[inline(always)]
    pub fn arena(self) -> usize {
        arena_of(self.0.as_ptr() as usize)
    }

    /// Number of the span's first page in its arena.
    #[inline(always)]
    pub fn page(self) -> usize {
        (self.0.as_ptr() as usize - self.arena() - HEADER_OFFSET) / HEADER_BYTES
    }

    /// Address of the first slot.
    #[inline(always)]
    pub fn base(self) -> usize {
        self.arena() + self.page() * PAGE_SIZE
    }

    /// The span class; `None` while there is no span.
    #[inline(always)]
    pub fn class(self) -> Option<SpanClassId> {
        SpanClassId::from_raw(self.header().class.load(Ordering::Acquire))
    }

    /// Pages of the span.
    pub fn pages(self) -> usize {
        self.header().pages.load(Ordering::Relaxed) as usize
    }

    /// Slots of the span.
    pub fn slots(self) -> usize {
        self.header().slots.load(Ordering::Relaxed) as usize
    }

    /// Bytes of a slot; a large object's size in its span.
    pub fn slot_size(self) -> usize {
        match self.header().slot_size.load(Ordering::Relaxed) {
            0 => self.large_bytes(),
            size => size as usize,
        }
    }

    /// Bytes of the large object that has this span to itself; 0 in other spans.
    pub fn large_bytes(self) -> usize {
        // Acquire: whoever sees a large object's new size sees that what is new is zero.
        self.header().large_bytes.load(Ordering::Acquire)
    }

    /// Makes a large object longer. Only while it is alive, by one thread at a time.
    pub(crate) fn set_large_bytes(self, bytes: usize) {
        self.header().large_bytes.store(bytes, Ordering::Release);
    }

    /// Whether the span holds one large object.
    pub fn is_large(self) -> bool {
        self.large_bytes() != 0
    }

    /// Heap generation in which the span was last swept.
    pub fn generation(self) -> u32 {
        self.header().generation.load(Ordering::Acquire)
    }

    /// Declares the span swept in `generation`. Only its owner may.
    pub fn set_generation(self, generation: u32) {
        self.header().generation.store(generation, Ordering::Release);
    }

    /// Slots that the last sweep found live.
    pub fn live(self) -> u32 {
        self.header().live.load(Ordering::Relaxed)
    }

    /// Whether its slots are smaller than a granule, so that it has bitmaps of its own.
    #[inline(always)]
    pub fn is_tiny(self) -> bool {
        self.header().slot_size.load(Ordering::Relaxed) as usize == TINY
    }

    /// Bitmap words of the span that can hold the start of a slot.
    pub fn words(self) -> usize {
        match self.is_tiny() {
            true => TINY_WORDS,
            false if self.is_large() => 1,
            false => self.pages() * PAGE_WORDS,
        }
    }

    /// The first word of the span's part of a bitmap; its words stand in a row there.
    #[inline(always)]
    fn first_word(self, bits: Bits) -> *const AtomicU64 {
        if let Some(table) = self.tiny_table() {
            return table.0[bits.plane()].as_ptr();
        }
        (self.arena() + bits as usize + self.page() * PAGE_WORDS * 8) as *const AtomicU64
    }

    /// The bitmaps of a tiny span; `None` in other spans. Of a span that ends meanwhile, they may be another's.
    #[inline]
    fn tiny_table<'a>(self) -> Option<&'a TinyTable> {
        if !self.is_tiny() {
            return None;
        }
        let table = self.header().tiny.load(Ordering::Acquire) as *const TinyTable;
        // SAFETY: null, or a table of the heap's, which stays one ([`side_table`](crate::side_table)); all of it is atomic.
        unsafe { table.as_ref() }
    }

    /// Index among the span's bitmap words, and mask, of the bit for the slot that starts at `addr`.
    #[inline(always)]
    pub(crate) fn bit_place(self, addr: usize) -> (usize, u64) {
        let granule = addr.wrapping_sub(self.base()) / if self.is_tiny() { TINY } else { GRANULE };
        (granule / 64, 1 << (granule % 64))
    }

    /// Address of the slot whose start stands at bit `bit` of bitmap word `index`.
    #[inline]
    pub(crate) fn slot_start(self, index: usize, bit: u32) -> usize {
        let granule = index * 64 + bit as usize;
        match self.header().slot_size.load(Ordering::Relaxed) as usize {
            TINY => self.base() + granule * TINY,
            UNEVEN => self.base() + granule * GRANULE + (middle_starts(index) >> bit & 1) as usize * (GRANULE / 2),
            _ => self.base() + granule * GRANULE,
        }
    }

    /// The span's bitmap word `index`, counted from the span's first.
    #[inline(always)]
    pub fn word<'a>(self, bits: Bits, index: usize) -> &'a AtomicU64 {
        &self.table(bits, index + 1)[index]
    }

    /// The first `words` of the span's words in one of the side bitmaps.
    #[inline(always)]
    pub(crate) fn table<'a>(self, bits: Bits, words: usize) -> &'a [AtomicU64] {
        debug_assert!(words <= self.words());
        // SAFETY: the contract of `at`; a span's words stand in a row in its arena's tables or its own, and are atomics.
        unsafe { std::slice::from_raw_parts(self.first_word(bits), words) }
    }

    /// Makes a span of the pages. The generation field is left as it is, then set: a header is never zeroed.
    ///
    /// The caller owns the pages; their bits are all clear. The class is stored last, with release, so that whoever
    /// sees it sees the rest.
    pub(crate) fn begin(
        self,
        class: SpanClassId,
        pages: usize,
        geometry: SlotGeometry,
        own: OwnTable,
        generation: u32,
        page_byte: u8,
    ) {
        let header = self.header();
        let (layouts, tiny) = match own {
            OwnTable::None => (0, 0),
            OwnTable::Layouts(table) => (table.as_ptr() as usize, 0),
            OwnTable::Tiny(table) => (0, table.as_ptr() as usize),
        };
        header.pages.store(pages as u32, Ordering::Relaxed);
        header.slots.store(geometry.slots, Ordering::Relaxed);
        header.slot_size.store(geometry.slot_size, Ordering::Relaxed);
        header.reciprocal.store(geometry.reciprocal, Ordering::Relaxed);
        header.large_bytes.store(geometry.large_bytes, Ordering::Relaxed);
        header.layouts.store(layouts, Ordering::Release);
        header.tiny.store(tiny, Ordering::Release);
        header.cursor.store(0, Ordering::Relaxed);
        header.live.store(0, Ordering::Relaxed);
        header.trimmed.store(0, Ordering::Relaxed);
        self.set_generation(generation);
        header.class.store(class.raw(), Ordering::Release);
        self.name_pages(0, pages, page_byte);
    }

    /// Gives a large object's span the pages behind it, up to `pages`. They are its owner's.
    pub(crate) fn extend(self, pages: usize) {
        let old = self.pages();
        self.header().pages.store(pages as u32, Ordering::Relaxed);
        self.name_pages(old, pages, PAGE_SLOW);
    }

    /// Enters the span's pages `from..to` in the arena's tables.
    fn name_pages(self, from: usize, to: usize, page_byte: u8) {
        let (arena, first) = (self.arena(), self.page());
        for page in (first + from).min(ARENA_PAGES)..(first + to).min(ARENA_PAGES) {
            // SAFETY: the contract of `at`; the pages lie in the arena.
            unsafe { page_start(arena, page) }.store(first as u16, Ordering::Relaxed);
            // SAFETY: as above.
            unsafe { page_class(arena, page) }.store(page_byte, Ordering::Release);
        }
    }

    /// Unmakes the span. Its owner has cleared its bits and gives the pages back right after.
    pub fn end(self) {
        self.set_page_byte(PAGE_FREE);
        self.header().class.store(0, Ordering::Release);
    }

    /// Sets the page class of all pages of the span.
    pub fn set_page_byte(self, byte: u8) {
        let (arena, first) = (self.arena(), self.page());
        for page in first..(first + self.pages()).min(ARENA_PAGES) {
            // SAFETY: the contract of `at`; the pages lie in the arena.
            unsafe { page_class(arena, page) }.store(byte, Ordering::Release);
        }
    }

    /// Makes the marker go to the span's header, because the span holds new objects. Only the span's owner may.
    pub(crate) fn make_slow(self) {
        // Leaves need no second look.
        if !self.is_tiny() {
            self.set_page_byte(PAGE_SLOW);
        }
    }

    /// The table that the span has to itself. Only the span's owner may ask.
    pub(crate) fn own_table(self) -> OwnTable {
        let header = self.header();
        let layouts = NonNull::new(header.layouts.load(Ordering::Acquire) as *mut LayoutTable);
        let tiny = NonNull::new(header.tiny.load(Ordering::Acquire) as *mut TinyTable);
        layouts.map(OwnTable::Layouts).or(tiny.map(OwnTable::Tiny)).unwrap_or(OwnTable::None)
    }

    /// The layout number of a slot of a mixed span; `None` in other spans. Of a span that ends meanwhile, it may be
    /// another's.
    pub fn layout_cell<'a>(self, slot: usize) -> Option<&'a AtomicU16> {
        let table = self.header().layouts.load(Ordering::Acquire) as *const LayoutTable;
        // SAFETY: null, or a table of the heap's, which stays one ([`side_table`](crate::side_table)); all of it is atomic.
        unsafe { table.as_ref() }?.0.get(slot)
    }

    /// The slot that holds `addr`, an address in the span's pages; `None` in the loss at the span's end.
    pub fn slot_of(self, addr: usize) -> Option<usize> {
        if self.is_large() {
            return (addr - self.base() < self.large_bytes()).then_some(0);
        }
        let reciprocal = self.header().reciprocal.load(Ordering::Relaxed) as u64;
        let slot = (((addr - self.base()) as u64 * reciprocal) >> 32) as usize;
        (slot < self.slots()).then_some(slot)
    }

    /// Address of a slot.
    pub fn slot_address(self, slot: usize) -> usize {
        self.base() + slot * self.header().slot_size.load(Ordering::Relaxed) as usize
    }

    /// Whether what could be trimmed has been. Owner only.
    pub(crate) fn is_trimmed(self) -> bool {
        self.header().trimmed.load(Ordering::Relaxed) != 0
    }

    /// Notes whether what can be trimmed has been. Owner only.
    pub(crate) fn set_trimmed(self, trimmed: bool) {
        self.header().trimmed.store(trimmed as u64, Ordering::Relaxed);
    }

    /// First bitmap word not yet offered since the last sweep. Owner only.
    pub(crate) fn cursor(self) -> usize {
        self.header().cursor.load(Ordering::Relaxed) as usize
    }

    /// Moves the cursor. Owner only.
    pub(crate) fn set_cursor(self, word: usize) {
        self.header().cursor.store(word as u32, Ordering::Relaxed);
    }

    /// Which of the slots that start in bitmap word `index`, given as `starts`, are free. Owner only.
    #[inline(always)]
    pub(crate) fn free_slots(self, index: usize, starts: u64) -> u64 {
        let bits = |bits| self.word(bits, index).load(Ordering::Relaxed);
        starts & !(bits(Bits::Alloc) | bits(Bits::New))
    }

    /// Calls `visit` with the address of every free slot, lowest first. Owner only.
    pub(crate) fn for_each_free(self, starts: &[u64], mut visit: impl FnMut(usize)) {
        for (index, &starts) in starts.iter().enumerate() {
            let mut free = self.free_slots(index, starts);
            while free != 0 {
                visit(self.slot_start(index, free.trailing_zeros()));
                free &= free - 1;
            }
        }
    }

    /// Sets bits of one word of a table. Owner only, hence no locked instruction.
    #[inline(always)]
    pub(crate) fn set_bits(self, bits: Bits, index: usize, mask: u64) {
        let word = self.word(bits, index);
        word.store(word.load(Ordering::Relaxed) | mask, Ordering::Release);
    }

    /// Clears bits of one word of a table. Owner only.
    #[inline(always)]
    pub(crate) fn clear_bits(self, bits: Bits, index: usize, mask: u64) {
        let word = self.word(bits, index);
        word.store(word.load(Ordering::Relaxed) & !mask, Ordering::Release);
    }

    /// Whether the object at `addr`, the first byte of a slot, has its bit set.
    pub fn bit(self, bits: Bits, addr: usize) -> bool {
        let (word, mask) = match self.tiny_table() {
            // Not as in `word`: the span may end meanwhile, and then any place may come out.
            Some(table) => {
                let (index, mask) = self.bit_place(addr);
                let Some(word) = table.0[bits.plane()].get(index) else { return false };
                (word, mask)
            }
            None => {
                let (index, mask) = bit_of(addr);
                // SAFETY: the contract of `at`; every index lies in the tables.
                (unsafe { bitmap_word(self.arena(), bits, index) }, mask)
            }
        };
        word.load(Ordering::Acquire) & mask != 0
    }

    /// Whether the slot at `addr`, its first byte, holds an object, or is in a cache that is about to make one.
    pub fn holds(self, addr: usize) -> bool {
        self.bit(Bits::Alloc, addr) || self.bit(Bits::New, addr)
    }

    /// Fetches the header, which [`SpanRef::prefetch_bits`] reads.
    pub(crate) fn prefetch_header(self) {
        prefetch::near(self.0.as_ptr() as usize);
    }

    /// Fetches the bits that a sweep of the span will read: a page has one line of them in each bitmap.
    pub(crate) fn prefetch_bits(self) {
        const { assert!(PAGE_WORDS * 8 == 64) };
        let first = self.arena() + self.page() * PAGE_WORDS * 8;
        for line in 0..self.words() / PAGE_WORDS {
            prefetch::near(first + Bits::Alloc as usize + line * 64);
            prefetch::near(first + Bits::Mark as usize + line * 64);
        }
    }

    /// Turns marks into allocation bits: what is marked or new stays, the rest is free. `keep_all` keeps everything.
    ///
    /// `has_new` may be false where no new bit is set: that bitmap is then not read. `on_free` is told the address of
    /// every slot that becomes free. Owner only.
    pub fn sweep(self, keep_all: bool, has_new: bool, mut on_free: Option<&mut dyn FnMut(usize)>) -> Swept {
        let mut swept = Swept::default();
        let words = self.words();
        let (allocs, marks, news) =
            (self.table(Bits::Alloc, words), self.table(Bits::Mark, words), self.table(Bits::New, words));
        for (index, ((alloc, mark), new)) in allocs.iter().zip(marks).zip(news).enumerate() {
            let (was, marked) = (alloc.load(Ordering::Relaxed), mark.load(Ordering::Relaxed));
            let fresh = if has_new { new.load(Ordering::Relaxed) } else { 0 };
            if was | marked | fresh == 0 {
                continue;
            }
            swept.zombies += (marked & !(was | fresh)).count_ones();
            let live = if keep_all { was | fresh } else { (was & marked) | fresh };
            swept.live += live.count_ones();
            let mut freed = was & !live;
            swept.freed += freed.count_ones();
            if live != was {
                alloc.store(live, Ordering::Relaxed);
            }
            if marked != 0 {
                mark.store(0, Ordering::Relaxed);
            }
            if fresh != 0 {
                new.store(0, Ordering::Relaxed);
            }
            if let Some(on_free) = on_free.as_deref_mut() {
                while freed != 0 {
                    on_free(self.slot_start(index, freed.trailing_zeros()));
                    freed &= freed - 1;
                }
            }
        }
        self.set_cursor(0);
        self.header().live.store(swept.live, Ordering::Relaxed);
        if swept.freed > 0 {
            self.set_trimmed(false);
        }
        swept
    }
}

/// A table that one span has to itself.
#[derive(Clone, Copy)]
pub(crate) enum OwnTable {
    /// The arena's tables are enough.
    None,
    /// A mixed span's.
    Layouts(NonNull<LayoutTable>),
    /// A tiny span's.
    Tiny(NonNull<TinyTable>),
}

/// How a span's pages are divided.
#[derive(Clone, Copy, Debug)]
pub struct SlotGeometry {
    /// Slots of the span.
    pub slots: u32,
    /// Bytes of a slot; 0 in a large span.
    pub slot_size: u32,
    /// See `SizeClass::reciprocal`; 0 in a large span.
    pub reciprocal: u32,
    /// Bytes of the large object; 0 in other spans.
    pub large_bytes: usize,
}

impl SlotGeometry {
    /// The division of a span of small objects.
    pub const fn of(size: SizeClass) -> SlotGeometry {
        SlotGeometry { slots: size.slots as u32, slot_size: size.size, reciprocal: size.reciprocal(), large_bytes: 0 }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
