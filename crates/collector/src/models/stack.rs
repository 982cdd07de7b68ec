//! Model: a VM stack is never written while it is scanned, it is scanned before anyone runs on it, and it may move.
//!
//! *Claim:* `[stack.one-actor]`, `[stack.scan-before-run]` and `[stack.one-word]`: the stack's slot (a cell per block) is
//! not touched by two threads at once, and each sees what the last one wrote, in whichever block; what the slot held when
//! marking began is shaded, by the marker or by the first mutator that runs on the stack, and by one of them only.
//! *Actors:* a marker that claims the stack twice; two mutators that run on the stack one after the other, and each move it
//! to another block. *Runs as it ships:* `StackHeader`, with loom's atomics for its state and block words (in a heap the
//! words lie in mapped memory). *Not modelled:* how the stack travels from one mutator to the other (a flag stands for
//! the heap slot it would travel in), what becomes of old blocks (see `retire`), and `[stack.rescan]`.

use crate::stack::StackHeader;
use spanheap_allocator::{Block, MIN_BLOCK};
use spanheap_sync::atomic::{AtomicUsize, Ordering};
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::model::explore;
use spanheap_sync::word::{self, Word};
use spanheap_sync::{Arc, thread};

const CYCLE: usize = 1;
const WHITE: usize = 7;
const BLOCKS: usize = 3;

/// The blocks have sizes and addresses, but no memory: a cell stands for each one's slot.
fn block(number: usize) -> Block {
    Block::new((number + 1) * MIN_BLOCK * 8, MIN_BLOCK << number)
}

/// A word whose accesses order nothing else.
struct Unordered(AtomicUsize);

impl Word for Unordered {
    fn load(&self, _: Ordering) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn store(&self, value: usize, _: Ordering) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn compare_exchange(&self, current: usize, new: usize, _: Ordering, _: Ordering) -> Result<usize, usize> {
        self.0.compare_exchange(current, new, Ordering::Relaxed, Ordering::Relaxed)
    }
}

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// The mutator runs on a stack that nobody has scanned.
    RunsUnscanned,
    /// The marker looks whether the stack is running, and does not claim it.
    ScansUnclaimed,
    /// The second mutator moves the stack without running on it.
    MovesUnclaimed,
}

struct Shared<W> {
    header: StackHeader<W>,
    /// The slot, in each block.
    slots: [UnsafeCell<usize>; BLOCKS],
    /// Times that the white object was shaded. Loom does not see it.
    shaded: word::AtomicUsize,
    handed_over: AtomicUsize,
}

// SAFETY: loom checks the accesses to the cell; that they never overlap is the claim.
unsafe impl<W: Sync> Sync for Shared<W> {}
// SAFETY: as above.
unsafe impl<W: Send> Send for Shared<W> {}

impl<W: Word> Shared<W> {
    /// The slot where the stack has it now.
    fn slot(&self) -> &UnsafeCell<usize> {
        let now = self.header.block();
        let number = (0..BLOCKS).find(|&number| block(number) == now).expect("address and size belong together");
        &self.slots[number]
    }

    fn read(&self) -> usize {
        // SAFETY: loom panics if a write overlaps.
        self.slot().with(|slot| unsafe { *slot })
    }

    fn write(&self, value: usize) {
        // SAFETY: loom panics if another access overlaps.
        self.slot().with_mut(|slot| unsafe { *slot = value });
    }

    fn grow(&self, to: usize) {
        let value = self.read();
        // SAFETY: loom panics if another access overlaps.
        self.slots[to].with_mut(|slot| unsafe { *slot = value });
        self.header.set_block(block(to));
    }

    fn scan(&self) {
        if self.read() == WHITE {
            self.shaded.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn first(&self, mutant: Mutant) {
        if self.header.resume(CYCLE) && mutant != Mutant::RunsUnscanned {
            self.scan();
        }
        self.write(1);
        self.grow(1);
        self.header.suspend();
        self.handed_over.store(1, Ordering::Release);
    }

    fn second(&self, mutant: Mutant) {
        if mutant == Mutant::MovesUnclaimed {
            self.grow(2);
        }
        while self.handed_over.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        assert!(!self.header.resume(CYCLE), "scanned when the first ran");
        assert_eq!(self.read(), 1);
        self.grow(2);
        self.write(2);
        self.header.suspend();
    }

    fn mark(&self, mutant: Mutant) {
        if mutant == Mutant::ScansUnclaimed {
            if !self.header.is_running() {
                self.scan();
            }
        } else if self.header.claim(CYCLE) {
            self.scan();
            self.header.finish(CYCLE);
        }
    }
}

fn model<W: Word + Send + Sync + 'static>(name: &str, mutant: Mutant, word: fn(AtomicUsize) -> W) {
    explore(name, 3, move || {
        let shared = Arc::new(Shared {
            header: StackHeader::modelled(word(AtomicUsize::new(0)), word(AtomicUsize::new(0))),
            slots: [UnsafeCell::new(WHITE), UnsafeCell::new(0), UnsafeCell::new(0)],
            shaded: word::AtomicUsize::new(0),
            handed_over: AtomicUsize::new(0),
        });
        shared.header.begin(block(0));
        let (first, second) = (Arc::clone(&shared), Arc::clone(&shared));
        let mutators = [thread::spawn(move || first.first(mutant)), thread::spawn(move || second.second(mutant))];
        shared.mark(mutant);
        shared.mark(mutant);
        for mutator in mutators {
            mutator.join().expect("a mutator ends");
        }
        assert_eq!(shared.shaded.load(Ordering::Relaxed), 1, "what the stack held is shaded once");
        assert!(!shared.header.is_running());
        assert_eq!(shared.read(), 2);
    });
}

#[test]
fn a_stack_is_scanned_once_and_before_it_runs() {
    model("stack", Mutant::Shipped, |word| word);
}

#[test]
#[should_panic(expected = "what the stack held is shaded once")]
fn mutant_that_runs_unscanned() {
    model("stack, runs unscanned", Mutant::RunsUnscanned, |word| word);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_scans_unclaimed() {
    model("stack, scans unclaimed", Mutant::ScansUnclaimed, |word| word);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_without_memory_orders() {
    model("stack, no memory orders", Mutant::Shipped, Unordered);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_moves_a_stack_unclaimed() {
    model("stack, moves unclaimed", Mutant::MovesUnclaimed, |word| word);
}
