//! Scanning what is more than a few references: arrays, host values, mixed spans, stacks.
//!
//! *Callers:* `lane`. *Invariants:* those of `marker`. References of an object are pushed last to first, so that the first
//! is visited first.

use super::PIECE;
use super::batch::{load, mark_address};
use super::lane::Worker;
use crate::stack::StackHeader;
use spanheap_allocator::geometry::{arena_of, page_of};
use spanheap_allocator::span::{Bits, SpanRef, page_class};
use spanheap_allocator::{Allocator, Resolved, ScanPlan, Shape, WORD, WordKinds, prefetch};
use spanheap_sync::word::{Ordering, may_switch};

/// Bytes of an array's elements that take as long as an object.
const ELEMENT_BYTES: usize = 4 * WORD;

/// References of an array that are looked at together: first the mark words are fetched, then they are used.
const ROW: usize = 32;

/// The marks of objects within so many bytes lie in a few cache lines, which the processor finds by itself.
const NEIGHBOURS: usize = 64 << 10;

impl<'a> Worker<'a> {
    /// Looks into an object of any kind.
    pub(super) fn scan<const SHARED: bool>(&mut self, object: usize) {
        // SAFETY: a grey object's base lies in an arena of this heap.
        let byte = unsafe { page_class(arena_of(object), page_of(object)) }.load(Ordering::Acquire);
        let classes = self.classes;
        match &classes.plans[byte as usize] {
            Some(plan) => self.scan_with::<SHARED>(object, plan, plan.slot_size as usize),
            None => self.scan_slow::<SHARED>(object),
        }
    }

    /// Objects of mixed and large spans, of spans with new objects, and of classes met for the first time.
    #[cold]
    #[inline(never)]
    fn scan_slow<const SHARED: bool>(&mut self, object: usize) {
        // SAFETY: a grey object's base.
        let span = unsafe { Allocator::span_of_object(object) };
        if span.bit(Bits::New, object) {
            return;
        }
        let class = self.heap.class_of(span);
        let plan = match class.plan.shape {
            Shape::Mixed => match self.mixed_plan(span, object) {
                Some(plan) => plan,
                None => return,
            },
            _ => &class.plan,
        };
        self.scan_with::<SHARED>(object, plan, span.slot_size());
    }

