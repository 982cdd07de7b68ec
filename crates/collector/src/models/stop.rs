//! Model: while the collector stops the world, no mutator runs, and nobody waits forever.
//!
//! *Claim:* what the look of [`Collector::stopped`] reads is not written meanwhile, and what the mutator wrote before
//! is visible to it; a mutator that comes to a safepoint, reads statistics, detaches or attaches at that moment neither
//! performs a stop as if it were work, nor waits for the collector that waits for it, nor runs in a stopped world;
//! reminders survive. *Actors:* the collector, which stops the world and then asks for a flush; one thread whose mutator
//! works between safepoints, crosses a native region, has a reminder of its own pending, detaches, and attaches anew.
//! *Runs as it ships:* `Collector::{attach, safepoint, detach, stopped, handshake, mutators}`, `MutatorRecord`,
//! `Handshake`, `Barrier`. *Not modelled:* the heap: the look reads a cell in its stead.

use crate::collector::Collector;
use crate::handshake::REQUEST_BITS;
use crate::mutator::{MutatorRecord, REMIND_COLLECT, Request};
use crate::options::Options;
use spanheap_memory::Memory;
use spanheap_sync::atomic::Ordering;
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, thread};

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// The collector lets the mutators go before it looks.
    LooksLate,
    /// The collector keeps the registry's lock while it waits.
    HoldsTheRegistry,
    /// A mutator attaches while the world is stopped.
    AttachesIntoStop,
    /// The mutator reads the request twice: to see whether it is a stop, and to perform it.
    ReadsTwice,
}

struct Work(UnsafeCell<u32>);

// SAFETY: loom checks the accesses; that they never overlap is the claim.
unsafe impl Sync for Work {}
// SAFETY: as above.
unsafe impl Send for Work {}

impl Work {
    fn add(&self) {
        // SAFETY: loom panics if another access overlaps.
        self.0.with_mut(|work| unsafe { *work += 1 });
    }

    fn look(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|work| unsafe { *work })
    }
}

fn poll(collector: &Collector, record: &MutatorRecord, mutant: Mutant) -> u32 {
    let handshake = &record.handshake;
    if !handshake.poll() {
        return 0;
    }
    if mutant != Mutant::ReadsTwice {
        return collector.safepoint(record);
    }
    let stop = Request::Stop as u32;
    while handshake.pending.load(Ordering::Acquire) & REQUEST_BITS == stop {
        handshake.enter_native();
        thread::yield_now();
        handshake.leave_native();
    }
    handshake.answer(REQUEST_BITS, |request| record.perform(request, collector));
    handshake.take_reminders()
}

fn stop(collector: &Collector, record: &MutatorRecord, mutant: Mutant, look: impl FnOnce()) {
    if !matches!(mutant, Mutant::LooksLate | Mutant::HoldsTheRegistry) {
        return collector.stopped(|_| look());
    }
    let registry = (mutant == Mutant::HoldsTheRegistry).then(|| collector.registry.lock());
    record.handshake.request(Request::Stop as u32);
    while !record.handshake.try_act() {
        thread::yield_now();
    }
    record.handshake.clear_request();
    if mutant == Mutant::LooksLate {
        record.handshake.end_act();
        look();
    } else {
        look();
        record.handshake.end_act();
    }
    drop(registry);
}

fn attach(collector: &Collector, mutant: Mutant) -> Arc<MutatorRecord> {
    if mutant != Mutant::AttachesIntoStop {
        return collector.attach();
    }
    let record = Arc::new(MutatorRecord::new(0, crate::barrier::Barrier::new(4, false)));
    collector.registry.lock().records.push(Arc::clone(&record));
    record
}

fn model(name: &str, mutant: Mutant) {
    explore(name, 3, move || {
        let collector = Arc::new(Collector::new(Arc::new(Memory::new()), Options::default()));
        let record = collector.attach();
        let work = Arc::new(Work(UnsafeCell::new(0)));
        let mutator = {
            let (collector, record, work) = (Arc::clone(&collector), Arc::clone(&record), Arc::clone(&work));
            thread::spawn(move || {
                work.add();
                record.handshake.remind(REMIND_COLLECT);
                let mut reminders = poll(&collector, &record, mutant);
                work.add();
                reminders += poll(&collector, &record, mutant);
                assert_eq!(reminders, REMIND_COLLECT, "a reminder is kept, and given once");
                assert_eq!(collector.mutators(), 1);
                record.handshake.enter_native();
                thread::yield_now();
                record.handshake.leave_native();
                work.add();
                collector.detach(&record);
                let late = attach(&collector, mutant);
                work.add();
                collector.detach(&late);
            })
        };
        stop(&collector, &record, mutant, || {
            let first = work.look();
            thread::yield_now();
            assert_eq!(work.look(), first);
        });
        collector.handshake(Request::Flush);
        mutator.join().expect("the mutator ends");
        assert_eq!(work.look(), 4);
    });
}

#[test]
fn a_stopped_mutator_does_not_run() {
    model("stop", Mutant::Shipped);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_looks_after_letting_go() {
    model("stop, looks late", Mutant::LooksLate);
}

#[test]
#[should_panic(expected = "exceeded maximum number of branches")]
fn mutant_that_holds_the_registry() {
    model("stop, holds the registry", Mutant::HoldsTheRegistry);
}

#[test]
#[should_panic(expected = "a stop is held, not performed")]
fn mutant_that_reads_the_request_twice() {
    model("stop, reads twice", Mutant::ReadsTwice);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_attaches_into_a_stop() {
    model("stop, attaches into a stop", Mutant::AttachesIntoStop);
}
