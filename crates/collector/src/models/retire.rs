//! Model: a block that its stack has left is used again only when nobody reads it.
//!
//! *Claim:* `[stack.retired]` and `[stack.one-word]`: a reader that takes a stack's block between two of its safepoints
//! finds the size that goes with the address, sees what was copied there, and is not overtaken by whoever gets the block
//! next. *Actors:* an owner that moves its stack and then answers; a reader that reads, answers, and reads again; a
//! collector that takes the list of retired blocks, makes a handshake, and lets the blocks be written. *Runs as it
//! ships:* `StackHeader::block` and `set_block` with loom's atomics for its words, the list of retired blocks, and
//! `Handshake`; the wait is that of `Collector::handshake`. *Not modelled:* a mutator that attaches during the handshake
//! (the registry's lock orders it after the list was taken), and dead stacks (`[stack.block-follows-object]`).

use crate::handshake::{Handshake, REQUEST_BITS};
use crate::stack::StackHeader;
use spanheap_allocator::{Block, MIN_BLOCK, Retired};
use spanheap_sync::atomic::AtomicUsize;
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, thread};

const ASK: u32 = 1;
/// A request that nobody makes: this model has no stop.
const HOLD: u32 = REQUEST_BITS;
const HELD: usize = 7;
const USED_AGAIN: usize = 0xde;

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// The collector lets blocks be used again without a handshake.
    NoHandshake,
    /// It takes the list when the handshake is over.
    ListAfterHandshake,
    /// The owner retires the block before its stack names the new one.
    RetiresFirst,
    /// The reader takes address and size from two loads.
    ReadsTwice,
}

/// The blocks have sizes and addresses, but no memory: a cell stands for what each one holds.
fn block(number: usize) -> Block {
    Block::new((number + 1) * MIN_BLOCK * 8, MIN_BLOCK << number)
}

struct Shared {
    header: StackHeader<AtomicUsize>,
    retired: Retired,
    held: [UnsafeCell<usize>; 2],
    /// The owner's and the reader's.
    handshakes: [Handshake; 2],
}

// SAFETY: loom checks the accesses to the cells; that they never overlap wrongly is the claim.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn own(&self, mutant: Mutant) {
        assert!(!self.header.resume(0));
        // SAFETY: loom panics if another access overlaps.
        let value = self.held[0].with(|held| unsafe { *held });
        // SAFETY: as above.
        self.held[1].with_mut(|held| unsafe { *held = value });
        if mutant == Mutant::RetiresFirst {
            self.retired.add(block(0));
        }
        self.header.set_block(block(1));
        if mutant != Mutant::RetiresFirst {
            self.retired.add(block(0));
        }
        self.handshakes[0].answer(HOLD, |_| ());
        self.handshakes[0].enter_native();
    }

    fn read(&self, mutant: Mutant) {
        for _ in 0..2 {
            let now = self.header.block();
            let bytes = if mutant == Mutant::ReadsTwice { self.header.block().bytes() } else { now.bytes() };
            let number = (0..2).find(|&number| block(number).base() == now.base()).expect("a block's address");
            assert_eq!(bytes, block(number).bytes(), "a size goes with its address");
            // SAFETY: loom panics if a write overlaps.
            assert_eq!(self.held[number].with(|held| unsafe { *held }), HELD, "nobody else has the block");
            self.handshakes[1].answer(HOLD, |_| ());
        }
        self.handshakes[1].enter_native();
    }

    fn collect(&self, mutant: Mutant) {
        let early = (mutant != Mutant::ListAfterHandshake).then(|| self.retired.begin_grace());
        if mutant != Mutant::NoHandshake {
            self.handshakes.iter().for_each(|handshake| handshake.request(ASK));
            for handshake in &self.handshakes {
                while !handshake.is_answered() && !handshake.act(|_| ()) {
                    thread::yield_now();
                }
            }
        }
        let grace = early.unwrap_or_else(|| self.retired.begin_grace());
        for used_again in grace.blocks() {
            assert_eq!(*used_again, block(0));
            // SAFETY: loom panics if another access overlaps.
            self.held[0].with_mut(|held| unsafe { *held = USED_AGAIN });
        }
        self.retired.end_grace(&grace);
    }
}

fn model(name: &str, mutant: Mutant) {
    explore(name, 3, move || {
        let word = || AtomicUsize::new(0);
        let shared = Arc::new(Shared {
            header: StackHeader::modelled(word(), word()),
            retired: Retired::new(),
            held: [UnsafeCell::new(HELD), UnsafeCell::new(0)],
            handshakes: [Handshake::new(), Handshake::new()],
        });
        shared.header.begin(block(0));
        let (owner, reader) = (Arc::clone(&shared), Arc::clone(&shared));
        let mutators = [thread::spawn(move || owner.own(mutant)), thread::spawn(move || reader.read(mutant))];
        shared.collect(mutant);
        for mutator in mutators {
            mutator.join().expect("a mutator ends");
        }
        let (left, _) = shared.retired.figures();
        // SAFETY: the others have ended.
        let held = shared.held[0].with(|held| unsafe { *held });
        assert_eq!(held, if left == 0 { USED_AGAIN } else { HELD }, "a block is used again or still retired");
    });
}

#[test]
fn a_retired_block_is_used_again_when_nobody_reads_it() {
    model("retire", Mutant::Shipped);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_without_a_handshake() {
    model("retire, no handshake", Mutant::NoHandshake);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_takes_the_list_after_the_handshake() {
    model("retire, list after handshake", Mutant::ListAfterHandshake);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_retires_before_it_publishes() {
    model("retire, retires first", Mutant::RetiresFirst);
}

#[test]
#[should_panic(expected = "a size goes with its address")]
fn mutant_that_reads_address_and_size_apart() {
    model("retire, reads twice", Mutant::ReadsTwice);
}
