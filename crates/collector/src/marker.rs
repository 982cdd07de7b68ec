//! The marker: follows references from grey objects until none is left.
//!
//! *Callers:* `cycle`, on the collector's thread. *Invariants:*
//! - `[span.marker-owns-marks]`: this is the only writer of mark bits while marking runs, so that a mark is a plain
//!   load and store, not a locked instruction (locking costs as much as all the rest).
//! - A set mark bit means: the object is on the mark stack, in the ring, or scanned. Leaves are only marked.
//! - An object with a new bit is black from birth and is never looked into; `[cache.black]`.
//!
//! The mark stack is last in, first out, but an object that leaves it passes a ring of 64 entries before it is scanned:
//! its first line is prefetched on entry and has arrived on exit. (Cher, Hosking and Vitek, ASPLOS 2004, put a queue
//! in front of the stack; the length follows `docs/decisions`.) References of an object are pushed last to first, so
//! that the first is visited first. Large objects are scanned in pieces, so that the stack stays small.

use crate::grey::GreyQueue;
use crate::stack::StackHeader;
use spanheap_allocator::geometry::{arena_of, bit_of, page_of};
use spanheap_allocator::span::{Bits, PAGE_SLOW, SpanRef, bitmap_word, page_class};
use spanheap_allocator::{Allocator, Resolved, ScanPlan, Shape, TagScheme, WORD, WordKinds};
use spanheap_sync::word::{AtomicU64, AtomicUsize, Ordering};

/// Entries of the prefetch ring.
const RING: usize = 64;

/// Bytes of a large object that are scanned at once.
const PIECE: usize = 128 << 10;

/// Marks the mark-stack entry of a large object of which only a part has been scanned; the offset lies below it.
const CONTINUED: usize = 1;

/// The state of one marker.
pub(crate) struct Marker<'h> {
    allocator: &'h Allocator,
    tags: Option<TagScheme>,
    cycle: usize,
    stack: Vec<usize>,
    ring: [usize; RING],
    /// Place of the oldest entry, and the number of entries.
    head: usize,
    waiting: usize,
    /// Whether objects of a page class need no look inside; indexed by the page class byte.
    leaf: [bool; 256],
    /// Plans by page class byte, as far as they were known when marking began or were met since.
    plans: [Option<&'h ScanPlan>; 256],
    /// Where the mark of null goes: a word whose bits are all set, so that null is never pushed.
    null_marks: AtomicU64,
    scanned_objects: u64,
}

