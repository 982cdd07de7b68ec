//! Model: when the process forks, nothing of the heap is under way, and afterwards everything goes on.
//!
//! *Claim:* that of `fork`: at the moment of the fork no step of idle work and no cycle is in progress, no mutator runs, and
//! none attaches (a cell stands for the heap, which all of them touch); whoever wants a cycle meanwhile gets it later.
//! *Actors:* the collector's thread, which idles and runs a cycle; a thread that attaches, works, and waits for a cycle;
//! the one that forks. *Runs as it ships:* `Collector::{fork, serve, collect, attach, safepoint, detach, shut_down}`. *Not
//! modelled:* the child, which has one thread.

use crate::collector::Collector;
use crate::options::Options;
use crate::requests::{Idle, Next};
use spanheap_memory::Memory;
use spanheap_sync::cell::UnsafeCell;
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, thread};

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// The fork does not wait for a step of idle work.
    OverlooksIdleWork,
    /// The fork does not stop the mutators.
    StopsNobody,
    /// The fork tells nobody that it is over.
    StaysSilent,
}

struct Whole(UnsafeCell<u32>);

// SAFETY: loom checks the accesses; that they never overlap is the claim.
unsafe impl Sync for Whole {}
// SAFETY: as above.
unsafe impl Send for Whole {}

impl Whole {
    fn touch(&self) {
        // SAFETY: loom panics if another access overlaps.
        self.0.with_mut(|heap| unsafe { *heap += 1 });
    }
}

/// Idle work of one step, at once and after every cycle.
struct Steps<'a>(u32, &'a Whole);

impl Idle for Steps<'_> {
    fn cycle_ended(&mut self) {
        self.0 = 1;
    }

    fn next(&mut self) -> Next {
        if self.0 > 0 { Next::Step } else { Next::Rest }
    }

    fn step(&mut self) {
        self.0 -= 1;
        self.1.touch();
    }
}

fn fork(collector: &Collector, heap: &Whole, mutant: Mutant) {
    match mutant {
        Mutant::Shipped => collector.fork(None, || heap.touch()),
        Mutant::OverlooksIdleWork => {
            collector.requests.control.lock().held = true;
            collector.stopped(|_| heap.touch());
            collector.requests.control.lock().held = false;
            collector.requests.changed.notify_all();
        }
        Mutant::StopsNobody => {
            let _registry = collector.registry.lock();
            heap.touch();
        }
        Mutant::StaysSilent => {
            collector.requests.control.lock().held = true;
            thread::yield_now();
            collector.requests.control.lock().held = false;
        }
    }
}

fn model(name: &'static str, mutant: Mutant, mutates: bool) {
    explore(name, 2, move || {
        let collector = Arc::new(Collector::new(Arc::new(Memory::new()), Options::default()));
        let heap = Arc::new(Whole(UnsafeCell::new(0)));
        let server = {
            let (collector, heap) = (Arc::clone(&collector), Arc::clone(&heap));
            // Beside a mutator, which touches the heap, too, the thread does none of its own work.
            thread::spawn(move || collector.serve(&mut Steps(u32::from(!mutates), &heap)))
        };
        collector.requests.control.lock().thread = Some(server);
        let forks = {
            let (collector, heap) = (Arc::clone(&collector), Arc::clone(&heap));
            thread::spawn(move || fork(&collector, &heap, mutant))
        };
        if mutates {
            let record = collector.attach();
            heap.touch();
            if record.handshake.poll() {
                collector.safepoint(&record);
            }
            heap.touch();
            collector.detach(&record);
        } else {
            collector.collect();
        }
        forks.join().expect("the fork ends");
        collector.shut_down();
    });
}

#[test]
fn nothing_is_under_way_when_the_process_forks() {
    model("fork, cycle and idle work", Mutant::Shipped, false);
}

#[test]
fn no_mutator_runs_when_the_process_forks() {
    model("fork, mutator", Mutant::Shipped, true);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_overlooks_idle_work() {
    model("fork, overlooks idle work", Mutant::OverlooksIdleWork, false);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn mutant_that_stops_nobody() {
    model("fork, stops nobody", Mutant::StopsNobody, true);
}

#[test]
#[should_panic(expected = "deadlock")]
fn mutant_that_stays_silent() {
    model("fork, stays silent", Mutant::StaysSilent, false);
}