    fn mixed_plan(&self, span: SpanRef, base: usize) -> Option<&'a ScanPlan> {
        let slot = span.slot_of(base)?;
        let layout = self.heap.layout_of(Resolved { base, span, slot })?;
        Some(&self.heap.classes.layout(layout).plan)
    }

    #[inline(always)]
    fn scan_with<const SHARED: bool>(&mut self, object: usize, plan: &ScanPlan, size: usize) {
        match plan.shape {
            Shape::References => {
                self.reserve(64);
                self.scan_references::<SHARED>(object, plan.head.references);
            }
            Shape::Leaf | Shape::Mixed => {}
            Shape::Fixed => self.scan_words::<SHARED>(object, plan.head, plan.pair_threshold),
            Shape::ReferenceArray | Shape::Array => {
                self.scan_words::<SHARED>(object, plan.head, plan.pair_threshold);
                self.scan_elements::<SHARED>(object, plan, plan.head_size as usize, size);
            }
            Shape::Stack => self.scan_stack::<SHARED>(object, plan),
        }
    }

    #[inline(always)]
    fn scan_references<const SHARED: bool>(&mut self, base: usize, mut mask: u64) {
        while mask != 0 {
            let word = 63 - mask.leading_zeros() as usize;
            mask ^= 1 << word;
            let reference = load(base + word * WORD);
            self.mark::<SHARED>(reference);
        }
    }

    /// Looks at up to 64 words from `base`.
    #[inline]
    fn scan_words<const SHARED: bool>(&mut self, base: usize, kinds: WordKinds, threshold: usize) {
        if kinds.is_none() {
            return;
        }
        self.reserve(128);
        self.scan_references::<SHARED>(base, kinds.references);
        each_bit(kinds.pairs, |word| {
            // The two words may be torn: what the tag says is a hint, and the payload is checked.
            let tag = load(base + word * WORD);
            if tag >= threshold {
                self.mark_exact::<SHARED>(load(base + (word + 1) * WORD));
            }
        });
        each_bit(kinds.ambiguous, |word| self.mark_ambiguous::<SHARED>(load(base + word * WORD)));
        if let Some(tags) = self.tags {
            each_bit(kinds.tagged, |word| {
                let reference = tags.reference(load(base + word * WORD));
                self.mark::<SHARED>(reference);
            });
        }
    }

    /// Looks at the elements from byte `from` of an object of `size` bytes, a piece at a time.
    fn scan_elements<const SHARED: bool>(&mut self, object: usize, plan: &ScanPlan, from: usize, size: usize) {
        let step = plan.element_size as usize;
        let end = if size - from > PIECE { from + PIECE / step.max(1) * step } else { size };
        if end < size {
            self.push_piece(object, end);
        }
        self.units += ((end - from) / ELEMENT_BYTES) as u64;
        if plan.shape == Shape::ReferenceArray {
            let mut upper = end;
            while upper > from {
                let lower = upper.saturating_sub(ROW * WORD).max(from);
                self.scan_row::<SHARED>(object + lower, object + upper);
                upper = lower;
            }
        } else {
            let mut offset = from;
            while offset + step <= end {
                self.scan_words::<SHARED>(object + offset, plan.element, plan.pair_threshold);
                offset += step;
            }
        }
    }

    /// Looks at a row of references, the last one first.
    #[inline]
    fn scan_row<const SHARED: bool>(&mut self, first: usize, end: usize) {
        self.reserve(ROW);
        // Objects that were allocated one after the other have their marks together.
        if load(first).abs_diff(load(end - WORD)) > NEIGHBOURS {
            for at in (first..end).step_by(WORD).rev() {
                let reference = load(at);
                if reference != 0 {
                    prefetch::near(mark_address(reference));
                }
            }
        }
        self.mark_row::<SHARED>((0..(end - first) / WORD).rev().map(|index| load(first + index * WORD)));
    }

    /// Looks at the next piece of a large object.
    pub(super) fn scan_piece<const SHARED: bool>(&mut self, object: usize, from: usize) {
        // SAFETY: the object is marked and alive.
        let span = unsafe { Allocator::span_of_object(object) };
        self.scan_elements::<SHARED>(object, &self.heap.class_of(span).plan, from, span.slot_size());
    }

    /// Marks the object that `word` is the base address of, if there is one.
    #[inline(always)]
    fn mark_exact<const SHARED: bool>(&mut self, word: usize) -> bool {
        let allocated = self.heap.is_base(word, Bits::Alloc);
        if allocated {
            self.mark::<SHARED>(word);
        }
        allocated
    }

    /// Marks the object that `word` points into, if there is one.
    fn mark_ambiguous<const SHARED: bool>(&mut self, word: usize) {
        if self.mark_exact::<SHARED>(word) {
            return;
        }
        if let Some(found) = self.heap.slot_at(word)
            && found.span.bit(Bits::Alloc, found.base)
        {
            self.mark::<SHARED>(found.base);
        }
    }

    /// A suspended stack, under a claim; a running one is its owner's to scan.
    fn scan_stack<const SHARED: bool>(&mut self, object: usize, plan: &ScanPlan) {
        // SAFETY: an object of a stack layout begins with a StackHeader of atomics.
        let header = unsafe { &*(object as *const StackHeader) };
        may_switch();
        if !header.claim(self.cycle) {
            return;
        }
        let step = plan.element_size as usize;
        for slot in header.scanned(self.heap, step).step_by(step) {
            self.reserve(1);
            if plan.element.ambiguous != 0 {
                self.mark_ambiguous::<SHARED>(load(slot));
            } else if load(slot) >= plan.pair_threshold {
                self.mark_exact::<SHARED>(load(slot + WORD));
            }
        }
        header.finish(self.cycle);
    }
}

#[inline(always)]
fn each_bit(mut mask: u64, mut visit: impl FnMut(usize)) {
    while mask != 0 {
        visit(mask.trailing_zeros() as usize);
        mask &= mask - 1;
    }
}
