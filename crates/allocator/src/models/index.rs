//! Model: an arena is published while others look words up.
//!
//! *Claim:* whoever has a reference into an arena finds the arena; whoever finds an arena, by whatever word, sees its tables
//! as they were made; and what two threads publish one after the other is all found. *Actors:* two threads that make an
//! arena each, in one leaf, of which the first then hands a reference over; a reader that waits for no one: it looks for
//! the reference that it was given, and for a word that may be an address. *Runs as it ships:* both levels of the index. *Stand-ins:* loom's words for the leaf, a root of one pointer, a cell for an arena's tables, a lock for the
//! page heap's.

use crate::arena_index::{LEAF_LEN, Levels};
use crate::geometry::ARENA_SIZE;
use spanheap_sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::model::explore;
use spanheap_sync::word::Word;
use spanheap_sync::{Arc, Mutex, Rank, thread};

/// The arenas: neighbours in the first leaf.
const ARENAS: [usize; 2] = [3 * ARENA_SIZE, 4 * ARENA_SIZE];

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// The tables are made after the arena is published.
    PublishesFirst,
    /// Nobody waits for the other.
    TakesNoLock,
}

struct World<W> {
    levels: Levels<AtomicPtr<W>, W>,
    page_heap: Mutex<()>,
    /// Of each arena: whether its tables are made.
    tables: [UnsafeCell<bool>; ARENAS.len()],
    /// A slot that gets a reference into the first arena.
    slot: AtomicUsize,
    mutant: Mutant,
}

// SAFETY: loom checks the accesses to the cells; that they never overlap is the claim.
unsafe impl<W> Sync for World<W> {}
// SAFETY: as above.
unsafe impl<W> Send for World<W> {}

impl<W: Word + From<usize>> World<W> {
    fn new(mutant: Mutant) -> World<W> {
        let root = Box::new([AtomicPtr::new(std::ptr::null_mut())]);
        World {
            levels: Levels::new(root, W::from(usize::MAX), W::from(0)),
            page_heap: Mutex::new(Rank::PageHeap, ()),
            tables: ARENAS.map(|_| UnsafeCell::new(false)),
            slot: AtomicUsize::new(0),
            mutant,
        }
    }

    fn make_tables(&self, number: usize) {
        // SAFETY: loom panics if another thread looks meanwhile.
        self.tables[number].with_mut(|made| unsafe { *made = true });
    }

    fn publish(&self, number: usize) {
        let _lock = (self.mutant != Mutant::TakesNoLock).then(|| self.page_heap.lock());
        if self.mutant != Mutant::PublishesFirst {
            self.make_tables(number);
        }
        let make_leaf = || {
            // A reader may have it until the model ends.
            let leaf: Box<[W]> = (0..LEAF_LEN).map(|_| W::from(0)).collect();
            Ok::<_, ()>(Box::leak(leaf).as_mut_ptr())
        };
        self.levels.publish(ARENAS[number], ARENA_SIZE, make_leaf).expect("a leaf is made");
        if self.mutant == Mutant::PublishesFirst {
            self.make_tables(number);
        }
    }

    /// Looks a word up. If it lies in an arena, its tables are to be there.
    fn find(&self, word: usize) -> bool {
        let Some(base) = self.levels.arena(word) else { return false };
        let number = ARENAS.iter().position(|&arena| arena == base).expect("only arenas are found");
        // SAFETY: loom panics if another thread writes meanwhile.
        assert!(self.tables[number].with(|made| unsafe { *made }), "the tables of an arena are not made");
        true
    }
}

fn model(name: &str, mutant: Mutant) {
    explore(name, 3, move || {
        let world = Arc::new(World::<AtomicUsize>::new(mutant));
        let first = Arc::clone(&world);
        let first = thread::spawn(move || {
            first.publish(0);
            first.slot.store(ARENAS[0] + 64, Ordering::Release);
        });
        let second = Arc::clone(&world);
        let second = thread::spawn(move || second.publish(1));
        let reference = world.slot.load(Ordering::Acquire);
        assert!(reference == 0 || world.find(reference), "the arena of a reference is not found");
        world.find(ARENAS[1] + 64);
        first.join().expect("a thread ends");
        second.join().expect("a thread ends");
        for arena in ARENAS {
            assert!(world.find(arena + 64), "an arena is not found");
        }
        assert!(!world.find(ARENAS[1] + ARENA_SIZE));
    });
}

/// An arena is published into a leaf that is there already: what orders its tables is its word alone.
fn later<W: Word + From<usize> + 'static>(name: &str) {
    explore(name, 3, || {
        let world = Arc::new(World::<W>::new(Mutant::Shipped));
        world.publish(0);
        let second = Arc::clone(&world);
        let second = thread::spawn(move || {
            second.publish(1);
            // Orders nothing. It is there for loom, which remembers the last access to a word alone: where a thread loads and
            // then stores a bound, its load hides that the reader has looked before, and no other order is tried.
            second.slot.store(1, Ordering::Relaxed);
        });
        world.slot.load(Ordering::Relaxed);
        world.find(ARENAS[1] + 64);
        second.join().expect("a thread ends");
        assert!(world.find(ARENAS[1] + 64), "an arena is not found");
    });
}

/// A word that is read without order.
struct Unordered(AtomicUsize);

impl From<usize> for Unordered {
    fn from(value: usize) -> Unordered {
        Unordered(AtomicUsize::new(value))
    }
}

impl Word for Unordered {
    fn load(&self, _order: Ordering) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn store(&self, value: usize, order: Ordering) {
        self.0.store(value, order);
    }

    fn compare_exchange(
        &self,
        current: usize,
        new: usize,
        success: Ordering,
        failure: Ordering,
    ) -> Result<usize, usize> {
        self.0.compare_exchange(current, new, success, failure)
    }
}

#[test]
fn an_arena_in_an_older_leaf_is_found_with_its_tables() {
    later::<AtomicUsize>("index, older leaf");
}

#[test]
#[should_panic(expected = "Concurrent read and write accesses")]
fn mutant_that_reads_words_without_order() {
    later::<Unordered>("index, unordered words");
}

#[test]
fn an_arena_is_found_with_its_tables() {
    model("index", Mutant::Shipped);
}

#[test]
#[should_panic(expected = "Concurrent read and write accesses")]
fn mutant_that_publishes_first() {
    model("index, publishes first", Mutant::PublishesFirst);
}

#[test]
#[should_panic(expected = "an arena is not found")]
fn mutant_that_takes_no_lock() {
    model("index, no lock", Mutant::TakesNoLock);
}
