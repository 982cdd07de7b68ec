//! A mutator's cache: for every span class in use, a cursor into a span that this mutator owns.
//!
//! *Callers:* the mutator layer allocates; the collector's handshakes call [`Cache::begin_marking`] and
//! [`Cache::flush`], on the mutator's own thread or while that thread is in a native region. *Invariants:*
//! - `[cache.bits-first]` Slots get their bits when they are offered to the cursor, not when an object is placed in
//!   them, so that an allocation writes no bit: the bits of slots that were not used are taken back by `flush`.
//! - `[cache.black]` From the moment a mutator is told that every barrier is on to its flush, every slot it hands out has its new
//!   bit and not its allocation bit: the object counts as marked, and the marker does not look into it.
//!
//! The fast path is one addition, one comparison and one store. Where free slots lie scattered, the cursor offers them
//! a bitmap word at a time (find the lowest bit, clear it); where a whole word is free it offers the run.

use crate::allocator::{Allocator, Reclaim};
use crate::classes::{LayoutId, SpanClass, SpanClassId};
use crate::error::AllocError;
use crate::geometry::{GRANULE, MAX_SMALL, WORD_SPAN, bit_of, round_up};
use crate::size_class::SizeClassId;
use crate::span::{Bits, PAGE_SLOW, SpanRef};
use spanheap_sync::word::Ordering;
use std::cell::{Cell, UnsafeCell};

/// Handed-out bytes are reported in portions of at least this many.
const CHARGE_BYTES: usize = 32 << 10;

/// No marking: no span generation equals it.
const NOT_MARKING: u64 = u64::MAX;

/// A place in a span from which slots are handed out.
#[repr(C)]
pub(crate) struct Cursor {
    /// Next free byte of the current run.
    next: Cell<usize>,
    /// End of the current run. Next and end are equal when there is none.
    end: Cell<usize>,
    /// Free slots of the current bitmap word that lie scattered.
    word: Cell<u64>,
    /// Address of the first granule of that word.
    word_base: Cell<usize>,
    span: Cell<Option<SpanRef>>,
    /// Whether offered slots get new bits.
    in_new: Cell<bool>,
    /// Slots handed out from this span and not yet counted.
    handed: Cell<u64>,
}

impl Cursor {
    const fn new() -> Cursor {
        Cursor {
            next: Cell::new(0),
            end: Cell::new(0),
            word: Cell::new(0),
            word_base: Cell::new(0),
            span: Cell::new(None),
            in_new: Cell::new(false),
            handed: Cell::new(0),
        }
    }

    /// The lowest of the scattered free slots.
    #[inline(always)]
    fn take_scattered(&self) -> Option<usize> {
        let word = self.word.get();
        (word != 0).then(|| {
            self.word.set(word & (word - 1));
            self.word_base.get() + word.trailing_zeros() as usize * GRANULE
        })
    }

    fn table(&self) -> Bits {
        if self.in_new.get() { Bits::New } else { Bits::Alloc }
    }

    /// Calls `visit` with the word index (in the span) and mask of every slot that was offered and not used.
    fn for_each_unused(&self, span: SpanRef, size: usize, mut visit: impl FnMut(usize, u64)) {
        let first = span.first_word();
        let mut addr = self.next.get();
        while addr + size <= self.end.get() {
            let (word, mask) = bit_of(addr);
            visit(word - first, mask);
            addr += size;
        }
        if self.word.get() != 0 {
            visit(bit_of(self.word_base.get()).0 - first, self.word.get());
        }
    }
}

/// The cursors of one mutator.
pub struct Cache {
    cursors: UnsafeCell<Vec<Cursor>>,
    /// The span generation whose slots are new when handed out: the heap's while this mutator takes part in marking.
    marking: Cell<u64>,
    pending_bytes: Cell<usize>,
    /// After how many slots `Reclaim::portion_used` is told; 0 for never. A stress option.
    portion: u32,
    /// Slots left of the current portion.
    portion_left: Cell<u32>,
}

impl Cache {
    /// A cache without spans. With a `portion` other than 0, slots are offered one bitmap word at a time at most, and
    /// `Reclaim::portion_used` is told after that many.
    pub fn new(portion: u32) -> Cache {
        Cache {
            cursors: UnsafeCell::new(Vec::new()),
            marking: Cell::new(NOT_MARKING),
            pending_bytes: Cell::new(0),
            portion,
            portion_left: Cell::new(portion),
        }
    }

    /// Makes room for the cursor of a class: once per class and cache, before the first allocation.
    pub fn prepare(&self, class: SpanClassId) {
        // SAFETY: a cache is used by one thread at a time, and no reference into the cursors outlives a call.
        let cursors = unsafe { &mut *self.cursors.get() };
        while cursors.len() <= class.index() {
            cursors.push(Cursor::new());
        }
    }

