//! Tables are zero whenever they are taken, and are used again.
//!
//! *Callers:* `cargo test`. *Invariants:* each test has its own memory.

use super::*;
use std::collections::BTreeSet;

/// Takes and gives back tables in which `touch` leaves something, which `is_zero` looks for.
fn used_again<T: SideTable + Send>(touch: impl Fn(&T), is_zero: impl Fn(&T) -> bool) {
    let tables = SideTables::<T>::new(Arc::new(Memory::new()));
    assert_eq!(tables.bytes(), 0);
    let take = || {
        let table = tables.take().unwrap();
        // SAFETY: a table of `tables`, which outlives the reference.
        let contents = unsafe { table.as_ref() };
        assert!(is_zero(contents));
        touch(contents);
        assert!(!is_zero(contents));
        table
    };
    let first: BTreeSet<NonNull<T>> = (0..300).map(|_| take()).collect();
    assert_eq!(first.len(), 300, "each has its own");
    let bytes = tables.bytes();
    assert!(bytes >= 300 * size_of::<T>());
    first.iter().for_each(|&table| tables.give_back(table));
    let again: BTreeSet<NonNull<T>> = (0..300).map(|_| take()).collect();
    assert_eq!((again, tables.bytes()), (first, bytes));
}

#[test]
fn layout_tables_are_zero_and_used_again() {
    let last = |table: &LayoutTable| table.0[MIXED_SLOTS - 1].store(7, Ordering::Relaxed);
    used_again(last, |table| table.0.iter().all(|number| number.load(Ordering::Relaxed) == 0));
}

#[test]
fn tiny_tables_are_zero_and_used_again() {
    let last = |table: &TinyTable| table.0[2][TINY_WORDS - 1].store(7, Ordering::Relaxed);
    used_again(last, |table| table.0.iter().flatten().all(|word| word.load(Ordering::Relaxed) == 0));
}

#[test]
fn tables_have_a_place_for_every_slot() {
    assert_eq!(MIXED_SLOTS * GRANULE, PAGE_SIZE);
    assert_eq!(TINY_WORDS * 64 * TINY, PAGE_SIZE);
}
