//! The arena index: from any word to the arena that holds it, without a lock.
//!
//! *Callers:* the page heap publishes arenas; the marker (ambiguous words) and `resolve` look words up. *Invariants:*
//! an entry is written once, after the arena's tables are usable, and stays for the heap's life. Two levels of 2048
//! entries cover 48-bit addresses; a leaf of the second level is memory of the heap's own, made when its first arena
//! appears. *Locks:* whoever publishes holds the page heap's lock; `Rank::ArenaGrowth` guards the list of leaves.

use crate::geometry::{ADDRESS_BITS, ARENA_SHIFT, ARENA_SIZE};
use spanheap_memory::{Memory, MemoryError, Reservation};
use spanheap_sync::word::{AtomicPtr, AtomicUsize, Ordering, Pointer, Word};
use spanheap_sync::{Arc, Mutex, Rank};

const LEAF_BITS: usize = (ADDRESS_BITS - ARENA_SHIFT) / 2;
pub(crate) const LEAF_LEN: usize = 1 << LEAF_BITS;
const ROOT_LEN: usize = 1 << (ADDRESS_BITS - ARENA_SHIFT - LEAF_BITS);

/// From address to arena base.
pub struct ArenaIndex {
    levels: Levels<AtomicPtr<AtomicUsize>, AtomicUsize>,
    /// The memory of the leaves, held so that it stays mapped.
    leaves: Mutex<Vec<Reservation>>,
}

/// The two levels, over words of mapped memory or, in a model, of loom's.
pub(crate) struct Levels<P, W> {
    /// The first word of each leaf, or null. A model's is shorter.
    root: Box<[P]>,
    /// Lowest address in any arena, and the first above all: most words that are no references fail this test.
    low: W,
    high: W,
}

impl<P: Pointer<W>, W: Word> Levels<P, W> {
    /// Levels of which every pointer is null, `low` is the highest address, and `high` is 0.
    pub(crate) fn new(root: Box<[P]>, low: W, high: W) -> Levels<P, W> {
        Levels { root, low, high }
    }

    /// Base of the arena that holds `word`.
    #[inline(always)]
    pub(crate) fn arena(&self, word: usize) -> Option<usize> {
        if word < self.low.load(Ordering::Relaxed) || word >= self.high.load(Ordering::Relaxed) {
            return None;
        }
        let number = word >> ARENA_SHIFT;
        let leaf = self.root[number >> LEAF_BITS].load(Ordering::Acquire);
        if leaf.is_null() {
            return None;
        }
        // SAFETY: a leaf is published once, as this many words of zero, and unmapped only with the index.
        let base = unsafe { &*leaf.add(number & (LEAF_LEN - 1)) }.load(Ordering::Acquire);
        (base != 0).then_some(base)
    }

    /// Publishes an arena, by one thread at a time. `make_leaf` gives the first of [`LEAF_LEN`] words of zero that stay.
    pub(crate) fn publish<E>(
        &self,
        base: usize,
        len: usize,
        mut make_leaf: impl FnMut() -> Result<*mut W, E>,
    ) -> Result<(), E> {
        let units = || (base..base + len).step_by(ARENA_SIZE).map(|unit| unit >> ARENA_SHIFT);
        for place in units().map(|number| &self.root[number >> LEAF_BITS]) {
            if place.load(Ordering::Acquire).is_null() {
                place.store(make_leaf()?, Ordering::Release);
            }
        }
        for number in units() {
            let leaf = self.root[number >> LEAF_BITS].load(Ordering::Acquire);
            // SAFETY: as in `arena`; all leaves that are needed have just been made.
            unsafe { &*leaf.add(number & (LEAF_LEN - 1)) }.store(base, Ordering::Release);
        }
        self.low.store(base.min(self.low.load(Ordering::Relaxed)), Ordering::Relaxed);
        self.high.store((base + len).max(self.high.load(Ordering::Relaxed)), Ordering::Relaxed);
        Ok(())
    }
}

impl ArenaIndex {
    /// An index without arenas.
    pub fn new() -> ArenaIndex {
        let root = (0..ROOT_LEN).map(|_| AtomicPtr::new(std::ptr::null_mut())).collect();
        let levels = Levels::new(root, AtomicUsize::new(usize::MAX), AtomicUsize::new(0));
        ArenaIndex { levels, leaves: Mutex::new(Rank::ArenaGrowth, Vec::new()) }
    }

    /// Base of the arena that holds `word`, taken as an address. A huge arena answers for all of its 64 MiB units.
    #[inline]
    pub fn arena(&self, word: usize) -> Option<usize> {
        self.levels.arena(word)
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
        self.levels.publish(base, len, || {
            let leaf = memory.alloc((LEAF_LEN * size_of::<AtomicUsize>()).next_multiple_of(memory.page_size()))?;
            let words = leaf.base().as_ptr().cast();
            self.leaves.lock().push(leaf);
            Ok(words)
        })
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
