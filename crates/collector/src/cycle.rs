//! One collection cycle, from the first handshake to the last swept span.
//!
//! *Callers:* whoever has claimed the cycle (`requests`): the collector's thread, or a thread that advances the cycle in
//! slices. There is no point at which all mutators stand still, except for the verifier's sake and where an option for
//! debugging wants it. *Invariants:* a cycle in progress is a value that whoever advances it owns meanwhile, and that thread
//! has every duty that this crate calls the collector's; between two slices nobody has them, and nobody waits. A slice
//! ends soon after its time, and before that where a mutator has not answered.
//!
//! ```text
//!  step            asked of mutators   why it comes here
//!  1 barrier on    BarrierOn           nothing is scanned before every mutator logs what it overwrites
//!  2 sync          SyncRound           stores begun before step 1 ended are over: see `barrier`; only now may what is
//!                                      handed out be black, because every store into it is logged
//!  3 roots         Roots               each mutator scans its own; then the root table
//!  4 mark          -                   drain the grey queue
//!  5 terminate     Flush, repeatedly   until a round brings nothing white: all is marked
//!  6 verify        (stop)              if asked for
//!  7 new generation -                  every span is unswept from here on; mutators may sweep what they need
//!  8 barrier off   BarrierOff          logs are dropped, spans given back; what was retired before is free after
//!  9 sweep         -                   all spans of the old generation
//! ```
//!
//! Why step 5 proves it. Claim: at any time after step 3, a white object that was reachable at the snapshot, or that a
//! mutator can still reach, hangs from a grey object or stands in a log. (An edge of the snapshot disappears only by a
//! store, which logs it: `[barrier.deletion]`; what an unscanned mutator hides it logs: `[barrier.insertion]`; new
//! objects are black.) Let a round of flushes begin with an empty grey queue and an idle marker, and let nothing that it
//! brings be white when the last mutator has answered. Logs only grow between flushes, so that all that was logged when
//! the round began is among it; and marks did not change meanwhile. So at that moment nothing was grey and nothing white
//! was logged, and by the claim nothing reachable was white. A round that brings a white object, wherever it came from,
//! proves nothing and is repeated. (Asking for empty logs would not do: a mutator that goes on overwriting old references
//! logs something in every round.)

use crate::asking::{Asking, Stopped};
use crate::assisting::Account;
use crate::collector::Collector;
use crate::event::Event;
use crate::handshake_times::nanos;
use crate::marker::Marker;
use crate::marking::{Advance, Drained, Marking};
use crate::mutator::Request;
use crate::pacer::pace;
use crate::phase::Phase;
use crate::report::{self, CycleReport};
use crate::verify;
use spanheap_allocator::Grace;
use spanheap_sync::time::Instant;
use spanheap_sync::word::Ordering;
use std::time::Duration;

/// Spans that the sweeper takes out of a central list at once.
const SWEEP_BATCH: usize = 64;
/// The same where a slice has to end in time.
const SLICED_BATCH: usize = 8;

/// A cycle in progress.
pub(crate) struct Cycle {
    step: Step,
    begin: Instant,
    handshakes_before: u64,
    freed_before: Vec<(u64, u64)>,
    swept_before: [u64; 4],
    report: CycleReport,
    /// Bytes handed out before marking ended, and in how many seconds.
    allocated: (usize, f64),
    marker: Option<Marker>,
    account: Option<Account>,
    /// What marking has shown, once it has ended.
    marked: Option<pace::Marking>,
    /// The world, where it stands still for the whole cycle.
    stopped: Option<Stopped>,
}

enum Step {
    Begin,
    Marking(Marking),
    EndMarking,
    /// The blocks are free when everybody has answered.
    BarrierOff(Asking, Option<Grace>),
    /// Large objects are swept first: they are few, and their pages are many. The class that is next, by its place.
    Sweep {
        large: bool,
        next: usize,
    },
    End,
}

impl Cycle {
    pub(crate) fn new() -> Cycle {
        Cycle {
            step: Step::Begin,
            begin: Instant::now(),
            handshakes_before: 0,
            freed_before: Vec::new(),
            swept_before: [0; 4],
            report: CycleReport::default(),
            allocated: (0, 0.0),
            marker: None,
            account: None,
            marked: None,
            stopped: None,
        }
    }

    /// Goes on until the cycle is done, the time is over, or a mutator has not answered. Does at least one step.
    pub(crate) fn advance(&mut self, collector: &Collector, deadline: Option<Instant>) -> Advance {
        loop {
            match self.take_step(collector, deadline) {
                // A world that stands still is not left so.
                Advance::More if self.stopped.is_some() => {}
                Advance::More if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
                other => return other,
            }
        }
    }

