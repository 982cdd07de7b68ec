//! Model: when marking says that it is done, everything reachable is marked.
//!
//! *Claim:* that of `cycle`: after [`Collector::mark`], every object that the root table, the mutators' roots or the
//! heap can reach is marked, or new and so counts as marked, whatever the mutators did meanwhile. The check waits until
//! all have ended, and the scripts keep what they move. *Actors:* the collector and one or two mutators, each
//! with a short script that moves the only reference to an object past the marker; each ends in a native region or
//! detaches. *Runs as it ships:* `Collector::{mark, handshake, attach, detach, safepoint}`, `MutatorRecord::perform`,
//! `Handshake`, `Barrier`, `RootTable`, root sources, and `GreyQueue` over its stand-in for loom. *Stand-ins:* a heap
//! of a few objects with one slot each; a marker that follows slots; the store of `spanheap`'s `Mutator::store_word`,
//! which is the barrier's test, its call, and a release store; new objects as flags that loom does not see. *Not
//! modelled:* caches, stacks (see `stack`), sweeping.

use crate::barrier::BarrierMode;
use crate::collector::Collector;
use crate::grey::GreyQueue;
use crate::marking::Drained;
use crate::mutator::{MutatorRecord, Request};
use crate::options::Options;
use crate::roots::{RootSource, RootVisitor};
use spanheap_memory::Memory;
use spanheap_sync::atomic::{AtomicUsize, Ordering};
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::model::explore;
use spanheap_sync::word::{self, AtomicBool};
use spanheap_sync::{Arc, thread};

/// Objects are numbered from 1; 0 is null.
const OBJECTS: usize = 6;
/// Objects that root handles hold from the start. The marker scans B first.
const A: usize = 1;
const B: usize = 2;
/// The object that is to be lost.
const WHITE: usize = 3;
/// The object that a script allocates.
const FRESH: usize = 4;
/// What B holds at first where a script overwrites it.
const OTHER: usize = 5;
/// The entry of a root handle beside those of A and B.
const HANDLE: usize = 2;

/// What is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    NoDeletionLog,
    NoInsertionShade,
    NoFlush,
    /// A mark of the last cycle is still there: the barrier takes the object for marked.
    KeepsOldMarks,
    NoSync,
    /// A mutator that attaches while marking runs has its barrier off.
    AttachesWithoutBarrier,
    /// A root handle that is dropped is not shaded.
    DropsUnshaded,
    /// Objects are black from the moment their own mutator has the barrier on.
    BlackTooEarly,
    /// The verdict does not wait for what the round of flushes brings.
    IgnoresTheRound,
    /// Marking goes on in slices, and the last one alone says whether the round brought something white.
    ForgetsTheSlice,
    /// The first round begins while objects are grey.
    BeginsTheRoundGrey,
}

struct World {
    collector: Collector,
    mutant: Mutant,
    slots: [AtomicUsize; OBJECTS],
    /// Allocated while the barrier was on: counts as marked, and the marker does not look into it.
    black: [AtomicBool; OBJECTS],
    /// Set by the marker; logs are filtered by them.
    marked: Arc<[AtomicBool; OBJECTS]>,
}

impl World {
    /// Whether an object is marked, or black from birth.
    fn counts(&self, object: usize) -> bool {
        [&*self.marked, &self.black].iter().any(|bits| bits[object].load(word::Ordering::Relaxed))
    }
}

/// A mutator's registers.
struct Registers(UnsafeCell<[usize; 2]>);

// SAFETY: loom checks the accesses; [handshake.one-actor] says that they do not overlap.
unsafe impl Sync for Registers {}
// SAFETY: as above.
unsafe impl Send for Registers {}

impl Registers {
    fn get(&self) -> [usize; 2] {
        // SAFETY: loom panics if a write overlaps.
        self.0.with(|registers| unsafe { *registers })
    }
}

struct Source(Arc<Registers>);

