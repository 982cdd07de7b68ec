//! Strain: what the limits cost, and when it is too much.
//!
//! *Callers:* the collector tells it at the end of each cycle, and asks it when memory has run out; `goal` takes the
//! room from it. *Invariants:* without limits there is no pressure. The verdict does not depend on what it has led to:
//! giving up the soft limit makes collecting cheap, and that is no reason to return to it.

use super::{Observation, Snapshot, goal};

/// How hard the limits press.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pressure {
    /// The heap grows as the growth option has it.
    #[default]
    None,
    /// The heap would grow beyond the soft limit, and is kept as near to it as what is live allows.
    AtSoftLimit,
    /// Within the soft limit the heap would collect for most of the time. It is let beyond it, up to the hard limit,
    /// so far that collecting takes half of the time.
    Overloaded,
    /// At the hard limit, cycle after cycle has taken most of the time and freed next to nothing: an allocation that
    /// does not fit fails, instead of collecting once more.
    Exhausted,
}

/// What to do for an allocation that does not fit below the hard limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Collect, and try once more.
    Collect,
    /// Fail.
    Fail,
}

/// Part of the cores' time that collecting may take for the soft limit's sake.
const MOST_COLLECTING: f64 = 0.5;

/// Part of [`MOST_COLLECTING`] to which the soft limit's price must fall before it holds again.
const RELIEF: f64 = 0.8;

/// Seconds after which a cycle counts half.
const WINDOW: f64 = 2.0;

/// Cycles in a row that the soft limit must have pressed before it can be given up.
const PRESSED_CYCLES: u32 = 3;

/// One over the part of the hard limit that a cycle must leave free so as not to be futile.
const FUTILE: usize = 32;

/// Part of the cores' time since the cycle before that a futile cycle has taken.
const FUTILE_COLLECTING: f64 = 0.75;

/// Futile cycles in a row after which the heap is exhausted.
const FUTILE_CYCLES: u32 = 3;

/// What the limits cost. Sums over a window that fades.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Strain {
    /// Seconds of cores that collecting took.
    collecting: f64,
    /// Seconds of cores that mutators had.
    working: f64,
    /// Bytes handed out.
    bytes: f64,
    cycles: f64,
    /// Cycles in a row, up to the last, after which the soft limit pressed.
    pressed: u32,
    /// Cycles in a row, up to the last, that were futile.
    futile: u32,
    pressure: Pressure,
}

impl Strain {
    /// With what another cycle has shown, where `after` is the heap that it left.
    pub(crate) fn learn(self, after: &Snapshot, seen: &Observation) -> Strain {
        let count = |row: u32, goes_on| if goes_on { row.saturating_add(1) } else { 0 };
        let Some(working) = seen.working() else {
            // Nobody ran: the cycle was asked for. Its price is no one's but the host's, who may be collecting because
            // nothing fits, again and again.
            let hard = seen.cycle > FUTILE_COLLECTING * seen.elapsed.max(seen.cycle);
            let strain = Strain { futile: count(self.futile, hard && is_futile(after)), ..self };
            return Strain { pressure: strain.verdict(after), ..strain };
        };
        let keep = WINDOW / (WINDOW + seen.elapsed.max(0.0));
        let collecting = seen.collecting();
        let mut strain = Strain {
            collecting: self.collecting * keep + collecting,
            working: self.working * keep + working,
            bytes: self.bytes * keep + seen.allocated as f64,
            cycles: self.cycles * keep + 1.0,
            ..self
        };
        let hard = collecting > FUTILE_COLLECTING * (collecting + working);
        strain.futile = count(self.futile, hard && is_futile(after));
        strain.pressed = count(self.pressed, presses(after));
        strain.pressure = strain.verdict(after);
        strain
    }

    fn verdict(&self, after: &Snapshot) -> Pressure {
        // Once exhausted, twice as much must be free: else the last bytes would be collected for again and again.
        let exhausted = match self.pressure {
            Pressure::Exhausted => free(after) < after.limit / FUTILE * 2,
            _ => self.futile >= FUTILE_CYCLES,
        };
        if exhausted {
            Pressure::Exhausted
        } else if presses(after) && self.overloaded(goal::soft_room(after)) {
            Pressure::Overloaded
        } else if goal::wanted(after).min(after.limit) > after.soft_limit {
            Pressure::AtSoftLimit
        } else {
            Pressure::None
        }
    }