    /// Waits a little for mutators that have not answered.
    pub(crate) fn pause(&mut self) {
        match &mut self.step {
            Step::Marking(marking) => marking.pause(),
            Step::BarrierOff(asking, _) => asking.pause(),
            _ => {}
        }
    }

    /// The report of a cycle that is done.
    pub(crate) fn report(self) -> CycleReport {
        self.report
    }

    fn take_step(&mut self, collector: &Collector, deadline: Option<Instant>) -> Advance {
        let deadline = deadline.filter(|_| self.stopped.is_none());
        let next = match &mut self.step {
            Step::Begin => {
                self.begin(collector);
                Step::Marking(Marking::new())
            }
            Step::Marking(marking) => {
                let marker = self.marker.as_mut().expect("a cycle that has begun has a marker");
                let account = self.account.as_ref().expect("a cycle that has begun has an account");
                let tick = |units| {
                    collector.report_work(account, units);
                    deadline.is_some_and(|deadline| Instant::now() >= deadline)
                };
                let drain = |queue: &_| {
                    let mut found_white = false;
                    loop {
                        let tags = collector.options.tags;
                        let drained = marker.drain(&collector.allocator, tags, queue, &collector.workers, &tick);
                        found_white |= drained.found_white;
                        // [parts.grey]
                        if !drained.finished || !collector.take_part(queue) {
                            return Drained { found_white, ..drained };
                        }
                        if tick(0) {
                            return Drained { found_white, finished: false };
                        }
                        // Workers are woken for all parts together, where no time is kept.
                        while deadline.is_none() && collector.take_part(queue) {}
                    }
                };
                match marking.advance(collector, drain) {
                    Advance::Done => Step::EndMarking,
                    other => return other,
                }
            }
            Step::EndMarking => self.end_marking(collector),
            Step::BarrierOff(asking, grace) => {
                if !collector.answered(asking) {
                    return Advance::Waiting;
                }
                // Before the blocks are free in which frozen slots lie.
                collector.parts.clear();
                if let Some(grace) = grace.take() {
                    collector.allocator.end_grace(grace);
                }
                collector.adapt_stacks();
                collector.enter(Phase::Sweep);
                Step::Sweep { large: true, next: 0 }
            }
            Step::Sweep { large, next } => {
                let batch = if deadline.is_some() { SLICED_BATCH } else { SWEEP_BATCH };
                match (collector.sweep_some(*large, *next, batch), *large) {
                    (Some(class), _) => {
                        *next = class;
                        return Advance::More;
                    }
                    (None, true) => Step::Sweep { large: false, next: 0 },
                    (None, false) => Step::End,
                }
            }
            Step::End => {
                self.end(collector);
                return Advance::Done;
            }
        };
        self.step = next;
        Advance::More
    }

    fn begin(&mut self, collector: &Collector) {
        self.begin = Instant::now();
        collector.cycle_times.reset();
        self.handshakes_before = collector.totals.handshakes.load(Ordering::Relaxed);
        self.freed_before = report::freed_by_type(&collector.allocator);
        self.swept_before = collector.totals.sweep_snapshot();
        if collector.options.stop_the_world {
            self.stopped = Some(collector.stop_world());
            collector.holds_world.store(true, Ordering::Relaxed);
        }
        self.report.number = collector.begin_cycle();
        let marker = collector.marker.lock().take();
        let marker = self.marker.insert(marker.unwrap_or_else(|| Marker::new(collector.buffers)));
        let (number, verify) = (self.report.number as usize, collector.options.verify);
        let workers = if verify && number % 3 == 1 { 2 } else { collector.wanted_workers() };
        let workers = if workers > 1 { workers.min(collector.workers.width()) } else { 1 };
        let workers = marker.begin(&collector.allocator, number, workers, verify);
        self.account = Some(collector.open_account(workers));
    }

    /// All is marked.
    fn end_marking(&mut self, collector: &Collector) -> Step {
        // Where a root source failed, the marks are not complete, and nothing depends on them.
        self.report.roots_failed = collector.keep_all.load(Ordering::Relaxed);
        if collector.options.verify && !self.report.roots_failed {
            collector.enter(Phase::Verify);
            self.report.floating_objects = Some(collector.verify_marks(self.report.number, self.stopped.as_ref()));
        }
        self.report.mark_time = self.begin.elapsed();
        if let Some(mut marker) = self.marker.take() {
            (self.report.scanned_objects, self.report.mark_stack_bytes) = marker.end(&collector.allocator);
            *collector.marker.lock() = Some(marker);
        }
        collector.enter(Phase::BarrierOff);
        self.allocated = collector.restart_charge();
        let close = |account: Account| collector.close_account(&account, self.allocated.0);
        self.marked = self.account.take().map(close);
        collector.allocator.next_generation();
        collector.roots.end_marking();
        // [stack.retired]: what was retired before the handshake is free after it.
        let grace = collector.allocator.stacks.begin_grace();
        Step::BarrierOff(collector.ask(Request::BarrierOff), Some(grace))
    }

