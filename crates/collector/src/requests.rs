//! Requests for cycles: who wants one, who waits for it, who advances it, and the thread that does so by itself.
//!
//! *Callers:* the mutator layer asks, waits and steps; the pacer's verdict asks (`charging`). *Invariants:*
//! - `[cycle.one-claim]` One cycle runs at a time, and one thread at a time advances it: the one that has taken the cycle
//!   out of the control block. It owns every duty that this crate calls the collector's until it puts the cycle back.
//! - The thread is started at the first request. Where there is to be none, or the system gives none, the heap is
//!   *inline*: whoever waits for a cycle runs it, and mutators advance it in slices as they allocate.
//! - Whoever claims a cycle has no running mutator on this heap, or has it in a native region.
//!
//! *Locks:* `Rank::Cycle`, never held while a cycle is advanced.

use crate::collector::Collector;
use crate::cycle::Cycle;
use crate::marking::Advance;
use crate::report::CycleReport;
use crate::scavenger::Scavenger;
use spanheap_sync::time::Instant;
use spanheap_sync::word::{AtomicBool, Ordering};
use spanheap_sync::{Arc, Condvar, Mutex, MutexGuard, Rank, fatal, thread};
use std::time::Duration;

/// The requests of one heap.
pub(crate) struct Requests {
    pub(crate) control: Mutex<Control>,
    pub(crate) changed: Condvar,
    /// No thread advances cycles by itself. Changed under the lock.
    inline: AtomicBool,
    /// A cycle is wanted or in progress: a copy of what the control block says, for a look without the lock.
    active: AtomicBool,
}

pub(crate) struct Control {
    /// Number of the cycle up to which cycles are wanted.
    pub(crate) wanted: u64,
    pub(crate) started: u64,
    pub(crate) completed: u64,
    last: Option<Arc<CycleReport>>,
    /// The cycle in progress, while nobody advances it.
    cycle: Option<Box<Cycle>>,
    /// Somebody advances the cycle.
    pub(crate) claimed: bool,
    /// A fork waits, or is under way: nothing begins.
    pub(crate) held: bool,
    /// The thread does a step of its idle work.
    pub(crate) idling: bool,
    pub(crate) shutdown: bool,
    pub(crate) thread: Option<thread::JoinHandle<()>>,
}

/// What a slice of a cycle came to.
#[derive(Clone, Debug)]
pub enum Progress {
    /// There is more to do, or somebody has not answered, or another thread advances the cycle.
    InProgress,
    /// A cycle was completed.
    Finished(Arc<CycleReport>),
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

impl Control {
    /// Whether a cycle could be claimed: it is wanted or in progress, nobody has it, and nothing holds it off.
    pub(crate) fn is_due(&self) -> bool {
        !self.claimed && self.wanted > self.completed && (self.started > self.completed || !self.held)
    }

    fn claim(&mut self) -> Option<Box<Cycle>> {
        if !self.is_due() {
            return None;
        }
        self.claimed = true;
        Some(self.cycle.take().unwrap_or_else(|| {
            debug_assert_eq!(self.started, self.completed);
            self.started += 1;
            Box::new(Cycle::new())
        }))
    }
}

impl Requests {
    pub(crate) fn new(background: bool) -> Requests {
        let control = Control {
            wanted: 0,
            started: 0,
            completed: 0,
            last: None,
            cycle: None,
            claimed: false,
            held: false,
            idling: false,
            shutdown: false,
            thread: None,
        };
        Requests {
            control: Mutex::new(Rank::Cycle, control),
            changed: Condvar::new(),
            inline: AtomicBool::new(!background),
            active: AtomicBool::new(false),
        }
    }

    /// The process is a child of the one that had the thread. Nothing is told to it, and nobody waits for it.
    pub(crate) fn forget_thread(&self) {
        let mut control = self.control.lock();
        std::mem::forget(control.thread.take());
        // What was wanted of it is not wanted any more: growth asks anew.
        control.wanted = control.completed;
        self.active.store(false, Ordering::Relaxed);
    }

