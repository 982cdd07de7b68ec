//! One range of address space, and the transitions of its pages.
//!
//! Owns: [`Reservation`], which holds its mapping and the state of each page. Callers: the allocator.
//! Invariants: the counters of [`Memory`] contain exactly what the page states say; a system call comes before the
//! change that it brings about is recorded, so that a refusal leaves the record true.
//! Locks: `Rank::PageStates`, and `Rank::Counters` inside it, so that the figures of two threads cannot be recorded
//! in the wrong order. Neither is held across a system call.

use crate::counters::Counters;
use crate::error::{Call, MemoryError};
use crate::memory::Memory;
use crate::os::{Access, Mapping, Os};
use crate::pages::{PageStates, State};
use core::fmt;
use core::ops::Range;
use core::ptr::NonNull;
use spanheap_sync::{Arc, Mutex, Rank};
use std::io;

/// The pages that a range is wanted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageKind {
    /// Whatever the system does by itself; costs no system call.
    Small,
    /// Huge pages, if the system has them: for ranges that are used as a whole.
    Huge,
}

/// A range of address space. Dropping it unmaps it (`free`) and takes its share out of the counters.
///
/// `free` has no method of its own: it needs the whole reservation, after which nothing may be called, which is what a drop
/// says; it cannot be forgotten on a path that returns early; and a caller could do nothing about a refusal.
///
/// Offsets count from [`base`](Self::base). Transitions take `&self`; those on overlapping ranges are to be serialised
/// by the caller, those on disjoint ranges may run at once.
///
/// # Pointers into it
///
/// This type never looks at the memory, so its methods are safe. Whoever dereferences a pointer derived from `base`
/// promises that at that time
/// 1. the reservation lives,
/// 2. the page is prepared or ready, and no `fault` of it runs, and
/// 3. no `unused` of the page runs, if a reference to it exists or its contents matter, and
/// 4. no `populate` of the page runs, nor a `guard`, and the page is not guarded.
pub struct Reservation {
    memory: Arc<Memory>,
    /// `None` only while the value is dropped.
    mapping: Option<Mapping>,
    base: NonNull<u8>,
    len: usize,
    states: Mutex<PageStates>,
}

