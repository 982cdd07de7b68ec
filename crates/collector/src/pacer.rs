//! The pacer: when to collect, as a pure function of what the last cycle found.
//!
//! *Callers:* `cycle`, at the end of each cycle and when the heap is made. *Invariants:* no clock, no atomics, no heap:
//! the same snapshot gives the same plan. Bytes are slot bytes; what is counted against the plan is what has been
//! handed out since the cycle that it was made from.

/// What the pacer looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// Bytes that the last cycle found live; 0 before the first.
    pub live: usize,
    /// How much the heap may grow over what is live before the next cycle ends, in percent.
    pub growth_percent: u32,
    /// The heap may always grow to this many bytes.
    pub initial_goal: usize,
    /// The heap must not grow beyond this many bytes.
    pub limit: usize,
}

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
    let wanted = snapshot.live.saturating_add(growth).max(snapshot.initial_goal);
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

    const BASE: Snapshot = Snapshot { live: 0, growth_percent: 100, initial_goal: 8 << 20, limit: usize::MAX };

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
