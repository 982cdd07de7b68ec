//! The pacer: when to collect, who marks and how much, and what to do near the limits, as pure functions of what cycles
//! have shown.
//!
//! *Callers:* `collector` and `cycle`, at the end of each cycle and when the heap is made; `charging`, for what
//! mutators owe. *Invariants:* no clock, no atomics, no heap: the same figures give the same answer, so that
//! `scenarios` can run all of it against programs that are made up. Bytes are slot bytes and external ones; what is
//! counted against a plan is what has been handed out since the marking before it ended. Units of marking work are
//! whatever the marker counts, as long as it always counts the same.
//!
//! - `goal`: how large the heap may be when the next cycle ends. `trigger`: when to start it, so that it is not larger.
//! - `pace`: what has been learnt of rates, speeds and costs. `assist`: what mutators owe while a cycle marks.
//! - `limit`: when collecting does not pay any more. `workers`: how many threads mark.

pub(crate) mod assist;
#[cfg(test)]
mod borders;
mod goal;
pub(crate) mod limit;
pub(crate) mod pace;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod simulation;
mod trigger;
pub(crate) mod workers;

pub use goal::Growth;
pub use limit::Pressure;
pub(crate) use limit::Strain;
pub(crate) use pace::{Observation, Pace};

/// What the pacer looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// Bytes in slots and stacks that the last cycle found live; 0 before the first.
    pub live: usize,
    /// External bytes that count as live.
    pub external: usize,
    /// Bytes outside the heap that every cycle scans: they take time to mark, so that growth is reckoned over them too.
    pub roots: usize,
    /// How far the heap may grow over what is live before the next cycle ends.
    pub growth: Growth,
    /// What cycles cost, if that is known: the heap then grows no further than it pays.
    pub pace: Option<Pace>,
    /// The heap may always grow to this many bytes, if a limit does not forbid it.
    pub initial_goal: usize,
    /// The heap should not grow beyond this many bytes; `usize::MAX` for none.
    pub soft_limit: usize,
    /// The heap must not grow beyond this many bytes; `usize::MAX` for none.
    pub limit: usize,
    /// What the limits cost.
    pub strain: Strain,
}

impl Default for Snapshot {
    fn default() -> Snapshot {
        Snapshot {
            live: 0,
            external: 0,
            roots: 0,
            growth: Growth::Percent(100),
            pace: None,
            initial_goal: 0,
            soft_limit: usize::MAX,
            limit: usize::MAX,
            strain: Strain::default(),
        }
    }
}

impl Snapshot {
    /// What the heap can not be smaller than.
    fn base(&self) -> usize {
        self.live.saturating_add(self.external)
    }

    /// The least that is handed out between two cycles: one that starts at once would find nothing to free. Near the
    /// limit it is less.
    fn least_room(&self) -> usize {
        (self.initial_goal / 8).min(self.limit / 16).max(64 << 10)
    }
}

/// What to do when, in bytes handed out since the last marking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Size of the heap that the next cycle should end at or below.
    pub goal: usize,
    /// Bytes that may be handed out until then.
    pub room: usize,
    /// Start a cycle.
    pub trigger: usize,
    /// The collector has fallen behind, and assists have not helped: mutators wait at their safepoints for the running
    /// cycle.
    pub throttle: usize,
}

/// The plan for the next cycle.
pub(crate) fn plan(snapshot: Snapshot) -> Plan {
    let goal = goal::goal(&snapshot);
    let room = goal - snapshot.base().min(goal);
    let runway = snapshot.pace.and_then(|pace| pace.runway());
    let trigger = trigger::trigger(room, snapshot.least_room(), runway);
    Plan { goal, room, trigger, throttle: room.max(trigger).saturating_mul(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_heap_grows_to_the_initial_goal() {
        let plan = plan(Snapshot { initial_goal: 8 << 20, ..Snapshot::default() });
        assert_eq!(plan.goal, 8 << 20);
        assert_eq!(plan.trigger, 6 << 20);
        assert!(plan.throttle > plan.trigger);
    }

    #[test]
    fn a_limit_leaves_room_to_run() {
        let at = |live| plan(Snapshot { live, limit: 64 << 20, initial_goal: 8 << 20, ..Snapshot::default() });
        let tight = at(60 << 20);
        assert_eq!(tight.goal, 64 << 20);
        assert_eq!(tight.trigger, 3 << 20);
        let full = at(64 << 20);
        assert_eq!((full.room, full.trigger), (0, 1 << 20));
    }

    #[test]
    fn extremes_do_not_overflow() {
        for live in [0, 1, usize::MAX / 2, usize::MAX] {
            for external in [0, usize::MAX] {
                for growth in [Growth::Percent(u32::MAX), Growth::SquareRoot { bytes_per_core: usize::MAX }] {
                    for soft_limit in [0, usize::MAX] {
                        let plan = plan(Snapshot { live, external, growth, soft_limit, ..Snapshot::default() });
                        assert!(plan.goal >= live && plan.throttle >= plan.trigger && plan.room <= plan.goal);
                    }
                }
            }
        }
    }
}
