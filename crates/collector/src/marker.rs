//! The marker: follows references from grey objects until none is left.
//!
//! *Callers:* `cycle`, on the collector's thread. *Invariants:*
//! - `[span.marker-owns-marks]`: this is the only writer of mark bits while marking runs, so that a mark is a plain
//!   load and store, not a locked instruction (locking costs as much as all the rest).
//! - A set mark bit means: the object is on the mark stack, in the ring, or scanned. Leaves are only marked.
//! - An object with a new bit is black from birth and is never looked into; `[cache.black]`.
//!
//! The mark stack is last in, first out, but an object that leaves it passes a ring of 64 entries before it is scanned:
//! its first line is fetched into the second-level cache on entry and into the first level eight entries before it
//! leaves. (Cher, Hosking and Vitek, ASPLOS 2004, put a queue in front of the stack. Two steps, because the objects in
//! the ring are the fronts of 64 traversals that run side by side, often at distances near a power of two: of so many
//! lines a first level of eight ways loses most before they are used.) In a large heap, whose mark bits do not fit the
//! second level either, a reference first waits while its mark word is fetched, unless so little is grey that waiting
//! gains nothing. References of an object are pushed last to
//! first, so that the first is visited first. Large objects are scanned in pieces, so that the stack stays small.

use crate::grey::GreyQueue;
use crate::marking::Drained;
use crate::stack::StackHeader;
use spanheap_allocator::geometry::{arena_of, bit_of, page_of};
use spanheap_allocator::span::{Bits, PAGE_SLOW, PAGE_TINY, SpanRef, bitmap_word, object_bit, page_class, tiny_bit};
use spanheap_allocator::{Allocator, Resolved, ScanPlan, Shape, TagScheme, WORD, WordKinds, prefetch};
use spanheap_sync::word::{AtomicUsize, Ordering};
use std::time::Instant;

/// Entries of the prefetch ring.
const RING: usize = 64;

/// How many entries before it leaves the ring an object is fetched into the first-level cache.
const NEAR: usize = 8;

/// References that wait for their mark words in a large heap.
const EDGES: usize = 16;

/// Bytes of pages in use from which on the mark bits are taken to be too many for the second-level cache.
const LARGE_HEAP: usize = 64 << 20;

/// Bytes of a large object that are scanned at once.
const PIECE: usize = 128 << 10;

/// Marks the mark-stack entry of a large object of which only a part has been scanned; the offset lies below it.
const CONTINUED: usize = 1;

/// Objects scanned between two looks at the clock.
const SLICE: u64 = 256;

/// What a marker leaves to the next one of its cycle, where marking goes on in slices.
#[derive(Default)]
pub(crate) struct MarkWork {
    /// The mark stack; the ring is empty between two slices.
    stack: Vec<usize>,
    /// Whether references wait for their mark words.
    large: bool,
    scanned_objects: u64,
}

impl MarkWork {
    /// Nothing to do yet. To have both ways of marking tested, cycle number `cycle` takes them in turn if `verify` is on.
    pub(crate) fn new(allocator: &Allocator, cycle: usize, verify: bool) -> MarkWork {
        let large = allocator.pages.figures().in_use >= LARGE_HEAP;
        let large = if verify { cycle.is_multiple_of(2) } else { large };
        MarkWork { stack: Vec::with_capacity(4096), large, scanned_objects: 0 }
    }

    /// Objects looked into so far.
    pub(crate) fn scanned_objects(&self) -> u64 {
        self.scanned_objects
    }
}

/// The state of one marker. What outlives it is the work.
pub(crate) struct Marker<'h> {
    allocator: &'h Allocator,
    tags: Option<TagScheme>,
    cycle: usize,
    work: &'h mut MarkWork,
    stack: Vec<usize>,
    /// Whether references wait for their mark words.
    large: bool,
    /// Whether objects of a page class need no look inside; indexed by the page class byte.
    leaf: [bool; 256],
    /// The words that are references, for page classes whose objects hold references in a fixed part and nothing else;
    /// 0 for all others.
    references: [u64; 256],
    /// Plans by page class byte, as far as they were known when marking began or were met since.
    plans: [Option<&'h ScanPlan>; 256],
    scanned_objects: u64,
}

/// The objects that have left the mark stack and wait for their first line.
struct Ring {
    entries: [usize; RING],
    oldest: usize,
    len: usize,
}

