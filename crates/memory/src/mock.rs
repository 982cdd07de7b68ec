//! A test tool: an operating system that counts its calls and refuses some of them.
//!
//! Owns: [`MockOs`] and [`Request`], the kinds that it tells apart. Callers: tests of this crate and of those above it; no product
//! code. The requests that are not refused go to the real system, so what a test gets is real memory.
//! Invariant: requests are numbered from 1 in the order in which they arrive, whichever kind they are; unmapping
//! cannot fail and has no number.

use crate::os::{Access, Mapping, Os, System};
use core::ptr::NonNull;
use spanheap_sync::Arc;
use spanheap_sync::word::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::io;

/// A kind of request: a method of [`Os`] that the system may refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Request {
    /// [`Os::reserve`].
    Reserve,
    /// [`Os::reserve_at`].
    ReserveAt,
    /// [`Os::alloc`].
    Alloc,
    /// [`Os::protect`].
    Protect,
    /// [`Os::discard`].
    Discard,
    /// [`Os::prefer_huge`].
    PreferHuge,
    /// [`Os::populate`].
    Populate,
    /// [`Os::resident`].
    Resident,
}

impl Request {
    /// Every kind, in the order of the trait.
    pub const ALL: [Request; 8] = [
        Request::Reserve,
        Request::ReserveAt,
        Request::Alloc,
        Request::Protect,
        Request::Discard,
        Request::PreferHuge,
        Request::Populate,
        Request::Resident,
    ];
}

/// The real operating system behind a counter and a fault injector. Clones share their state: keep one to steer and
/// give the other to [`Memory::with_os`](crate::Memory::with_os).
///
/// ```
/// use spanheap_memory::{Memory, mock::MockOs};
/// use spanheap_sync::Arc;
///
/// let os = MockOs::new();
/// let memory = Arc::new(Memory::with_os(Box::new(os.clone())));
/// let page = memory.page_size();
/// os.fail_at(2);
/// let reservation = memory.reserve(page, page, None).unwrap();
/// assert!(reservation.map(0, page).unwrap_err().is_out_of_memory());
/// reservation.map(0, page).unwrap();
/// assert_eq!((os.calls(), os.live_mappings()), (3, 1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct MockOs {
    shared: Arc<Shared>,
}

/// The counts are independent of each other and order nothing, so every access is relaxed. They are `core`'s atomics,
/// so that a test may steer a mock that lives in a loom model.
#[derive(Debug)]
struct Shared {
    calls: AtomicU64,
    /// By kind.
    failed: [AtomicU64; Request::ALL.len()],
    /// The request that fails; 0 is none.
    fail_at: AtomicU64,
    /// The first of the requests that all fail; 0 is none.
    fail_from: AtomicU64,
    /// Each request whose number is a multiple of this fails; 0 is none.
    fail_every: AtomicU64,
    refuse_places: AtomicBool,
    /// Most bytes that mappings may have; `usize::MAX` is no limit.
    address_space: AtomicUsize,
    /// What the process may use; `u64::MAX` is no limit.
    memory_limit: AtomicU64,
    live_mappings: AtomicUsize,
    live_bytes: AtomicUsize,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            calls: AtomicU64::new(0),
            failed: [const { AtomicU64::new(0) }; Request::ALL.len()],
            fail_at: AtomicU64::new(0),
            fail_from: AtomicU64::new(0),
            fail_every: AtomicU64::new(0),
            refuse_places: AtomicBool::new(false),
            address_space: AtomicUsize::new(usize::MAX),
            memory_limit: AtomicU64::new(u64::MAX),
            live_mappings: AtomicUsize::new(0),
            live_bytes: AtomicUsize::new(0),
        }
    }
}

impl MockOs {
    /// A system that refuses nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Request `n`, counted from 1 since the mock was made, fails with "out of memory"; 0 takes the order back. Requests
    /// after it succeed.
    pub fn fail_at(&self, n: u64) {
        self.shared.fail_at.store(n, Ordering::Relaxed);
    }

    /// Request `n`, counted from 1 since the mock was made, and all after it fail with "out of memory"; 0 takes the order
    /// back.
    pub fn fail_from(&self, n: u64) {
        self.shared.fail_from.store(n, Ordering::Relaxed);
    }

    /// Every `n`-th request fails with "out of memory"; 0 takes the order back.
    pub fn fail_every(&self, n: u64) {
        self.shared.fail_every.store(n, Ordering::Relaxed);
    }

    /// Whether every wanted address is answered with "taken".
    pub fn refuse_places(&self, refuse: bool) {
        self.shared.refuse_places.store(refuse, Ordering::Relaxed);
    }

    /// Mappings beyond `bytes` in all are refused with "out of memory", as under a limit on address space.
    pub fn limit_address_space(&self, bytes: usize) {
        self.shared.address_space.store(bytes, Ordering::Relaxed);
    }