    fn cursors(&self) -> &[Cursor] {
        // SAFETY: as in `prepare`, which is not called while the result lives.
        unsafe { &*self.cursors.get() }
    }

    /// A slot of `size` bytes of a class. Its contents are whatever was there before.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`].
    ///
    /// # Safety
    /// 1. [`Cache::prepare`] was called for `class`. 2. `size` is the slot size of the class.
    #[inline(always)]
    pub unsafe fn alloc<R: Reclaim>(
        &self,
        allocator: &Allocator,
        reclaim: &R,
        class: SpanClassId,
        size: usize,
    ) -> Result<usize, AllocError> {
        debug_assert!(class.index() < self.cursors().len());
        // SAFETY: by 1 the index is in range.
        let cursor = unsafe { self.cursors().get_unchecked(class.index()) };
        let at = cursor.next.get();
        let next = at + size;
        if next <= cursor.end.get() {
            cursor.next.set(next);
            // SAFETY: x
            unsafe { std::arch::asm!("prefetchw [{0} + 4096]", in(reg) at, options(nostack, preserves_flags, readonly)) };
            return Ok(at);
        }
        self.alloc_scattered(allocator, reclaim, cursor, class)
    }

    /// The second path: the lowest free slot of the current bitmap word.
    #[inline]
    fn alloc_scattered<R: Reclaim>(
        &self,
        allocator: &Allocator,
        reclaim: &R,
        cursor: &Cursor,
        class: SpanClassId,
    ) -> Result<usize, AllocError> {
        if let Some(at) = cursor.take_scattered() {
            return Ok(at);
        }
        self.refill(allocator, reclaim, cursor, allocator.span_class(class))
    }

    #[cold]
    #[inline(never)]
    fn refill<R: Reclaim>(
        &self,
        allocator: &Allocator,
        reclaim: &R,
        cursor: &Cursor,
        class: &SpanClass,
    ) -> Result<usize, AllocError> {
        let size = class.plan.slot_size as usize;
        loop {
            if let Some(span) = cursor.span.get() {
                let offered = self.offer(cursor, span, class, size);
                if offered > 0 {
                    cursor.handed.set(cursor.handed.get() + offered as u64);
                    self.charge(offered * size, reclaim);
                    self.count_portion(offered as u32, reclaim);
                    let at = cursor.next.get();
                    if at < cursor.end.get() {
                        cursor.next.set(at + size);
                        return Ok(at);
                    }
                    return Ok(cursor.take_scattered().expect("what is offered is a run or scattered slots"));
                }
                self.count(allocator, class, cursor);
                cursor.span.set(None);
                class.central.put(span, true);
            }
            let span = allocator.acquire(class, reclaim)?;
            cursor.span.set(Some(span));
            cursor.in_new.set(self.is_new(span.generation()));
            if cursor.in_new.get() {
                span.set_page_byte(PAGE_SLOW);
            }
        }
    }

    /// Offers the next free slots of the span to the cursor and sets their bits. Returns how many; 0 at its end.
    fn offer(&self, cursor: &Cursor, span: SpanRef, class: &SpanClass, size: usize) -> usize {
        let words = class.starts.len();
        let free_in = |word: usize| span.free_slots(word, class.starts[word]);
        let table = cursor.table();
        let mut word = span.cursor();
        while word < words {
            let mut free = free_in(word);
            if free == 0 {
                word += 1;
                continue;
            }
            if free != class.starts[word] || self.portion != 0 {
                if self.portion != 0 {
                    free = lowest_bits(free, self.portion_left.get());
                }
                span.set_bits(table, word, free);
                cursor.word.set(free);
                cursor.word_base.set(span.base() + word * WORD_SPAN);
                span.set_cursor(word);
                return free.count_ones() as usize;
            }
            let start = span.base() + word * WORD_SPAN + free.trailing_zeros() as usize * GRANULE;
            let mut slots = 0;
            while word < words && free_in(word) == class.starts[word] {
                let starts = class.starts[word];
                if starts != 0 {
                    span.set_bits(table, word, starts);
                    slots += starts.count_ones() as usize;
                }
                word += 1;
            }
            span.set_cursor(word);
            cursor.next.set(start);
            cursor.end.set(start + slots * size);
            return slots;
        }
        span.set_cursor(words);
        0
    }

    fn charge<R: Reclaim>(&self, bytes: usize, reclaim: &R) {
        let pending = self.pending_bytes.get() + bytes;
        if pending < CHARGE_BYTES {
            self.pending_bytes.set(pending);
        } else {
            self.pending_bytes.set(0);
            reclaim.charge(pending);
        }
    }

    fn count_portion<R: Reclaim>(&self, slots: u32, reclaim: &R) {
        if self.portion == 0 {
            return;
        }
        let left = self.portion_left.get().saturating_sub(slots);
        self.portion_left.set(if left == 0 { self.portion } else { left });
        if left == 0 {
            reclaim.portion_used();
        }
    }

