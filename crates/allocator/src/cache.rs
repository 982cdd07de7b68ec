//! A mutator's cache: for every span class in use, a cursor into a span that this mutator owns.
//!
//! *Callers:* the mutator layer allocates; the collector's handshakes call [`Cache::begin_marking`] and
//! [`Cache::flush`], on the mutator's own thread or while that thread is in a native region. *Invariants:*
//! - `[cache.bits-first]` Slots get their bits when they are offered to the cursor, not when an object is placed in
//!   them, so that an allocation writes no bit: the bits of slots that were not used are taken back by `flush`.
//! - `[cache.black]` From the moment a mutator is told that every barrier is on to its flush, every slot it hands out has its new
//!   bit and not its allocation bit: the object counts as marked, and the marker does not look into it.
//!
//! The fast path is one addition, one comparison and one store (`cursor`). Where free slots lie scattered, the cursor offers them
//! a bitmap word at a time (find the lowest bit, clear it); where a whole word is free it offers the run.

use crate::allocator::{Allocator, Reclaim};
use crate::classes::{LayoutId, SpanClass, SpanClassId};
use crate::cursor::{Cursor, CursorRef};
use crate::error::AllocError;
use crate::geometry::{GRANULE, MAX_SMALL, round_up};
use crate::layout::LayoutError;
use crate::page_heap::PageCache;
use crate::size_class::{CLASSES, SizeClassId, UNEVEN, middle_starts};
use crate::span::{Bits, SpanRef};
use spanheap_sync::word::Ordering;
use std::cell::{Cell, UnsafeCell};
use std::ptr::NonNull;

/// Handed-out bytes are reported in portions of at least this many.
const CHARGE_BYTES: usize = 32 << 10;

/// Used-up spans of one class that a cache keeps before it hands them to the central list.
const SPENT: usize = 32;

/// No marking: no span generation equals it.
const NOT_MARKING: u64 = u64::MAX;

/// The cursors for the objects of one layout, by size class. Filled in as sizes are asked for.
pub struct LayoutCursors {
    layout: LayoutId,
    by_size: [Cell<Option<CursorRef>>; CLASSES],
}

impl LayoutCursors {
    /// The layout.
    pub fn layout(&self) -> LayoutId {
        self.layout
    }

    /// The cursor for slots of a size class, if it was asked for before.
    #[inline(always)]
    pub fn get(&self, size: SizeClassId) -> Option<CursorRef> {
        self.by_size[size.0 as usize].get()
    }
}

