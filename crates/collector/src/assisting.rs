//! Assists: what mutators that allocate while a cycle marks owe it, and how they pay.
//!
//! *Callers:* whoever advances the cycle opens an account for each marking and reports its work; `charging` adds to a
//! mutator's debt; the mutator layer pays at safepoints. *Invariants:* the arithmetic is the pacer's
//! (`pacer::assist`), here are the words that threads share. All are figures: none decides what is marked, a value that
//! is read late costs a slice too many or too few.
//!
//! Marks have one writer (`[span.marker-owns-marks]`), so that a mutator can mark only while nobody else does: in a heap
//! without a thread, or between two slices of somebody else. Where another thread has the cycle, it pays in time: for a
//! slice it leaves its core to that thread, whose work is everybody's credit. Either way no mutator is kept longer than
//! [`SLICE`](assist::SLICE) at once, and what could not be paid is owed still.

use crate::collector::Collector;
use crate::handshake_times::nanos;
use crate::mutator::MutatorRecord;
use crate::pacer::Pace;
use crate::pacer::assist::{self, AssistPlan, Debt};
use crate::pacer::pace::Marking;
use spanheap_sync::atomic::AtomicU64 as SharedU64;
use spanheap_sync::thread;
use spanheap_sync::time::Instant;
use spanheap_sync::word::{AtomicBool, AtomicU64, Ordering};
use std::cell::Cell;
use std::time::Duration;

/// The account of one marking.
#[derive(Default)]
pub(crate) struct Assisting {
    work_per_byte: AtomicU64,
    slice: AtomicU64,
    /// Units that the collector's own threads have done and nobody has drawn.
    credit: Credit,
    /// Units done, by whomever.
    done: AtomicU64,
    /// Part of them that mutators did, and in how many nanoseconds.
    assisted: AtomicU64,
    assist_nanos: AtomicU64,
    /// Nanoseconds that mutators waited.
    waited_nanos: AtomicU64,
    /// Whoever has the cycle is a mutator: its work pays its own debt.
    pub(crate) by_mutator: AtomicBool,
    /// Units that were owed and not paid since the last report.
    unpaid: AtomicU64,
}

/// What is needed to plan a marking anew while it goes on, and to say in the end what it has shown.
pub(crate) struct Account {
    pace: Option<Pace>,
    room: usize,
    bytes_per_unit: usize,
    /// Bytes handed out when it began.
    charged: usize,
    begin: Instant,
    workers: usize,
    mutators: usize,
}

impl Assisting {
    /// What mutators owe now.
    #[inline]
    pub(crate) fn plan(&self) -> AssistPlan {
        let work_per_byte = self.work_per_byte.load(Ordering::Relaxed);
        AssistPlan { work_per_byte, slice: self.slice.load(Ordering::Relaxed) }
    }

    fn publish(&self, plan: AssistPlan) {
        self.work_per_byte.store(plan.work_per_byte, Ordering::Relaxed);
        self.slice.store(plan.slice, Ordering::Relaxed);
    }

    /// Units that have been done in this marking.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

/// What the collector's own threads have earned for all: `[assist.credit]` a unit is drawn once.
#[derive(Default)]
pub(crate) struct Credit(SharedU64);

impl Credit {
    pub(crate) fn set(&self, units: u64) {
        self.0.store(units, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, units: u64) {
        self.0.fetch_add(units, Ordering::Relaxed);
    }

    /// Takes up to `wanted` units. Returns how many.
    pub(crate) fn draw(&self, wanted: u64) -> u64 {
        let mut drawn = 0;
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |credit| {
            drawn = credit.min(wanted);
            (drawn > 0).then(|| credit - drawn)
        });
        drawn
    }

    /// A mutant: another thread may draw the same units between the two.
    #[cfg(all(test, loom))]
    pub(crate) fn draw_in_two_steps(&self, wanted: u64) -> u64 {
        let credit = self.0.load(Ordering::Relaxed);
        self.0.store(credit - credit.min(wanted), Ordering::Relaxed);
        credit.min(wanted)
    }
}

impl Collector {
    /// Opens the account of a marking that begins, with so many workers.
    pub(crate) fn open_account(&self, workers: usize) -> Account {
        let (pace, room, bytes_per_unit) = {
            let pacing = self.pacing.lock();
            (pacing.pace, pacing.room, pacing.bytes_per_unit)
        };
        let account = Account {
            pace,
            room,
            bytes_per_unit,
            charged: self.charged(),
            begin: Instant::now(),
            workers,
            mutators: self.running_mutators(),
        };
        let assisting = &self.assisting;
        for counter in [&assisting.done, &assisting.assisted, &assisting.assist_nanos, &assisting.waited_nanos] {
            counter.store(0, Ordering::Relaxed);
        }
        assisting.credit.set(assist::grant(pace.map_or(0, |pace| pace.work())));
        self.replan_assists(&account);
        account
    }