// SAFETY: reports all registers, which are 0 or numbers of objects, and does nothing else.
unsafe impl RootSource for Source {
    fn visit(&self, visitor: &mut RootVisitor<'_>) {
        self.0.get().into_iter().for_each(|object| visitor.object(object));
    }
}

struct Mutator {
    world: Arc<World>,
    record: Arc<MutatorRecord>,
    registers: Arc<Registers>,
}

impl Mutator {
    fn attach(world: &Arc<World>, first: usize) -> Mutator {
        let record = world.collector.attach();
        let registers = Arc::new(Registers(UnsafeCell::new([first, 0])));
        // SAFETY: attached just now and running; the record stays with, or goes to, the mutator's thread.
        let local = unsafe { record.local() };
        local.add_source(Box::new(Source(Arc::clone(&registers))));
        if world.mutant == Mutant::AttachesWithoutBarrier {
            local.barrier.set_mode(BarrierMode::Off);
        }
        Mutator { world: Arc::clone(world), record, registers }
    }

    fn set(&self, register: usize, object: usize) {
        // SAFETY: as in `Registers::get`.
        self.registers.0.with_mut(|registers| unsafe { (*registers)[register] = object });
    }

    fn load(&self, register: usize, from: usize) {
        self.set(register, self.world.slots[from].load(Ordering::Acquire));
    }

    fn store(&self, object: usize, new: usize) {
        // SAFETY: this is the mutator's thread, running.
        let barrier = &unsafe { self.record.local() }.barrier;
        let slot = &self.world.slots[object];
        if barrier.is_on() {
            let (mut logged_old, mut logged_new) = (slot.load(Ordering::Relaxed), new);
            match self.world.mutant {
                Mutant::NoDeletionLog => logged_old = 0,
                Mutant::NoInsertionShade => logged_new = 0,
                _ => {}
            }
            barrier.before_store(logged_old, logged_new, &self.world.collector.grey);
        }
        slot.store(new, Ordering::Release);
    }

    fn allocate(&self, register: usize, object: usize) {
        // SAFETY: this is the mutator's thread, running.
        let local = unsafe { self.record.local() };
        let black = match self.world.mutant {
            Mutant::BlackTooEarly => local.barrier.mode() != BarrierMode::Off,
            _ => local.cache.is_new(self.world.collector.marking_generation()),
        };
        self.world.black[object].store(black, word::Ordering::Relaxed);
        self.set(register, object);
    }

    fn safepoint(&self) {
        if self.record.handshake.poll() {
            self.world.collector.safepoint(&self.record);
        }
    }

    /// A native region during which another thread runs, if one can.
    fn native(&self) {
        self.record.handshake.enter_native();
        thread::yield_now();
        self.record.handshake.leave_native();
        self.safepoint();
    }

    /// Ends in a native region, which leaves the registers as roots.
    fn rest(&self) {
        self.record.handshake.enter_native();
    }

    fn detach(&self) {
        self.set(0, 0);
        self.set(1, 0);
        self.world.collector.detach(&self.record);
    }
}

/// The marker's stand-in.
struct Marker {
    world: Arc<World>,
    stack: Vec<usize>,
    /// Marks one object at a time.
    slices: bool,
}

impl Marker {
    /// Marks until nothing is grey, or, in slices, one object.
    fn drain(&mut self, grey: &GreyQueue) -> Drained {
        let mut found_white = false;
        loop {
            let object = match self.stack.pop() {
                Some(object) => object,
                None => match grey.pop() {
                    Some(block) => {
                        found_white |= block.iter().any(|&object| self.is_white(object));
                        self.stack.extend(block);
                        continue;
                    }
                    None => return Drained { found_white, finished: true },
                },
            };
            if self.is_white(object) {
                self.world.marked[object].store(true, word::Ordering::Relaxed);
                self.stack.push(self.world.slots[object].load(Ordering::Acquire));
                if self.slices {
                    return Drained { found_white, finished: false };
                }
            }
        }
    }

