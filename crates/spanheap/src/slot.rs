//! The mutable words of objects: slots, tagged and ambiguous words, pairs, and plain data.
//!
//! *Callers:* users put them into their types; [`Mutator`](crate::Mutator) stores into them. *Invariants:* every word
//! that the marker may read is an atomic on both sides. A slot outside the heap is null for good: only a mutator
//! stores references, and only into an object of its heap. A word that is written through a shared reference is invariant in
//! the type of what it holds: else an object could be stored as one type and read as a narrower one.

use crate::reference::Invariant;
use crate::trace::Trace;
use spanheap_allocator::{TypeLayout, WordKind};
use spanheap_sync::word::{AtomicUsize, Ordering, may_switch};
use std::fmt;
use std::marker::PhantomData;

/// One nullable reference to a `T`. A new slot is null; [`Mutator::set`](crate::Mutator::set) stores,
/// [`Gc::load`](crate::Gc::load) reads.
#[repr(transparent)]
pub struct Slot<T> {
    word: AtomicUsize,
    target: Invariant<T>,
}

impl<T> Slot<T> {
    /// A slot that refers to nothing.
    pub const fn null() -> Slot<T> {
        Slot { word: AtomicUsize::new(0), target: PhantomData }
    }

    /// Whether it refers to nothing.
    pub fn is_null(&self) -> bool {
        self.addr() == 0
    }

    /// The word. Acquire: the object behind it was written before it was published here.
    #[inline(always)]
    pub(crate) fn addr(&self) -> usize {
        may_switch();
        self.word.load(Ordering::Acquire)
    }

    #[inline(always)]
    pub(crate) fn word(&self) -> &AtomicUsize {
        &self.word
    }

    /// The words of slots in a row.
    #[inline(always)]
    pub(crate) fn words_of(slots: &[Slot<T>]) -> &[AtomicUsize] {
        // SAFETY: a slot is one such word (`repr(transparent)`).
        unsafe { std::slice::from_raw_parts(slots.as_ptr().cast(), slots.len()) }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot::null()
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({:#x})", self.addr())
    }
}

// SAFETY: one word that is null or an object's address; only mutators store.
unsafe impl<T: 'static> Trace for Slot<T> {
    const NAME: &'static str = "Slot";
    const ARRAY_NAME: &'static str = "[Slot]";
    const LAYOUT: TypeLayout = TypeLayout::word(WordKind::Reference);
    const ZERO_IS_VALID: bool = true;
}

/// One word of a host's own making that may hide a reference, as the heap's [`TagScheme`](crate::TagScheme) says: a
/// NaN box, a word with low-bit tags. Zero must hide none.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Tagged(AtomicUsize);

impl Tagged {
    /// A word of zero bits.
    pub const fn zero() -> Tagged {
        Tagged(AtomicUsize::new(0))
    }

    /// The word.
    #[inline(always)]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    #[inline(always)]
    pub(crate) fn word(&self) -> &AtomicUsize {
        &self.0
    }
}

// SAFETY: one word, read by the heap's tag scheme; only mutators store.
unsafe impl Trace for Tagged {
    const NAME: &'static str = "Tagged";
    const ARRAY_NAME: &'static str = "[Tagged]";
    const LAYOUT: TypeLayout = TypeLayout::word(WordKind::Tagged);
    const ZERO_IS_VALID: bool = true;
}

/// One word of any kind: where it is an address in an object of the heap, it keeps that object, interior addresses
/// included.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Ambiguous(AtomicUsize);

impl Ambiguous {
    /// A word of zero bits.
    pub const fn zero() -> Ambiguous {
        Ambiguous(AtomicUsize::new(0))
    }

    /// The word.
    #[inline(always)]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    #[inline(always)]
    pub(crate) fn word(&self) -> &AtomicUsize {
        &self.0
    }
}

// SAFETY: one word, checked before it is followed; only mutators store.
unsafe impl Trace for Ambiguous {
    const NAME: &'static str = "Ambiguous";
    const ARRAY_NAME: &'static str = "[Ambiguous]";
    const LAYOUT: TypeLayout = TypeLayout::word(WordKind::Ambiguous);
    const ZERO_IS_VALID: bool = true;
}

/// A host's two-word values: a tag, and a payload that is a reference where the tag is large enough.
///
/// # Safety
/// 1. `encode` gives a tag of at least `FIRST_REFERENCE_TAG` exactly if the payload is the address of an object of the
///    heap with brand `'h`. 2. `decode` undoes `encode`. 3. Tag 0 with payload 0 is a value without a reference.
pub unsafe trait PairFamily: Send + Sync + Sized + 'static {
    /// The value as the host works with it.
    type Value<'m, 'h>: Copy;

