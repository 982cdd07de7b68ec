//! The scavenger: gives free memory back to the system while the collector's thread has nothing else to do, and prepares
//! memory that mutators will want.
//!
//! *Callers:* `requests`, between cycles; never anybody but the collector's thread. *Invariants:* what may be given back is
//! a pure function of figures, and when, one of those and the clock. Memory becomes free in a cycle: when one has ended the
//! scavenger looks whether more is free than the mutators need to reach the goal, and if so, it comes back an interval later,
//! when they may have taken it; what is still too much then goes back in small steps. Otherwise the thread sleeps until the
//! next cycle. Nothing here waits.
//!
//! Memory is prepared ahead when the page heap says that mutators have begun the last of it, and only where it would not be
//! given back: up to the same goal. What a mutator said before a cycle ended is forgotten, as the cycle has freed memory.

use crate::collector::Collector;
use crate::requests::{Idle, Next};
use spanheap_allocator::geometry::GROWTH_UNIT;
use spanheap_sync::time::Instant;
use spanheap_sync::word::Ordering;
use std::time::Duration;

/// Most bytes that go back in one step: a request for a cycle waits no longer than for these.
const STEP: usize = 2 * GROWTH_UNIT;

/// Where a cycle has found so many bytes free, mutators need no growth for a while.
const ENOUGH: usize = 4 * GROWTH_UNIT;

/// What the scavenger looks at, in bytes of pages.
#[derive(Clone, Copy, Debug)]
struct Figures {
    /// The part of the goal that pages serve.
    goal: usize,
    in_use: usize,
    /// Ready and free.
    free: usize,
}

impl Figures {
    /// Bytes that are to be free: what mutators may take up to the goal and a tenth of it.
    fn kept(self) -> usize {
        self.goal.saturating_add(self.goal / 10).saturating_sub(self.in_use)
    }
}

/// Bytes to give back: what is free beyond the goal and a tenth of it, if that is a unit or more.
fn surplus(figures: Figures) -> usize {
    Some(figures.free.saturating_sub(figures.kept())).filter(|&surplus| surplus >= GROWTH_UNIT).unwrap_or(0)
}

/// Whether one more unit may be prepared: it would not be given back.
fn has_room(figures: Figures) -> bool {
    figures.free.saturating_add(GROWTH_UNIT) <= figures.kept()
}

/// When the scavenger acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ticker {
    /// Not before another cycle has ended.
    Resting,
    /// At this time.
    Due(Instant),
    /// Now, step by step.
    Acting,
}

impl Ticker {
    fn cycle_ended(self, surplus: usize, now: Instant, interval: Option<Duration>) -> Ticker {
        match (self, interval.and_then(|interval| now.checked_add(interval))) {
            // An interval beyond all time is none.
            (_, None) => Ticker::Resting,
            _ if surplus == 0 => Ticker::Resting,
            (Ticker::Resting, Some(due)) => Ticker::Due(due),
            // Cycles in quick succession do not put it off.
            (state, _) => state,
        }
    }

    fn next(self, now: Instant) -> (Ticker, Next) {
        match self {
            Ticker::Resting => (self, Next::Rest),
            Ticker::Due(due) if now < due => (self, Next::Sleep(due - now)),
            Ticker::Due(_) | Ticker::Acting => (Ticker::Acting, Next::Step),
        }
    }

    /// A step has given bytes back. None means that what is free lies scattered between objects.
    fn stepped(self, given: usize, surplus: usize) -> Ticker {
        if given == 0 || surplus == 0 { Ticker::Resting } else { self }
    }
}

/// The scavenger of one heap.
pub(crate) struct Scavenger<'a> {
    collector: &'a Collector,
    ticker: Ticker,
}

impl<'a> Scavenger<'a> {
    pub(crate) fn new(collector: &'a Collector) -> Scavenger<'a> {
        Scavenger { collector, ticker: Ticker::Resting }
    }

    fn figures(&self) -> Figures {
        let pages = self.collector.allocator.pages.figures();
        let goal = self.collector.goal().saturating_sub(self.collector.external());
        Figures { goal, in_use: pages.in_use, free: pages.free_ready }
    }

    fn surplus(&self) -> usize {
        surplus(self.figures())
    }

    /// Prepares one unit.
    fn prepare(&self) {
        let pages = &self.collector.allocator.pages;
        if !has_room(self.figures()) || !pages.prepare() {
            pages.call_off();
        }
    }
}

impl Idle for Scavenger<'_> {
    fn cycle_ended(&mut self) {
        if self.figures().free >= ENOUGH {
            self.collector.allocator.pages.call_off();
        }
        if let interval @ Some(_) = self.collector.options.scavenge {
            self.ticker = self.ticker.cycle_ended(self.surplus(), Instant::now(), interval);
        }
    }

    fn next(&mut self) -> Next {
        if self.collector.allocator.pages.is_more_wanted() {
            return Next::Step;
        }
        let (ticker, next) = self.ticker.next(Instant::now());
        self.ticker = ticker;
        next
    }

