//! Memory for the heap's own records, outside the arenas and outside the host's allocator: cells of one size.
//!
//! *Callers:* `classes` keeps span classes and layouts in it, `side_table` the tables of single spans. *Invariants:* a cell never moves, and stays mapped for as long as
//! the allocator lives; a cell is free, in a list that runs through the free cells themselves, or holds one value. Chunks
//! are given back only as a whole, when the allocator is dropped. *Locks:* none: every change takes `&mut self`, so
//! that the lock that the caller holds anyway (`Rank::Types` for classes, `Rank::Metadata` for tables) is the only one.

use spanheap_memory::{Memory, MemoryError, Reservation};
use spanheap_sync::Arc;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Bytes that are asked of the system at once, rounded up to its pages.
pub const CHUNK_BYTES: usize = 16 << 10;

/// Figures of one allocator of fixed cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FixedFigures {
    /// Chunks taken from the system.
    pub chunks: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Cells that hold a value.
    pub in_use: usize,
}

/// An allocator of values of one type.
pub struct Fixed<T> {
    memory: Arc<Memory>,
    /// Held, so that the cells stay mapped.
    chunks: Vec<Reservation>,
    /// The free cell that was given back last.
    free: Option<NonNull<Cell<T>>>,
    /// The first cell of the last chunk that was never used; one behind its last where there is none.
    fresh: NonNull<Cell<T>>,
    /// Cells from there on.
    fresh_left: usize,
    in_use: usize,
}

union Cell<T> {
    #[expect(dead_code, reason = "it gives the cell its size and alignment; values are used through pointers to T")]
    value: ManuallyDrop<T>,
    next: Option<NonNull<Cell<T>>>,
}

// SAFETY: the pointers lead to memory that this value owns, and values of `T` may change threads.
unsafe impl<T: Send> Send for Fixed<T> {}

impl<T> Fixed<T> {
    /// An allocator without memory.
    pub const fn new(memory: Arc<Memory>) -> Fixed<T> {
        const { assert!(size_of::<Cell<T>>() <= CHUNK_BYTES && align_of::<T>() <= 4096) };
        Fixed { memory, chunks: Vec::new(), free: None, fresh: NonNull::dangling(), fresh_left: 0, in_use: 0 }
    }

    /// Puts a value into a cell. The pointer may be used for reading and writing until the cell is given back or the
    /// allocator is dropped. The value itself is not dropped with the allocator: whoever needs that gives it back.
    ///
    /// A cell that is used again is written over and not cleared: bytes between the fields are those of the value before.
    ///
    /// # Errors
    /// [`MemoryError`], if the system gives no chunk. The value is dropped, nothing else has changed.
    pub fn take(&mut self, value: T) -> Result<NonNull<T>, MemoryError> {
        let cell = match self.free {
            Some(cell) => {
                // SAFETY: the cells of the list are this allocator's and hold a link each.
                self.free = unsafe { cell.as_ref().next };
                cell
            }
            None => self.take_fresh()?,
        };
        self.in_use += 1;
        let place = cell.cast::<T>();
        // SAFETY: the cell is free, large enough and aligned, and nobody else knows it.
        unsafe { place.write(value) };
        Ok(place)
    }

    fn take_fresh(&mut self) -> Result<NonNull<Cell<T>>, MemoryError> {
        if self.fresh_left == 0 {
            let chunk = self.memory.alloc(CHUNK_BYTES.next_multiple_of(self.memory.page_size()))?;
            self.fresh = chunk.base().cast();
            self.fresh_left = chunk.len() / size_of::<Cell<T>>();
            self.chunks.push(chunk);
        }
        let cell = self.fresh;
        self.fresh_left -= 1;
        // SAFETY: `fresh_left` was at least 1, so the chunk has a cell here and the pointer ends at most behind it.
        self.fresh = unsafe { cell.add(1) };
        Ok(cell)
    }