    fn is_white(&self, object: usize) -> bool {
        object != 0 && !self.world.counts(object)
    }

    /// `drain` for a mutant that knows only of the last slice whether it brought something.
    fn drain_forgetfully(&mut self, grey: &GreyQueue) -> bool {
        loop {
            let drained = self.drain(grey);
            if drained.finished {
                return drained.found_white;
            }
        }
    }

    /// `drain` to its end.
    fn drain_all(&mut self, grey: &GreyQueue) -> bool {
        let mut found_white = false;
        loop {
            let drained = self.drain(grey);
            found_white |= drained.found_white;
            if drained.finished {
                return found_white;
            }
        }
    }

    fn mark(&mut self) {
        let world = Arc::clone(&self.world);
        let (collector, mutant) = (&world.collector, world.mutant);
        match mutant {
            Mutant::NoFlush
            | Mutant::NoSync
            | Mutant::DropsUnshaded
            | Mutant::IgnoresTheRound
            | Mutant::ForgetsTheSlice
            | Mutant::BeginsTheRoundGrey => self.mark_wrongly(collector, mutant),
            _ => collector.mark(|grey| self.drain(grey)),
        }
    }

    /// `Collector::mark` with one step left out.
    fn mark_wrongly(&mut self, collector: &Collector, mutant: Mutant) {
        if mutant != Mutant::DropsUnshaded {
            collector.roots.begin_marking();
        }
        collector.handshake(Request::BarrierOn);
        if mutant != Mutant::NoSync {
            collector.handshake(Request::SyncRound);
        }
        collector.handshake(Request::Roots);
        collector.grey.push(collector.roots.snapshot());
        if mutant == Mutant::BeginsTheRoundGrey {
            self.stack.extend(collector.grey.pop().into_iter().flatten());
        } else {
            self.drain_all(&collector.grey);
        }
        loop {
            if mutant != Mutant::NoFlush {
                collector.handshake(Request::Flush);
            }
            let found_white = match mutant {
                Mutant::IgnoresTheRound => false,
                Mutant::ForgetsTheSlice => self.drain_forgetfully(&collector.grey),
                _ => self.drain_all(&collector.grey),
            };
            if !found_white {
                return;
            }
        }
    }

    /// Panics unless everything reachable is marked. All mutators have ended.
    fn check(&self, registers: &[Arc<Registers>]) {
        let world = &self.world;
        let mut stack = world.collector.roots.snapshot();
        stack.extend(registers.iter().flat_map(|registers| registers.get()));
        let mut seen = [false; OBJECTS];
        while let Some(object) = stack.pop() {
            if object != 0 && !seen[object] {
                seen[object] = true;
                assert!(world.counts(object), "object {object} is reachable and not marked");
                stack.push(world.slots[object].load(Ordering::Acquire));
            }
        }
        assert!(!world.collector.keep_all.load(word::Ordering::Relaxed), "no root source panicked");
    }
}

/// A mutator: what its first register holds at the start, and what it does.
type Script = (usize, fn(&Mutator));

/// Explores a world in which A and B hold the first two of `start`, and a root handle the third.
fn model<const N: usize>(name: &str, preemptions: usize, mutant: Mutant, start: [usize; 3], scripts: [Script; N]) {
    model_in(name, preemptions, mutant, start, scripts, false);
}

