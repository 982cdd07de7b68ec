//! The check of the locking order, switched off: for release builds and for loom models.
//!
//! Callers: `mutex.rs`. Invariant: the types are zero-sized and the calls empty, so that a lock costs what the
//! standard one costs. The interface is that of `order_on.rs`.

use crate::Rank;

/// Stands for the rank of one mutex.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order;

/// Stands for the record that a rank is held.
#[derive(Debug)]
pub(crate) struct Held;

impl Order {
    pub(crate) const fn new(_rank: Rank) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn acquire(self) -> Held {
        Held
    }
}

impl Held {
    #[inline(always)]
    pub(crate) fn assert_innermost(&self) {}
}
