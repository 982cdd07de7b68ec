//! The arena index: from any word to the arena that holds it, without a lock.
//!
//! *Callers:* the page heap publishes arenas; the marker (ambiguous words) and `resolve` look words up. *Invariants:*
//! an entry is written once, after the arena's tables are usable, and stays for the heap's life. Two levels of 2048
//! entries cover 48-bit addresses; a leaf of the second level is memory of the heap's own, made when its first arena
//! appears. *Locks:* whoever publishes holds the page heap's lock; `Rank::ArenaGrowth` guards the list of leaves.

use crate::geometry::{ADDRESS_BITS, ARENA_SHIFT, ARENA_SIZE};
use spanheap_memory::{Memory, MemoryError, Reservation};
use spanheap_sync::word::{AtomicPtr, AtomicUsize, Ordering};
use spanheap_sync::{Arc, Mutex, Rank};

const LEAF_BITS: usize = (ADDRESS_BITS - ARENA_SHIFT) / 2;
const LEAF_LEN: usize = 1 << LEAF_BITS;
const ROOT_LEN: usize = 1 << (ADDRESS_BITS - ARENA_SHIFT - LEAF_BITS);

type Leaf = [AtomicUsize; LEAF_LEN];

/// From address to arena base.
pub struct ArenaIndex {
    root: Box<[AtomicPtr<Leaf>]>,
    /// The memory of the leaves, held so that it stays mapped.
    leaves: Mutex<Vec<Reservation>>,
    /// Lowest address in any arena, and the first above all: most words that are no references fail this test.
    low: AtomicUsize,
    high: AtomicUsize,
}

impl ArenaIndex {
    /// An index without arenas.
    pub fn new() -> ArenaIndex {
        let root = (0..ROOT_LEN).map(|_| AtomicPtr::new(std::ptr::null_mut())).collect();
        let leaves = Mutex::new(Rank::ArenaGrowth, Vec::new());
        ArenaIndex { root, leaves, low: AtomicUsize::new(usize::MAX), high: AtomicUsize::new(0) }
    }

    /// Base of the arena that holds `word`, taken as an address. A huge arena answers for all of its 64 MiB units.
    #[inline]
    pub fn arena(&self, word: usize) -> Option<usize> {
        if word < self.low.load(Ordering::Relaxed) || word >= self.high.load(Ordering::Relaxed) {
            return None;
        }
        let number = word >> ARENA_SHIFT;
        let leaf = self.root[number >> LEAF_BITS].load(Ordering::Acquire);
        if leaf.is_null() {
            return None;
        }
        // SAFETY: a leaf is published once, as zeroed memory of this size, and unmapped only with the index.
        let base = unsafe { &*leaf }[number & (LEAF_LEN - 1)].load(Ordering::Acquire);
        (base != 0).then_some(base)
    }

    /// Publishes an arena of `len` bytes at `base`. Only under the page heap's lock.
    ///
    /// # Errors
    /// If the system gives no memory for a leaf. Nothing is published then.
    ///
    /// # Panics
    /// If the addresses exceed [`ADDRESS_BITS`].
    pub fn publish(&self, memory: &Arc<Memory>, base: usize, len: usize) -> Result<(), MemoryError> {
        assert!((base + len) >> ADDRESS_BITS == 0, "arena at {base:#x} lies beyond {ADDRESS_BITS}-bit addresses");
        let units = || (base..base + len).step_by(ARENA_SIZE).map(|unit| unit >> ARENA_SHIFT);
        for number in units() {
            self.make_leaf(memory, &self.root[number >> LEAF_BITS])?;
        }
        for number in units() {
            let leaf = self.root[number >> LEAF_BITS].load(Ordering::Acquire);
            // SAFETY: as in `arena`; all leaves that are needed have just been made.
            let entry = unsafe { &(*leaf)[number & (LEAF_LEN - 1)] };
            entry.store(base, Ordering::Release);
        }
        self.low.fetch_min(base, Ordering::Relaxed);
        self.high.fetch_max(base + len, Ordering::Relaxed);
        Ok(())
    }

    fn make_leaf(&self, memory: &Arc<Memory>, place: &AtomicPtr<Leaf>) -> Result<(), MemoryError> {
        if place.load(Ordering::Acquire).is_null() {
            let leaf = memory.alloc(size_of::<Leaf>().next_multiple_of(memory.page_size()))?;
            place.store(leaf.base().as_ptr().cast(), Ordering::Release);
            self.leaves.lock().push(leaf);
        }
        Ok(())
    }

    /// Bytes of memory that the leaves take from the system.
    pub fn metadata_bytes(&self) -> usize {
        self.leaves.lock().iter().map(Reservation::len).sum()
    }
}

impl Default for ArenaIndex {
    fn default() -> ArenaIndex {
        ArenaIndex::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use spanheap_memory::mock::MockOs;

    #[test]
    fn finds_what_was_published_and_nothing_else() {
        let index = ArenaIndex::new();
        assert_eq!(index.arena(0), None);
        let (one, huge) = (0x7f12 << 28, 0x10 << 28);
        let memory = Arc::new(Memory::new());
        index.publish(&memory, one, ARENA_SIZE).unwrap();
        index.publish(&memory, huge, 3 * ARENA_SIZE).unwrap();
        assert_eq!(index.metadata_bytes(), memory.counters().ready);
        for (word, arena) in [
            (one, Some(one)),
            (one + ARENA_SIZE - 1, Some(one)),
            (one + ARENA_SIZE, None),
            (one - 1, None),
            (huge + 2 * ARENA_SIZE + 5, Some(huge)),
            (huge + 3 * ARENA_SIZE, None),
            (usize::MAX, None),
            (1, None),
        ] {
            assert_eq!(index.arena(word), arena, "{word:#x}");
        }
    }

    #[test]
    fn an_arena_without_a_leaf_is_not_published_at_all() {
        let os = MockOs::new();
        let memory = Arc::new(Memory::with_os(Box::new(os.clone())));
        let index = ArenaIndex::new();
        // The last unit of one leaf and the first of the next.
        let base = (LEAF_LEN - 1) << ARENA_SHIFT;
        os.fail_at(2);
        assert!(index.publish(&memory, base, 2 * ARENA_SIZE).is_err());
        assert_eq!((index.arena(base), index.arena(base + ARENA_SIZE)), (None, None));
        index.publish(&memory, base, 2 * ARENA_SIZE).unwrap();
        assert_eq!((index.arena(base), index.arena(base + ARENA_SIZE)), (Some(base), Some(base)));
    }
}
