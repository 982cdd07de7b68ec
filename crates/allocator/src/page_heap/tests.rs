//! The page heap against a naive model, where it stands among other mappings, and when the system refuses.
//!
//! Owns: what the test files share. *Invariants:* a test has its own heap and its own memory; only the address space is
//! shared by the test threads.

mod ahead;
mod busy;
mod failures;
mod model;
mod places;
mod release;
#[cfg(spanheap_asan)]
mod shadow;

use super::*;
use spanheap_memory::mock::MockOs;

fn heap(limit: usize) -> (PageHeap, ArenaIndex) {
    let options = PageOptions { limit, ..PageOptions::default() };
    (PageHeap::new(Arc::new(Memory::new()), options), ArenaIndex::new())
}

/// A heap on a mock that refuses nothing yet, and the mock to steer it by.
fn mocked() -> (PageHeap, ArenaIndex, MockOs) {
    let os = MockOs::new();
    let memory = Arc::new(Memory::with_os(Box::new(os.clone())));
    let options = PageOptions { base: BaseAddress::Os, huge_pages: HugePages::Always, ..PageOptions::default() };
    (PageHeap::new(memory, options), ArenaIndex::new(), os)
}

/// Writes `byte` to all bytes of a run, which must be the caller's.
fn fill(run: Run, pages: usize, byte: u8) {
    // SAFETY: the run is the caller's, so it is usable memory that nobody else touches.
    unsafe { std::ptr::write_bytes((run.arena + run.page * PAGE_SIZE) as *mut u8, byte, pages * PAGE_SIZE) };
}

/// Whether all bytes of a run, which must be the caller's, are `byte`.
fn holds(run: Run, pages: usize, byte: u8) -> bool {
    let start = (run.arena + run.page * PAGE_SIZE) as *const u8;
    // SAFETY: as in `fill`.
    unsafe { std::slice::from_raw_parts(start, pages * PAGE_SIZE) }.iter().all(|&found| found == byte)
}

/// Whether the system was asked for huge pages at an address.
fn prefers_huge(addr: usize) -> bool {
    let map = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in map.lines() {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        if let Some(Ok((start, end))) = range.map(|(start, end)| {
            Ok::<_, std::num::ParseIntError>((usize::from_str_radix(start, 16)?, usize::from_str_radix(end, 16)?))
        }) {
            inside = (start..end).contains(&addr);
        }
        if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags:")) {
            return flags.split(' ').any(|flag| flag == "hg");
        }
    }
    panic!("no mapping at {addr:x}");
}

/// Compares what is kept twice, and the figures with those of the memory below.
fn check(heap: &PageHeap, index: &ArenaIndex) {
    let figures = heap.figures();
    let inner = heap.inner.lock();
    inner.check();
    let tables = |reservation: &spanheap_memory::Reservation| {
        (0..DATA_OFFSET)
            .step_by(4096)
            .filter(|&offset| reservation.state(offset).unwrap() == spanheap_memory::State::Ready)
            .count()
            * 4096
    };
    let tables: usize = inner.arenas.iter().map(|arena| tables(&arena.reservation)).sum::<usize>()
        + inner.huge.iter().map(|huge| tables(&huge.reservation)).sum::<usize>();
    let used = figures.in_use + figures.free_ready + tables + index.metadata_bytes();
    assert_eq!(used, heap.memory.counters().ready);
}
