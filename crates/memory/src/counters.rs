//! The figures: how much address space there is, how much of it is in which state, and what brought it there.
//!
//! Owns: [`Counters`], [`Transitions`], and the arithmetic of state changes on them. Callers: `memory.rs` keeps the one live
//! instance behind its lock; everyone else sees copies.
//! Invariants, in the live instance and therefore in every copy: `ready <= prepared <= reserved`, and `reserved` is what
//! `reserve` and `alloc` have brought less what `free` has taken.

use crate::error::Call;

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
    /// The same story by transition.
    pub transitions: Transitions,
}

/// How often each of the seven transitions was made, and how much it moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transitions {
    /// [`Memory::reserve`](crate::Memory::reserve): `None` to `Reserved`. The bytes include what alignment cost.
    pub reserve: Transition,
    /// [`Memory::alloc`](crate::Memory::alloc): `None` to `Ready`.
    pub alloc: Transition,
    /// [`Reservation::map`](crate::Reservation::map): `Reserved` to `Prepared`.
    pub map: Transition,
    /// [`Reservation::used`](crate::Reservation::used): `Prepared` to `Ready`.
    pub used: Transition,
    /// [`Reservation::unused`](crate::Reservation::unused): `Ready` to `Prepared`. The bytes are
    /// [`Counters::released`].
    pub unused: Transition,
    /// [`Reservation::fault`](crate::Reservation::fault): `Ready` or `Prepared` to `Reserved`. Where only the protection was
    /// refused, the bytes that went from `Ready` to `Prepared` count here, too.
    pub fault: Transition,
    /// A [`Reservation`](crate::Reservation) dropped: any state to `None`. Never refused.
    pub free: Transition,
}

/// The account of one transition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// Times it was made, whether or not a page of the range was still to be moved. Empty ranges do not count.
    pub made: u64,
    /// Times the operating system refused it. What is no mistake of the system's, a range outside the reservation for
    /// example, is an error and counts nowhere.
    pub refused: u64,
    /// Bytes whose state it changed. Pages that were already where it leads are not among them.
    pub bytes: u64,
}

impl Transition {
    pub(crate) fn made(&mut self, bytes: usize) {
        self.made += 1;
        self.bytes += bytes as u64;
    }
}

impl Transitions {
    /// Counts a refusal by the operating system.
    pub(crate) fn refused(&mut self, call: Call) {
        let transition = match call {
            Call::Reserve => &mut self.reserve,
            Call::Alloc => &mut self.alloc,
            Call::Map => &mut self.map,
            Call::Used => &mut self.used,
            Call::Unused => &mut self.unused,
            Call::Fault => &mut self.fault,
            Call::Populate | Call::Guard | Call::State | Call::Resident => return,
        };
        transition.refused += 1;
    }
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
