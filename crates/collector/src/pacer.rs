//! The pacer: when to collect, as a pure function of what the last cycle found.
//!
//! *Callers:* `cycle`, at the end of each cycle and when the heap is made. *Invariants:* no clock, no atomics, no heap:
//! the same snapshot gives the same plan. Bytes are slot bytes; what is counted against the plan is what has been
//! handed out since the cycle that it was made from.

/// What the pacer looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// Bytes that the last cycle found live, and external ones; 0 before the first.
    pub live: usize,
    /// How much the heap may grow over what is live before the next cycle ends, in percent.
    pub growth_percent: u32,
    /// What cycles cost, if that is known: the heap then grows no further than it pays.
    pub pace: Option<Pace>,
    /// The heap may always grow to this many bytes.
    pub initial_goal: usize,
    /// The heap must not grow beyond this many bytes.
    pub limit: usize,
}

/// How fast mutators allocate, and how long a cycle takes. Both are smoothed over cycles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Bytes handed out per second.
    pub rate: f64,
    /// Seconds from the first handshake of a cycle to its last swept span.
    pub cycle: f64,
}

impl Pace {
    /// With what another cycle has shown: it took `cycle` seconds, and `allocated` bytes were handed out in the
    /// `elapsed` seconds before it ended. Cycles that were asked for one right after the other tell nothing of the rate.
    pub(crate) fn learn(before: Option<Pace>, cycle: f64, allocated: usize, elapsed: f64) -> Option<Pace> {
        let fresh = (allocated > 0 && elapsed > cycle).then(|| allocated as f64 / elapsed);
        let mean = |old: f64, new: f64| old + (new - old) / 2.0;
        match (before, fresh) {
            (None, None) => None,
            (None, Some(rate)) => Some(Pace { rate, cycle }),
            (Some(old), None) => Some(Pace { rate: old.rate, cycle: mean(old.cycle, cycle) }),
            (Some(old), Some(rate)) => Some(Pace { rate: mean(old.rate, rate), cycle: mean(old.cycle, cycle) }),
        }
    }

    /// The room that mutators need so that a cycle is under way no more than one part in [`CYCLE_SHARE`] of the time.
    fn room(self) -> usize {
        // The cast saturates.
        (self.rate * self.cycle.max(LEAST_CYCLE) * CYCLE_SHARE) as usize
    }
}

/// One over the part of the time in which a cycle may be under way before the heap grows instead. Where cycles are
/// cheap (few references in what is live), memory is not spent on making them rare.
const CYCLE_SHARE: f64 = 2.0;

/// Seconds that a cycle counts at least: threads are woken and caches flushed, which its length does not show.
const LEAST_CYCLE: f64 = 500e-6;

/// The least growth over what is live: one part in this many.
const LEAST_GROWTH: usize = 16;

/// What to do when, in bytes handed out since the last cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Size of the heap that the next cycle should end at or below.
    pub goal: usize,
    /// Start a cycle.
    pub trigger: usize,
    /// The collector has fallen behind: mutators wait at their safepoints for the running cycle.
    pub throttle: usize,
}

/// Part of the way to the goal at which a cycle starts: marking needs time while mutators go on allocating.
const TRIGGER_EIGHTHS: usize = 6;

/// The plan for the next cycle.
pub(crate) fn plan(snapshot: Snapshot) -> Plan {
    let growth = (snapshot.live as u128 * snapshot.growth_percent as u128 / 100).min(usize::MAX as u128) as usize;
    let paid = snapshot.pace.map_or(growth, |pace| pace.room().max(snapshot.live / LEAST_GROWTH));
    let wanted = snapshot.live.saturating_add(growth.min(paid)).max(snapshot.initial_goal);
    let goal = wanted.min(snapshot.limit.max(snapshot.live));
    let room = goal - snapshot.live.min(goal);
    // Near the limit there is little room: a cycle that starts at once would find nothing to free.
    let least = (snapshot.initial_goal / 8).min(snapshot.limit / 16).max(64 << 10);
    let trigger = (room / 8 * TRIGGER_EIGHTHS).max(least);
    Plan { goal, trigger, throttle: room.max(trigger).saturating_mul(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Snapshot =
        Snapshot { live: 0, growth_percent: 100, pace: None, initial_goal: 8 << 20, limit: usize::MAX };

    #[test]
    fn a_small_heap_grows_to_the_initial_goal() {
        let plan = plan(BASE);
        assert_eq!(plan.goal, 8 << 20);
        assert_eq!(plan.trigger, 6 << 20);
        assert!(plan.throttle > plan.trigger);
    }

    #[test]
    fn a_large_heap_grows_in_proportion() {
        let live = 1 << 30;
        let doubled = plan(Snapshot { live, ..BASE });
        assert_eq!(doubled.goal, 2 * live);
        let half = plan(Snapshot { live, growth_percent: 50, ..BASE });
        assert_eq!(half.goal, live + live / 2);
        assert!(half.trigger < doubled.trigger);
    }

    #[test]
    fn cheap_cycles_keep_the_heap_small() {
        let live = 512 << 20;
        let goal = |rate, cycle| plan(Snapshot { live, pace: Some(Pace { rate, cycle }), ..BASE }).goal;
        // Four gigabytes a second and 8 ms a cycle: 64 MB of room make it half of the time.
        assert_eq!(goal(4e9, 8e-3), live + 64_000_000);
        assert_eq!(goal(60e9, 1e-6), live + 60_000_000, "a short cycle counts as half a millisecond");
        assert_eq!(goal(1e9, 0.5), 2 * live, "never more than the percentage");
        assert_eq!(goal(1e3, 1e-3), live + live / LEAST_GROWTH, "never less than a sixteenth");
        assert_eq!(goal(f64::INFINITY, 1.0), 2 * live);
        assert_eq!(plan(Snapshot { live: 1 << 20, pace: Some(Pace { rate: 1.0, cycle: 1.0 }), ..BASE }).goal, 8 << 20);
    }

    #[test]
    fn the_pace_follows_what_cycles_show() {
        let first = Pace::learn(None, 0.01, 1000, 1.0);
        assert_eq!(first, Some(Pace { rate: 1000.0, cycle: 0.01 }));
        let faster = Pace::learn(first, 0.03, 3000, 1.0).unwrap();
        assert_eq!(faster.rate, 2000.0);
        assert!((faster.cycle - 0.02).abs() < 1e-12);
        assert_eq!(Pace::learn(None, 0.01, 0, 1.0), None, "nothing was allocated");
        assert_eq!(Pace::learn(first, 0.01, 50, 0.01), first, "a cycle that followed the one before at once");
    }

    #[test]
    fn a_limit_caps_the_goal_and_leaves_room_to_run() {
        let tight = plan(Snapshot { live: 60 << 20, limit: 64 << 20, ..BASE });
        assert_eq!(tight.goal, 64 << 20);
        assert_eq!(tight.trigger, 3 << 20);
        let full = plan(Snapshot { live: 64 << 20, limit: 64 << 20, ..BASE });
        assert_eq!(full.trigger, 1 << 20);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let plan = plan(Snapshot { live: usize::MAX / 2, growth_percent: u32::MAX, ..BASE });
        assert_eq!(plan.goal, usize::MAX);
        assert!(plan.throttle >= plan.trigger);
    }
}
