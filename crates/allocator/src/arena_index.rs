//! The arena index: from any word to the arena that holds it, without a lock.
//!
//! *Callers:* the page heap publishes arenas; the marker (ambiguous words) and `resolve` look words up. *Invariants:*
//! an entry is written once, after the arena's tables are usable, and stays for the heap's life. Two levels of 2048
//! entries cover 48-bit addresses; the second level is made when its first arena appears.

use crate::geometry::{ADDRESS_BITS, ARENA_SHIFT, ARENA_SIZE};
use spanheap_sync::word::{AtomicPtr, AtomicUsize, Ordering};

const LEAF_BITS: usize = (ADDRESS_BITS - ARENA_SHIFT) / 2;
const LEAF_LEN: usize = 1 << LEAF_BITS;
const ROOT_LEN: usize = 1 << (ADDRESS_BITS - ARENA_SHIFT - LEAF_BITS);

type Leaf = [AtomicUsize; LEAF_LEN];

/// From address to arena base.
pub struct ArenaIndex {
    root: Box<[AtomicPtr<Leaf>]>,
    /// Lowest address in any arena, and the first above all: most words that are no references fail this test.
    low: AtomicUsize,
    high: AtomicUsize,
}

impl ArenaIndex {
    /// An index without arenas.
    pub fn new() -> ArenaIndex {
        let root = (0..ROOT_LEN).map(|_| AtomicPtr::new(std::ptr::null_mut())).collect();
        ArenaIndex { root, low: AtomicUsize::new(usize::MAX), high: AtomicUsize::new(0) }
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
        // SAFETY: a leaf is published once, fully made, and freed only with the index.
        let base = unsafe { &*leaf }[number & (LEAF_LEN - 1)].load(Ordering::Acquire);
        (base != 0).then_some(base)
    }

    /// Publishes an arena of `len` bytes at `base`. Only under the page heap's lock.
    ///
    /// # Panics
    /// If the addresses exceed [`ADDRESS_BITS`].
    pub fn publish(&self, base: usize, len: usize) {
        assert!((base + len) >> ADDRESS_BITS == 0, "arena at {base:#x} lies beyond {ADDRESS_BITS}-bit addresses");
        for unit in (base..base + len).step_by(ARENA_SIZE) {
            let number = unit >> ARENA_SHIFT;
            let place = &self.root[number >> LEAF_BITS];
            let mut leaf = place.load(Ordering::Acquire);
            if leaf.is_null() {
                leaf = Box::into_raw(Box::new([const { AtomicUsize::new(0) }; LEAF_LEN]));
                place.store(leaf, Ordering::Release);
            }
            // SAFETY: as in `arena`; there is one publisher at a time.
            let leaf = unsafe { &*leaf };
            leaf[number & (LEAF_LEN - 1)].store(base, Ordering::Release);
        }
        self.low.fetch_min(base, Ordering::Relaxed);
        self.high.fetch_max(base + len, Ordering::Relaxed);
    }
}

impl Default for ArenaIndex {
    fn default() -> ArenaIndex {
        ArenaIndex::new()
    }
}

impl Drop for ArenaIndex {
    fn drop(&mut self) {
        for place in &self.root {
            let leaf = place.load(Ordering::Relaxed);
            if !leaf.is_null() {
                // SAFETY: made by Box::into_raw in `publish`; nobody looks words up any more.
                drop(unsafe { Box::from_raw(leaf) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_published_and_nothing_else() {
        let index = ArenaIndex::new();
        assert_eq!(index.arena(0), None);
        let (one, huge) = (0x7f12 << 28, 0x10 << 28);
        index.publish(one, ARENA_SIZE);
        index.publish(huge, 3 * ARENA_SIZE);
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
}
