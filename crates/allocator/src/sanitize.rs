//! AddressSanitizer's view of the heap: memory that holds no object is *poisoned*, so that whoever touches it is told.
//!
//! *Callers:* whoever hands memory out or takes it back: cursors, the sweep, large objects, stack memory, arenas. They call
//! these functions at the moment at which memory becomes an object's, or nobody's. *Invariants:* without
//! `--cfg spanheap_asan`, which is for builds with `-Zsanitizer=address` alone, every function here is empty and inlined.
//! Poison is a record beside the memory: it changes no byte of it, and prefetches and system calls do not see it. Ranges
//! start and end at multiples of 8, the unit of that record, so that two threads never write one entry of it.
//!
//! | memory | is poisoned when | until |
//! |---|---|---|
//! | a page | it becomes usable, or comes back to the page heap | the page heap, or a page cache, hands it out |
//! | a slot | its span is made, or a sweep frees it | a cursor hands it out |
//! | what a large object's pages have behind its end | it is allocated | it becomes longer |
//! | a stack's block | its manual span is made, or it is given back after its grace | it is taken |
//!
//! The heap's own accesses to memory without an object are few: filling freed slots with `POISON` (before they are
//! poisoned), zeroing what was just handed out, and bringing pages into memory ahead of use (`page_heap::ahead`).

/// Nobody may touch the memory from now on.
#[inline(always)]
pub(crate) fn poison(addr: usize, bytes: usize) {
    #[cfg(spanheap_asan)]
    interface::__asan_poison_memory_region(check(addr, bytes), bytes);
    #[cfg(not(spanheap_asan))]
    let _ = (addr, bytes);
}

/// The memory is somebody's from now on.
#[inline(always)]
pub(crate) fn unpoison(addr: usize, bytes: usize) {
    #[cfg(spanheap_asan)]
    interface::__asan_unpoison_memory_region(check(addr, bytes), bytes);
    #[cfg(not(spanheap_asan))]
    let _ = (addr, bytes);
}

/// Whether the functions above do anything.
pub(crate) const ON: bool = cfg!(spanheap_asan);

#[cfg(spanheap_asan)]
#[inline(always)]
fn check(addr: usize, bytes: usize) -> *const std::ffi::c_void {
    debug_assert!(addr.is_multiple_of(8) && bytes.is_multiple_of(8), "{addr:#x}, {bytes} bytes");
    std::ptr::without_provenance(addr)
}

/// The sanitizer's own functions, which the compiler's runtime library brings. They read and write its record alone, and
/// take any address of the program's memory.
#[cfg(spanheap_asan)]
mod interface {
    use std::ffi::c_void;

    // SAFETY: the signatures are those of the sanitizer's `asan_interface.h`.
    unsafe extern "C" {
        pub(super) safe fn __asan_poison_memory_region(addr: *const c_void, size: usize);
        pub(super) safe fn __asan_unpoison_memory_region(addr: *const c_void, size: usize);
    }
}
