//! AddressSanitizer keeps records at fixed addresses: a heap that is to begin there begins elsewhere.

use super::*;

/// The sanitizer's records for the upper part of the address space, on x86-64: its runtime maps them before `main`.
const SHADOW: std::ops::Range<usize> = 0x0200_8fff_7000..0x1000_7fff_8000;

#[test]
fn a_base_in_the_sanitizers_records_is_not_used() {
    let in_shadow = |seed: &u64| BaseAddress::Seeded(*seed).hint().is_some_and(|base| SHADOW.contains(&base));
    let seed = (0..1 << 24).find(in_shadow).expect("some seed leads there");
    let options = PageOptions { base: BaseAddress::Seeded(seed), ..PageOptions::default() };
    let (heap, index) = (PageHeap::new(Arc::new(Memory::new()), options), ArenaIndex::new());
    for _ in 0..3 {
        let run = heap.take(DATA_PAGES, &index).unwrap();
        assert!(!SHADOW.contains(&run.arena) && !SHADOW.contains(&(run.arena + ARENA_SIZE - 1)));
        fill(run, DATA_PAGES, 1);
    }
    check(&heap, &index);
}