    /// Takes the value out of a cell and frees the cell.
    ///
    /// # Safety
    /// 1. `place` was returned by [`Fixed::take`] of this allocator, and was not given back since. 2. Nobody uses it any
    ///    more.
    pub unsafe fn give_back(&mut self, place: NonNull<T>) -> T {
        // SAFETY: by 1 the cell holds a value, and by 2 nobody else has a reference to it.
        let value = unsafe { place.read() };
        let cell = place.cast::<Cell<T>>();
        // SAFETY: the cell is this allocator's, and empty now.
        unsafe { cell.write(Cell { next: self.free }) };
        self.free = Some(cell);
        self.in_use -= 1;
        value
    }

    /// Figures as they are now.
    pub fn figures(&self) -> FixedFigures {
        let bytes = self.chunks.iter().map(Reservation::len).sum();
        FixedFigures { chunks: self.chunks.len(), bytes, in_use: self.in_use }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use spanheap_memory::mock::MockOs;
    use std::collections::HashMap;

    fn mocked() -> (Arc<Memory>, MockOs) {
        let os = MockOs::new();
        (Arc::new(Memory::with_os(Box::new(os.clone()))), os)
    }

    #[test]
    fn values_stay_where_they_are_and_keep_apart() {
        let (memory, os) = mocked();
        let mut cells: Fixed<[u64; 3]> = Fixed::new(Arc::clone(&memory));
        assert_eq!((cells.figures(), os.calls()), (FixedFigures::default(), 0));
        let mut held: HashMap<NonNull<[u64; 3]>, u64> = HashMap::new();
        let mut random = 88_172_645_463_325_252_u64;
        for step in 0..20_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // First more are taken than given back, then fewer.
            if random % 100 < if step < 10_000 { 70 } else { 30 } {
                let place = cells.take([step; 3]).unwrap();
                assert!(place.is_aligned());
                assert_eq!(held.insert(place, step), None);
            } else if let Some(&place) = held.keys().next() {
                // SAFETY: taken above, and removed here.
                assert_eq!(unsafe { cells.give_back(place) }, [held.remove(&place).unwrap(); 3]);
            }
        }
        for (place, value) in &held {
            // SAFETY: taken above and not given back.
            assert_eq!(unsafe { place.read() }, [*value; 3]);
        }
        let FixedFigures { chunks, bytes, in_use } = cells.figures();
        assert_eq!((in_use, bytes, memory.counters().ready), (held.len(), chunks * CHUNK_BYTES, bytes));
        assert!(chunks > 1);
    }

    #[test]
    fn cells_are_used_again_before_a_chunk_is_asked_for() {
        let (memory, os) = mocked();
        let mut cells: Fixed<u8> = Fixed::new(memory);
        let count = CHUNK_BYTES / size_of::<usize>();
        let places: Vec<_> = (0..count).map(|n| cells.take(n as u8).unwrap()).collect();
        assert_eq!(os.live_mappings(), 1);
        // SAFETY: taken above, and not used again.
        unsafe { cells.give_back(places[5]) };
        assert_eq!(cells.take(0).unwrap(), places[5]);
        assert_eq!(os.live_mappings(), 1);
        cells.take(0).unwrap();
        assert_eq!(os.live_mappings(), 2);
        drop(cells);
        assert_eq!(os.live_mappings(), 0);
    }

    #[test]
    fn a_refusal_changes_nothing() {
        let (memory, os) = mocked();
        let mut cells: Fixed<Arc<()>> = Fixed::new(memory);
        let value = Arc::new(());
        os.fail_at(1);
        assert!(cells.take(Arc::clone(&value)).unwrap_err().is_out_of_memory());
        assert_eq!((cells.figures(), Arc::strong_count(&value)), (FixedFigures::default(), 1));
        let place = cells.take(Arc::clone(&value)).unwrap();
        assert_eq!((cells.figures().in_use, Arc::strong_count(&value)), (1, 2));
        // SAFETY: taken above, and not used again.
        drop(unsafe { cells.give_back(place) });
        assert_eq!((cells.figures().in_use, Arc::strong_count(&value)), (0, 1));
    }
}
