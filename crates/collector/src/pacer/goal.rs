//! The goal: the size that the heap should not exceed when the next cycle ends.
//!
//! *Callers:* `pacer::plan`; `limit`, which compares what is wanted with what the limits leave. *Invariants:* the goal
//! is never below what is live; where the hard limit allows it, there is room to run above it.

use super::Snapshot;
use super::pace::Pace;

/// How far a heap may grow over what is live before the next cycle ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// By so many percent of what is live, and no further than it pays: cycles that are cheap may come so often that
    /// one is under way half of the time, but not more often.
    Percent(u32),
    /// By what balances memory against time, as the square root of what is live, how fast mutators allocate and how
    /// long marking takes: many heaps that use the same figure share the memory of one machine so that none could use
    /// a part of another's better.
    SquareRoot {
        /// Bytes of memory that are worth one core: with a gigabyte, 10 MB of room between cycles stand against
        /// collecting for one hundredth of a core's time. More means a larger heap and fewer cycles.
        bytes_per_core: usize,
    },
}

/// The least growth over what is live: one part in this many.
pub(super) const LEAST_GROWTH: usize = 16;

/// What the heap would grow to if there were no limits.
pub(super) fn wanted(snapshot: &Snapshot) -> usize {
    let base = snapshot.base();
    let least = base / LEAST_GROWTH;
    let by_percent = |percent| percent_of(base.saturating_add(snapshot.roots), percent);
    let extra = match (snapshot.growth, snapshot.pace) {
        (Growth::Percent(percent), None) => by_percent(percent),
        (Growth::Percent(percent), Some(pace)) => by_percent(percent).min(pace.room().max(least)),
        // Nothing is known yet, and what is guessed holds for one cycle.
        (Growth::SquareRoot { .. }, None) => by_percent(100),
        (Growth::SquareRoot { bytes_per_core }, Some(pace)) => square_root(bytes_per_core, pace).max(least),
    };
    base.saturating_add(extra).max(snapshot.initial_goal)
}

/// The goal: what is wanted, as far as the limits allow it. The soft limit gives way to what is live and a little room,
/// and to more room if with less the heap would spend its time collecting. The hard limit gives way to nothing.
pub(super) fn goal(snapshot: &Snapshot) -> usize {
    let base = snapshot.base();
    let room = soft_room(snapshot).max(snapshot.strain.room());
    wanted(snapshot).min(base.saturating_add(room)).min(snapshot.limit.max(base))
}

/// The room that the soft limit leaves: never so little that cycles follow one another at once.
pub(super) fn soft_room(snapshot: &Snapshot) -> usize {
    let base = snapshot.base();
    snapshot.soft_limit.saturating_sub(base).max(base / LEAST_GROWTH).max(snapshot.least_room())
}

fn percent_of(bytes: usize, percent: u32) -> usize {
    (bytes as u128 * percent as u128 / 100).min(usize::MAX as u128) as usize
}

/// Where one more byte of room saves just as much of a core's time as it is worth.
///
/// With room `e`, cycles that cost `c` seconds come `rate / e` times a second and take the part `c * rate / e` of a
/// core. That, and the part `e / bytes_per_core` that the memory is worth, are least together where they are equal.
/// (Kirisame, Shenoy and Panchekha, OOPSLA 2022, with `c` for what is live divided by the speed of marking.)
fn square_root(bytes_per_core: usize, pace: Pace) -> usize {
    // The cast saturates.
    (bytes_per_core as f64 * pace.rate * pace.cost()).sqrt() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Snapshot {
        Snapshot { initial_goal: 8 << 20, ..Snapshot::default() }
    }

    #[test]
    fn a_large_heap_grows_in_proportion() {
        let live = 1 << 30;
        assert_eq!(goal(&Snapshot { live, ..base() }), 2 * live);
        assert_eq!(goal(&Snapshot { live, growth: Growth::Percent(50), ..base() }), live + live / 2);
        assert_eq!(goal(&Snapshot { live, external: live, ..base() }), 4 * live, "external bytes count as live");
        assert_eq!(goal(&Snapshot { live, roots: live, ..base() }), 3 * live, "roots are not in the heap");
    }

    #[test]
    fn cheap_cycles_keep_the_heap_small() {
        let live = 512 << 20;
        let at = |rate, cycle| goal(&Snapshot { live, pace: Some(Pace::of(rate, cycle)), ..base() });
        // Four gigabytes a second and 8 ms a cycle: 64 MB of room make it half of the time.
        assert_eq!(at(4e9, 8e-3), live + 64_000_000);
        assert_eq!(at(60e9, 1e-6), live + 60_000_000, "a short cycle counts as half a millisecond");
        assert_eq!(at(1e9, 0.5), 2 * live, "never more than the percentage");
        assert_eq!(at(1e3, 1e-3), live + live / LEAST_GROWTH, "never less than a sixteenth");
        assert_eq!(at(f64::INFINITY, 1.0), 2 * live);
        assert_eq!(goal(&Snapshot { live: 1 << 20, pace: Some(Pace::of(1.0, 1.0)), ..base() }), 8 << 20);
    }

    #[test]
    fn the_square_root_balances_memory_and_time() {
        let live = 400 << 20;
        let growth = Growth::SquareRoot { bytes_per_core: 4_000_000_000 };
        let extra = |rate, cycle| goal(&Snapshot { live, growth, pace: Some(Pace::of(rate, cycle)), ..base() }) - live;
        // 100 MB/s and 100 ms a cycle: 200 MB are a twentieth of 4 GB, and half a cycle a second is a twentieth of a
        // core.
        assert_eq!(extra(1e8, 0.1), 200_000_000);
        assert_eq!(extra(4e8, 0.1), 400_000_000, "four times the rate, twice the room");
        assert_eq!(extra(1.0, 0.1), live / LEAST_GROWTH);
        assert_eq!(goal(&Snapshot { live, growth, ..base() }), 2 * live, "before anything is known");
    }

    #[test]
    fn the_soft_limit_gives_way_to_what_is_live() {
        let at = |live, soft_limit| goal(&Snapshot { live, soft_limit, ..base() });
        assert_eq!(at(100 << 20, 150 << 20), 150 << 20);
        assert_eq!(at(100 << 20, 300 << 20), 200 << 20, "it is no goal of its own");
        assert_eq!(at(160 << 20, 160 << 20), 170 << 20);
        assert_eq!(at(160 << 20, 1 << 20), 170 << 20);
        assert_eq!(at(1 << 20, 1 << 20), 2 << 20, "the least room");
        assert_eq!(goal(&Snapshot { live: 160 << 20, soft_limit: 1, limit: 165 << 20, ..base() }), 165 << 20);
    }
}