// SAFETY: the base is an address that this type never dereferences; everything else is `Send`.
unsafe impl Send for Reservation {}
// SAFETY: as for `Send`; the page states are behind a lock, and the system accepts calls from any thread.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Takes over a new mapping, of which `len` bytes from the first multiple of `align` on are used.
    pub(crate) fn new(memory: Arc<Memory>, mapping: Mapping, len: usize, align: usize, state: State) -> Self {
        let skipped = mapping.base().addr().get().wrapping_neg() & (align - 1);
        debug_assert!(skipped + len <= mapping.len());
        // SAFETY: `find_aligned` made the mapping long enough for the bytes skipped and `len`, so this stays inside.
        let base = unsafe { mapping.base().add(skipped) };
        let pages = len / memory.page_size();
        let mut states = PageStates::new(pages);
        if state == State::Ready {
            states.prepare(0..pages);
            states.ready(0..pages);
        }
        memory.account(|counters| {
            counters.add_reserved(mapping.len());
            counters.add_prepared(states.prepared_pages() * memory.page_size());
            counters.add_ready(states.ready_pages() * memory.page_size());
            match state {
                State::Ready => counters.transitions.alloc.made(mapping.len()),
                _ => counters.transitions.reserve.made(mapping.len()),
            }
        });
        Self { memory, mapping: Some(mapping), base, len, states: Mutex::new(Rank::PageStates, states) }
    }

    /// The first byte; see the rules for pointers above.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes from the base on.
    #[allow(clippy::len_without_is_empty, reason = "a reservation is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The [`Memory`] that it came from.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Lets the range be touched (`Reserved` to `Prepared`). Its pages read as zero; none is held before it is touched.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Unaligned`], [`MemoryError::OutOfRange`], and [`MemoryError::Os`], after which the range counts
    /// as reserved although the system may have let a part of it be touched.
    pub fn map(&self, offset: usize, len: usize) -> Result<(), MemoryError> {
        let call = Call::Map;
        let Some(pages) = self.pages(call, offset, len)? else { return Ok(()) };
        // SAFETY: the range was checked to lie in this reservation's live mapping; access is given, not taken.
        self.request(call, &pages, |os, start, len| unsafe { os.protect(start, len, Access::ReadWrite) })?;
        self.record(|states, page_size, counters| {
            let bytes = states.prepare(pages) * page_size;
            counters.add_prepared(bytes);
            counters.transitions.map.made(bytes);
        });
        Ok(())
    }

    /// Says that the range is in use from now on (`Prepared` to `Ready`). Contents stay: a page that was never
    /// touched, or not since [`unused`](Self::unused), reads as zero.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Unaligned`], [`MemoryError::OutOfRange`], and [`MemoryError::State`] when a page is reserved. That the
    /// system refuses huge pages is none: it is counted, and the pages are ordinary ones.
    pub fn used(&self, offset: usize, len: usize, kind: PageKind) -> Result<(), MemoryError> {
        let call = Call::Used;
        let Some(pages) = self.pages(call, offset, len)? else { return Ok(()) };
        self.check_mapped(call, &pages)?;
        if kind == PageKind::Huge {
            let _advice = self.prefer_huge(offset, len);
        }
        self.record(|states, page_size, counters| {
            let bytes = states.ready(pages) * page_size;
            counters.add_ready(bytes);
            counters.transitions.used.made(bytes);
        });
        Ok(())
    }

    /// Asks for huge pages in the range, whatever state its pages are in: advice for what is touched later. For a range of which
    /// parts become used one after the other, one request is cheaper than one for each part.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Unaligned`], [`MemoryError::OutOfRange`], and [`MemoryError::Os`], after which the pages are ordinary
    /// ones; a refusal counts as one of [`used`](Self::used).
    pub fn prefer_huge(&self, offset: usize, len: usize) -> Result<(), MemoryError> {
        let call = Call::Used;
        let Some(pages) = self.pages(call, offset, len)? else { return Ok(()) };
        // SAFETY: the range was checked to lie in this reservation's live mapping.
        self.request(call, &pages, |os, start, len| unsafe { os.prefer_huge(start, len) })
    }

    /// Brings the range's pages into memory, so that whoever touches them next does not wait for the system. No
    /// transition: contents and states stay. May take milliseconds for each huge page; other threads may map and unmap
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Unaligned`], [`MemoryError::OutOfRange`], [`MemoryError::State`] when a page is reserved, and
    /// [`MemoryError::Os`], after which some of the pages may be in memory.
    pub fn populate(&self, offset: usize, len: usize) -> Result<(), MemoryError> {
        let call = Call::Populate;
        let Some(pages) = self.pages(call, offset, len)? else { return Ok(()) };
        self.check_mapped(call, &pages)?;
        // SAFETY: the range was checked to lie in this reservation's live mapping and to be prepared or ready, and by rule
        // 4 of the type nobody touches it meanwhile.
        self.request(call, &pages, |os, start, len| unsafe { os.populate(start, len) })
    }

    /// Makes the range fault when touched, or takes that back. No transition: contents and states stay, so that a page that is
    /// guarded counts as ready. For pages whose use is over and not to be forgotten yet; the guard must be taken back
    /// before they are used again.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Unaligned`], [`MemoryError::OutOfRange`], [`MemoryError::State`] when a page is reserved, and
    /// [`MemoryError::Os`], after which some of the pages may be guarded if they were before, or none if they were not.
    pub fn guard(&self, offset: usize, len: usize, guarded: bool) -> Result<(), MemoryError> {
        let call = Call::Guard;
        let Some(pages) = self.pages(call, offset, len)? else { return Ok(()) };
        self.check_mapped(call, &pages)?;
        let access = if guarded { Access::None } else { Access::ReadWrite };
        // SAFETY: the range was checked to lie in this reservation's live mapping, and by rule 4 of the type nobody holds a
        // reference to it meanwhile.
        self.request(call, &pages, |os, start, len| unsafe { os.protect(start, len, access) })
    }

    /// Gives the range's pages back (`Ready` to `Prepared`). The contents are gone: it reads as zero when it is next
    /// touched. The bytes that were ready are added to [`Counters::released`].
    ///
    /// # Errors
    ///
    /// [`MemoryError::Unaligned`], [`MemoryError::OutOfRange`], [`MemoryError::State`] when a page is reserved, and
    /// [`MemoryError::Os`], for example when the pages are locked in memory; the contents may then be gone in part.
    pub fn unused(&self, offset: usize, len: usize) -> Result<(), MemoryError> {
        let call = Call::Unused;
        let Some(pages) = self.pages(call, offset, len)? else { return Ok(()) };
        self.check_mapped(call, &pages)?;
        self.discard(call, &pages)?;
        self.record(|states, page_size, counters| {
            let bytes = states.unready(pages) * page_size;
            counters.remove(0, 0, bytes);
            counters.released += bytes as u64;
            counters.transitions.unused.made(bytes);
        });
        Ok(())
    }

    /// Makes the range fault when touched (`Ready` or `Prepared` to `Reserved`), to catch stale pointers. Its contents
    /// are gone.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Unaligned`], [`MemoryError::OutOfRange`], and [`MemoryError::Os`]. If the contents could be
    /// given back and only the protection was refused, the range is prepared afterwards.
    pub fn fault(&self, offset: usize, len: usize) -> Result<(), MemoryError> {
        let call = Call::Fault;
        let Some(pages) = self.pages(call, offset, len)? else { return Ok(()) };
        self.discard(call, &pages)?;
        let mut given_back = 0;
        self.record(|states, page_size, counters| {
            given_back = states.unready(pages.clone()) * page_size;
            counters.remove(0, 0, given_back);
        });
        // SAFETY: the range was checked to lie in this reservation's live mapping, and by rule 2 of the type nobody
        // dereferences a pointer to it any more.
        let hidden = self.request(call, &pages, |os, start, len| unsafe { os.protect(start, len, Access::None) });
        self.record(|states, page_size, counters| match &hidden {
            Ok(()) => {
                let bytes = states.unprepare(pages) * page_size;
                counters.remove(0, bytes, 0);
                counters.transitions.fault.made(bytes);
            }
            Err(_) => counters.transitions.fault.bytes += given_back as u64,
        });
        hidden
    }

    /// The state of the page that contains the byte at `offset`.
    ///
    /// # Errors
    ///
    /// [`MemoryError::OutOfRange`].
    pub fn state(&self, offset: usize) -> Result<State, MemoryError> {
        if offset >= self.len {
            return Err(MemoryError::OutOfRange { call: Call::State, offset, len: 1, size: self.len });
        }
        Ok(self.states.lock().get(offset / self.memory.page_size()))
    }

    /// Bytes of the reservation that are in memory now, as the system counts. For statistics: it costs time in
    /// proportion to the length, and the answer is old when it arrives.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Os`], when the system does not say.
    pub fn resident(&self) -> Result<usize, MemoryError> {
        let (call, len) = (Call::Resident, self.len);
        let resident = self.memory.call(|os| os.resident(self.base, len));
        resident.map_err(|source| MemoryError::Os { call, len, source })
    }

    /// The pages of a range, after the checks that all transitions share; `None` if there are none.
    fn pages(&self, call: Call, offset: usize, len: usize) -> Result<Option<Range<usize>>, MemoryError> {
        let page_size = self.memory.page_size();
        if !(offset | len).is_multiple_of(page_size) {
            return Err(MemoryError::Unaligned { call, offset, len, page_size });
        }
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok((len != 0).then_some(offset / page_size..end / page_size)),
            _ => Err(MemoryError::OutOfRange { call, offset, len, size: self.len }),
        }
    }

    fn check_mapped(&self, call: Call, pages: &Range<usize>) -> Result<(), MemoryError> {
        match self.states.lock().first_reserved(pages.clone()) {
            Some(page) => {
                Err(MemoryError::State { call, offset: page * self.memory.page_size(), found: State::Reserved })
            }
            None => Ok(()),
        }
    }

    fn discard(&self, call: Call, pages: &Range<usize>) -> Result<(), MemoryError> {
        // SAFETY: the pages were checked to lie in this reservation's live mapping, and by rule 3 of the type nobody
        // has a reference to them or needs their contents.
        self.request(call, pages, |os, start, len| unsafe { os.discard(start, len) })
    }

    /// Makes a request about pages that [`pages`](Self::pages) has checked.
    fn request(
        &self,
        call: Call,
        pages: &Range<usize>,
        request: impl FnOnce(&dyn Os, NonNull<u8>, usize) -> io::Result<()>,
    ) -> Result<(), MemoryError> {
        let page_size = self.memory.page_size();
        let len = pages.len() * page_size;
        // SAFETY: the pages were checked to end at or before the reservation's end, which lies in the mapping.
        let start = unsafe { self.base.add(pages.start * page_size) };
        self.memory.call(|os| request(os, start, len)).map_err(|source| self.memory.refused(call, len, source))
    }

    /// Records a change of page states (given the page size) and of the counters, as one step.
    fn record(&self, change: impl FnOnce(&mut PageStates, usize, &mut Counters)) {
        let mut states = self.states.lock();
        self.memory.account(|counters| change(&mut states, self.memory.page_size(), counters));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let reserved = self.mapping.as_ref().map_or(0, Mapping::len);
        // Unmapped first, so that the figures never claim less than there is.
        self.mapping = None;
        let (states, page_size) = (self.states.get_mut(), self.memory.page_size());
        let (prepared, ready) = (states.prepared_pages() * page_size, states.ready_pages() * page_size);
        self.memory.account(|counters| {
            counters.remove(reserved, prepared, ready);
            counters.transitions.free.made(reserved);
        });
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("base", &self.base).field("len", &self.len).finish_non_exhaustive()
    }
}
