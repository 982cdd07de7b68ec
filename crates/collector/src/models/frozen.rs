//! Model: what a stack's frozen slots held is marked, though nobody looks at them in the handshake.
//!
//! *Claim:* `[stack.frozen]` and `[parts.grey]`: a mutator that answers for its roots hands its frozen slots over unread; later
//! it thaws one, stores what it holds into an object that is black, and overwrites the slot. When marking is done, that
//! object is marked: the collector has read the slot before, or the thaw has copied it. *Actors:* the collector; a
//! mutator that runs on a stack of frozen slots. *Runs as it ships:* `Collector::mark` and all that it asks for,
//! `Local::{switch_stack, set_frozen}` and the scan of roots, `Parts`, `StackHeader`. *Stand-ins:* the slots lie in memory of
//! the model's own, which loom does not see: it switches threads at the locks and words around them. Objects are numbers,
//! so that the model checks them itself; the marker is one flag per object.

use crate::barrier::BarrierMode;
use crate::collector::Collector;
use crate::grey::GreyQueue;
use crate::marking::Drained;
use crate::mutator::MutatorRecord;
use crate::options::Options;
use crate::parts::Part;
use crate::stack::{StackHeader, StackScan};
use spanheap_allocator::{Block, MIN_BLOCK, WORD};
use spanheap_memory::Memory;
use spanheap_sync::model::explore;
use spanheap_sync::word::{AtomicBool, AtomicUsize, Ordering};
use spanheap_sync::{Arc, thread};

/// The object that nothing but the slot refers to; the mark tells it from what else the log holds.
const WHITE: usize = 3;
const SCAN: StackScan = StackScan::Pairs(1);
/// More than are copied anyway.
const SLOTS: usize = MIN_BLOCK * 8 / SCAN.slot_bytes();

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// The mutator moves the mark without a copy.
    ThawsUncopied,
    /// It copies after it has overwritten the slot.
    CopiesLate,
    /// The verdict does not wait for the parts.
    IgnoresParts,
}

/// A stack and its slots.
struct Registers {
    header: StackHeader,
    slots: *mut AtomicUsize,
}

// SAFETY: the slots are atomics, and live as long as this.
unsafe impl Sync for Registers {}
// SAFETY: as above.
unsafe impl Send for Registers {}

impl Registers {
    fn new() -> Registers {
        let block = Box::new(Aligned { words: [const { AtomicUsize::new(0) }; SLOTS * 2] });
        assert_eq!(block.words[0].load(Ordering::Relaxed), 0);
        let slots = Box::into_raw(block) as *mut AtomicUsize;
        // SAFETY: zero is a value of the header's words.
        let header: StackHeader = unsafe { std::mem::zeroed() };
        header.begin(Block::new(slots as usize, SLOTS * SCAN.slot_bytes()));
        header.set_top(SLOTS);
        Registers { header, slots }
    }

    fn write(&self, tag: usize, payload: usize) {
        // SAFETY: the first slot's two words.
        unsafe { &*self.slots.add(1) }.store(payload, Ordering::Release);
        // SAFETY: as above.
        unsafe { &*self.slots }.store(tag, Ordering::Release);
    }

    fn addr(&self) -> usize {
        &raw const self.header as usize
    }
}

/// A block's memory, aligned as one.
#[repr(align(16384))]
struct Aligned {
    words: [AtomicUsize; SLOTS * 2],
}

impl Drop for Registers {
    fn drop(&mut self) {
        // SAFETY: it was made from a box of this type.
        drop(unsafe { Box::from_raw(self.slots as *mut Aligned) });
    }
}

struct World {
    collector: Collector,
    registers: Registers,
    marked: AtomicBool,
}

