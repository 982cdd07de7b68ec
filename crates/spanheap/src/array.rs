//! `Array`: objects whose length is known only when they are made, and may grow.
//!
//! *Callers:* [`Mutator::alloc_array`](crate::Mutator::alloc_array) makes them, [`Mutator::grow_array`](crate::Mutator::grow_array)
//! and [`Mutator::append`](crate::Mutator::append) make them longer. *Invariants:* at least `len` initialised
//! elements follow the header; the length never falls (the allocator's `growth` says who may raise it).

use crate::trace::Trace;
use spanheap_allocator::MAX_ALIGN;
use spanheap_sync::word::{AtomicUsize, Ordering};

/// A header and `len` elements behind it. Elements start as zero bytes: null slots, nil pairs, zeros.
#[repr(C)]
pub struct Array<E, H = ()> {
    pub(crate) len: AtomicUsize,
    pub(crate) header: H,
    pub(crate) elements: [E; 0],
}

/// A byte string.
pub type Bytes = Array<u8>;

impl<E, H> Array<E, H> {
    /// Number of elements.
    #[inline(always)]
    pub fn len(&self) -> usize {
        // Acquire: the elements up to this length were written before.
        self.len.load(Ordering::Acquire)
    }

    /// Whether there is no element.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What stands before the elements.
    #[inline(always)]
    pub fn header(&self) -> &H {
        &self.header
    }

    /// The elements.
    #[inline(always)]
    pub fn elements(&self) -> &[E] {
        let first = std::ptr::from_ref(self).wrapping_byte_add(std::mem::offset_of!(Self, elements)) as *const E;
        // SAFETY: an Array exists only in the heap, where `len` initialised elements follow its header.
        unsafe { std::slice::from_raw_parts(first, self.len()) }
    }
}

/// Compile-time conditions on arrays.
pub(crate) struct Check<E, H>(std::marker::PhantomData<(E, H)>);

impl<E: Trace, H: Trace> Check<E, H> {
    pub(crate) const ZEROED: () = {
        assert!(E::ZERO_IS_VALID, "the elements of a new array are zero bytes, which must be a value of their type");
        assert!(align_of::<Array<E, H>>() <= MAX_ALIGN, "objects are aligned to 4096 bytes at most");
        assert!(
            H::LAYOUT.shares_pairs_with(E::LAYOUT),
            "the pairs of an array's header and of its elements must be of one family"
        );
    };
    pub(crate) const LEAF: () =
        assert!(E::LAYOUT.kinds.is_none(), "only elements without references can be filled in before publication");
}
