//! Tests of the crate against the real system, and of its figures when the system refuses.
//!
//! Owns: what the test files share. Invariant: a test makes its own [`Memory`], so its figures are its own; only
//! the address space is shared by the test threads, and no test claims an address that another may get by chance.

mod accounting;
mod failures;
mod placement;
mod transitions;

use crate::mock::MockOs;
use crate::{Counters, Memory, Reservation};
use core::ops::Range;
use spanheap_sync::Arc;

/// A memory on a mock that refuses nothing yet, and the mock to steer it by.
fn mocked() -> (Arc<Memory>, MockOs) {
    let os = MockOs::new();
    (Arc::new(Memory::with_os(Box::new(os.clone()))), os)
}

/// Reserved, prepared and ready, in pages.
fn figures(memory: &Memory) -> [usize; 3] {
    let Counters { reserved, prepared, ready, .. } = memory.counters();
    [reserved, prepared, ready].map(|bytes| bytes / memory.page_size())
}

/// Writes `value` to every byte of the range, which must be prepared or ready.
fn fill(reservation: &Reservation, range: Range<usize>, value: u8) {
    assert!(range.end <= reservation.len());
    // SAFETY: the start lies in the reservation.
    let start = unsafe { reservation.base().add(range.start) };
    // SAFETY: the range lies in the reservation, which lives, and the caller made it writable; nobody else uses it.
    unsafe { start.write_bytes(value, range.len()) };
}

/// True when every byte of the range, which must be prepared or ready, is `value`.
fn all_are(reservation: &Reservation, range: Range<usize>, value: u8) -> bool {
    assert!(range.end <= reservation.len());
    range.into_iter().all(|offset| {
        // SAFETY: the offset lies in the reservation.
        let byte = unsafe { reservation.base().add(offset) };
        // SAFETY: the byte is mapped, initialised by the kernel or by `fill`, and nobody writes to it meanwhile.
        unsafe { byte.read() == value }
    })
}

/// The access that the kernel's memory map shows for the byte at `address`, as in `rw-p`; `None` if it is not mapped.
fn access_at(address: usize) -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let [start, end] = [start, end].map(|text| usize::from_str_radix(text, 16).unwrap());
        (start..end).contains(&address).then(|| rest[..4].to_string())
    })
}