    fn step(&mut self) {
        if self.collector.allocator.pages.is_more_wanted() {
            return self.prepare();
        }
        if self.ticker != Ticker::Acting {
            // What was wanted was called off meanwhile.
            return;
        }
        let given = match self.surplus() {
            0 => 0,
            surplus => self.collector.allocator.pages.scavenge(surplus.min(STEP)),
        };
        self.collector.totals.scavenged_bytes.fetch_add(given as u64, Ordering::Relaxed);
        self.ticker = self.ticker.stepped(given, self.surplus());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::charging::Charging;
    use crate::options::Options;
    use spanheap_allocator::Reclaim;
    use spanheap_allocator::geometry::PAGE_SIZE;
    use spanheap_memory::Memory;
    use spanheap_sync::Arc;
    use std::panic::Location;

    const MIB: usize = 1 << 20;
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_goal_and_a_tenth_stay() {
        let surplus =
            |goal, in_use, free| surplus(Figures { goal: goal * MIB, in_use: in_use * MIB, free: free * MIB });
        assert_eq!(surplus(100, 10, 200), 100 * MIB);
        assert_eq!(surplus(100, 60, 50), 0, "as much as the goal needs");
        assert_eq!(surplus(100, 60, 51), 0, "less than a unit");
        assert_eq!(surplus(100, 60, 52), 2 * MIB);
        assert_eq!(surplus(100, 300, 20), 20 * MIB, "holes in pages in use are for the mutators");
        assert_eq!(surplus(0, 0, 0), 0);
        assert_eq!(super::surplus(Figures { goal: usize::MAX, in_use: 5, free: usize::MAX - 5 }), 0);
    }

    #[test]
    fn memory_is_prepared_up_to_what_would_be_given_back() {
        let room = |goal, in_use, free| has_room(Figures { goal: goal * MIB, in_use: in_use * MIB, free: free * MIB });
        assert!(room(100, 60, 48) && !room(100, 60, 49));
        assert!(!room(100, 120, 0), "holes in pages in use are for the mutators");
        for free in 0..200 {
            let figures = Figures { goal: 100 * MIB, in_use: 60 * MIB, free: free * MIB };
            let after = Figures { free: figures.free + GROWTH_UNIT, ..figures };
            assert!(!has_room(figures) || surplus(after) == 0, "what is prepared is not given back");
        }
    }

    /// A heap whose thread has been started, with that many MiB of pages in use.
    fn grown(initial_goal: usize, mib: usize) -> Arc<Collector> {
        let options =
            Options { initial_goal: initial_goal * MIB, scavenge: Some(Duration::ZERO), ..Options::default() };
        let collector = Arc::new(Collector::new(Arc::new(Memory::new()), options));
        collector.collect();
        for _ in 0..mib / 2 {
            collector.allocator.pages.take(GROWTH_UNIT / PAGE_SIZE, &collector.allocator.index).unwrap();
        }
        collector
    }

    /// Counts a byte as handed out, as a mutator does, and waits until nothing more is wanted. Returns how much more is free.
    fn charge(collector: &Arc<Collector>) -> usize {
        let pages = &collector.allocator.pages;
        assert!(pages.is_more_wanted());
        let (before, begin) = (pages.figures().free_ready, Instant::now());
        let record = collector.attach();
        Charging { collector, record: &record, at: Location::caller() }.charge(1);
        collector.detach(&record);
        while pages.is_more_wanted() {
            assert!(begin.elapsed() < 60 * SECOND, "nobody has woken the thread");
            std::thread::sleep(Duration::from_millis(1));
        }
        pages.figures().free_ready - before
    }

    #[test]
    fn the_thread_prepares_what_a_mutator_asks_for() {
        let collector = grown(256, 64);
        // Two units stand prepared then, of which the thread may have found one for itself before.
        assert!([1, 2].contains(&(charge(&collector) / GROWTH_UNIT)));
        collector.shut_down();
    }

    #[test]
    fn the_thread_prepares_nothing_beyond_the_goal() {
        let collector = grown(32, 64);
        assert_eq!(charge(&collector), 0);
        collector.shut_down();
    }

    #[test]
    fn it_rests_unless_there_is_something_to_give() {
        let now = Instant::now();
        assert_eq!(Ticker::Resting.next(now).1, Next::Rest);
        assert_eq!(Ticker::Resting.cycle_ended(0, now, Some(SECOND)), Ticker::Resting);
        assert_eq!(Ticker::Resting.cycle_ended(9, now, None), Ticker::Resting);
        assert_eq!(Ticker::Resting.cycle_ended(9, now, Some(Duration::MAX)), Ticker::Resting);
        assert_eq!(Ticker::Due(now).cycle_ended(0, now, Some(SECOND)), Ticker::Resting, "taken again");
        assert_eq!(Ticker::Acting.stepped(0, 9), Ticker::Resting, "scattered");
        assert_eq!(Ticker::Acting.stepped(9, 0), Ticker::Resting, "done");
    }

    #[test]
    fn it_acts_an_interval_later_and_until_it_is_done() {
        let now = Instant::now();
        let due = Ticker::Resting.cycle_ended(9, now, Some(SECOND));
        assert_eq!(due.next(now), (due, Next::Sleep(SECOND)));
        assert_eq!(due.cycle_ended(9, now + SECOND / 2, Some(SECOND)), due, "another cycle does not put it off");
        let (acting, next) = due.next(now + SECOND);
        assert_eq!((acting, next), (Ticker::Acting, Next::Step));
        assert_eq!(acting.stepped(4, 5), Ticker::Acting);
        assert_eq!(acting.cycle_ended(5, now, Some(SECOND)), Ticker::Acting);
    }
}
