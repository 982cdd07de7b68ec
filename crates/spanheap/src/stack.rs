//! `Stack`: the registers of a VM, in the heap.
//!
//! *Callers:* [`Mutator::alloc_stack`](crate::Mutator::alloc_stack) makes them,
//! [`Mutator::switch_stack`](crate::Mutator::switch_stack) runs on them. *Invariants:* those of the collector's `stack` module:
//! written without a barrier only while running, scanned before it runs.

use crate::slot::{Pair, PairFamily};
use crate::trace::Object;
use spanheap_allocator::ObjectLayout;
use spanheap_collector::{STACK_HEADER_BYTES, StackHeader};

/// A row of host values that its mutator writes like registers. New slots are nil.
///
/// Only the slots below [`top`](Stack::top) keep what they refer to alive; those above count as garbage and are not
/// cleared.
#[repr(C)]
pub struct Stack<F> {
    pub(crate) header: StackHeader,
    pub(crate) slots: [Pair<F>; 0],
}

impl<F> Stack<F> {
    /// Number of slots.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty, reason = "the length is a capacity")]
    pub fn len(&self) -> usize {
        self.header.len()
    }

    /// Slots below are scanned.
    #[inline(always)]
    pub fn top(&self) -> usize {
        self.header.top()
    }

    /// Sets how many slots are scanned: before every safepoint and every switch, while running on this stack.
    ///
    /// # Panics
    /// If `top` exceeds the stack's length.
    #[inline(always)]
    pub fn set_top(&self, top: usize) {
        assert!(top <= self.len(), "the top of a stack lies within it");
        self.header.set_top(top);
    }

    /// The first slot; the others follow. Valid as long as the stack is alive: it does not move.
    #[inline(always)]
    pub fn base(&self) -> *const Pair<F> {
        std::ptr::from_ref(self).wrapping_byte_add(STACK_HEADER_BYTES) as *const Pair<F>
    }

    /// The slots.
    #[inline(always)]
    pub fn slots(&self) -> &[Pair<F>] {
        // SAFETY: a Stack exists only in the heap, where `len` pairs follow its header.
        unsafe { std::slice::from_raw_parts(self.base(), self.len()) }
    }
}

// SAFETY: the layout of stack objects with pairs of this family.
unsafe impl<F: PairFamily> Object for Stack<F> {
    fn layout() -> ObjectLayout {
        StackHeader::layout("Stack", F::FIRST_REFERENCE_TAG)
    }

    fn extent(&self) -> usize {
        STACK_HEADER_BYTES + self.len() * size_of::<Pair<F>>()
    }
}

const _: () = assert!(size_of::<Stack<()>>() == STACK_HEADER_BYTES);
