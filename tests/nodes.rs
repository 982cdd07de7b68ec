//! Host values that are a reference to one type of object, or none.
//!
//! *Callers:* tests whose stacks hold such values. *Invariants:* tag 1 is an object's address, and nothing else is.

use spanheap::{Gc, PairFamily};
use std::marker::PhantomData;

/// The family of references to `N`.
pub struct Nodes<N>(PhantomData<fn() -> N>);

// SAFETY: tag 1 is an object's address, and nothing else is.
unsafe impl<N: 'static> PairFamily for Nodes<N> {
    type Value<'m, 'h> = Option<Gc<'m, 'h, N>>;
    const FIRST_REFERENCE_TAG: usize = 1;

    fn encode<'m, 'h>(value: Option<Gc<'m, 'h, N>>) -> (usize, usize) {
        value.map_or((0, 0), |node| (1, node.addr()))
    }

    unsafe fn decode<'m, 'h>(tag: usize, payload: usize) -> Option<Gc<'m, 'h, N>> {
        // SAFETY: tag 1 came from an object.
        (tag == 1).then(|| unsafe { Gc::from_addr(payload) })
    }
}