impl World {
    fn drain(&self, queue: &GreyQueue, mutant: Mutant) -> Drained {
        let mut found_white = false;
        let mut see = |object: usize| {
            found_white |= object == WHITE && !self.marked.swap(true, Ordering::Relaxed);
        };
        loop {
            while let Some(block) = queue.pop() {
                block.into_iter().for_each(&mut see);
            }
            let part = if mutant == Mutant::IgnoresParts { None } else { self.collector.parts.take() };
            match part {
                Some(Part::Copied(words, _)) => words.into_iter().for_each(&mut see),
                Some(Part::Frozen(slots, scan)) => slots.step_by(scan.slot_bytes()).for_each(|slot| {
                    // SAFETY: the stack's slots.
                    let word = |addr: usize| unsafe { &*(addr as *const AtomicUsize) }.load(Ordering::Relaxed);
                    if word(slot) >= 1 {
                        see(word(slot + WORD));
                    }
                }),
                None => return Drained { found_white, finished: true },
            }
        }
    }

    fn run(&self, record: &Arc<MutatorRecord>, mutant: Mutant) {
        let collector = &self.collector;
        let safepoint = || {
            if record.handshake.poll() {
                collector.safepoint(record);
            }
        };
        safepoint();
        record.handshake.enter_native();
        thread::yield_now();
        record.handshake.leave_native();
        safepoint();
        // SAFETY: the mutator's thread, running.
        let local = unsafe { record.local() };
        let thaw = || {
            // SAFETY: this thread runs on the stack, which lives.
            unsafe { local.set_frozen(self.registers.addr(), SCAN, 0, collector) };
        };
        match mutant {
            Mutant::ThawsUncopied => self.registers.header.set_frozen(0),
            Mutant::CopiesLate => {}
            _ => thaw(),
        }
        // The object goes to another one. Before marking that one is white, and leads to it; later it is black.
        match local.barrier.mode() {
            BarrierMode::Off => self.marked.store(true, Ordering::Relaxed),
            BarrierMode::Both => local.barrier.shade(WHITE, &collector.grey),
            BarrierMode::Deletion | BarrierMode::Watch => {}
        }
        self.registers.write(0, 0);
        if mutant == Mutant::CopiesLate {
            collector.safepoint(record);
            thaw();
        }
        safepoint();
        record.handshake.enter_native();
    }
}

fn model(name: &'static str, mutant: Mutant) {
    explore(name, 3, move || {
        let collector = Collector::new(Arc::new(Memory::new()), Options::default());
        let world = Arc::new(World { collector, registers: Registers::new(), marked: AtomicBool::new(false) });
        let record = world.collector.attach();
        {
            // SAFETY: attached just now and running; the record goes to the mutator's thread.
            let local = unsafe { record.local() };
            let stack = world.registers.addr();
            // SAFETY: a stack that lives as long as the world, of this layout.
            unsafe { local.switch_stack(stack, SCAN, &world.collector) };
            world.registers.write(1, WHITE);
            // SAFETY: as above.
            unsafe { local.set_frozen(stack, SCAN, SLOTS, &world.collector) };
        }
        let mutator = {
            let (world, record) = (Arc::clone(&world), Arc::clone(&record));
            thread::spawn(move || world.run(&record, mutant))
        };
        world.collector.begin_cycle();
        world.collector.mark(|queue| world.drain(queue, mutant));
        mutator.join().expect("the mutator ends");
        assert!(world.marked.load(Ordering::Relaxed), "what the slot held is not marked");
    });
}

#[test]
fn what_frozen_slots_held_is_marked() {
    model("frozen", Mutant::Shipped);
}

#[test]
#[should_panic(expected = "what the slot held is not marked")]
fn mutant_that_thaws_without_a_copy() {
    model("frozen, thaws uncopied", Mutant::ThawsUncopied);
}

#[test]
#[should_panic(expected = "what the slot held is not marked")]
fn mutant_that_copies_after_it_has_written() {
    model("frozen, copies late", Mutant::CopiesLate);
}

#[test]
#[should_panic(expected = "what the slot held is not marked")]
fn mutant_whose_verdict_ignores_the_parts() {
    model("frozen, ignores parts", Mutant::IgnoresParts);
}
