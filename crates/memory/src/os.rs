//! The seam to the operating system: what this crate asks of it, and who owns what it gives.
//!
//! Owns: the trait [`Os`], the owner [`Mapping`], and the choice of the file with the system's calls. Callers:
//! `memory.rs` and `reservation.rs`; `mock.rs` implements the trait in front of the real system.
//! Invariants: no other file makes a system call; another operating system is one more file and one more line here.

#[cfg(not(target_os = "linux"))]
compile_error!("spanheap-memory knows Linux only: another system needs a file that implements `Os` beside os/linux.rs");
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::System;

use core::fmt;
use core::ptr::NonNull;
use std::io;

/// What touching a page does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It faults.
    None,
    /// Reads and writes are allowed.
    ReadWrite,
}

/// The calls that this crate needs from an operating system. All addresses and lengths are multiples of
/// [`page_size`](Os::page_size), and no length is zero.
///
/// Errors are the system's; [`io::ErrorKind::OutOfMemory`] means that memory or address space is exhausted.
///
/// # Safety
///
/// 1. A call that succeeds has done what its description says: a mapping is as long as was asked for, pages can be touched
///    once `protect` has allowed it, and pages that were discarded read as zero.
/// 2. [`page_size`](Os::page_size) is the system's.
pub unsafe trait Os: Send + Sync {
    /// Bytes per page: a power of two, the same at every call.
    fn page_size(&self) -> usize;

    /// Address space of `len` bytes that faults when touched, wherever the system likes.
    fn reserve(&self, len: usize) -> io::Result<Mapping>;

    /// As [`reserve`](Os::reserve) at exactly `address`, or `None` when that place is not to be had. It never replaces
    /// a mapping that exists.
    fn reserve_at(&self, address: usize, len: usize) -> io::Result<Option<Mapping>>;

    /// Memory of `len` bytes that may be read and written at once, zeroed.
    fn alloc(&self, len: usize) -> io::Result<Mapping>;

    /// Sets what touching the pages does. Their contents stay.
    ///
    /// # Safety
    ///
    /// 1. The range lies inside one live [`Mapping`] that this system made.
    /// 2. No Rust reference to the range exists, if access is taken away.
    unsafe fn protect(&self, start: NonNull<u8>, len: usize, access: Access) -> io::Result<()>;

    /// Gives the pages back. The range keeps its access, and reads as zero when it is next touched.
    ///
    /// # Safety
    ///
    /// 1. The range lies inside one live [`Mapping`] that this system made.
    /// 2. No Rust reference to the range exists, and nothing in it matters any more.
    unsafe fn discard(&self, start: NonNull<u8>, len: usize) -> io::Result<()>;

    /// Asks for huge pages in the range. Contents stay. A system that has none answers `Ok`.
    ///
    /// # Safety
    ///
    /// The range lies inside one live [`Mapping`] that this system made.
    unsafe fn prefer_huge(&self, start: NonNull<u8>, len: usize) -> io::Result<()>;

    /// Brings the range's pages into memory, so that whoever touches them next does not wait for the system. Contents
    /// stay. May take milliseconds for each huge page.
    ///
    /// # Safety
    ///
    /// 1. The range lies inside one live [`Mapping`] that this system made, and may be read and written.
    /// 2. Nobody else reads or writes the range meanwhile.
    unsafe fn populate(&self, start: NonNull<u8>, len: usize) -> io::Result<()>;

    /// How many bytes of the range are in memory now.
    fn resident(&self, start: NonNull<u8>, len: usize) -> io::Result<usize>;

    /// Most bytes of memory that this process may use before the system ends it, as the system says now; `None` if it
    /// sets no limit.
    fn memory_limit(&self) -> Option<u64> {
        None
    }
}

/// A range of address space that is held until this value is dropped.
pub struct Mapping {
    base: NonNull<u8>,
    len: usize,
    /// Unmaps when it is dropped.
    owner: Box<dyn Send + Sync>,
}

// SAFETY: the base is an address; this type never dereferences it, and the owner is `Send` itself.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`; the shared methods only return copies.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// A mapping of `len` bytes at `base` that lives as long as `owner`. For implementations of [`Os`].
    ///
    /// # Safety
    ///
    /// 1. The range is mapped, private to the caller, and stays so until `owner` is dropped.
    /// 2. `base` and `len` are multiples of the system's page size, and `len` is not zero.
    pub unsafe fn new(base: NonNull<u8>, len: usize, owner: impl Send + Sync + 'static) -> Self {
        Self { base, len, owner: Box::new(owner) }
    }

    /// The first byte. The pointer may be used for the whole range.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes in the range.
    #[allow(clippy::len_without_is_empty, reason = "a mapping is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Replaces the owner by one that `wrap` builds around it, so that a wrapper learns when the mapping ends.
    ///
    /// # Safety
    ///
    /// The new owner keeps the old one until it is dropped itself.
    pub unsafe fn map_owner<T: Send + Sync + 'static>(self, wrap: impl FnOnce(Box<dyn Send + Sync>) -> T) -> Self {
        Self { base: self.base, len: self.len, owner: Box::new(wrap(self.owner)) }
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("base", &self.base).field("len", &self.len).finish_non_exhaustive()
    }
}
