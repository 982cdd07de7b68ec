//! The trigger: when a cycle starts, so that the heap is at its goal when marking ends, and not before.
//!
//! *Callers:* `pacer::plan`. *Invariants:* a cycle starts after the first half of the room and before its last eighth.
//!
//! Starting early is not the safe side. It makes cycles more frequent, and while one marks every store of a reference
//! costs several times as much: two threads that do little else took up to 30 % more CPU time where cycles began
//! sooner than they had to. So the runway is what was seen to be needed, and assists answer for what could not be
//! foreseen.

/// Part of the room after which a cycle may start: where half of it does not suffice, mutators help to mark. One that
/// is under way more than half of the time costs them more than that.
const EARLIEST: usize = 2;

/// Part of the room that remains when a cycle starts at the latest: what is handed out is counted in portions, and the
/// rate may double when a program has just been busy with something else.
const LATEST: usize = 8;

/// Eighths of the way at which a cycle starts while nothing is known of the runway.
const UNKNOWN_EIGHTHS: usize = 6;

/// Bytes that are handed out before a cycle starts: all of `room` but the runway.
pub(super) fn trigger(room: usize, least: usize, runway: Option<usize>) -> usize {
    let wanted = runway.map_or(room / 8 * UNKNOWN_EIGHTHS, |bytes| room.saturating_sub(bytes));
    wanted.clamp(room / EARLIEST, room - room / LATEST).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runway_ends_at_the_goal() {
        assert_eq!(trigger(1000, 0, Some(300)), 700);
        assert_eq!(trigger(1000, 0, None), 750);
        assert_eq!(trigger(1000, 0, Some(0)), 875, "as late as may be");
        assert_eq!(trigger(1000, 0, Some(usize::MAX)), 500, "as early as may be");
        assert_eq!(trigger(1000, 900, Some(300)), 900);
        assert_eq!(trigger(0, 64, Some(300)), 64);
    }
}