    /// Whether the soft limit costs too much. It must have done so before it is given up, and it is given up until it
    /// would cost distinctly less.
    fn overloaded(&self, soft_room: usize) -> bool {
        if self.pressure == Pressure::Overloaded {
            self.price(soft_room) > RELIEF * MOST_COLLECTING
        } else {
            self.pressed >= PRESSED_CYCLES && self.collecting > MOST_COLLECTING * (self.collecting + self.working)
        }
    }

    /// The part of the cores' time that collecting takes if `room` bytes are handed out from cycle to cycle.
    fn price(&self, room: usize) -> f64 {
        let cycle = self.collecting / self.cycles;
        let work = room as f64 * self.working / self.bytes;
        // Without figures it is no number, and greater than nothing.
        cycle / (cycle + work)
    }

    /// Room that the heap has whatever the soft limit says: with less, collecting would take more than its part.
    pub(super) fn room(&self) -> usize {
        let room =
            self.collecting / self.cycles * self.bytes / self.working * (1.0 - MOST_COLLECTING) / MOST_COLLECTING;
        // The cast saturates: mutators that had no time at all get all the room there is.
        if self.pressure == Pressure::Overloaded { room as usize } else { 0 }
    }

    /// The verdict.
    pub(crate) fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// What to do for an allocation that does not fit, `since` seconds after a cycle ended that took `cycle` seconds.
    /// An exhausted heap collects for it only if mutators have had as much time since: whoever frees memory finds it
    /// again, and whoever does not spends half of its time here at most.
    pub(crate) fn when_full(&self, since: f64, cycle: f64) -> Full {
        if self.pressure == Pressure::Exhausted && since < cycle { Full::Fail } else { Full::Collect }
    }
}

/// Whether the soft limit, and nothing else, keeps the heap small.
fn presses(after: &Snapshot) -> bool {
    goal::wanted(after).min(after.limit) > after.base().saturating_add(goal::soft_room(after))
}

/// Whether a cycle has left next to nothing free.
fn is_futile(after: &Snapshot) -> bool {
    free(after) < after.limit / FUTILE
}

fn free(after: &Snapshot) -> usize {
    after.limit.saturating_sub(after.base())
}

#[cfg(test)]
mod tests {
    use super::super::pace::Marking;
    use super::super::{Growth, plan};
    use super::*;

    const MB: usize = 1 << 20;

    /// A cycle that took so many seconds of cores, half of them the mutator's, after which it had so many for itself.
    fn seen(collecting: f64, working: f64, allocated: usize) -> Observation {
        let half = collecting / 2.0;
        let marking =
            Marking { seconds: half, assist_seconds: half, workers: 1, mutators: 1, cores: 2, ..Marking::default() };
        Observation { cycle: half, allocated, elapsed: half + working, marking: Some(marking) }
    }

    fn heap(live: usize, soft_limit: usize, limit: usize) -> Snapshot {
        Snapshot { live, soft_limit, limit, growth: Growth::Percent(100), ..Snapshot::default() }
    }

    fn after(count: usize, heap: &Snapshot, seen: Observation, from: Strain) -> Strain {
        (0..count).fold(from, |strain, _| strain.learn(heap, &seen))
    }

    #[test]
    fn without_limits_nothing_presses() {
        let free = heap(100 * MB, usize::MAX, usize::MAX);
        let strain = after(20, &free, seen(0.1, 0.001, MB), Strain::default());
        assert_eq!((strain.pressure(), strain.room()), (Pressure::None, 0));
        assert_eq!(strain.when_full(0.0, 1.0), Full::Collect);
    }