    /// Payloads of values with a lower tag are no references.
    const FIRST_REFERENCE_TAG: usize;

    /// Tag and payload of a value.
    fn encode<'m, 'h>(value: Self::Value<'m, 'h>) -> (usize, usize);

    /// The value of a tag and a payload.
    ///
    /// # Safety
    /// 1. `encode` gave these two words together, or both are 0. 2. An object in the payload is alive for `'m` and in
    ///    the heap of brand `'h`.
    unsafe fn decode<'m, 'h>(tag: usize, payload: usize) -> Self::Value<'m, 'h>;
}

/// A host value of two words, in an object or in a VM stack. A new pair is zero.
#[repr(C)]
pub struct Pair<F> {
    tag: AtomicUsize,
    payload: AtomicUsize,
    family: Invariant<F>,
}

impl<F> Pair<F> {
    /// The value of tag 0 and payload 0.
    pub const fn nil() -> Pair<F> {
        Pair { tag: AtomicUsize::new(0), payload: AtomicUsize::new(0), family: PhantomData }
    }

    /// Tag and payload. Two loads: if another mutator writes meanwhile, the words may not belong together.
    #[inline(always)]
    pub fn words(&self) -> (usize, usize) {
        (self.tag.load(Ordering::Relaxed), self.payload.load(Ordering::Acquire))
    }

    /// The words of pairs in a row: tag, payload, tag, payload.
    #[inline(always)]
    pub(crate) fn words_of(pairs: &[Pair<F>]) -> &[AtomicUsize] {
        const { assert!(size_of::<Pair<F>>() == 2 * size_of::<AtomicUsize>()) };
        // SAFETY: a pair is two such words (`repr(C)`, and its third field has no bytes).
        unsafe { std::slice::from_raw_parts(pairs.as_ptr().cast(), 2 * pairs.len()) }
    }
}

impl<F: PairFamily> Pair<F> {
    /// The value.
    ///
    /// # Safety
    /// 1. No other mutator writes this pair at the same time, nor has it done so while the pair was written, moved (by
    ///    `grow_stack` or `shrink_stack`) or copied (by `copy_pair_elements`) by a third: the words could be torn. 2. The pair lies in an object of the heap of
    ///    brand `'h` that is alive for `'m`, or in a stack that no other mutator runs on, and was written since this
    ///    mutator's last safepoint, or has been below the top ever since it was written: a top that is raised over slots
    ///    which were above it at a safepoint finds what may be dead.
    #[inline(always)]
    pub unsafe fn decode_in<'m, 'h>(&self) -> F::Value<'m, 'h> {
        let (tag, payload) = self.words();
        // SAFETY: by 1 the words belong together; by 2 what they refer to is alive.
        unsafe { F::decode(tag, payload) }
    }

    /// Stores without a barrier: for the registers of a VM.
    ///
    /// # Safety
    /// 1. The pair lies in the calling mutator's running stack, or in a stack that it allocated since its last safepoint
    ///    and has not switched away from, and not among its frozen slots. 2. `value` is of the same heap.
    #[inline(always)]
    pub unsafe fn store_running(&self, value: F::Value<'_, '_>) {
        self.store(value);
    }

    #[inline(always)]
    pub(crate) fn store(&self, value: F::Value<'_, '_>) {
        let (tag, payload) = F::encode(value);
        // Release: what the payload refers to was written before.
        self.payload.store(payload, Ordering::Release);
        self.tag.store(tag, Ordering::Release);
    }
}

impl<F> Default for Pair<F> {
    fn default() -> Pair<F> {
        Pair::nil()
    }
}

impl<F> fmt::Debug for Pair<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tag, payload) = self.words();
        write!(f, "Pair({tag}, {payload:#x})")
    }
}

// SAFETY: a tag word and a payload that is checked before it is followed; only mutators store.
unsafe impl<F: PairFamily> Trace for Pair<F> {
    const NAME: &'static str = "Pair";
    const ARRAY_NAME: &'static str = "[Pair]";
    const LAYOUT: TypeLayout = TypeLayout::pair(F::FIRST_REFERENCE_TAG);
    const ZERO_IS_VALID: bool = true;
}
