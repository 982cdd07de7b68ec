//! New arenas, at full length where the system has the address space, else shorter.
//!
//! *Callers:* the page heap, when no arena has the pages that are wanted. *Invariants:* every arena starts at a multiple
//! of 64 MiB, so that masking an address finds it whatever its length; its tables are whole in every arena, since their
//! untouched pages cost address space only. A mapping of somebody else's is never replaced: a place that is taken is
//! left, and the heap goes on elsewhere and then beside that place.

use super::Inner;
use super::arena::Arena;
use crate::arena_index::ArenaIndex;
use crate::geometry::*;
use spanheap_memory::{Memory, MemoryError, Reservation};
use spanheap_sync::Arc;

/// Lengths to try, besides the whole. Each halves what the last failed to get.
const SHORTER: [usize; 4] = [ARENA_SIZE / 2, ARENA_SIZE / 4, ARENA_SIZE / 8, ARENA_SIZE / 16];

const _: () = assert!(SHORTER[3] > DATA_OFFSET && SHORTER[3].is_multiple_of(GROWTH_UNIT));

impl Inner {
    /// Makes an arena with a free run of `pages` pages, at most `DATA_PAGES`. Returns its number.
    #[cold]
    pub(super) fn add_arena(
        &mut self,
        memory: &Arc<Memory>,
        pages: usize,
        index: &ArenaIndex,
    ) -> Result<usize, MemoryError> {
        let needed = (DATA_OFFSET + pages * PAGE_SIZE).next_multiple_of(GROWTH_UNIT);
        let lengths = SHORTER.into_iter().filter(|&len| len > needed).chain([needed.max(SHORTER[3])]);
        let mut reservation = self.reserve(memory, ARENA_SIZE);
        for len in lengths {
            if reservation.is_ok() {
                break;
            }
            reservation = self.reserve(memory, len);
        }
        let arena = Box::new(Arena::new(reservation?)?);
        let base = arena.base;
        index.publish(memory, base, ARENA_SIZE)?;
        self.hint = Some(base + ARENA_SIZE);
        let place = self.bases.partition_point(|&other| other < base);
        self.bounds.insert(place, self.bases.len(), DATA_PAGES);
        self.bases.insert(place, base);
        self.arenas.insert(place, arena);
        Ok(place)
    }

    fn reserve(&self, memory: &Arc<Memory>, len: usize) -> Result<Reservation, MemoryError> {
        let reservation = memory.reserve(len, ARENA_SIZE, self.hint)?;
        reservation.map(0, len)?;
        Ok(reservation)
    }
}
