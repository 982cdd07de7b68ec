//! `Stack`: the registers of a VM, in memory that a collection scans.
//!
//! *Callers:* [`Mutator::alloc_stack`](crate::Mutator::alloc_stack) makes them,
//! [`Mutator::switch_stack`](crate::Mutator::switch_stack) runs on them, and the methods beside it grow, shrink and empty
//! them. *Invariants:* those of the collector's `stack` module: written without a barrier only while running, scanned
//! before it runs; the address and the number of the slots are read as one word, and the slots that were read stay
//! readable until the reader's next safepoint, whatever others do to the stack.

use crate::reference::Invariant;
use crate::slot::{Ambiguous, Pair, PairFamily};
use crate::trace::Object;
use spanheap_allocator::{MIN_BLOCK, ObjectLayout};
use spanheap_collector::{STACK_HEADER_BYTES, StackHeader, StackScan};

/// What the slots of a stack are: [`Pair`]s of a [`PairFamily`], or [`AmbiguousWords`]. There are no others.
///
/// # Safety
/// 1. `Slot` consists of atomic words, as `SCAN` describes them, and all of them zero is a value of it. 2. It has no
///    destructor.
pub unsafe trait StackKind: 'static {
    /// One slot.
    type Slot: Send + Sync + 'static;
    /// How it is scanned.
    #[doc(hidden)]
    const SCAN: StackScan;
}

// SAFETY: a pair is two atomic words, a tag and a payload; zero is a value without a reference.
unsafe impl<F: PairFamily> StackKind for F {
    type Slot = Pair<F>;
    const SCAN: StackScan = StackScan::Pairs(F::FIRST_REFERENCE_TAG);
}

/// The kind of stacks whose slots are words of any kind: where one is an address in an object of the heap, it keeps that
/// object, interior addresses included. For VMs that do not know which registers hold references.
#[derive(Clone, Copy, Debug)]
pub enum AmbiguousWords {}

// SAFETY: one atomic word; zero is no address of an object.
unsafe impl StackKind for AmbiguousWords {
    type Slot = Ambiguous;
    const SCAN: StackScan = StackScan::Words;
}

/// A row of slots that its mutator writes like registers. New slots are nil: zero.
///
/// Only the slots below [`top`](Stack::top) keep what they refer to alive; those above count as garbage and are not
/// cleared. A host that knows better than the kind which slots hold references keeps the top at 0 and reports them
/// through a [`RootSource`](crate::RootSource) of its own. The slots lie outside the object, in a block of a power of two bytes that
/// [`Mutator::grow_stack`](crate::Mutator::grow_stack) and its like replace.
#[repr(C)]
pub struct Stack<K> {
    pub(crate) header: StackHeader,
    kind: Invariant<K>,
}

impl<K: StackKind> Stack<K> {
    pub(crate) const SLOT_BYTES: usize = {
        assert!(size_of::<K::Slot>() == K::SCAN.slot_bytes() && MIN_BLOCK.is_multiple_of(size_of::<K::Slot>()));
        size_of::<K::Slot>()
    };

    /// Number of slots, which is a capacity.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty, reason = "the length is a capacity")]
    pub fn len(&self) -> usize {
        self.header.block().bytes() / Self::SLOT_BYTES
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

    /// Slots below are frozen: see [`Mutator::set_frozen`](crate::Mutator::set_frozen).
    #[inline(always)]
    pub fn frozen(&self) -> usize {
        self.header.frozen()
    }

    /// The first slot; the others follow. Null if there is none.
    ///
    /// Good until the slots move or go, and if another mutator lets them, until this one's next safepoint: they move in
    /// `grow_stack` and `shrink_stack` and go in `free_stack` or with the stack.
    #[inline(always)]
    pub fn base(&self) -> *const K::Slot {
        self.header.block().base() as *const K::Slot
    }

    /// The slots as they lie now. If the stack grows or shrinks, or another mutator lets it, these are no longer the
    /// stack's own: they are good to read, and what is written to them is lost.
    #[inline(always)]
    pub fn slots(&self) -> &[K::Slot] {
        let block = self.header.block();
        if block.is_none() {
            return &[];
        }
        // SAFETY: the block holds that many slots, which are zero or were stored. It stays as it is until this mutator's
        // next safepoint ([stack.retired], [stack.block-follows-object]), and a reference to an object of the heap, of
        // which `self` is one, does not outlive that.
        unsafe { std::slice::from_raw_parts(block.base() as *const K::Slot, block.bytes() / Self::SLOT_BYTES) }
    }

    /// Whether the last collection found less than a quarter of the slots in use, and that is still so: time for
    /// [`Mutator::shrink_stack`](crate::Mutator::shrink_stack).
    #[inline]
    pub fn wants_to_shrink(&self) -> bool {
        self.header.is_roomy() && self.top() < self.len() / 4
    }
}

// SAFETY: the layout of stack objects with slots of this kind.
unsafe impl<K: StackKind> Object for Stack<K> {
    fn layout() -> ObjectLayout {
        StackHeader::layout("Stack", K::SCAN)
    }

    fn extent(&self) -> usize {
        STACK_HEADER_BYTES
    }
}

const _: () = assert!(size_of::<Stack<AmbiguousWords>>() == STACK_HEADER_BYTES);
