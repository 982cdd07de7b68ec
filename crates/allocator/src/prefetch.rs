//! Prefetches: memory that is fetched into a cache before it is needed.
//!
//! *Callers:* cursors, the sweep and the marker. *Invariants:* a prefetch is a hint: it accesses nothing, so that any
//! address will do. Where the machine's instruction is not known here, it does nothing.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};

/// Fetches the line at `addr` into the first-level cache: it is read shortly.
#[inline(always)]
pub fn near(addr: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not access memory.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(addr as *const i8);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = addr;
}

/// Fetches the line at `addr` into the second-level cache: it is read later.
#[inline(always)]
pub fn far(addr: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not access memory.
    unsafe {
        _mm_prefetch::<_MM_HINT_T1>(addr as *const i8);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = addr;
}

/// Fetches the line at `addr` to be written.
#[inline(always)]
pub fn for_writing(addr: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not access memory.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) addr, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = addr;
}
