//! One collection cycle, from the first handshake to the last swept span.
//!
//! *Callers:* the collector's thread, or whoever runs a cycle in its stead (`requests`). There is no point at which
//! all mutators stand still, except for the verifier's sake.
//!
//! ```text
//!  step            asked of mutators   why it comes here
//!  1 barrier on    BarrierOn           nothing is scanned before every mutator logs what it overwrites
//!  2 sync          Sync                stores begun before step 1 ended are over: see `barrier`; only now may what is
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

use crate::collector::Collector;
use crate::grey::GreyQueue;
use crate::mutator::Request;
use crate::report::{self, CycleReport};
use crate::verify;
use spanheap_sync::word::Ordering;
use std::time::{Duration, Instant};

/// Spans that the sweeper takes out of a central list at once.
const SWEEP_BATCH: usize = 64;

impl Collector {
    /// Runs a cycle. One at a time: `requests` sees to that.
    pub(crate) fn run_cycle(&self) -> CycleReport {
        let begin = Instant::now();
        let handshakes = self.totals.handshakes.load(Ordering::Relaxed);
        let freed_before = report::freed_by_type(&self.allocator);
        let swept_before = self.totals.sweep_snapshot();
        let number = self.begin_cycle();
        let mut marker = self.marker.lock().unwrap();
        let workers = self.options.workers.unwrap_or(1);
        marker.begin(&self.allocator, number as usize, workers, self.options.verify);
        let tags = self.options.tags;
        let mut longest = self.mark(|grey| marker.drain(&self.allocator, tags, grey, &self.workers, None).found_white);
        let scanned_objects = marker.end(&self.allocator);
        // Where a root source failed, the marks are not complete, and nothing depends on them.
        let complete = !self.keep_all.load(Ordering::Relaxed);
        let floating = (self.options.verify && complete).then(|| self.verify_marks(number));
        let mark_time = begin.elapsed();

        let allocated = self.restart_charge();
        self.allocator.next_generation();
        self.roots.end_marking();
        // [stack.retired]: what was retired before the handshake is free after it.
        let grace = self.allocator.stacks.begin_grace();
        longest = longest.max(self.handshake(Request::BarrierOff));
        self.allocator.end_grace(grace);
        self.adapt_stacks();
        self.sweep_all();
        if self.options.verify {
            self.verify_spans(number);
            self.totals.verified_cycles.fetch_add(1, Ordering::Relaxed);
        }

        let after = self.totals.sweep_snapshot();
        let [live_objects, live_bytes, freed_objects, freed_bytes] =
            std::array::from_fn(|n| after[n] - swept_before[n]);
        let total_time = begin.elapsed();
        self.learn_pace(total_time, allocated);
        self.plan(live_bytes as usize + self.allocator.stacks.figures().in_use);
        let report = CycleReport {
            number,
            scanned_objects,
            live_objects,
            live_bytes,
            freed_objects,
            freed_bytes,
            handshakes: self.totals.handshakes.load(Ordering::Relaxed) - handshakes,
            longest_handshake: longest,
            mark_time,
            sweep_time: total_time - mark_time,
            total_time,
            floating_objects: floating,
            roots_failed: !complete,
            types: report::types(&self.allocator, &freed_before),
        };
        self.count_cycle(&report);
        report
    }

    /// Steps 1 to 5: when it returns, everything reachable is marked. `drain` marks what hangs from the queue's blocks,
    /// returns when nothing is grey, and says whether the blocks held a white object. Returns the longest handshake
    /// work. The loom models run this very code.
    pub(crate) fn mark(&self, mut drain: impl FnMut(&GreyQueue) -> bool) -> Duration {
        // What a handle's drop pushed after the last verdict is marked or dead.
        while self.grey.pop().is_some() {}
        self.roots.begin_marking();
        let mut longest = self.handshake(Request::BarrierOn);
        longest = longest.max(self.handshake(Request::Sync));
        longest = longest.max(self.handshake(Request::Roots));
        self.grey.push(self.roots.snapshot());
        drain(&self.grey);
        loop {
            // The marker is idle, so that no mark changes during the round, and all that it brings is still there.
            longest = longest.max(self.handshake(Request::Flush));
            if !drain(&self.grey) {
                return longest;
            }
        }
    }

    fn count_cycle(&self, report: &CycleReport) {
        let nanos = |duration: Duration| duration.as_nanos().min(u64::MAX as u128) as u64;
        let totals = &self.totals;
        totals.mark_nanos.fetch_add(nanos(report.mark_time), Ordering::Relaxed);
        totals.sweep_nanos.fetch_add(nanos(report.sweep_time), Ordering::Relaxed);
        totals.longest_handshake_nanos.fetch_max(nanos(report.longest_handshake), Ordering::Relaxed);
        totals.cycles.fetch_add(1, Ordering::Relaxed);
    }

    /// Sweeps every span of the old generation that no mutator has swept meanwhile.
    fn sweep_all(&self) {
        let generation = self.allocator.generation();
        let keep_all = self.keep_all.load(Ordering::Relaxed);
        let mut batch = Vec::with_capacity(SWEEP_BATCH);
        // Large objects first: they are few, and their pages are many.
        let classes = |large| self.allocator.classes.span_classes().filter(move |class| class.size.is_none() == large);
        for class in classes(true).chain(classes(false)) {
            while class.central.take_unswept(generation, SWEEP_BATCH, &mut batch) > 0 {
                let swept = self.allocator.sweep_all(class, &mut batch, keep_all);
                assert_eq!(swept.zombies, 0, "a free slot was marked: the heap is corrupt");
                self.totals.count_sweep(swept);
            }
        }
    }

    /// Stops the world and compares the marks with a tracing of its own. Returns how many marked objects were garbage.
    ///
    /// A heap that fails is beyond repair, and its mutators wait for this thread: the process ends.
    fn verify_marks(&self, number: u64) -> u64 {
        match self.stopped(|records| verify::marks(self, records)) {
            Ok(floating) => floating,
            Err(faults) => verify::abort(number, &faults),
        }
    }

    fn verify_spans(&self, number: u64) {
        if let Err(faults) = self.stopped(|_| verify::spans(self)) {
            verify::abort(number, &faults);
        }
    }
}