    /// Wants the cycles up to this number.
    fn want(&self, control: &mut Control, number: u64) {
        control.wanted = control.wanted.max(number);
        self.active.store(control.wanted > control.completed, Ordering::Relaxed);
    }
}

impl Collector {
    /// Asks for a cycle unless one is running, and does not wait.
    pub fn request_cycle(self: &Arc<Self>) {
        let mut control = self.requests.control.lock();
        if control.started == control.completed {
            let next = control.started + 1;
            self.requests.want(&mut control, next);
        }
        self.wake(&mut control);
    }

    /// Runs or awaits a whole cycle that begins after this call. The caller's own mutator must be in a native region.
    pub fn collect(self: &Arc<Self>) -> Arc<CycleReport> {
        let mut control = self.requests.control.lock();
        let target = control.started + 1;
        self.requests.want(&mut control, target);
        let control = self.await_cycle(control, target, None);
        control.last.clone().expect("a completed cycle has a report")
    }

    /// Waits until the cycle of this number is completed, or until the deadline; where no thread runs cycles, runs them.
    fn await_cycle<'a>(
        self: &'a Arc<Self>,
        mut control: MutexGuard<'a, Control>,
        target: u64,
        deadline: Option<Instant>,
    ) -> MutexGuard<'a, Control> {
        let background = self.wake(&mut control);
        while control.completed < target {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if !background && control.is_due() {
                drop(control);
                self.run_wanted();
                control = self.requests.control.lock();
            } else if let Some(left) = left {
                if left.is_zero() {
                    break;
                }
                control = self.requests.changed.wait_timeout(control, left).0;
            } else {
                control = self.requests.changed.wait(control);
            }
        }
        control
    }

    /// Waits until no cycle is running. The caller's own mutator must be in a native region. Where no thread runs cycles,
    /// advances the running one for a while instead.
    pub fn await_running_cycle(&self, slice: Duration) {
        if self.is_inline() {
            return self.advance_cycle(slice);
        }
        let begin = Instant::now();
        let mut control = self.requests.control.lock();
        let target = control.started.max(control.wanted);
        while control.completed < target && control.thread.is_some() {
            control = self.requests.changed.wait(control);
        }
        drop(control);
        self.count_waiting(begin.elapsed());
    }

    /// Asks for a cycle if none runs, and advances it for about `budget`, or lets the collector's thread advance it for so
    /// long. The caller's own mutator must be in a native region. Does not wait for mutators longer than that.
    pub fn step(self: &Arc<Self>, budget: Duration) -> Progress {
        let deadline = Instant::now().checked_add(budget);
        let mut control = self.requests.control.lock();
        let target = control.completed + 1;
        self.requests.want(&mut control, target);
        if self.wake(&mut control) {
            control = self.await_cycle(control, target, deadline);
        } else {
            drop(control);
            self.drive(deadline, false, true);
            control = self.requests.control.lock();
        }
        match &control.last {
            Some(report) if control.completed >= target => Progress::Finished(Arc::clone(report)),
            _ => Progress::InProgress,
        }
    }

    /// Advances the cycle that is wanted or in progress, if there is one that nobody else advances, for about `budget`. The
    /// caller's own mutator must be in a native region.
    pub fn advance_cycle(&self, budget: Duration) {
        self.drive(Instant::now().checked_add(budget), false, true);
    }

    /// Whether a cycle is running or wanted.
    pub fn is_collecting(&self) -> bool {
        self.requests.active.load(Ordering::Relaxed)
    }

    /// Whether no thread advances cycles by itself.
    pub fn is_inline(&self) -> bool {
        self.requests.inline.load(Ordering::Relaxed)
    }

    /// Wakes the collector's thread, which is started at the first request. False if there is none: then whoever waits for
    /// a cycle runs it.
    fn wake(self: &Arc<Self>, control: &mut Control) -> bool {
        if control.thread.is_none() && !control.shutdown && self.options.background {
            let collector = Arc::clone(self);
            let builder = thread::Builder::new().name("spanheap".into());
            control.thread = builder.spawn(move || collector.serve(&mut Scavenger::new(&collector))).ok();
        }
        self.requests.inline.store(control.thread.is_none(), Ordering::Relaxed);
        self.requests.changed.notify_all();
        control.thread.is_some()
    }

    /// Wakes the collector's thread, if it has been started, because there is idle work.
    pub(crate) fn wake_idle(&self) {
        // With the lock: the thread has looked before, and sleeps, or will look after this.
        let control = self.requests.control.lock();
        if control.thread.is_some() {
            self.requests.changed.notify_all();
        }
    }

    /// Runs the cycles that are wanted until the heap ends; between them, `idle` has the thread. A request that comes
    /// during a step of it is seen after the step: the thread never waits without looking.
    pub(crate) fn serve(&self, idle: &mut impl Idle) {
        let mut control = self.requests.control.lock();
        while !control.shutdown {
            if control.is_due() {
                drop(control);
                self.run_wanted();
                control = self.requests.control.lock();
                // Under the lock: a fork that has waited for this cycle must not find this thread at work.
                idle.cycle_ended();
                continue;
            }
            // Whoever has the cycle, or holds it off, tells when that is over.
            let busy = control.held || control.wanted > control.completed;
            control = match if busy { Next::Rest } else { idle.next() } {
                Next::Rest => self.requests.changed.wait(control),
                Next::Sleep(most) => self.requests.changed.wait_timeout(control, most).0,
                Next::Step => {
                    control.idling = true;
                    drop(control);
                    idle.step();
                    let mut control = self.requests.control.lock();
                    control.idling = false;
                    if control.held {
                        self.requests.changed.notify_all();
                    }
                    control
                }
            };
        }
    }

    /// Runs the cycle that is wanted or in progress to its end, unless another thread has it.
    pub(crate) fn run_wanted(&self) {
        self.drive(None, true, false);
    }

    /// Advances the cycle that is wanted or in progress, if it can be claimed. `waits` says whether to wait for mutators
    /// that have not answered, or to leave the cycle to whoever comes next; `by_mutator` whether it is a mutator that pays with
    /// this what it owes. False if there is nothing to claim.
    pub(crate) fn drive(&self, deadline: Option<Instant>, waits: bool, by_mutator: bool) -> bool {
        let Some(mut cycle) = self.claim() else { return false };
        self.assisting.by_mutator.store(by_mutator, Ordering::Relaxed);
        let advance = std::panic::AssertUnwindSafe(|| {
            loop {
                match cycle.advance(self, deadline) {
                    Advance::Waiting if waits => cycle.pause(),
                    other => return other,
                }
            }
        });
        let advanced = std::panic::catch_unwind(advance).unwrap_or_else(|panic| {
            // The mutators wait for this cycle, and the heap is in no state to go on: the panic has said why.
            eprintln!("spanheap: a collection cycle failed; the heap can not be used any more");
            fatal(panic)
        });
        self.put_back(cycle, advanced == Advance::Done);
        true
    }

    /// Takes the cycle that is wanted or in progress: the caller is the collector until it puts it back.
    pub(crate) fn claim(&self) -> Option<Box<Cycle>> {
        self.requests.control.lock().claim()
    }

    /// Puts a cycle back, or reports what it has done.
    pub(crate) fn put_back(&self, cycle: Box<Cycle>, done: bool) {
        let mut control = self.requests.control.lock();
        control.claimed = false;
        if done {
            control.completed = control.started;
            control.last = Some(Arc::new(cycle.report()));
            self.requests.active.store(control.wanted > control.completed, Ordering::Relaxed);
        } else {
            control.cycle = Some(cycle);
        }
        drop(control);
        self.requests.changed.notify_all();
    }

    /// Ends the collector's thread. No mutator is attached any more. A cycle that nobody has completed is never. On that very
    /// thread, where a listener has dropped the heap's last handle, it does not wait: the thread ends after its cycle.
    pub fn shut_down(&self) {
        let (thread, cycle) = {
            let mut control = self.requests.control.lock();
            control.shutdown = true;
            self.requests.changed.notify_all();
            (control.thread.take(), control.cycle.take())
        };
        drop(cycle);
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // The thread does not panic: a cycle that fails ends the process.
            let _ = thread.join();
        }
    }
}
