//! The errors of this crate.
//!
//! Owns: [`MemoryError`] and [`Call`], the operation that an error names. Callers: everyone who asks for memory.
//! Invariant: an operation that returns an error has changed neither a page's usable contents nor a counter, except
//! where its documentation says otherwise ([`Reservation::fault`](crate::Reservation::fault)).

use crate::State;
use core::fmt;
use std::io;

/// An operation of this crate, as it is named in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Call {
    /// [`Memory::reserve`](crate::Memory::reserve).
    Reserve,
    /// [`Memory::alloc`](crate::Memory::alloc).
    Alloc,
    /// [`Reservation::map`](crate::Reservation::map).
    Map,
    /// [`Reservation::used`](crate::Reservation::used).
    Used,
    /// [`Reservation::unused`](crate::Reservation::unused).
    Unused,
    /// [`Reservation::fault`](crate::Reservation::fault).
    Fault,
    /// [`Reservation::populate`](crate::Reservation::populate).
    Populate,
    /// [`Reservation::guard`](crate::Reservation::guard).
    Guard,
    /// [`Reservation::state`](crate::Reservation::state).
    State,
    /// [`Reservation::resident`](crate::Reservation::resident).
    Resident,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Call::Reserve => "reserve",
            Call::Alloc => "alloc",
            Call::Map => "map",
            Call::Used => "used",
            Call::Unused => "unused",
            Call::Fault => "fault",
            Call::Populate => "populate",
            Call::Guard => "guard",
            Call::State => "state",
            Call::Resident => "resident",
        })
    }
}

/// Why memory could not be obtained or changed. All offsets and lengths are in bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The operating system refused.
    #[error("{call} of {len} bytes: the operating system refused")]
    Os {
        /// The operation.
        call: Call,
        /// The length it asked for.
        len: usize,
        /// What the system said; [`raw_os_error`](io::Error::raw_os_error) is the errno.
        #[source]
        source: io::Error,
    },
    /// An offset or a length is not a multiple of the page size.
    #[error("{call} of {len} bytes at offset {offset}: not whole pages of {page_size} bytes")]
    Unaligned {
        /// The operation.
        call: Call,
        /// The offset given; 0 where the operation has none.
        offset: usize,
        /// The length given.
        len: usize,
        /// The page size.
        page_size: usize,
    },
    /// A range does not lie inside its reservation.
    #[error("{call} of {len} bytes at offset {offset}: outside the reservation of {size} bytes")]
    OutOfRange {
        /// The operation.
        call: Call,
        /// The offset given.
        offset: usize,
        /// The length given.
        len: usize,
        /// The length of the reservation.
        size: usize,
    },
    /// A page of the range is in a state from which the transition does not lead.
    #[error("{call}: the page at offset {offset} is {found}")]
    State {
        /// The operation.
        call: Call,
        /// Offset of the first such page.
        offset: usize,
        /// Its state.
        found: State,
    },
    /// A size that no reservation can have: zero, an alignment that is not a power of two, or a sum that overflows.
    #[error("{call} of {len} bytes aligned to {align}: not a possible size")]
    Size {
        /// The operation.
        call: Call,
        /// The length given.
        len: usize,
        /// The alignment given.
        align: usize,
    },
}

impl MemoryError {
    /// True when the system has no more memory or address space to give, so that the caller may collect garbage and
    /// try again. False for mistakes of the caller and for every other refusal.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, MemoryError::Os { source, .. } if source.kind() == io::ErrorKind::OutOfMemory)
    }
}
