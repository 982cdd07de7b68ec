//! Model: two threads make one object longer while a third reads it.
//!
//! *Claim:* `[growth.filled-first]` and `[growth.monotonic]`: a reader finds all elements up to the length that it sees
//! written, and never a shorter length than before; no place is written twice, and what both added is there at the end.
//! *Actors:* two mutators that append, as often as there is room; a reader (or the marker). *Runs as it ships:* `Growth`.
//! *Stand-ins:* cells for the elements, a count for the room.

use crate::growth::Growth;
use spanheap_sync::atomic::AtomicUsize;
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::model::explore;
use spanheap_sync::word::{Ordering, Word};
use spanheap_sync::{Arc, thread};

const ROOM: usize = 3;

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// The length is stored before the element.
    PublishesFirst,
    /// Nobody waits for the other.
    TakesNoLock,
    /// The length is read without acquire.
    ReadsRelaxed,
}

struct Object {
    growth: Growth,
    len: AtomicUsize,
    elements: [UnsafeCell<usize>; ROOM],
    mutant: Mutant,
}

// SAFETY: loom checks the accesses to the cells; that they never overlap is the claim.
unsafe impl Sync for Object {}
// SAFETY: as above.
unsafe impl Send for Object {}

impl Object {
    fn element(&self, index: usize) -> usize {
        // SAFETY: loom panics if another thread writes it meanwhile.
        self.elements[index].with(|element| unsafe { *element })
    }

    fn write(&self, index: usize, value: usize) {
        // SAFETY: as above.
        self.elements[index].with_mut(|element| unsafe { *element = value });
    }

    /// Appends one element. Returns whether there was room.
    fn append(&self, value: usize) -> bool {
        let fill = |old: usize, new: usize| {
            if self.mutant == Mutant::PublishesFirst {
                self.len.store(new, Ordering::Release);
            }
            self.write(old, value);
        };
        let room = |new| Ok::<_, ()>(new <= ROOM);
        if self.mutant == Mutant::TakesNoLock {
            return Growth::new().grow(&self.len, |old| old + 1, room, fill).unwrap();
        }
        self.growth.grow(&self.len, |old| old + 1, room, fill).unwrap()
    }

    fn look(&self) -> usize {
        let order = if self.mutant == Mutant::ReadsRelaxed { Ordering::Relaxed } else { Ordering::Acquire };
        let len = Word::load(&self.len, order);
        for index in 0..len {
            assert_ne!(self.element(index), 0, "an element was not written");
        }
        len
    }
}

fn two_append_while_one_reads(name: &str, mutant: Mutant) {
    explore(name, 3, move || {
        let object = Arc::new(Object {
            growth: Growth::new(),
            len: AtomicUsize::new(0),
            elements: std::array::from_fn(|_| UnsafeCell::new(0)),
            mutant,
        });
        let other = Arc::clone(&object);
        let other = thread::spawn(move || [other.append(10), other.append(11)]);
        let reader = Arc::clone(&object);
        let reader = thread::spawn(move || {
            let first = reader.look();
            assert!(first <= reader.look(), "the object has become shorter");
        });
        let here = [object.append(20), object.append(21)];
        let there = other.join().unwrap();
        reader.join().unwrap();
        assert_eq!(here.iter().chain(&there).filter(|&&done| done).count(), ROOM);
        let values: Vec<usize> = (0..object.look()).map(|index| object.element(index)).collect();
        assert_eq!(values.len(), ROOM);
        for (value, done) in [(10, there[0]), (11, there[1]), (20, here[0]), (21, here[1])] {
            assert_eq!(values.contains(&value), done, "{value} in {values:?}");
        }
    });
}

#[test]
fn shipped() {
    two_append_while_one_reads("growth", Mutant::Shipped);
}

#[test]
#[should_panic(expected = "Concurrent read and write accesses")]
fn mutant_publishes_first() {
    two_append_while_one_reads("growth, length first", Mutant::PublishesFirst);
}

#[test]
#[should_panic(expected = "Concurrent write accesses")]
fn mutant_takes_no_lock() {
    two_append_while_one_reads("growth, no lock", Mutant::TakesNoLock);
}

#[test]
#[should_panic(expected = "Concurrent read and write accesses")]
fn mutant_reads_relaxed() {
    two_append_while_one_reads("growth, relaxed", Mutant::ReadsRelaxed);
}