/// The same, with a marker that works in slices if `slices`; the white object then refers to another one.
fn model_in<const N: usize>(
    name: &str,
    preemptions: usize,
    mutant: Mutant,
    start: [usize; 3],
    scripts: [Script; N],
    slices: bool,
) {
    explore(name, preemptions, move || {
        let mut collector = Collector::new(Arc::new(Memory::new()), Options::default());
        let marked = Arc::new([const { AtomicBool::new(false) }; OBJECTS]);
        let marks = Arc::clone(&marked);
        let is_known = move |object: usize| {
            marks[object].load(word::Ordering::Relaxed) || mutant == Mutant::KeepsOldMarks && object == WHITE
        };
        collector.grey = GreyQueue::with_filter(Box::new(move |log| log.retain(|&object| !is_known(object))));
        let [a, b, handle] = start;
        let slots = [0, a, b, if slices { OTHER } else { 0 }, 0, 0].map(AtomicUsize::new);
        let black = [const { AtomicBool::new(false) }; OBJECTS];
        let world = Arc::new(World { collector, mutant, slots, black, marked });
        world.collector.roots.add(A);
        world.collector.roots.add(B);
        if handle != 0 {
            assert_eq!(world.collector.roots.add(handle), HANDLE);
        }
        let (mut registers, mut threads) = (Vec::new(), Vec::new());
        for (first, script) in scripts {
            let mutator = Mutator::attach(&world, first);
            registers.push(Arc::clone(&mutator.registers));
            threads.push(thread::spawn(move || script(&mutator)));
        }
        let mut marker = Marker { world, stack: Vec::new(), slices };
        marker.mark();
        for thread in threads {
            thread.join().expect("a mutator ends");
        }
        marker.check(&registers);
    });
}

/// Moves the white object from A, which the marker scans last, to B, which it scans first.
fn move_white(mutator: &Mutator) {
    mutator.load(0, A);
    mutator.store(A, 0);
    mutator.safepoint();
    let held = mutator.registers.get()[0];
    mutator.store(B, held);
    mutator.set(0, 0);
}

fn mover(mutator: &Mutator) {
    mutator.safepoint();
    mutator.native();
    move_white(mutator);
    mutator.safepoint();
    mutator.rest();
}

/// Moves the white object, and then what it refers to.
fn mover_of_two(mutator: &Mutator) {
    mutator.safepoint();
    mutator.native();
    move_white(mutator);
    mutator.safepoint();
    mutator.load(0, WHITE);
    mutator.store(WHITE, 0);
    let held = mutator.registers.get()[0];
    mutator.store(B, held);
    mutator.set(0, 0);
    mutator.safepoint();
    mutator.rest();
}

fn mover_that_detaches(mutator: &Mutator) {
    mutator.safepoint();
    mutator.native();
    move_white(mutator);
    mutator.detach();
}

/// Attaches at any moment, moves, and detaches.
fn latecomer(mutator: &Mutator) {
    mutator.detach();
    let late = Mutator::attach(&mutator.world, 0);
    move_white(&late);
    late.detach();
}

/// Takes the white object out of its root handle.
fn taker(mutator: &Mutator) {
    mutator.safepoint();
    mutator.native();
    mutator.set(0, WHITE);
    mutator.world.collector.roots.remove(HANDLE, &mutator.world.collector.grey);
    mutator.rest();
}

/// Hides the white object, which only its register holds, in a new object.
fn hider(mutator: &Mutator) {
    mutator.native();
    mutator.allocate(1, FRESH);
    mutator.store(FRESH, WHITE);
    mutator.set(0, 0);
    mutator.safepoint();
    mutator.safepoint();
    mutator.rest();
}

/// Stores into B what only its register holds (without a barrier, as long as it has not been asked), drops it, and later
/// takes what B holds then.
fn lender(mutator: &Mutator) {
    mutator.store(B, WHITE);
    mutator.set(0, 0);
    mutator.native();
    mutator.load(0, B);
    mutator.rest();
}

/// Overwrites B; it may have read what B held before `lender` stored there.
fn overwriter(mutator: &Mutator) {
    mutator.safepoint();
    mutator.store(B, 0);
    mutator.rest();
}

/// Publishes a new object in B.
fn maker(mutator: &Mutator) {
    mutator.safepoint();
    mutator.allocate(0, FRESH);
    mutator.store(B, FRESH);
    mutator.rest();
}