impl<'h> Marker<'h> {
    /// A marker for cycle number `cycle`.
    pub(crate) fn new(allocator: &'h Allocator, tags: Option<TagScheme>, cycle: usize) -> Marker<'h> {
        Marker {
            allocator,
            tags,
            cycle,
            stack: Vec::with_capacity(4096),
            ring: [0; RING],
            head: 0,
            waiting: 0,
            leaf: [false; 256],
            plans: [None; 256],
            null_marks: AtomicU64::new(u64::MAX),
            scanned_objects: 0,
        }
    }

    /// Objects looked into so far.
    pub(crate) fn scanned_objects(&self) -> u64 {
        self.scanned_objects
    }

    /// Marks everything that hangs from the queue's blocks; returns when nothing is grey. True if a block held a white
    /// object: mutators also log objects that were marked long ago, and new ones.
    pub(crate) fn drain(&mut self, queue: &GreyQueue) -> bool {
        for class in self.allocator.classes.span_classes().filter(|class| class.page_byte != PAGE_SLOW) {
            self.plans[class.page_byte as usize] = Some(&class.plan);
            self.leaf[class.page_byte as usize] = class.plan.shape == Shape::Leaf;
        }
        let mut found_white = false;
        while let Some(block) = queue.pop() {
            self.reserve(block.len());
            for object in block.into_iter().filter(|&object| is_white(object)) {
                found_white = true;
                self.mark(object);
            }
            self.run();
        }
        found_white
    }

    /// Empties stack and ring.
    fn run(&mut self) {
        loop {
            while let Some(object) = self.stack.pop() {
                if object == CONTINUED {
                    self.resume_piece();
                    continue;
                }
                prefetch(object);
                self.ring[(self.head + self.waiting) % RING] = object;
                self.waiting += 1;
                if self.waiting == RING {
                    self.scan_oldest();
                }
            }
            if self.waiting == 0 {
                return;
            }
            self.scan_oldest();
        }
    }

    /// Scans the object that has been in the ring longest.
    #[inline(always)]
    fn scan_oldest(&mut self) {
        let object = self.ring[self.head];
        self.head = (self.head + 1) % RING;
        self.waiting -= 1;
        self.scan(object);
    }

    #[inline(always)]
    fn reserve(&mut self, entries: usize) {
        if self.stack.capacity() - self.stack.len() < entries {
            self.stack.reserve(entries.max(4096));
        }
    }

    /// Marks the object at `addr` (or null) and, if it was white and is no leaf, pushes it. Room must be reserved.
    ///
    /// Without a branch on the mark: the address is always written above the top, and the top moves or not.
    #[inline(always)]
    fn mark(&mut self, addr: usize) {
        let (index, mask) = bit_of(addr);
        let (word, leaf) = if addr == 0 {
            (&self.null_marks, false)
        } else {
            let arena = arena_of(addr);
            // SAFETY: `addr` is the base of an object of this heap (the contract of reference slots): its arena's
            // tables are mapped.
            let byte = unsafe { page_class(arena, page_of(addr)) }.load(Ordering::Acquire);
            // SAFETY: as above.
            (unsafe { bitmap_word(arena, Bits::Mark, index) }, self.leaf[byte as usize])
        };
        let before = word.load(Ordering::Relaxed);
        word.store(before | mask, Ordering::Relaxed);
        let push = before & mask == 0 && !leaf;
        let top = self.stack.len();
        debug_assert!(top < self.stack.capacity());
        // SAFETY: the caller reserved room for one more entry.
        unsafe { self.stack.as_mut_ptr().add(top).write(addr) };
        // SAFETY: the entry below the new length was just written.
        unsafe { self.stack.set_len(top + push as usize) };
    }

    /// Marks the object that `word` is the base address of, if there is one.
    #[inline(always)]
    fn mark_exact(&mut self, word: usize) -> bool {
        let allocated = self.allocator.is_base(word, Bits::Alloc);
        if allocated {
            self.mark(word);
        }
        allocated
    }

    /// Marks the object that `word` points into, if there is one.
    fn mark_ambiguous(&mut self, word: usize) {
        if self.mark_exact(word) {
            return;
        }
        if let Some(found) = self.allocator.slot_at(word)
            && found.span.bit(Bits::Alloc, found.base)
        {
            self.mark(found.base);
        }
    }

    #[inline(always)]
    fn scan(&mut self, object: usize) {
        // SAFETY: a grey object's base lies in an arena of this heap.
        let byte = unsafe { page_class(arena_of(object), page_of(object)) }.load(Ordering::Acquire);
        self.scanned_objects += 1;
        match self.plans[byte as usize] {
            Some(plan) => self.scan_with(object, plan, plan.slot_size as usize),
            None => self.scan_slow(object),
        }
    }

    /// Objects of mixed and large spans, of spans with new objects, and of classes met for the first time.
    #[cold]
    #[inline(never)]
    fn scan_slow(&mut self, object: usize) {
        // SAFETY: a grey object's base.
        let span = unsafe { Allocator::span_of_object(object) };
        if span.bit(Bits::New, object) {
            return;
        }
        let class = self.allocator.class_of(span);
        let plan = match class.plan.shape {
            Shape::Mixed => match self.mixed_plan(span, object) {
                Some(plan) => plan,
                None => return,
            },
            _ => &class.plan,
        };
        self.scan_with(object, plan, span.slot_size());
    }

    fn mixed_plan(&self, span: SpanRef, base: usize) -> Option<&'h ScanPlan> {
        let slot = span.slot_of(base)?;
        let layout = self.allocator.layout_of(Resolved { base, span, slot })?;
        Some(&self.allocator.classes.layout(layout).plan)
    }

    #[inline(always)]
    fn scan_with(&mut self, object: usize, plan: &ScanPlan, size: usize) {
        match plan.shape {
            Shape::References => {
                self.reserve(64);
                self.scan_references(object, plan.head.references);
            }
            Shape::Leaf | Shape::Mixed => {}
            Shape::Fixed => self.scan_words(object, plan.head, plan.pair_threshold),
            Shape::ReferenceArray | Shape::Array => {
                self.scan_words(object, plan.head, plan.pair_threshold);
                self.scan_elements(object, plan, plan.head_size as usize, size);
            }
            Shape::Stack => self.scan_stack(object, plan),
        }
    }