    fn count(&self, allocator: &Allocator, class: &SpanClass, cursor: &Cursor) {
        let handed = cursor.handed.replace(0);
        if let Some(layout) = class.layout {
            let bytes = handed * class.plan.slot_size as u64;
            allocator.classes.layout(layout).counters.add_allocated(handed, bytes);
        }
    }

    /// Whether a slot of a span of `generation` that is handed out now counts as new.
    pub fn is_new(&self, generation: u32) -> bool {
        self.marking.get() == generation as u64
    }

    /// An object of a rare layout: a slot of a mixed span, with its layout written into the span's table.
    ///
    /// # Errors
    /// Every [`AllocError`].
    pub fn alloc_mixed<R: Reclaim>(
        &self,
        allocator: &Allocator,
        reclaim: &R,
        layout: LayoutId,
        bytes: usize,
    ) -> Result<usize, AllocError> {
        let size = SizeClassId::of(bytes).ok_or(AllocError::TooLarge { requested: bytes })?;
        let class = allocator.classes.mixed_class(size)?;
        self.prepare(class);
        // SAFETY: prepared just now; the size is the class's.
        let addr = unsafe { self.alloc(allocator, reclaim, class, size.get().size as usize) }?;
        // SAFETY: a fresh slot is the base of an object.
        let span = unsafe { Allocator::span_of_object(addr) };
        let slot = span.slot_of(addr).expect("a slot of its span");
        // SAFETY: the span came from a mixed class; this cache owns it.
        unsafe { span.layout_cell(slot) }.store(layout.index() as u16, Ordering::Release);
        allocator.classes.layout(layout).counters.add_allocated(1, size.get().size as u64);
        Ok(addr)
    }

    /// An object above 32 KiB, zeroed.
    ///
    /// # Errors
    /// Every [`AllocError`].
    pub fn alloc_large<R: Reclaim>(
        &self,
        allocator: &Allocator,
        reclaim: &R,
        layout: LayoutId,
        bytes: usize,
    ) -> Result<usize, AllocError> {
        debug_assert!(bytes > MAX_SMALL);
        let bytes = round_up(bytes, GRANULE).ok_or(AllocError::TooLarge { requested: bytes })?;
        let base = allocator.alloc_large(layout, bytes, |generation| self.is_new(generation))?;
        self.charge(bytes, reclaim);
        self.count_portion(1, reclaim);
        Ok(base)
    }

    /// From now on until [`Cache::flush`], what is handed out is new. `generation` is the heap's.
    ///
    /// Slots already offered and not used lose their allocation bit and get a new bit: `[cache.black]`.
    pub fn begin_marking(&self, allocator: &Allocator, generation: u32) {
        self.marking.set(generation as u64);
        for (index, cursor) in self.cursors().iter().enumerate() {
            let Some(span) = cursor.span.get() else { continue };
            let class = allocator.class_of(span);
            debug_assert_eq!(class.id.index(), index);
            debug_assert_eq!(span.generation(), generation);
            cursor.for_each_unused(span, class.plan.slot_size as usize, |word, mask| {
                span.clear_bits(Bits::Alloc, word, mask);
                span.set_bits(Bits::New, word, mask);
            });
            cursor.in_new.set(true);
            span.set_page_byte(PAGE_SLOW);
        }
    }

    /// Gives every span back, the bits of unused slots cleared. What is handed out afterwards is not new.
    pub fn flush<R: Reclaim>(&self, allocator: &Allocator, reclaim: &R) {
        self.marking.set(NOT_MARKING);
        for cursor in self.cursors() {
            let Some(span) = cursor.span.replace(None) else { continue };
            let class = allocator.class_of(span);
            let size = class.plan.slot_size as usize;
            let (mut unused, mut first) = (0, span.cursor());
            cursor.for_each_unused(span, size, |word, mask| {
                span.clear_bits(cursor.table(), word, mask);
                unused += mask.count_ones() as u64;
                first = first.min(word);
            });
            span.set_cursor(first);
            cursor.handed.set(cursor.handed.get() - unused);
            self.pending_bytes.set(self.pending_bytes.get().saturating_sub(unused as usize * size));
            cursor.next.set(0);
            cursor.end.set(0);
            cursor.word.set(0);
            self.count(allocator, class, cursor);
            class.central.put(span, first == class.starts.len());
        }
        reclaim.charge(self.pending_bytes.replace(0));
    }
}

/// The lowest `count` set bits of `bits`.
fn lowest_bits(bits: u64, count: u32) -> u64 {
    let mut rest = bits;
    for _ in 0..count.min(64) {
        rest &= rest.wrapping_sub(1);
    }
    bits & !rest
}