/// The cursors of one mutator.
pub struct Cache {
    /// By span class.
    cursors: UnsafeCell<Vec<Option<Box<Cursor>>>>,
    /// By layout.
    layouts: UnsafeCell<Vec<Option<Box<LayoutCursors>>>>,
    /// Where fresh spans come from.
    pages: UnsafeCell<PageCache>,
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
            layouts: UnsafeCell::new(Vec::new()),
            pages: UnsafeCell::new(PageCache::new()),
            marking: Cell::new(NOT_MARKING),
            pending_bytes: Cell::new(0),
            portion,
            portion_left: Cell::new(portion),
        }
    }

    /// The cursors of a layout.
    pub fn layout(&self, layout: LayoutId) -> &LayoutCursors {
        // SAFETY: a cache is used by one thread at a time, and no reference into the list outlives a call; what the
        // result refers to is boxed and stays.
        let layouts = unsafe { &mut *self.layouts.get() };
        if layouts.len() <= layout.index() {
            layouts.resize_with(layout.index() + 1, || None);
        }
        layouts[layout.index()]
            .get_or_insert_with(|| Box::new(LayoutCursors { layout, by_size: [const { Cell::new(None) }; CLASSES] }))
    }

    /// The cursor for objects of a layout in slots of a size class.
    ///
    /// # Errors
    /// [`LayoutError::TooMany`], [`LayoutError::Memory`].
    pub fn cursor_for(
        &self,
        allocator: &Allocator,
        layout: &LayoutCursors,
        size: SizeClassId,
    ) -> Result<CursorRef, LayoutError> {
        if let Some(cursor) = layout.get(size) {
            return Ok(cursor);
        }
        let cursor = self.cursor(allocator.classes.class_for(layout.layout, Some(size))?, size);
        layout.by_size[size.0 as usize].set(Some(cursor));
        Ok(cursor)
    }

    /// The cursor of a span class with slots of a size class.
    fn cursor(&self, class: SpanClassId, size: SizeClassId) -> CursorRef {
        // SAFETY: as in `layout`.
        let cursors = unsafe { &mut *self.cursors.get() };
        if cursors.len() <= class.index() {
            cursors.resize_with(class.index() + 1, || None);
        }
        let cursor = cursors[class.index()].get_or_insert_with(|| Box::new(Cursor::new(class, size.get())));
        CursorRef(NonNull::from(&mut **cursor))
    }

    fn cursors(&self) -> impl Iterator<Item = &Cursor> {
        // SAFETY: the list changes only in `cursor`, which is not called while the result lives.
        unsafe { &*self.cursors.get() }.iter().flatten().map(|cursor| &**cursor)
    }

    /// A slot of a cursor's class. Its contents are whatever was there before. [`CursorRef::bump`] is the fast path of
    /// this.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`].
    ///
    /// # Safety
    /// 1. The cursor is this cache's.
    #[inline(always)]
    pub unsafe fn alloc<R: Reclaim>(
        &self,
        allocator: &Allocator,
        reclaim: &R,
        cursor: CursorRef,
    ) -> Result<usize, AllocError> {
        // SAFETY: by 1.
        match unsafe { cursor.bump(cursor.slot_size()) } {
            Some(at) => Ok(at),
            // SAFETY: by 1.
            None => unsafe { self.alloc_slow(allocator, reclaim, cursor) },
        }
    }

    /// A slot after [`CursorRef::bump`] had none: the lowest free slot of the current bitmap word, or of what a refill
    /// brings.
    ///
    /// # Errors
    /// As [`Cache::alloc`].
    ///
    /// # Safety
    /// As [`Cache::alloc`].
    #[inline]
    pub unsafe fn alloc_slow<R: Reclaim>(
        &self,
        allocator: &Allocator,
        reclaim: &R,
        cursor: CursorRef,
    ) -> Result<usize, AllocError> {
        // SAFETY: by 1.
        let cursor = unsafe { cursor.get() };
        if let Some(at) = cursor.take_scattered() {
            return Ok(at);
        }
        self.refill(allocator, reclaim, cursor, allocator.span_class(cursor.class))
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
        let size = cursor.size;
        allocator.refusals.check(size)?;
        let most = self.most_offered(allocator);
        loop {
            if let Some(span) = cursor.span.get() {
                let offered = self.offer(cursor, span, class, most);
                if offered > 0 {
                    cursor.handed.set(cursor.handed.get() + offered as u64);
                    self.charge(offered * size, reclaim);
                    self.count_portion(offered as u32, reclaim);
                    if let Some(at) = cursor.take_next(size) {
                        return Ok(at);
                    }
                    let at = cursor.take_scattered().expect("what is offered is a run or scattered slots");
                    if let Some(layout) = class.layout {
                        tell(allocator, reclaim, at, layout);
                    }
                    return Ok(at);
                }
                cursor.span.set(None);
                self.spend(allocator, cursor, span, class);
            }
            // SAFETY: a cache is used by one thread at a time, and the reference ends with this call.
            let span = allocator.acquire(class, unsafe { &mut *self.pages.get() }, reclaim)?;
            cursor.span.set(Some(span));
            span.set_trimmed(false);
            cursor.in_new.set(self.is_new(span.generation()));
            if cursor.in_new.get() {
                span.make_slow();
            }
        }
    }

    /// Keeps a used-up span with others, so that the central list is locked, and the layout's counters changed, once for
    /// many.
    fn spend(&self, allocator: &Allocator, cursor: &Cursor, span: SpanRef, class: &SpanClass) {
        // SAFETY: a cache is used by one thread at a time, and the reference ends with this call.
        let spent = unsafe { &mut *cursor.spent.get() };
        spent.push(span);
        if spent.len() == SPENT {
            class.central.put_all(spent.drain(..).map(|span| (span, true)));
            self.count(allocator, class, cursor);
        }
    }

    /// How many slots may be offered at a time, where a stress option limits them.
    fn most_offered(&self, allocator: &Allocator) -> Option<u32> {
        if allocator.tell_each || allocator.refusals.prepared() {
            return Some(1);
        }
        (self.portion != 0).then(|| self.portion_left.get())
    }

    /// Offers the next free slots of the span to the cursor and sets their bits: `most` of them, if that is said. Returns how
    /// many; 0 at the span's end.
    fn offer(&self, cursor: &Cursor, span: SpanRef, class: &SpanClass, most: Option<u32>) -> usize {
        let starts = &*class.starts;
        let (alloc, new) = (span.table(Bits::Alloc, starts.len()), span.table(Bits::New, starts.len()));
        let table = if cursor.in_new.get() { new } else { alloc };
        let used = |word: usize| alloc[word].load(Ordering::Relaxed) | new[word].load(Ordering::Relaxed);
        let offer = |word: usize, mask: u64| {
            // The owner alone writes these bits, hence no locked instruction.
            table[word].store(table[word].load(Ordering::Relaxed) | mask, Ordering::Release);
        };
        let mut word = span.cursor();
        while word < starts.len() {
            let mut free = starts[word] & !used(word);
            if free == 0 {
                word += 1;
                continue;
            }
            if free != starts[word] || most.is_some() {
                if let Some(most) = most {
                    free = lowest_bits(free, most);
                }
                offer(word, free);
                cursor.word.set(free);
                cursor.word_base.set(span.base() + word * 64 * cursor.granule);
                cursor.middles.set(if cursor.size == UNEVEN { middle_starts(word) } else { 0 });
                span.set_cursor(word);
                return free.count_ones() as usize;
            }
            let start = span.slot_start(word, free.trailing_zeros());
            let mut slots = 0;
            while word < starts.len() && starts[word] & used(word) == 0 {
                offer(word, starts[word]);
                slots += starts[word].count_ones() as usize;
                word += 1;
            }
            span.set_cursor(word);
            cursor.next.set(start);
            cursor.end.set(start + slots * cursor.size);
            return slots;
        }
        span.set_cursor(starts.len());
        0
    }

    /// Reports the bytes of [`Cache::make_room`], if they are many.
    pub fn settle<R: Reclaim>(&self, reclaim: &R) {
        self.charge(0, reclaim);
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
        if let Some(layout) = class.layout.filter(|_| handed != 0) {
            allocator.classes.layout(layout).counters.add_allocated(handed, handed * cursor.size as u64);
        }
    }

    /// Whether a slot of a span of `generation` that is handed out now counts as new.
    pub fn is_new(&self, generation: u32) -> bool {
        self.marking.get() == generation as u64
    }

    /// An object of a rare layout: a slot of a mixed span, of any size class but the tiny one, with its layout written into
    /// the span's table.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`].
    pub fn alloc_mixed<R: Reclaim>(
        &self,
        allocator: &Allocator,
        reclaim: &R,
        layout: LayoutId,
        size: SizeClassId,
    ) -> Result<usize, AllocError> {
        debug_assert!(size != SizeClassId::TINY);
        let cursor = self.cursor(allocator.classes.mixed_class(size)?, size);
        // SAFETY: this cache's cursor.
        let addr = unsafe { self.alloc(allocator, reclaim, cursor) }?;
        // SAFETY: a fresh slot is the base of an object.
        let span = unsafe { Allocator::span_of_object(addr) };
        let slot = span.slot_of(addr).expect("a slot of its span");
        let cell = span.layout_cell(slot).expect("the span came from a mixed class");
        cell.store(layout.index() as u16, Ordering::Release);
        tell(allocator, reclaim, addr, layout);
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
        tell(allocator, reclaim, base, layout);
        self.charge(bytes, reclaim);
        self.count_portion(1, reclaim);
        Ok(base)
    }

    /// Makes room for `bytes` bytes in an object, where its slot or the pages behind it have it. Returns whether there is
    /// room. What is new of a large object is zero; what a slot has left is as it was. [`Cache::settle`] follows.
    ///
    /// # Errors
    /// [`AllocError::Limit`], [`AllocError::Exhausted`]. The object is as before then.
    ///
    /// # Safety
    /// 1. `addr` is the base of an object of this heap that is alive until the call returns. 2. The caller holds
    ///    [`Growth`](crate::Growth)'s lock.
    pub unsafe fn make_room(&self, allocator: &Allocator, addr: usize, bytes: usize) -> Result<bool, AllocError> {
        // SAFETY: by 1.
        let span = unsafe { Allocator::span_of_object(addr) };
        if !span.is_large() {
            return Ok(bytes <= span.slot_size());
        }
        // SAFETY: by 1 and 2.
        let added = unsafe { allocator.grow_large(span, bytes) }?;
        self.pending_bytes.set(self.pending_bytes.get() + added.unwrap_or(0));
        Ok(added.is_some())
    }

    /// From now on until [`Cache::flush`], what is handed out is new. `generation` is the heap's.
    ///
    /// Slots already offered and not used lose their allocation bit and get a new bit: `[cache.black]`.
    pub fn begin_marking(&self, generation: u32) {
        self.marking.set(generation as u64);
        for cursor in self.cursors() {
            let Some(span) = cursor.span.get() else { continue };
            debug_assert_eq!(span.class(), Some(cursor.class));
            debug_assert_eq!(span.generation(), generation);
            cursor.for_each_unused(span, |word, mask| {
                span.clear_bits(Bits::Alloc, word, mask);
                span.set_bits(Bits::New, word, mask);
            });
            cursor.in_new.set(true);
            span.make_slow();
        }
    }

    /// Gives every span and page back, the bits of unused slots cleared. What is handed out afterwards is not new.
    pub fn flush<R: Reclaim>(&self, allocator: &Allocator, reclaim: &R) {
        self.marking.set(NOT_MARKING);
        for cursor in self.cursors() {
            let class = allocator.span_class(cursor.class);
            // SAFETY: a cache is used by one thread at a time, and the reference ends with this statement.
            let spent = unsafe { &mut *cursor.spent.get() };
            class.central.put_all(spent.drain(..).map(|span| (span, true)));
            if let Some(span) = cursor.span.replace(None) {
                let (mut unused, mut first) = (0, span.cursor());
                cursor.for_each_unused(span, |word, mask| {
                    span.clear_bits(cursor.table(), word, mask);
                    unused += mask.count_ones() as u64;
                    first = first.min(word);
                });
                span.set_cursor(first);
                cursor.handed.set(cursor.handed.get() - unused);
                self.pending_bytes.set(self.pending_bytes.get().saturating_sub(unused as usize * cursor.size));
                cursor.clear();
                class.central.put(span, first == class.starts.len());
            }
            self.count(allocator, class, cursor);
        }
        // SAFETY: as above.
        allocator.pages.flush(unsafe { &mut *self.pages.get() });
        reclaim.charge(self.pending_bytes.replace(0));
    }
}

/// Tells of an object that is about to be handed out, where that is wanted.
fn tell<R: Reclaim>(allocator: &Allocator, reclaim: &R, addr: usize, layout: LayoutId) {
    if allocator.tell_each {
        reclaim.handed_out(addr, layout);
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

#[cfg(all(test, not(loom)))]
mod accounts;
