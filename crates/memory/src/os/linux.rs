//! Linux: the only file with system calls.
//!
//! Owns: [`System`], the real [`Os`]. Callers: `memory.rs` by default, `mock.rs` behind its counters.
//! Invariants: memmap2 owns a mapping's life, except for one placed at a wanted address, for which it has no call and
//! which [`Placed`] owns; no call replaces an existing mapping; memory is reserved without swap (`MAP_NORESERVE`), as
//! most of what a heap reserves is never touched.

use super::{Access, Mapping, Os};
use core::ffi::{CStr, c_void};
use core::ptr::{NonNull, without_provenance_mut};
use memmap2::{MmapOptions, MmapRaw};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};
use rustix::process::set_virtual_memory_region_name;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The name of reserved address space in the process's memory map.
const RESERVED_NAME: &CStr = c"spanheap";
/// The name of memory that was allocated for the heap's own records.
const ALLOCATED_NAME: &CStr = c"spanheap metadata";

/// The operating system that the program runs on.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct System;

impl System {
    /// The system.
    pub const fn new() -> Self {
        Self
    }
}

// SAFETY: every method is the system call of that meaning, and an error is one.
unsafe impl Os for System {
    fn page_size(&self) -> usize {
        rustix::param::page_size()
    }

    fn reserve(&self, len: usize) -> io::Result<Mapping> {
        let mapping = anonymous(len)?;
        name(&mapping, RESERVED_NAME);
        hide(mapping)
    }

    fn reserve_at(&self, address: usize, len: usize) -> io::Result<Option<Mapping>> {
        let wanted = without_provenance_mut::<c_void>(address);
        // Readable at first, because a region can only be named through a slice; not writable, because a strict
        // overcommit policy charges writable private memory at once.
        let (access, flags) = (ProtFlags::READ, MapFlags::PRIVATE | MapFlags::NORESERVE);
        // SAFETY: without `MAP_FIXED` the address is a wish, and the kernel picks an unused range in any case.
        let found = unsafe { mmap_anonymous(wanted, len, access, flags) }?;
        let Some(base) = NonNull::new(found.cast::<u8>()) else {
            return Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        };
        let placed = Placed { base, len };
        if base.addr().get() != address {
            return Ok(None);
        }
        // SAFETY: the range was mapped just now for this value alone, and `placed` unmaps it when it is dropped.
        let mapping = unsafe { Mapping::new(base, len, placed) };
        name(&mapping, RESERVED_NAME);
        hide(mapping).map(Some)
    }

    fn alloc(&self, len: usize) -> io::Result<Mapping> {
        let mapping = anonymous(len)?;
        name(&mapping, ALLOCATED_NAME);
        Ok(mapping)
    }

    unsafe fn protect(&self, start: NonNull<u8>, len: usize, access: Access) -> io::Result<()> {
        let flags = match access {
            Access::None => MprotectFlags::empty(),
            Access::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
        };
        // SAFETY: by rules 1 and 2 of the trait the range is ours, and nobody relies on an access that is taken away.
        Ok(unsafe { mprotect(start.as_ptr().cast(), len, flags) }?)
    }

    unsafe fn discard(&self, start: NonNull<u8>, len: usize) -> io::Result<()> {
        // Not `Advice::DontNeed`, which is the POSIX advice and frees nothing.
        // SAFETY: by rules 1 and 2 of the trait the range is ours and its contents do not matter.
        Ok(unsafe { madvise(start.as_ptr().cast(), len, Advice::LinuxDontNeed) }?)
    }

    unsafe fn prefer_huge(&self, start: NonNull<u8>, len: usize) -> io::Result<()> {
        // SAFETY: by the rule of the trait the range is ours; this advice changes no contents.
        match unsafe { madvise(start.as_ptr().cast(), len, Advice::LinuxHugepage) } {
            // A kernel built without transparent huge pages does not know the advice.
            Err(Errno::INVAL) => Ok(()),
            result => Ok(result?),
        }
    }