    fn replan_assists(&self, account: &Account) {
        let plan =
            |pace: Pace| pace.assist(self.assisting.done(), self.charged(), account.room, account.bytes_per_unit);
        self.assisting.publish(account.pace.map_or(AssistPlan::OFF, plan));
    }

    /// Reports marking work.
    pub(crate) fn report_work(&self, account: &Account, units: u64) {
        let assisting = &self.assisting;
        assisting.done.fetch_add(units, Ordering::Relaxed);
        if !assisting.by_mutator.load(Ordering::Relaxed) {
            assisting.credit.add(units);
        }
        self.replan_assists(account);
    }

    /// Closes the account: marking has ended, with so many bytes handed out since the one before.
    pub(crate) fn close_account(&self, account: &Account, charged: usize) -> Marking {
        let assisting = &self.assisting;
        assisting.publish(AssistPlan::OFF);
        let seconds = |nanos: &AtomicU64| nanos.load(Ordering::Relaxed) as f64 * 1e-9;
        Marking {
            seconds: account.begin.elapsed().as_secs_f64(),
            allocated: charged.saturating_sub(account.charged),
            work: assisting.done(),
            assisted: assisting.assisted.load(Ordering::Relaxed),
            assist_seconds: seconds(&assisting.assist_nanos),
            waited_seconds: seconds(&assisting.waited_nanos),
            workers: account.workers,
            mutators: account.mutators,
            cores: self.cores(),
        }
    }

    /// Notes that mutators have waited for the cycle.
    pub(crate) fn count_waiting(&self, waited: Duration) {
        self.assisting.waited_nanos.fetch_add(nanos(waited), Ordering::Relaxed);
    }

    /// Adds what a mutator owes for `bytes` that it is handed. Whether a slice of marking is due. The mutator's thread
    /// only, running.
    pub(crate) fn owe(&self, record: &MutatorRecord, bytes: usize) -> bool {
        let plan = self.assisting.plan();
        if plan.slice == 0 {
            return false;
        }
        self.settle(record, |debt| debt.charge(plan, bytes)).due(plan).is_some()
    }

    /// Notes what [`Collector::assist`] has come to. Whether another slice should follow at once. The mutator's thread only,
    /// running.
    pub fn pay(&self, record: &MutatorRecord, (done, seconds): (u64, f64)) -> bool {
        let plan = self.assisting.plan();
        self.settle(record, |debt| debt.pay(plan, done, seconds)).is_behind(plan) && done > 0
    }

    /// Changes what a mutator owes, and pays from the credit what that covers. Returns what it owes then. The mutator's
    /// thread only, running.
    fn settle(&self, record: &MutatorRecord, change: impl FnOnce(&mut Debt)) -> Debt {
        // SAFETY: the mutator's thread, running.
        let owes = &unsafe { record.local() }.debt;
        let mut debt = owes.get();
        change(&mut debt);
        debt.draw(self.assisting.credit.draw(debt.owed()));
        owes.set(debt);
        debt
    }

    /// Marking has ended for a mutator: what it owes is dropped.
    pub(crate) fn drop_debt(&self, debt: &Cell<Debt>) {
        let mut owed = debt.get();
        self.assisting.unpaid.fetch_add(owed.end(), Ordering::Relaxed);
        debt.set(owed);
    }

    /// Units that mutators owed the last marking and did not pay; counts anew.
    pub(crate) fn take_unpaid(&self) -> u64 {
        self.assisting.unpaid.swap(0, Ordering::Relaxed)
    }

    /// Marks for a slice, or if another thread has the cycle, leaves it the core for as long. The caller's own mutator must
    /// be in a native region. Returns the units done and the seconds that they took.
    pub fn assist(&self) -> (u64, f64) {
        let assisting = &self.assisting;
        let (begin, before) = (Instant::now(), assisting.done());
        let deadline = begin + Duration::from_secs_f64(assist::SLICE);
        if self.drive(Some(deadline), false, true) {
            let (took, done) = (begin.elapsed(), assisting.done().saturating_sub(before));
            assisting.assisted.fetch_add(done, Ordering::Relaxed);
            assisting.assist_nanos.fetch_add(nanos(took), Ordering::Relaxed);
            return (done, took.as_secs_f64());
        }
        while Instant::now() < deadline && assisting.plan().slice != 0 {
            thread::yield_now();
        }
        self.count_waiting(begin.elapsed());
        (0, 0.0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