impl Ring {
    #[inline(always)]
    fn push(&mut self, object: usize) {
        self.entries[(self.oldest + self.len) % RING] = object;
        self.len += 1;
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let object = self.entries[self.oldest % RING];
        // An entry that has left, or none yet: fetched in vain, which does no harm.
        prefetch::near(self.entries[(self.oldest + NEAR) % RING]);
        self.oldest = (self.oldest + 1) % RING;
        self.len -= 1;
        Some(object)
    }
}

impl<'h> Marker<'h> {
    /// A marker for cycle number `cycle`, which goes on with the work that there is.
    pub(crate) fn new(
        allocator: &'h Allocator,
        tags: Option<TagScheme>,
        cycle: usize,
        work: &'h mut MarkWork,
    ) -> Marker<'h> {
        Marker {
            large: work.large,
            allocator,
            tags,
            cycle,
            stack: std::mem::take(&mut work.stack),
            leaf: [false; 256],
            references: [0; 256],
            plans: [None; 256],
            scanned_objects: work.scanned_objects,
            work,
        }
    }

    /// Marks what hangs from the queue's blocks until nothing is grey or the time is over; without a deadline it never
    /// looks at the clock. Says whether a block held a white object: mutators also log objects that were marked long
    /// ago, and new ones.
    pub(crate) fn drain(&mut self, queue: &GreyQueue, deadline: Option<Instant>) -> Drained {
        for class in self.allocator.classes.span_classes().filter(|class| class.page_byte != PAGE_SLOW) {
            self.plans[class.page_byte as usize] = Some(&class.plan);
            self.leaf[class.page_byte as usize] = class.plan.shape == Shape::Leaf;
            if class.plan.shape == Shape::References {
                self.references[class.page_byte as usize] = class.plan.head.references;
            }
        }
        let mut found_white = false;
        loop {
            let finished = match (self.large, deadline) {
                (true, None) => self.run::<true, false>(None),
                (false, None) => self.run::<false, false>(None),
                (true, _) => self.run::<true, true>(deadline),
                (false, _) => self.run::<false, true>(deadline),
            };
            if !finished || is_over(deadline) {
                return Drained { found_white, finished: finished && queue.is_empty() };
            }
            let Some(block) = queue.pop() else { return Drained { found_white, finished: true } };
            self.reserve(block.len());
            for object in block.into_iter().filter(|&object| is_white(object)) {
                found_white = true;
                self.mark(object);
            }
        }
    }

    /// Empties the mark stack. False if the time is over before; then what is left of the work lies on the mark stack.
    ///
    /// The frequent case, an object with nothing but references in its fixed part, is worked on here, with the stack
    /// and the ring in local variables: through `self`, every push and pop would wait for the store before it. `LARGE` says
    /// whether references wait for their mark words; those that wait count from `left` to `entered`. `SLICED` says whether
    /// the time may end.
    fn run<const LARGE: bool, const SLICED: bool>(&mut self, deadline: Option<Instant>) -> bool {
        let mut ring = Ring { entries: [0; RING], oldest: 0, len: 0 };
        let mut edges = [0usize; EDGES];
        let (mut entered, mut left) = (0usize, 0usize);
        let mut unclocked = 0;
        loop {
            let (base, mut top) = (self.stack.as_mut_ptr(), self.stack.len());
            // An object pushes at most 64 references here, and those that wait; the slow cases reserve for themselves.
            let room = self.stack.capacity().saturating_sub(64 + EDGES);
            let mut scanned = 0;
            let slow = loop {
                while top > 0 && ring.len < RING {
                    top -= 1;
                    // SAFETY: entries below the old top are initialised.
                    let entry = unsafe { base.add(top).read() };
                    if entry == CONTINUED {
                        break;
                    }
                    prefetch::far(entry);
                    ring.push(entry);
                }
                let continued = top > 0 && ring.len < RING;
                if continued {
                    break Some(CONTINUED);
                }
                let Some(object) = ring.pop() else {
                    if !LARGE || entered == left || top >= room {
                        break None;
                    }
                    while left < entered {
                        let reference = edges[left % EDGES];
                        left += 1;
                        let push = self.claim(reference);
                        // SAFETY: as below.
                        unsafe { base.add(top).write(reference) };
                        top += push as usize;
                    }
                    continue;
                };
                // SAFETY: a grey object's base lies in an arena of this heap.
                let byte = unsafe { page_class(arena_of(object), page_of(object)) }.load(Ordering::Acquire);
                let mut mask = self.references[byte as usize];
                if mask == 0 || top >= room || SLICED && scanned >= SLICE {
                    break Some(object);
                }
                scanned += 1;
                while mask != 0 {
                    let word = 63 - mask.leading_zeros() as usize;
                    mask ^= 1 << word;
                    let mut reference = load(object + word * WORD);
                    if LARGE && ring.len >= RING / 2 {
                        if reference == 0 {
                            continue;
                        }
                        prefetch::near(mark_address(reference));
                        let oldest = std::mem::replace(&mut edges[entered % EDGES], reference);
                        entered += 1;
                        if entered - left <= EDGES {
                            continue;
                        }
                        left += 1;
                        reference = oldest;
                    }
                    let push = self.claim(reference);
                    // SAFETY: `top` is at least 64 below the capacity before the first push.
                    unsafe { base.add(top).write(reference) };
                    top += push as usize;
                }
            };
            self.scanned_objects += scanned;
            // SAFETY: entries below `top` are initialised.
            unsafe { self.stack.set_len(top) };
            match slow {
                // A piece counts as much as many objects.
                Some(CONTINUED) => {
                    unclocked += SLICE;
                    self.resume_piece();
                }
                Some(object) => self.scan(object),
                None if entered == left => return true,
                None => {}
            }
            self.reserve(128);
            if SLICED {
                unclocked += scanned + 1;
                if unclocked >= SLICE {
                    unclocked = 0;
                    if is_over(deadline) {
                        while let Some(object) = ring.pop() {
                            self.reserve(1);
                            self.stack.push(object);
                        }
                        while left < entered {
                            self.reserve(1);
                            self.mark(edges[left % EDGES]);
                            left += 1;
                        }
                        return false;
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn reserve(&mut self, entries: usize) {
        if self.stack.capacity() - self.stack.len() < entries {
            self.stack.reserve(entries.max(4096));
        }
    }

    /// Sets the mark of the object at `addr` (or null). True if it was white and is to be pushed: it is no leaf.
    ///
    /// Without a branch on the mark, which no predictor would guess. Null is a branch: sending it to a word of its own
    /// makes every null wait for the store of the one before, and costs more than the wrong guesses (measured).
    #[inline(always)]
    fn claim(&self, addr: usize) -> bool {
        if addr == 0 {
            return false;
        }
        let (arena, (index, mask)) = (arena_of(addr), bit_of(addr));
        // SAFETY: `addr` is the base of an object of this heap (the contract of reference slots): its arena's tables are
        // mapped.
        let byte = unsafe { page_class(arena, page_of(addr)) }.load(Ordering::Acquire);
        if byte == PAGE_TINY {
            // SAFETY: as above.
            let (word, mask) = unsafe { tiny_bit(addr, Bits::Mark) };
            word.store(word.load(Ordering::Relaxed) | mask, Ordering::Relaxed);
            return false;
        }
        // SAFETY: as above.
        let word = unsafe { bitmap_word(arena, Bits::Mark, index) };
        let before = word.load(Ordering::Relaxed);
        word.store(before | mask, Ordering::Relaxed);
        (before & mask == 0) & !self.leaf[byte as usize]
    }

    /// Marks the object at `addr` (or null) and pushes it if need be. Room must be reserved.
    #[inline(always)]
    fn mark(&mut self, addr: usize) {
        let push = self.claim(addr);
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
        let step = plan.element_size as usize;
        for slot in header.scanned(self.allocator, step).step_by(step) {
            self.reserve(1);
            if plan.element.ambiguous != 0 {
                self.mark_ambiguous(load(slot));
            } else if load(slot) >= plan.pair_threshold {
                self.mark_exact(load(slot + WORD));
            }
        }
        header.finish(self.cycle);
    }
}

impl Drop for Marker<'_> {
    fn drop(&mut self) {
        self.work.stack = std::mem::take(&mut self.stack);
        self.work.scanned_objects = self.scanned_objects;
    }
}

fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

/// Where the mark bit of the object at `addr` stands, unless it is tiny.
#[inline(always)]
fn mark_address(addr: usize) -> usize {
    arena_of(addr) + Bits::Mark as usize + bit_of(addr).0 * 8
}

/// Whether a logged object is neither marked nor new.
fn is_white(object: usize) -> bool {
    let has = |bits| {
        // SAFETY: logs and roots hold base addresses of objects of this heap.
        let (word, mask) = unsafe { object_bit(object, bits) };
        word.load(Ordering::Acquire) & mask != 0
    };
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
