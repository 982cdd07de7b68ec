//! The figures: how much address space there is, and how much of it is in which state.
//!
//! Owns: [`Counters`] and the arithmetic of state changes on it. Callers: `memory.rs` keeps the one live instance
//! behind its lock; everyone else sees copies.
//! Invariant: `ready <= prepared <= reserved`, in the live instance and therefore in every copy.

/// A consistent copy of the figures of one [`Memory`](crate::Memory). All sizes are in bytes.
///
/// The first three are nested: what is ready is also counted as prepared, and what is prepared as reserved. They
/// explain a process's figures: `reserved` is this heap's share of the virtual size, `ready` bounds its share of the
/// resident size (a ready page is resident once touched), and the rest is address space that costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Address space held in any state, with what a reservation needed beyond its length to be aligned.
    pub reserved: usize,
    /// Of that, what may be touched: prepared or ready.
    pub prepared: usize,
    /// Of that, what its owner uses: ready.
    pub ready: usize,
    /// Given back so far by [`Reservation::unused`](crate::Reservation::unused); only grows.
    pub released: u64,
    /// The most that was ever ready at one time.
    pub peak_ready: usize,
    /// Requests made to the operating system, refused ones included; unmapping is not among them.
    pub calls: u64,
}

impl Counters {
    pub(crate) fn add_reserved(&mut self, bytes: usize) {
        self.reserved += bytes;
    }

    pub(crate) fn add_prepared(&mut self, bytes: usize) {
        self.prepared += bytes;
        debug_assert!(self.prepared <= self.reserved);
    }

    pub(crate) fn add_ready(&mut self, bytes: usize) {
        self.ready += bytes;
        self.peak_ready = self.peak_ready.max(self.ready);
        debug_assert!(self.ready <= self.prepared);
    }

    /// Takes a reservation's remains out, when it is unmapped.
    pub(crate) fn remove(&mut self, reserved: usize, prepared: usize, ready: usize) {
        self.ready -= ready;
        self.prepared -= prepared;
        self.reserved -= reserved;
        debug_assert!(self.ready <= self.prepared && self.prepared <= self.reserved);
    }
}