    /// All is swept.
    fn end(&mut self, collector: &Collector) {
        let report = &mut self.report;
        if collector.options.verify {
            collector.verify_spans(report.number, self.stopped.as_ref());
            collector.totals.verified_cycles.fetch_add(1, Ordering::Relaxed);
        }
        let after = collector.totals.sweep_snapshot();
        [report.live_objects, report.live_bytes, report.freed_objects, report.freed_bytes] =
            std::array::from_fn(|n| after[n] - self.swept_before[n]);
        report.handshakes = collector.totals.handshakes.load(Ordering::Relaxed) - self.handshakes_before;
        report.handshake_times = collector.cycle_times.read();
        report.longest_handshake = report.handshake_times.max;
        report.types = report::types(&collector.allocator, &self.freed_before);
        report.total_time = self.begin.elapsed();
        report.sweep_time = report.total_time - report.mark_time;
        if let Some(marked) = &self.marked {
            report.assist_time = Duration::from_secs_f64(marked.assist_seconds);
            report.wait_time = Duration::from_secs_f64(marked.waited_seconds);
        }
        report.unpaid_work = collector.take_unpaid();
        let live = report.live_bytes as usize + collector.allocator.stacks.figures().in_use;
        let pressure = collector.learn(live, report.total_time, self.allocated, self.marked);
        collector.count_cycle(report);
        if let Some(stopped) = self.stopped.take() {
            collector.holds_world.store(false, Ordering::Relaxed);
            collector.resume_world(stopped);
        }
        collector.enter(Phase::Idle);
        if let Some(pressure) = pressure {
            collector.tell(&Event::Pressure { pressure, live, goal: collector.goal() });
        }
    }
}

impl Collector {
    fn count_cycle(&self, report: &CycleReport) {
        let totals = &self.totals;
        totals.mark_nanos.fetch_add(nanos(report.mark_time), Ordering::Relaxed);
        totals.sweep_nanos.fetch_add(nanos(report.sweep_time), Ordering::Relaxed);
        totals.assist_nanos.fetch_add(nanos(report.assist_time), Ordering::Relaxed);
        totals.wait_nanos.fetch_add(nanos(report.wait_time), Ordering::Relaxed);
        totals.cycles.fetch_add(1, Ordering::Relaxed);
    }

    /// Sweeps up to `most` spans of the old generation that no mutator has swept meanwhile, of large objects or of all
    /// others, from the class at place `next` on. Returns the place where there may be more.
    fn sweep_some(&self, large: bool, next: usize, most: usize) -> Option<usize> {
        let generation = self.allocator.generation();
        let keep_all = self.keep_all.load(Ordering::Relaxed);
        let mut batch = Vec::with_capacity(most);
        for (place, class) in self.allocator.classes.span_classes().enumerate().skip(next) {
            if class.size.is_none() == large && class.central.take_unswept(generation, most, &mut batch) > 0 {
                let swept = self.allocator.sweep_all(class, &mut batch, keep_all);
                assert_eq!(swept.zombies, 0, "a free slot was marked: the heap is corrupt");
                self.totals.count_sweep(swept);
                return Some(place);
            }
        }
        None
    }

    /// Stops the world, unless it stands still, and compares the marks with a tracing of its own. Returns how many marked
    /// objects were garbage.
    ///
    /// A heap that fails is beyond repair, and its mutators wait for this thread: the process ends.
    fn verify_marks(&self, number: u64, stopped: Option<&Stopped>) -> u64 {
        let verified = match stopped {
            Some(stopped) => verify::marks(self, &stopped.records),
            None => self.stopped(|records| verify::marks(self, records)),
        };
        verified.unwrap_or_else(|faults| verify::abort(number, &faults))
    }

    fn verify_spans(&self, number: u64, stopped: Option<&Stopped>) {
        let verified = match stopped {
            Some(_) => verify::spans(self),
            None => self.stopped(|_| verify::spans(self)),
        };
        verified.unwrap_or_else(|faults| verify::abort(number, &faults));
    }
}