    /// What the system says that this process may use, in bytes; at first, and for `None`, it sets no limit. Nothing is
    /// refused because of it: to stay below is the caller's affair.
    pub fn set_memory_limit(&self, bytes: Option<u64>) {
        self.shared.memory_limit.store(bytes.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Requests so far, refused ones included.
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// Requests that this mock made fail so far.
    pub fn failed_calls(&self) -> u64 {
        self.shared.failed.iter().map(|failed| failed.load(Ordering::Relaxed)).sum()
    }

    /// Of them, those of one kind.
    pub fn failed_calls_of(&self, kind: Request) -> u64 {
        self.shared.failed[kind as usize].load(Ordering::Relaxed)
    }

    /// Mappings that exist now.
    pub fn live_mappings(&self) -> usize {
        self.shared.live_mappings.load(Ordering::Relaxed)
    }

    /// Bytes in the mappings that exist now.
    pub fn live_bytes(&self) -> usize {
        self.shared.live_bytes.load(Ordering::Relaxed)
    }

    /// Numbers a request, and refuses it if that is its fate.
    fn admit(&self, kind: Request) -> io::Result<()> {
        let shared = &*self.shared;
        let number = shared.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let (from, every) = (shared.fail_from.load(Ordering::Relaxed), shared.fail_every.load(Ordering::Relaxed));
        let is_due = (from != 0 && number >= from) || (every != 0 && number.is_multiple_of(every));
        if shared.fail_at.load(Ordering::Relaxed) == number || is_due {
            return self.refuse(kind);
        }
        Ok(())
    }

    /// As [`admit`](Self::admit), for a request that maps `len` bytes.
    fn admit_mapping(&self, kind: Request, len: usize) -> io::Result<()> {
        self.admit(kind)?;
        match self.live_bytes().checked_add(len) {
            Some(sum) if sum <= self.shared.address_space.load(Ordering::Relaxed) => Ok(()),
            _ => self.refuse(kind),
        }
    }

    fn refuse(&self, kind: Request) -> io::Result<()> {
        self.shared.failed[kind as usize].fetch_add(1, Ordering::Relaxed);
        Err(io::Error::from(io::ErrorKind::OutOfMemory))
    }

    /// Counts a mapping until it is dropped.
    fn track(&self, mapping: Mapping) -> Mapping {
        let len = mapping.len();
        self.shared.live_mappings.fetch_add(1, Ordering::Relaxed);
        self.shared.live_bytes.fetch_add(len, Ordering::Relaxed);
        let shared = Arc::clone(&self.shared);
        // SAFETY: `Tracked` keeps the old owner as a field.
        unsafe { mapping.map_owner(|owner| Tracked { _owner: owner, shared, len }) }
    }
}

// SAFETY: every call is refused or passed on to the system.
unsafe impl Os for MockOs {
    fn page_size(&self) -> usize {
        System.page_size()
    }

    fn reserve(&self, len: usize) -> io::Result<Mapping> {
        self.admit_mapping(Request::Reserve, len)?;
        System.reserve(len).map(|mapping| self.track(mapping))
    }

    fn reserve_at(&self, address: usize, len: usize) -> io::Result<Option<Mapping>> {
        self.admit_mapping(Request::ReserveAt, len)?;
        if self.shared.refuse_places.load(Ordering::Relaxed) {
            return Ok(None);
        }
        Ok(System.reserve_at(address, len)?.map(|mapping| self.track(mapping)))
    }

    fn alloc(&self, len: usize) -> io::Result<Mapping> {
        self.admit_mapping(Request::Alloc, len)?;
        System.alloc(len).map(|mapping| self.track(mapping))
    }

    unsafe fn protect(&self, start: NonNull<u8>, len: usize, access: Access) -> io::Result<()> {
        self.admit(Request::Protect)?;
        // SAFETY: the caller's promises are those that the real system asks for, and its mappings are what we gave out.
        unsafe { System.protect(start, len, access) }
    }

    unsafe fn discard(&self, start: NonNull<u8>, len: usize) -> io::Result<()> {
        self.admit(Request::Discard)?;
        // SAFETY: as for `protect`.
        unsafe { System.discard(start, len) }
    }

    unsafe fn prefer_huge(&self, start: NonNull<u8>, len: usize) -> io::Result<()> {
        self.admit(Request::PreferHuge)?;
        // SAFETY: as for `protect`.
        unsafe { System.prefer_huge(start, len) }
    }

    unsafe fn populate(&self, start: NonNull<u8>, len: usize) -> io::Result<()> {
        self.admit(Request::Populate)?;
        // SAFETY: as for `protect`.
        unsafe { System.populate(start, len) }
    }

    fn resident(&self, start: NonNull<u8>, len: usize) -> io::Result<usize> {
        self.admit(Request::Resident)?;
        System.resident(start, len)
    }

    fn memory_limit(&self) -> Option<u64> {
        let bytes = self.shared.memory_limit.load(Ordering::Relaxed);
        (bytes != u64::MAX).then_some(bytes)
    }
}

/// The owner of a mapping that is counted while it lives.
struct Tracked {
    _owner: Box<dyn Send + Sync>,
    shared: Arc<Shared>,
    len: usize,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.shared.live_mappings.fetch_sub(1, Ordering::Relaxed);
        self.shared.live_bytes.fetch_sub(self.len, Ordering::Relaxed);
    }
}