    #[test]
    fn a_soft_limit_that_costs_too_much_is_given_up_as_far_as_it_must() {
        let tight = heap(100 * MB, 110 * MB, usize::MAX);
        let calm = after(20, &tight, seen(0.1, 0.9, 10 * MB), Strain::default());
        assert_eq!((calm.pressure(), calm.room()), (Pressure::AtSoftLimit, 0));
        // 10 MB take 50 ms of work, and then a cycle of 100 ms.
        let costly = seen(0.1, 0.05, 10 * MB);
        assert_eq!(after(2, &tight, costly, Strain::default()).pressure(), Pressure::AtSoftLimit, "too early to say");
        let strain = after(20, &tight, costly, Strain::default());
        assert_eq!(strain.pressure(), Pressure::Overloaded);
        let room = plan(Snapshot { strain, ..tight }).room;
        assert!(room.abs_diff(20 * MB) < MB / 100, "20 MB take 100 ms of work");
        // Now it costs half, and with the soft limit it would cost as much as before.
        let eased = after(50, &tight, seen(0.1, 0.1, 20 * MB), strain);
        assert_eq!((eased.pressure(), eased.room() / MB), (Pressure::Overloaded, 20));
        let roomy = after(50, &tight, seen(0.1, 0.2, 40 * MB), strain);
        assert_eq!(roomy.pressure(), Pressure::Overloaded, "that it is cheap now does not make the soft limit cheap");
        let slower = after(20, &tight, seen(0.1, 0.5, 20 * MB), eased);
        assert_eq!(slower.pressure(), Pressure::AtSoftLimit);
        assert_eq!(after(1, &heap(40 * MB, 110 * MB, usize::MAX), costly, strain).pressure(), Pressure::None);
    }

    #[test]
    fn the_hard_limit_holds_whatever_it_costs() {
        let strain = after(20, &heap(100 * MB, 90 * MB, 103 * MB), seen(0.1, 0.01, MB), Strain::default());
        assert_eq!(plan(Snapshot { strain, ..heap(100 * MB, 90 * MB, 103 * MB) }).goal, 103 * MB);
    }

    #[test]
    fn a_heap_that_can_free_nothing_fails() {
        let full = heap(98 * MB, usize::MAX, 100 * MB);
        let futile = seen(0.1, 0.02, 2 * MB);
        assert_eq!(after(2, &full, futile, Strain::default()).pressure(), Pressure::None);
        let strain = after(3, &full, futile, Strain::default());
        assert_eq!(strain.pressure(), Pressure::Exhausted);
        assert_eq!(strain.when_full(0.0, 0.1), Full::Fail);
        assert_eq!(strain.when_full(0.1, 0.1), Full::Collect, "it may have freed something in the meantime");
        assert_eq!(after(9, &full, seen(0.1, 0.8, 2 * MB), strain).pressure(), Pressure::Exhausted, "still as full");
        assert_eq!(after(1, &heap(95 * MB, usize::MAX, 100 * MB), futile, strain).pressure(), Pressure::Exhausted);
        assert_eq!(after(1, &heap(90 * MB, usize::MAX, 100 * MB), futile, strain).pressure(), Pressure::None);
    }

    #[test]
    fn a_full_heap_that_hardly_allocates_goes_on() {
        let full = heap(98 * MB, usize::MAX, 100 * MB);
        assert_eq!(after(50, &full, seen(0.1, 0.4, 2 * MB), Strain::default()).pressure(), Pressure::None);
        // One good cycle in three is enough.
        let mut strain = Strain::default();
        for _ in 0..10 {
            strain = after(2, &full, seen(0.1, 0.02, 2 * MB), strain);
            strain = after(1, &heap(50 * MB, usize::MAX, 100 * MB), seen(0.1, 0.4, 2 * MB), strain);
            assert_eq!(strain.pressure(), Pressure::None);
        }
    }

    #[test]
    fn cycles_that_everybody_waits_for_cost_nothing() {
        let tight = heap(100 * MB, 101 * MB, usize::MAX);
        let waited = Observation { cycle: 1.0, elapsed: 1.0, ..Observation::default() };
        let strain = after(50, &tight, waited, Strain::default());
        assert_eq!((strain.pressure(), strain.room()), (Pressure::AtSoftLimit, 0));
    }
}
