//! Tables that single spans need beside the arena's: layout numbers per slot, bits of slots smaller than a granule.
//!
//! *Callers:* `allocator` takes a table when it makes such a span and gives it back when it unmakes it; `span` reads and
//! writes it through the span's header. *Invariants:* a table's memory stays mapped, and holds nothing but atomics, for as
//! long as the heap lives, whether the table is in use or free: a word that is no reference may lead to a span at
//! the moment at which it ends, and what is read then must be a table still, if an old one. *Locks:* `Rank::Metadata`,
//! under which the system may be asked for memory.

use crate::fixed::Fixed;
use crate::geometry::{GRANULE, PAGE_SIZE};
use crate::size_class::TINY;
use spanheap_memory::{Memory, MemoryError};
use spanheap_sync::word::{AtomicU16, AtomicU64, Ordering};
use spanheap_sync::{Arc, Mutex, Rank};
use std::ptr::NonNull;

/// Most slots of a mixed span.
pub(crate) const MIXED_SLOTS: usize = PAGE_SIZE / GRANULE;
/// Bitmap words of a tiny span, which has one page.
pub(crate) const TINY_WORDS: usize = PAGE_SIZE / TINY / 64;

/// Layout numbers of a mixed span's slots; 0 in a slot that was never used.
pub(crate) struct LayoutTable(pub(crate) [AtomicU16; MIXED_SLOTS]);

/// The three bitmaps of a tiny span, with a bit for every slot, in the order of `Bits`: allocation, mark, new.
#[repr(align(64))]
pub(crate) struct TinyTable(pub(crate) [[AtomicU64; TINY_WORDS]; 3]);

/// A table that begins as zeros.
pub(crate) trait SideTable {
    fn zeros() -> Self;
    /// Makes it as [`SideTable::zeros`] again.
    fn clear(&self);
}

impl SideTable for LayoutTable {
    fn zeros() -> LayoutTable {
        LayoutTable(std::array::from_fn(|_| AtomicU16::new(0)))
    }

    fn clear(&self) {
        self.0.iter().for_each(|number| number.store(0, Ordering::Relaxed));
    }
}

impl SideTable for TinyTable {
    fn zeros() -> TinyTable {
        TinyTable(std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))))
    }

    fn clear(&self) {
        self.0.iter().flatten().for_each(|word| word.store(0, Ordering::Relaxed));
    }
}

/// The tables of one kind that a heap has.
pub(crate) struct SideTables<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    /// Every table that was ever needed. None goes back, which would write a link into it.
    tables: Fixed<T>,
    free: Vec<NonNull<T>>,
}

// SAFETY: the pointers lead to memory that `tables` owns.
unsafe impl<T: Send> Send for Inner<T> {}

impl<T: SideTable + Send> SideTables<T> {
    /// No table and no memory yet.
    pub(crate) fn new(memory: Arc<Memory>) -> SideTables<T> {
        let inner = Inner { tables: Fixed::new(memory), free: Vec::new() };
        SideTables { inner: Mutex::new(Rank::Metadata, inner) }
    }

    /// A table of zeros. It may be read for as long as `self` lives.
    ///
    /// # Errors
    /// If the system gives no memory.
    pub(crate) fn take(&self) -> Result<NonNull<T>, MemoryError> {
        let mut inner = self.inner.lock();
        let Some(table) = inner.free.pop() else { return inner.tables.take(T::zeros()) };
        // SAFETY: the table is one of `tables`, where it stays.
        unsafe { table.as_ref() }.clear();
        Ok(table)
    }

    /// Gives a table back that [`SideTables::take`] of `self` returned. It may be handed out again.
    pub(crate) fn give_back(&self, table: NonNull<T>) {
        self.inner.lock().free.push(table);
    }

    /// Bytes of memory that the tables take from the system.
    pub(crate) fn bytes(&self) -> usize {
        self.inner.lock().tables.figures().bytes
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