/// Puts what only its register holds into the new object, if that is there.
fn putter(mutator: &Mutator) {
    mutator.load(1, B);
    if mutator.registers.get()[1] == FRESH {
        mutator.store(FRESH, WHITE);
    }
    mutator.set(1, 0);
    mutator.set(0, 0);
    mutator.rest();
}

const GIFT: [Script; 2] = [(0, maker), (WHITE, putter)];

const RACE: [Script; 2] = [(0, overwriter), (WHITE, lender)];

#[test]
fn what_is_moved_past_the_marker_is_marked() {
    model("termination, move", 3, Mutant::Shipped, [WHITE, 0, 0], [(0, mover)]);
}

#[test]
fn what_is_moved_past_a_marker_that_works_in_slices_is_marked() {
    model_in("termination, move two, in slices", 3, Mutant::Shipped, [WHITE, 0, 0], [(0, mover_of_two)], true);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_that_forgets_what_a_slice_brought() {
    let start = [WHITE, 0, 0];
    model_in("termination, forgets the slice", 3, Mutant::ForgetsTheSlice, start, [(0, mover_of_two)], true);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_that_begins_the_round_while_objects_are_grey() {
    model("termination, begins grey", 3, Mutant::BeginsTheRoundGrey, [WHITE, 0, 0], [(0, mover)]);
}

#[test]
fn what_a_detaching_mutator_moved_is_marked() {
    model("termination, move and detach", 3, Mutant::Shipped, [WHITE, 0, 0], [(0, mover_that_detaches)]);
}

#[test]
fn what_a_mutator_moved_that_attached_meanwhile_is_marked() {
    model("termination, attach and move", 3, Mutant::Shipped, [WHITE, 0, 0], [(0, latecomer)]);
}

#[test]
fn what_is_taken_out_of_a_root_handle_is_marked() {
    model("termination, take", 3, Mutant::Shipped, [0, 0, WHITE], [(0, taker)]);
}

#[test]
fn what_is_hidden_in_a_new_object_is_marked() {
    model("termination, hide", 3, Mutant::Shipped, [0, 0, 0], [(WHITE, hider)]);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_without_the_deletion_log() {
    model("termination, no deletion log", 3, Mutant::NoDeletionLog, [WHITE, 0, 0], [(0, mover)]);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_with_marks_of_the_last_cycle() {
    model("termination, old marks", 3, Mutant::KeepsOldMarks, [WHITE, 0, 0], [(0, mover)]);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_without_the_insertion_shade() {
    model("termination, no insertion shade", 3, Mutant::NoInsertionShade, [0, 0, 0], [(WHITE, hider)]);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_that_attaches_without_barrier() {
    model("termination, attaches without barrier", 3, Mutant::AttachesWithoutBarrier, [WHITE, 0, 0], [(0, latecomer)]);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_that_drops_a_handle_unshaded() {
    model("termination, drops unshaded", 3, Mutant::DropsUnshaded, [0, 0, WHITE], [(0, taker)]);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_without_the_flush_round() {
    model("termination, no flush", 3, Mutant::NoFlush, [WHITE, 0, 0], [(0, mover)]);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_that_ignores_what_the_round_brings() {
    model("termination, ignores the round", 3, Mutant::IgnoresTheRound, [WHITE, 0, 0], [(0, mover)]);
}

#[test]
fn a_store_that_began_before_the_barrier_was_on_everywhere_loses_nothing() {
    model("termination, race of two stores", 2, Mutant::Shipped, [0, OTHER, 0], RACE);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_without_the_sync_round() {
    model("termination, no sync", 2, Mutant::NoSync, [0, OTHER, 0], RACE);
}

#[test]
fn what_is_stored_into_a_new_object_before_the_barrier_was_on_everywhere_is_marked() {
    model("termination, gift", 2, Mutant::Shipped, [0, 0, 0], GIFT);
}

#[test]
#[should_panic(expected = "is reachable and not marked")]
fn mutant_with_black_objects_too_early() {
    model("termination, black too early", 2, Mutant::BlackTooEarly, [0, 0, 0], GIFT);
}
