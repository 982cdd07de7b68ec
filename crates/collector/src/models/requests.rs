//! Model: every cycle that is wanted is run, whatever the collector's thread does between cycles.
//!
//! *Claim:* idle work that somebody asks for is done, though no cycle is wanted; whoever asks for a cycle and waits for it gets one, and the thread ends when the heap does, though the thread
//! looks away from the requests while it does a step of its idle work. *Actors:* the collector's thread; one thread that
//! asks and goes on; one that waits for a cycle of its own, and then ends the heap. *Runs as it ships:*
//! `Collector::{request_cycle, collect, serve, run_wanted, shut_down}` and the cycle of a heap without mutators.
//! *Not modelled:* the clock (a sleep lasts until somebody wakes the thread), and the starting of the thread.

use crate::collector::Collector;
use crate::options::Options;
use crate::requests::{Idle, Next};
use spanheap_memory::Memory;
use spanheap_sync::atomic::{AtomicBool, Ordering};
use spanheap_sync::model::explore;
use spanheap_sync::{Arc, Condvar, Mutex, Rank, thread};

/// What a mutant does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mutant {
    Shipped,
    /// The thread sleeps after a step without looking for requests.
    SleepsUnseeing,
    /// The thread sleeps after a cycle without looking for requests.
    SleepsAfterCycle,
}

/// Idle work that another thread asks for.
struct Asked {
    wanted: Arc<AtomicBool>,
    done: Arc<(Mutex<bool>, Condvar)>,
}

impl Idle for Asked {
    fn cycle_ended(&mut self) {}

    fn next(&mut self) -> Next {
        if self.wanted.load(Ordering::Relaxed) { Next::Step } else { Next::Rest }
    }

    fn step(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
        *self.done.0.lock() = true;
        self.done.1.notify_all();
    }
}

/// Somebody wants idle work and wakes the thread, with a look at its lock or, as a mutant, without; and waits for the work.
fn idle_work(name: &'static str, looks: bool) {
    explore(name, 3, move || {
        let collector = Arc::new(Collector::new(Arc::new(Memory::new()), Options::default()));
        let wanted = Arc::new(AtomicBool::new(false));
        let done = Arc::new((Mutex::new(Rank::Handshake, false), Condvar::new()));
        let server = {
            let mut idle = Asked { wanted: Arc::clone(&wanted), done: Arc::clone(&done) };
            let collector = Arc::clone(&collector);
            thread::spawn(move || collector.serve(&mut idle))
        };
        collector.requests.control.lock().thread = Some(server);
        wanted.store(true, Ordering::Relaxed);
        if looks {
            collector.wake_idle();
        } else {
            collector.requests.changed.notify_all();
        }
        let mut finished = done.0.lock();
        while !*finished {
            finished = done.1.wait(finished);
        }
        drop(finished);
        collector.shut_down();
    });
}

#[test]
fn wanted_idle_work_is_done() {
    idle_work("requests, idle work", true);
}

#[test]
#[should_panic(expected = "deadlock")]
fn mutant_wakes_without_the_lock() {
    idle_work("requests, wakes without the lock", false);
}

/// Idle work of one step after every cycle.
struct Steps(u32);

impl Idle for Steps {
    fn cycle_ended(&mut self) {
        self.0 = 1;
    }

    fn next(&mut self) -> Next {
        if self.0 > 0 { Next::Step } else { Next::Rest }
    }

    fn step(&mut self) {
        self.0 -= 1;
        thread::yield_now();
    }
}

fn serve(collector: &Collector, mutant: Mutant) {
    let mut idle = Steps(0);
    if mutant == Mutant::Shipped {
        return collector.serve(&mut idle);
    }
    let requests = &collector.requests;
    let mut control = requests.control.lock();
    while !control.shutdown {
        if control.is_due() {
            drop(control);
            collector.run_wanted();
            idle.cycle_ended();
            control = requests.control.lock();
            if mutant == Mutant::SleepsAfterCycle {
                control = requests.changed.wait(control);
            }
        } else if idle.next() == Next::Step {
            drop(control);
            idle.step();
            control = requests.control.lock();
            control = requests.changed.wait(control);
        } else {
            control = requests.changed.wait(control);
        }
    }
}

fn model(name: &'static str, mutant: Mutant) {
    explore(name, 2, move || {
        let collector = Arc::new(Collector::new(Arc::new(Memory::new()), Options::default()));
        let server = {
            let collector = Arc::clone(&collector);
            thread::spawn(move || serve(&collector, mutant))
        };
        collector.requests.control.lock().thread = Some(server);
        let asks = {
            let collector = Arc::clone(&collector);
            thread::spawn(move || collector.request_cycle())
        };
        let begun = collector.cycle_number();
        let report = collector.collect();
        assert!(report.number > begun, "the cycle began before it was asked for");
        asks.join().unwrap();
        collector.shut_down();
    });
}

#[test]
fn every_wanted_cycle_is_run() {
    model("requests", Mutant::Shipped);
}

#[test]
#[should_panic(expected = "deadlock")]
fn mutant_sleeps_after_a_step() {
    model("requests, sleeps after a step", Mutant::SleepsUnseeing);
}

#[test]
#[should_panic(expected = "deadlock")]
fn mutant_sleeps_after_a_cycle() {
    model("requests, sleeps after a cycle", Mutant::SleepsAfterCycle);
}