    #[inline(always)]
    fn scan_references(&mut self, base: usize, mut mask: u64) {
        while mask != 0 {
            let word = 63 - mask.leading_zeros() as usize;
            mask ^= 1 << word;
            let reference = load(base + word * WORD);
            self.mark(reference);
        }
    }

    /// Looks at up to 64 words from `base`.
    #[inline]
    fn scan_words(&mut self, base: usize, kinds: WordKinds, threshold: usize) {
        if kinds.is_none() {
            return;
        }
        self.reserve(128);
        self.scan_references(base, kinds.references);
        each_bit(kinds.pairs, |word| {
            // The two words may be torn: what the tag says is a hint, and the payload is checked.
            let tag = load(base + word * WORD);
            if tag >= threshold {
                self.mark_exact(load(base + (word + 1) * WORD));
            }
        });
        each_bit(kinds.ambiguous, |word| self.mark_ambiguous(load(base + word * WORD)));
        if let Some(tags) = self.tags {
            each_bit(kinds.tagged, |word| {
                let reference = tags.reference(load(base + word * WORD));
                self.mark(reference);
            });
        }
    }

    /// Looks at the elements from byte `from` of an object of `size` bytes, a piece at a time.
    fn scan_elements(&mut self, object: usize, plan: &ScanPlan, from: usize, size: usize) {
        let step = plan.element_size as usize;
        let end = if size - from > PIECE { from + PIECE / step.max(1) * step } else { size };
        if end < size {
            self.reserve(3);
            self.stack.extend([end, object, CONTINUED]);
        }
        if plan.shape == Shape::ReferenceArray {
            self.reserve((end - from) / WORD);
            for offset in (from..end).step_by(WORD).rev() {
                let reference = load(object + offset);
                self.mark(reference);
            }
        } else {
            let mut offset = from;
            while offset + step <= end {
                self.scan_words(object + offset, plan.element, plan.pair_threshold);
                offset += step;
            }
        }
    }

    #[cold]
    fn resume_piece(&mut self) {
        let (Some(object), Some(from)) = (self.stack.pop(), self.stack.pop()) else {
            unreachable!("a continuation has an object and an offset");
        };
        // SAFETY: the object is marked and alive.
        let span = unsafe { Allocator::span_of_object(object) };
        self.scan_elements(object, &self.allocator.class_of(span).plan, from, span.slot_size());
    }

    /// A suspended stack, under a claim; a running one is its owner's to scan.
    fn scan_stack(&mut self, object: usize, plan: &ScanPlan) {
        // SAFETY: an object of a stack layout begins with a StackHeader of atomics.
        let header = unsafe { &*(object as *const StackHeader) };
        if !header.claim(self.cycle) {
            return;
        }
        let slots = object + plan.head_size as usize;
        for slot in 0..header.top() {
            self.reserve(1);
            if load(slots + slot * 2 * WORD) >= plan.pair_threshold {
                self.mark_exact(load(slots + (slot * 2 + 1) * WORD));
            }
        }
        header.finish(self.cycle);
    }
}

/// Whether a logged object is neither marked nor new.
fn is_white(object: usize) -> bool {
    let (index, mask) = bit_of(object);
    // SAFETY: logs and roots hold base addresses of objects of this heap.
    let has = |bits| unsafe { bitmap_word(arena_of(object), bits, index) }.load(Ordering::Acquire) & mask != 0;
    !has(Bits::Mark) && !has(Bits::New)
}

#[inline(always)]
fn each_bit(mut mask: u64, mut visit: impl FnMut(usize)) {
    while mask != 0 {
        visit(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}

/// A word of an object. Acquire: whoever published the reference that led here wrote the object before.
#[inline(always)]
fn load(addr: usize) -> usize {
    // SAFETY: the address lies in a live object, at a word that its layout names; slots are atomics.
    unsafe { &*(addr as *const AtomicUsize) }.load(Ordering::Acquire)
}

#[inline(always)]
fn prefetch(addr: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not access memory.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(addr as *const i8);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = addr;
}
