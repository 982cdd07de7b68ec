//! One heap's access to the operating system.
//!
//! Owns: [`Memory`], the seam with its counters, and the search for an aligned place. Callers: the allocator makes
//! reservations and allocations; statistics take copies of the counters.
//! Locks: `Rank::Counters`, for a few instructions, never across a system call.

use crate::counters::Counters;
use crate::error::{Call, MemoryError};
use crate::os::{Mapping, Os, System};
use crate::pages::State;
use crate::reservation::Reservation;
use core::fmt;
use spanheap_sync::{Arc, Mutex, Rank};
use std::io;

/// Aligned places that are tried on each side of the kernel's own choice before a reservation is widened.
const PROBES: usize = 8;

/// The operating system as one heap sees it, with the figures of what the heap holds. Shared by [`Arc`]: every
/// [`Reservation`] keeps it alive.
pub struct Memory {
    os: Box<dyn Os>,
    page_size: usize,
    /// Written and read under its lock by any thread that makes a transition.
    counters: Mutex<Counters>,
}

impl Memory {
    /// The real operating system. Makes no system call.
    pub fn new() -> Memory {
        Memory::with_os(Box::new(System::new()))
    }

    /// Another system, as a rule a [`MockOs`](crate::mock::MockOs).
    ///
    /// # Panics
    ///
    /// When the system's page size is not a power of two.
    pub fn with_os(os: Box<dyn Os>) -> Memory {
        let page_size = os.page_size();
        assert!(page_size.is_power_of_two(), "a page size of {page_size} bytes is not a power of two");
        Memory { os, page_size, counters: Mutex::new(Rank::Counters, Counters::default()) }
    }

    /// A copy of the figures, all from one moment.
    pub fn counters(&self) -> Counters {
        *self.counters.lock()
    }

    /// Bytes per page. Offsets and lengths are multiples of it.
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// Most bytes of memory that the system allows this process now; `None` if it sets no limit. Not counted as a request.
    pub fn system_limit(&self) -> Option<u64> {
        self.os.memory_limit()
    }

    /// Address space of `len` bytes that faults when touched (`None` to `Reserved`). Its base is a multiple of `align`
    /// (a power of two; less than a page counts as a page).
    ///
    /// The base is `hint` if that is aligned and free; otherwise it is elsewhere. Some aligned places are probed, none of
    /// which replaces a mapping that exists. Only where all of them are taken, the reservation takes up to `align` bytes
    /// more address space, and the counters say so.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Unaligned`] when `len` is not whole pages, [`MemoryError::Size`] when it is zero or too large or
    /// `align` is not a power of two, and [`MemoryError::Os`] when there is no address space.
    pub fn reserve(
        self: &Arc<Self>,
        len: usize,
        align: usize,
        hint: Option<usize>,
    ) -> Result<Reservation, MemoryError> {
        let call = Call::Reserve;
        self.check_len(call, len)?;
        let widened = len.checked_add(align).filter(|_| align.is_power_of_two());
        let widened = widened.ok_or(MemoryError::Size { call, len, align })?;
        let mapping = self
            .find_aligned(len, align.max(self.page_size), widened, hint)
            .map_err(|source| self.refused(call, len, source))?;
        Ok(Reservation::new(Arc::clone(self), mapping, len, align, State::Reserved))
    }

    /// Zeroed memory of `len` bytes for the heap's own records, in use at once (`None` to `Ready`).
    ///
    /// # Errors
    ///
    /// [`MemoryError::Unaligned`] when `len` is not whole pages, [`MemoryError::Size`] when it is zero, and
    /// [`MemoryError::Os`] when there is no memory.
    pub fn alloc(self: &Arc<Self>, len: usize) -> Result<Reservation, MemoryError> {
        let call = Call::Alloc;
        self.check_len(call, len)?;
        let mapping = self.call(|os| os.alloc(len)).map_err(|source| self.refused(call, len, source))?;
        Ok(Reservation::new(Arc::clone(self), mapping, len, self.page_size, State::Ready))
    }

    /// Counts a request and makes it.
    pub(crate) fn call<R>(&self, request: impl FnOnce(&dyn Os) -> io::Result<R>) -> io::Result<R> {
        self.counters.lock().calls += 1;
        request(&*self.os)
    }

    /// Counts a transition that the system has refused, and says so.
    pub(crate) fn refused(&self, call: Call, len: usize, source: io::Error) -> MemoryError {
        self.account(|counters| counters.transitions.refused(call));
        MemoryError::Os { call, len, source }
    }

    /// Changes the figures.
    pub(crate) fn account(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.lock());
    }

    fn check_len(&self, call: Call, len: usize) -> Result<(), MemoryError> {
        if len == 0 {
            Err(MemoryError::Size { call, len, align: self.page_size })
        } else if !len.is_multiple_of(self.page_size) {
            Err(MemoryError::Unaligned { call, offset: 0, len, page_size: self.page_size })
        } else {
            Ok(())
        }
    }

    /// Address space that contains `len` bytes at a multiple of `align`; `widened` is at least `len + align`.
    fn find_aligned(&self, len: usize, align: usize, widened: usize, hint: Option<usize>) -> io::Result<Mapping> {
        let at = |address: usize| -> Option<Mapping> {
            // A refusal here is no failure yet: the places that follow may do.
            let possible = address != 0 && address.is_multiple_of(align) && address.checked_add(len).is_some();
            possible.then(|| self.call(|os| os.reserve_at(address, len)).ok().flatten()).flatten()
        };
        if let Some(mapping) = hint.and_then(at) {
            return Ok(mapping);
        }
        // The kernel's own choice is aligned when the last reservation was (it fills the space downwards), and else the
        // aligned address below it is likely free: both need no more address space than asked for, which counts
        // under a limit on it.
        let anywhere = self.call(|os| os.reserve(len))?;
        let address = anywhere.base().addr().get();
        if address.is_multiple_of(align) {
            return Ok(anywhere);
        }
        drop(anywhere);
        // There is room for the length, so what is missing is a place: the aligned ones around the kernel's choice cost
        // no more address space than asked for, which a wider reservation would hold for good.
        let nearest = address & !(align - 1);
        let below = (0..=PROBES).filter_map(|n| nearest.checked_sub(align.checked_mul(n)?));
        let above = (1..=PROBES).filter_map(|n| nearest.checked_add(align.checked_mul(n)?));
        if let Some(mapping) = below.chain(above).find_map(at) {
            return Ok(mapping);
        }
        self.call(|os| os.reserve(widened.next_multiple_of(self.page_size)))
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("counters", &self.counters()).finish_non_exhaustive()
    }
}
