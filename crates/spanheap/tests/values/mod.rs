//! Host values as a small language has them: nothing, a number, or a reference to one type of object.
//!
//! *Callers:* tests of pairs and stacks. *Invariants:* tag 2 is an object's address, and nothing else is.

use spanheap::{Gc, PairFamily};
use std::marker::PhantomData;

/// A value.
pub(crate) enum Value<'m, 'h, N> {
    Nil,
    Int(usize),
    Node(Gc<'m, 'h, N>),
}

impl<N> Clone for Value<'_, '_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

// Not derived: an object need not be a copy for its reference to be one.
impl<N> Copy for Value<'_, '_, N> {}

/// The family of values that refer to `N`.
pub(crate) struct Values<N>(PhantomData<fn() -> N>);

// SAFETY: tag 2 is an object's address, and nothing else is.
unsafe impl<N: 'static> PairFamily for Values<N> {
    type Value<'m, 'h> = Value<'m, 'h, N>;
    const FIRST_REFERENCE_TAG: usize = 2;

    fn encode<'m, 'h>(value: Value<'m, 'h, N>) -> (usize, usize) {
        match value {
            Value::Nil => (0, 0),
            Value::Int(number) => (1, number),
            Value::Node(node) => (2, node.addr()),
        }
    }

    unsafe fn decode<'m, 'h>(tag: usize, payload: usize) -> Value<'m, 'h, N> {
        match tag {
            0 => Value::Nil,
            1 => Value::Int(payload),
            // SAFETY: tag 2 came from an object.
            _ => Value::Node(unsafe { Gc::from_addr(payload) }),
        }
    }
}
