//! Requests for cycles: who wants one, who waits for it, and the thread that runs them.
//!
//! *Callers:* the mutator layer asks and waits; the pacer's verdict asks (`charging`). *Invariants:* one cycle runs at a
//! time; whoever runs it owns every duty that this crate calls the collector's. The thread is started at the first
//! request; if the system gives none, whoever waits for a cycle runs it.
//!
//! *Locks:* `Rank::Cycle`, never held while a cycle runs.

use crate::collector::Collector;
use crate::report::CycleReport;
use crate::scavenger::Scavenger;
use spanheap_sync::{Arc, Condvar, Mutex, Rank, thread};
use std::time::Duration;

/// The requests of one heap.
pub(crate) struct Requests {
    pub(crate) control: Mutex<Control>,
    pub(crate) changed: Condvar,
}

pub(crate) struct Control {
    /// Number of the cycle up to which cycles are wanted.
    pub(crate) wanted: u64,
    started: u64,
    pub(crate) completed: u64,
    last: Option<Arc<CycleReport>>,
    pub(crate) shutdown: bool,
    pub(crate) thread: Option<thread::JoinHandle<()>>,
}

/// What the collector's thread does between cycles.
pub(crate) trait Idle {
    /// A cycle has ended.
    fn cycle_ended(&mut self);

    /// What to do now. Takes no locks: that of the requests is held.
    fn next(&mut self) -> Next;

    /// Does a little: whoever wants a cycle waits for it.
    fn step(&mut self);
}

/// What to do while no cycle is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Sleep until something is wanted.
    Rest,
    /// The same, but no longer than this.
    Sleep(Duration),
    /// Do a step.
    Step,
}

impl Requests {
    pub(crate) fn new() -> Requests {
        let control = Control { wanted: 0, started: 0, completed: 0, last: None, shutdown: false, thread: None };
        Requests { control: Mutex::new(Rank::Cycle, control), changed: Condvar::new() }
    }
}

impl Collector {
    /// Asks for a cycle unless one is running, and does not wait.
    pub fn request_cycle(self: &Arc<Self>) {
        let mut control = self.requests.control.lock();
        if control.started == control.completed {
            control.wanted = control.wanted.max(control.started + 1);
            self.wake(&mut control);
        }
    }

    /// Runs or awaits a whole cycle that begins after this call. The caller's own mutator must be in a native region.
    pub fn collect(self: &Arc<Self>) -> Arc<CycleReport> {
        let mut control = self.requests.control.lock();
        let target = control.started + 1;
        control.wanted = control.wanted.max(target);
        let background = self.wake(&mut control);
        while control.completed < target {
            if !background && control.started == control.completed {
                drop(control);
                self.run_wanted();
                control = self.requests.control.lock();
            } else {
                control = self.requests.changed.wait(control);
            }
        }
        control.last.clone().expect("a completed cycle has a report")
    }

    /// Waits until no cycle is running. The caller's own mutator must be in a native region.
    pub fn await_running_cycle(&self) {
        let mut control = self.requests.control.lock();
        let target = control.started.max(control.wanted);
        while control.completed < target && control.thread.is_some() {
            control = self.requests.changed.wait(control);
        }
    }

    /// Asks for a cycle if none runs, and waits until one is completed, but at most `most`. True if one was. The
    /// caller's own mutator must be in a native region.
    pub fn progress(self: &Arc<Self>, most: Duration) -> bool {
        let mut control = self.requests.control.lock();
        let target = control.completed + 1;
        control.wanted = control.wanted.max(target);
        if !self.wake(&mut control) {
            drop(control);
            self.run_wanted();
            return true;
        }
        if control.completed < target {
            control = self.requests.changed.wait_timeout(control, most).0;
        }
        control.completed >= target
    }

    /// Whether a cycle is running or wanted.
    pub fn is_collecting(&self) -> bool {
        let control = self.requests.control.lock();
        control.wanted > control.completed
    }

    /// Wakes the collector's thread, which is started at the first request. False if the system gives no thread: then
    /// whoever waits for a cycle runs it.
    fn wake(self: &Arc<Self>, control: &mut Control) -> bool {
        if control.thread.is_none() && !control.shutdown {
            let collector = Arc::clone(self);
            let builder = thread::Builder::new().name("spanheap".into());
            control.thread = builder.spawn(move || collector.serve(&mut Scavenger::new(&collector))).ok();
        }
        self.requests.changed.notify_all();
        control.thread.is_some()
    }

    /// Runs the cycles that are wanted until the heap ends; between them, `idle` has the thread. A request that comes
    /// during a step of it is seen after the step: the thread never waits without looking.
    pub(crate) fn serve(&self, idle: &mut impl Idle) {
        let mut control = self.requests.control.lock();
        while !control.shutdown {
            if control.wanted > control.completed {
                drop(control);
                self.run_wanted();
                idle.cycle_ended();
                control = self.requests.control.lock();
                continue;
            }
            control = match idle.next() {
                Next::Rest => self.requests.changed.wait(control),
                Next::Sleep(most) => self.requests.changed.wait_timeout(control, most).0,
                Next::Step => {
                    drop(control);
                    idle.step();
                    self.requests.control.lock()
                }
            };
        }
    }

    pub(crate) fn run_wanted(&self) {
        {
            let mut control = self.requests.control.lock();
            if control.started != control.completed || control.wanted <= control.completed {
                return;
            }
            control.started += 1;
        }
        let cycle = std::panic::AssertUnwindSafe(|| self.run_cycle());
        let Ok(report) = std::panic::catch_unwind(cycle) else {
            // The mutators wait for this cycle, and the heap is in no state to go on: the panic has said why.
            eprintln!("spanheap: a collection cycle failed; the heap can not be used any more");
            std::process::abort();
        };
        let report = Arc::new(report);
        let mut control = self.requests.control.lock();
        control.completed = control.started;
        control.last = Some(report);
        drop(control);
        self.requests.changed.notify_all();
    }

    /// Ends the collector's thread. No mutator is attached any more.
    pub fn shut_down(&self) {
        let thread = {
            let mut control = self.requests.control.lock();
            control.shutdown = true;
            self.requests.changed.notify_all();
            control.thread.take()
        };
        if let Some(thread) = thread {
            // The thread does not panic: a cycle that fails ends the process.
            let _ = thread.join();
        }
    }
}
