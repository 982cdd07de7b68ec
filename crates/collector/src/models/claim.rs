//! Model: one thread at a time advances a cycle, and what one has begun another can end.
//!
//! *Claim:* `[cycle.one-claim]`: whoever has claimed the cycle is alone (a cell that it touches), sees what the one before
//! did, and a cycle that is advanced in slices by several threads ends, and counts once. *Actors:* in the model of the claim,
//! two threads that claim, work and put back; in the model of slices, in a heap without a thread, one that waits for a
//! cycle of its own and one with a mutator that advances it and answers in between. *Runs as it ships:*
//! `Collector::{claim, put_back, collect, advance_cycle, attach, safepoint, detach}` and the cycle of an empty heap.
//! *Not modelled:* the clock: a slice is one step of the cycle.

use crate::collector::Collector;
use crate::cycle::Cycle;
use crate::options::Options;
use crate::phase::Phase;
use spanheap_memory::Memory;
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, thread};
use std::time::Duration;

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// A thread claims the cycle that another thread has.
    ClaimsTwice,
    /// A thread that puts the cycle back goes on working.
    WorksAfter,
}

struct Work(UnsafeCell<u32>);

// SAFETY: loom checks the accesses; that they never overlap is the claim.
unsafe impl Sync for Work {}
// SAFETY: as above.
unsafe impl Send for Work {}

impl Work {
    fn touch(&self) {
        // SAFETY: loom panics if another access overlaps.
        self.0.with_mut(|work| unsafe { *work += 1 });
    }
}

fn inline_heap() -> Arc<Collector> {
    Arc::new(Collector::new(Arc::new(Memory::new()), Options { background: false, ..Options::default() }))
}

fn work(collector: &Collector, work: &Work, mutant: Mutant) {
    let mut cycle = collector.claim();
    if mutant == Mutant::ClaimsTwice && cycle.is_none() {
        collector.requests.control.lock().claimed = false;
        cycle = collector.claim().or_else(|| Some(Box::new(Cycle::new())));
    }
    if let Some(cycle) = cycle {
        work.touch();
        collector.put_back(cycle, false);
        if mutant == Mutant::WorksAfter {
            work.touch();
        }
    }
}

fn model(name: &'static str, mutant: Mutant) {
    explore(name, 3, move || {
        let collector = inline_heap();
        collector.request_cycle();
        let cell = Arc::new(Work(UnsafeCell::new(0)));
        let other = {
            let (collector, cell) = (Arc::clone(&collector), Arc::clone(&cell));
            thread::spawn(move || {
                work(&collector, &cell, mutant);
                work(&collector, &cell, mutant);
            })
        };
        work(&collector, &cell, mutant);
        other.join().expect("the other thread ends");
        let Some(cycle) = collector.claim() else { panic!("the cycle is put back") };
        cell.touch();
        collector.put_back(cycle, true);
        assert!(!collector.is_collecting() && collector.claim().is_none(), "the cycle counts once");
    });
}

#[test]
fn one_thread_at_a_time_has_the_cycle() {
    model("claim", Mutant::Shipped);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_claims_a_claimed_cycle() {
    model("claim, claims twice", Mutant::ClaimsTwice);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_works_after_it_has_put_back() {
    model("claim, works after", Mutant::WorksAfter);
}

#[test]
fn a_cycle_is_advanced_by_several_threads() {
    explore("claim, in slices", 2, || {
        let collector = inline_heap();
        let mutator = {
            let collector = Arc::clone(&collector);
            thread::spawn(move || {
                let record = collector.attach();
                for _ in 0..2 {
                    if record.handshake.poll() {
                        collector.safepoint(&record);
                    }
                    record.handshake.enter_native();
                    collector.advance_cycle(Duration::ZERO);
                    record.handshake.leave_native();
                }
                collector.detach(&record);
            })
        };
        let report = collector.collect();
        assert_eq!((report.number, collector.cycle_number()), (1, 1));
        mutator.join().expect("the mutator ends");
        assert!(!collector.is_collecting());
        assert_eq!(collector.phase(), Phase::Idle);
    });
}
