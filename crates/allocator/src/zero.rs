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
    if std::is_x86_feature_detected!("avx") {
        // SAFETY: by 1 and 2, and the processor has AVX.
        return unsafe { stream(addr, bytes) };
    }
    // SAFETY: by 1.
    unsafe { std::ptr::write_bytes(addr as *mut u8, 0, bytes) };
}

/// As [`pages`]. With stores of 16 bytes this is half as fast (measured), hence AVX.
///
/// # Safety
/// As [`pages`].
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx")]
unsafe fn stream(addr: usize, bytes: usize) {
    use std::arch::x86_64::{__m256i, _mm_sfence, _mm256_setzero_si256, _mm256_stream_si256};
    let zero = _mm256_setzero_si256();
    // Whole lines at a time, so that each leaves the processor's write buffer full.
    for line in (addr..addr + bytes).step_by(64) {
        for part in [line, line + size_of::<__m256i>()] {
            // SAFETY: by the caller's promise; pages are aligned to more than this.
            unsafe { _mm256_stream_si256(part as *mut __m256i, zero) };
        }
    }
    // Streaming stores are ordered with others by this alone.
    _mm_sfence();
}
