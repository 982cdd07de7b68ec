//! Asking all mutators: a handshake is begun, and looked after until everybody has answered; the world is stopped and let go.
//!
//! *Callers:* `marking` and `cycle` ask and look; the verifier, a fork and the debugging mode stop the world. *Invariants:*
//! - Beginning a handshake and looking after it never wait, so that a step of a cycle does not either. A mutator that
//!   attaches after the beginning takes the state that is being asked for (`Registry::mode`).
//! - While the world is stopped by whoever advances the cycle, that thread acts for every mutator, and performs requests
//!   itself.
//! - A mutator that does not answer for [`Options::late_after`](crate::Options) is told of once when it is late, and
//!   once when it has answered.

use crate::barrier::BarrierMode;
use crate::collector::Collector;
use crate::event::Event;
use crate::mutator::{MutatorRecord, Request};
use spanheap_sync::time::Instant;
use spanheap_sync::word::Ordering;
use spanheap_sync::{Arc, Backoff, thread};
use std::time::Duration;

/// A handshake in progress.
pub(crate) struct Asking {
    request: Request,
    begun: Instant,
    waiting: Vec<Awaited>,
    patience: Patience,
}

impl Asking {
    fn new(request: Request, records: &[Arc<MutatorRecord>]) -> Asking {
        let waiting = records.iter().map(|record| Awaited { record: Arc::clone(record), late: false }).collect();
        Asking { request, begun: Instant::now(), waiting, patience: Patience::new() }
    }

    /// Waits a little, for a thread that has nothing else to do.
    pub(crate) fn pause(&mut self) {
        self.patience.pause();
    }
}

struct Awaited {
    record: Arc<MutatorRecord>,
    late: bool,
}

/// The stopped world: the collector acts for all these.
pub(crate) struct Stopped {
    pub(crate) records: Vec<Arc<MutatorRecord>>,
}

/// Pauses of a thread that waits for mutators: it spins for some microseconds, then sleeps, the longer the later they are.
struct Patience {
    backoff: Backoff,
    begun: Option<Instant>,
}

/// The longest sleep: what a late mutator's answer waits at most until it is seen.
const LONGEST_SLEEP: Duration = Duration::from_millis(2);

impl Patience {
    fn new() -> Patience {
        Patience { backoff: Backoff::new(), begun: None }
    }

    fn pause(&mut self) {
        if !self.backoff.is_sleeping() {
            return self.backoff.pause();
        }
        let waited = self.begun.get_or_insert_with(Instant::now).elapsed();
        // An answer is seen an eighth later than it came, and a mutator that never comes costs 500 looks a second.
        thread::sleep((waited / 8).clamp(Duration::from_micros(20), LONGEST_SLEEP));
    }
}

impl Collector {
    /// Begins a handshake: every mutator is asked for `request`.
    pub(crate) fn ask(&self, request: Request) -> Asking {
        let records = {
            let mut registry = self.registry.lock();
            registry.mode = match request {
                Request::BarrierOn => BarrierMode::Both,
                Request::Roots => BarrierMode::Deletion,
                Request::BarrierOff => BarrierMode::Off,
                Request::SyncRound | Request::Flush | Request::Stop => registry.mode,
            };
            registry.hands_out_new = match request {
                Request::BarrierOn | Request::BarrierOff => false,
                Request::SyncRound => true,
                Request::Roots | Request::Flush | Request::Stop => registry.hands_out_new,
            };
            registry.records.clone()
        };
        self.totals.handshakes.fetch_add(u64::from(request != Request::Stop), Ordering::Relaxed);
        if self.holds_world.load(Ordering::Relaxed) {
            // This thread acts for every mutator.
            records.iter().for_each(|record| record.perform(request as u32, self));
            return Asking::new(request, &[]);
        }
        for record in &records {
            record.handshake.request(request as u32);
        }
        Asking::new(request, &records)
    }

    /// Whether everybody has answered by now. Acts for mutators in native regions; does not wait.
    pub(crate) fn answered(&self, asking: &mut Asking) -> bool {
        self.look_after(asking, |record| {
            record.handshake.is_answered() || record.handshake.act(|request| record.perform(request, self))
        })
    }

    /// Drops those for whom `done` says so, and tells of those who are late. True if nobody is left.
    fn look_after(&self, asking: &mut Asking, mut done: impl FnMut(&MutatorRecord) -> bool) -> bool {
        let Asking { request, begun, waiting, .. } = asking;
        let tell = |awaited: &Awaited, answered| {
            let (thread, waited) = (awaited.record.thread, begun.elapsed());
            self.tell(&Event::LateMutator { thread, request: *request, waited, answered });
        };
        waiting.retain(|awaited| {
            let done = done(&awaited.record);
            if done && awaited.late {
                tell(awaited, true);
            }
            !done
        });
        if let (false, Some(after)) = (waiting.is_empty(), self.options.late_after)
            && begun.elapsed() >= after
        {
            for awaited in waiting.iter_mut().filter(|awaited| !awaited.late) {
                awaited.late = true;
                tell(awaited, false);
            }
        }
        waiting.is_empty()
    }

    /// Asks, and waits until everybody has answered.
    #[cfg(all(test, loom))]
    pub(crate) fn handshake(&self, request: Request) {
        let mut asking = self.ask(request);
        while !self.answered(&mut asking) {
            asking.pause();
        }
    }

    /// Stops every mutator, and waits until all stand still. Only whoever advances the cycle, or sees to it that nobody
    /// does.
    pub(crate) fn stop_world(&self) -> Stopped {
        let records = {
            let mut registry = self.registry.lock();
            registry.stopped = true;
            registry.records.clone()
        };
        for record in &records {
            record.handshake.request(Request::Stop as u32);
        }
        let mut asking = Asking::new(Request::Stop, &records);
        let stop = |record: &MutatorRecord| {
            let stopped = record.handshake.try_act();
            if stopped {
                record.handshake.clear_request();
            }
            stopped
        };
        while !self.look_after(&mut asking, stop) {
            asking.pause();
        }
        Stopped { records }
    }

    /// Lets the mutators go on.
    pub(crate) fn resume_world(&self, stopped: Stopped) {
        for record in &stopped.records {
            record.handshake.end_act();
        }
        self.registry.lock().stopped = false;
    }

    /// Stops every mutator, calls `look` with their records, and lets them go on.
    pub(crate) fn stopped<R>(&self, look: impl FnOnce(&[Arc<MutatorRecord>]) -> R) -> R {
        let stopped = self.stop_world();
        let result = look(&stopped.records);
        self.resume_world(stopped);
        result
    }
}
