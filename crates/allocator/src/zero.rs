//! Zeroing of whole pages with stores that go past the caches.
//!
//! *Callers:* `allocator`, for large objects in pages that were used before. *Why:* an ordinary store first fetches the line
//! that it writes, which for pages that no cache holds any more is most of the work: streaming stores zero them two to
//! four times as fast (docs/performance.md). The price is that the object's first use finds nothing in the cache.

use crate::geometry::PAGE_SIZE;

/// Zeroes whole pages. Ordinary stores that follow on this thread, and whoever sees them, find zeros.
///
/// # Safety
/// 1. `bytes` from `addr` are usable memory that nobody else reads or writes meanwhile. 2. Both are multiples of
///    [`PAGE_SIZE`].
pub(crate) unsafe fn pages(addr: usize, bytes: usize) {
    debug_assert!(addr.is_multiple_of(PAGE_SIZE) && bytes.is_multiple_of(PAGE_SIZE));
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: by 1 and 2; every x86-64 processor has SSE2.
    unsafe {
        stream(addr, bytes)
    };
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    // SAFETY: by 1.
    unsafe {
        std::ptr::write_bytes(addr as *mut u8, 0, bytes)
    };
}

/// As [`pages`].
///
/// # Safety
/// As [`pages`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "sse2")]
unsafe fn stream(addr: usize, bytes: usize) {
    use std::arch::x86_64::{__m128i, _mm_setzero_si128, _mm_sfence, _mm_stream_si128};
    let zero = _mm_setzero_si128();
    // Whole lines at a time, so that each leaves the processor's write buffer full.
    for line in (addr..addr + bytes).step_by(64) {
        for part in (line..line + 64).step_by(size_of::<__m128i>()) {
            // SAFETY: by the caller's promise; pages are aligned to more than this.
            unsafe { _mm_stream_si128(part as *mut __m128i, zero) };
        }
    }
    // Streaming stores are ordered with others by this alone.
    _mm_sfence();
}