    unsafe fn populate(&self, start: NonNull<u8>, len: usize) -> io::Result<()> {
        // Not `MADV_POPULATE_WRITE`: that holds the lock of the whole address space while it clears pages, and every
        // thread of the process that maps or unmaps something waits for it. A fault holds that of its region.
        for offset in (0..len).step_by(self.page_size()) {
            // SAFETY: the offset is less than the length of the range, which by rule 1 of the trait is mapped.
            let byte = unsafe { start.add(offset) };
            // Written, because a page that is only read is the system's one page of zeros; and volatile, because a compiler
            // knows that writing back what was read changes nothing.
            // SAFETY: by rule 1 of the trait the byte may be read, and by rule 2 no other access to it runs.
            let value = unsafe { byte.read_volatile() };
            // SAFETY: as above, for writing.
            unsafe { byte.write_volatile(value) };
        }
        Ok(())
    }

    fn resident(&self, start: NonNull<u8>, len: usize) -> io::Result<usize> {
        /// Bytes of one entry of the page map.
        const ENTRY: usize = size_of::<u64>();
        /// The bit of an entry that says that the page is in memory.
        const PRESENT: u64 = 1 << 63;

        let page_size = self.page_size();
        let page_map = File::open("/proc/self/pagemap")?;
        let first = start.addr().get() / page_size;
        let pages = len / page_size;
        let mut entries = vec![0; pages.min(8192) * ENTRY];
        let mut present = 0;
        let mut done = 0;
        while done < pages {
            let chunk = &mut entries[..(pages - done).min(8192) * ENTRY];
            page_map.read_exact_at(chunk, ((first + done) * ENTRY) as u64)?;
            let (words, _) = chunk.as_chunks::<ENTRY>();
            present += words.iter().filter(|&&word| u64::from_ne_bytes(word) & PRESENT != 0).count();
            done += words.len();
        }
        Ok(present * page_size)
    }

    fn memory_limit(&self) -> Option<u64> {
        crate::cgroup::limit(|path| std::fs::read(path).ok())
    }
}

/// A readable and writable mapping of zeros, owned by memmap2.
fn anonymous(len: usize) -> io::Result<Mapping> {
    // Raw at once: no reference to the memory exists while others hold pointers into it.
    let map = MmapRaw::from(MmapOptions::new().len(len).no_reserve_swap().map_anon()?);
    let Some(base) = NonNull::new(map.as_mut_ptr()) else {
        return Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    };
    // SAFETY: the mapping is new and private, `map` unmaps it when it is dropped, and the kernel maps whole pages at
    // page borders.
    Ok(unsafe { Mapping::new(base, len, map) })
}

/// Takes all access away from a mapping that nobody has seen yet.
fn hide(mapping: Mapping) -> io::Result<Mapping> {
    // SAFETY: the range is the whole of a live mapping, and no reference into it exists.
    unsafe { System.protect(mapping.base(), mapping.len(), Access::None) }?;
    Ok(mapping)
}

/// Names a mapping that is readable and that nobody has seen yet, for those who read the process's memory map. Best
/// effort: a kernel without the feature refuses, and nothing depends on it.
fn name(mapping: &Mapping, name: &CStr) {
    // SAFETY: the range is mapped readable and zero-filled, nobody writes to it during this call, and it is smaller than
    // `isize::MAX` because it lies in user space.
    let region = unsafe { core::slice::from_raw_parts(mapping.base().as_ptr(), mapping.len()) };
    let _ = set_virtual_memory_region_name(region, Some(name));
}

/// The owner of a mapping that memmap2 did not make.
struct Placed {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the base is an address that this type passes to the kernel and never dereferences; any thread may unmap.
unsafe impl Send for Placed {}
// SAFETY: as for `Send`; a shared `Placed` can do nothing.
unsafe impl Sync for Placed {}

impl Drop for Placed {
    fn drop(&mut self) {
        // An error cannot be reported from here, and the only likely one (the kernel's limit on regions) leaves address
        // space behind that holds no access.
        // SAFETY: this value owns the range, and whoever held pointers into it promised to be done (`Reservation`).
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}
