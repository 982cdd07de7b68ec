//! Assists: marking that mutators owe for what they allocate while a cycle marks.
//!
//! *Callers:* the collector makes an [`AssistPlan`] when marking starts and anew as it proceeds; `charging` keeps a
//! [`Debt`] for each mutator. *Invariants:* what is owed for the bytes that are left until the goal is at least the
//! work that is left, so that whoever allocates too fast slows down to what marking keeps up with. No mutator works
//! longer than [`SLICE`] at once: one for each portion that it is handed out, and more at safepoints only if it owes
//! very much. What can not be paid now is owed until the marking ends, up to a cap; what exceeds it is dropped, and
//! counted.
//!
//! The collector's own threads earn *credit*: a grant when marking starts, and a unit for each unit of work. Debts are
//! paid from it first. As long as these threads keep up, there is always enough of it, and no mutator helps.

/// Seconds that a mutator helps at once, at most.
pub(crate) const SLICE: f64 = 50e-6;

/// Seconds that a slice is meant to take: no two objects take the same time.
const AIM: f64 = 0.8 * SLICE;

/// Slices that a mutator can owe.
const MOST_SLICES: u64 = 64;

/// One over the part of the expected work, and of the room, that is allowed for what can not be known: a grant at the
/// beginning, work that is left when all that was expected is done, bytes that are left when the goal is passed.
const SLACK: u64 = 16;

/// Bits after the point in [`AssistPlan::work_per_byte`] and [`Debt::part`].
const POINT: u32 = 32;

/// What mutators owe at one moment of a marking. Two words, each of which may change without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AssistPlan {
    /// Units of work that are owed for a byte, times 2^32.
    pub work_per_byte: u64,
    /// Units that a mutator does in one slice; 0 if nothing is owed at all.
    pub slice: u64,
}

impl AssistPlan {
    /// Nothing is owed: no cycle marks, or nothing is known yet of how fast.
    pub(crate) const OFF: AssistPlan = AssistPlan { work_per_byte: 0, slice: 0 };

    /// A plan where `work` units are left, and mutators have handed out `allocated` bytes of `room`, for threads that
    /// do `speed` units in a second.
    pub(super) fn new(work: u64, allocated: usize, room: usize, speed: f64) -> AssistPlan {
        let least = (room / SLACK as usize).max(64 << 10);
        let bytes = room.saturating_sub(allocated).max(least);
        let ratio = ((work as u128) << POINT).div_ceil(bytes as u128);
        // The cast saturates.
        AssistPlan { work_per_byte: ratio.min(u64::MAX as u128) as u64, slice: ((speed * AIM) as u64).max(1) }
    }

    /// Most units that one mutator can owe.
    pub(crate) fn cap(self) -> u64 {
        self.slice.saturating_mul(MOST_SLICES)
    }
}

/// Units of credit that a marking starts with, of which `expected` units are expected.
pub(crate) fn grant(expected: u64) -> u64 {
    expected / SLACK
}

/// Units that are left when `done` have been done. When more has been done than was expected, so much more is expected
/// to come as has come; but no more than if all that was allocated since the marking before has survived, which is
/// `survivors`.
pub(super) fn work_left(expected: u64, done: u64, survivors: u64) -> u64 {
    let slack = expected / SLACK;
    match expected.checked_sub(done) {
        Some(left) => left.max(slack),
        None => {
            let over = done - expected;
            slack.saturating_add(over.saturating_mul(4)).min(survivors.saturating_sub(over).max(slack))
        }
    }
}

/// What one mutator owes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Debt {
    owed: u64,
    /// Less than a unit that is owed besides, times 2^32.
    part: u64,
    /// Units per slice of which this thread has been seen to be capable in this marking; 0 if no slice was too long.
    pace: u64,
    /// Units that were owed and never paid: they exceeded the cap, or marking ended.
    dropped: u64,
}

impl Debt {
    /// Adds what is owed for `bytes` that have been handed out.
    pub(crate) fn charge(&mut self, plan: AssistPlan, bytes: usize) {
        if plan.slice == 0 {
            return;
        }
        let more = (bytes as u128).saturating_mul(plan.work_per_byte as u128).saturating_add(self.part as u128);
        self.part = (more & ((1 << POINT) - 1)) as u64;
        let owed = (more >> POINT).saturating_add(self.owed as u128);
        let kept = owed.min(plan.cap() as u128);
        self.dropped = self.dropped.saturating_add((owed - kept).min(u64::MAX as u128) as u64);
        self.owed = kept as u64;
    }

    /// Pays from the collector's credit. Returns how much of it.
    pub(crate) fn draw(&mut self, credit: u64) -> u64 {
        let drawn = credit.min(self.owed);
        self.owed -= drawn;
        drawn
    }

    /// Units to do now: a slice, if so much is owed. For less, turning to the marker costs more than it brings.
    pub(crate) fn due(&self, plan: AssistPlan) -> Option<u64> {
        let slice = if self.pace == 0 { plan.slice } else { plan.slice.min(self.pace) };
        (slice > 0 && self.owed >= slice).then_some(slice)
    }

    /// Notes that `done` units have been done in `seconds`; fewer than were due, or none, where there was nothing to
    /// mark or another thread had the marker: they are owed still. A thread that took too long does less in its next
    /// slices.
    pub(crate) fn pay(&mut self, plan: AssistPlan, done: u64, seconds: f64) {
        self.owed = self.owed.saturating_sub(done);
        if done == 0 {
            return;
        }
        if seconds > SLICE {
            self.pace = ((done as f64 * AIM / seconds) as u64).max(1);
        } else if self.pace > 0 && seconds < AIM * 0.9 {
            let faster = self.pace.saturating_add(self.pace / 16 + 1);
            self.pace = if faster >= plan.slice { 0 } else { faster };
        }
    }

    /// Whether so much is owed that a slice for each portion does not suffice: at its next safepoint the mutator pays
    /// slice after slice, answering handshakes in between, until this is no longer so or a slice brings nothing.
    pub(crate) fn is_behind(&self, plan: AssistPlan) -> bool {
        self.owed > plan.cap() / 2
    }

    /// Units that are owed now.
    pub(crate) fn owed(&self) -> u64 {
        self.owed
    }

    /// Marking has ended: nothing is owed any more. Returns the units that were not paid since the last call.
    pub(crate) fn end(&mut self) -> u64 {
        let lost = self.dropped.saturating_add(self.owed);
        *self = Debt::default();
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1 << 20;

    #[test]
    fn the_bytes_that_are_left_pay_for_the_work_that_is_left() {
        // Portions of all sizes, also such as owe less than a unit.
        for (work, portion) in [(1 << 20, 32 << 10), (1000, 48), (7, 32 << 10), (123_456_789, 1000)] {
            let plan = AssistPlan::new(work, 3 * MB, 4 * MB, 1e12);
            let (mut debt, mut paid) = (Debt::default(), 0);
            for start in (0..MB).step_by(portion) {
                debt.charge(plan, portion.min(MB - start));
                paid += debt.draw(u64::MAX);
            }
            assert_eq!(debt.end(), 0);
            assert!(paid >= work && paid <= work + 1, "{paid} for {work}");
        }
    }

    #[test]
    fn past_the_goal_debts_are_high_and_finite() {
        let before = AssistPlan::new(1000, 3 * MB, 4 * MB, 1e6);
        let at = AssistPlan::new(1000, 4 * MB, 4 * MB, 1e6);
        assert_eq!(at.work_per_byte, before.work_per_byte * 4);
        assert_eq!(AssistPlan::new(1000, 9 * MB, 4 * MB, 1e6), at);
        assert_eq!(AssistPlan::new(u64::MAX, 1, 0, f64::INFINITY).cap(), u64::MAX);
        assert_eq!(AssistPlan::new(0, 0, 0, 0.0), AssistPlan { work_per_byte: 0, slice: 1 });
    }

    #[test]
    fn work_that_was_not_expected_is_expected_to_go_on() {
        assert_eq!(work_left(1600, 0, 1 << 20), 1600);
        assert_eq!(work_left(1600, 1590, 1 << 20), 100, "never quite nothing");
        assert_eq!(work_left(1600, 1600, 1 << 20), 100);
        assert_eq!(work_left(1600, 2000, 1 << 20), 1700);
        assert_eq!(work_left(1600, 2000, 500), 100, "so much has not been allocated");
        assert_eq!(work_left(0, u64::MAX, u64::MAX), 0);
        for done in 1500..1700u64 {
            assert!(work_left(1600, done, 1 << 20).abs_diff(work_left(1600, done + 1, 1 << 20)) <= 4, "no cliff");
        }
    }

    #[test]
    fn a_debt_is_carried_and_capped() {
        let plan = AssistPlan { work_per_byte: 1 << POINT, slice: 100 };
        let mut debt = Debt::default();
        debt.charge(plan, 99);
        assert_eq!(debt.due(plan), None, "too little to turn to the marker");
        debt.charge(plan, 51);
        assert_eq!(debt.due(plan), Some(100));
        debt.pay(plan, 0, 0.0);
        assert_eq!(debt.owed(), 150, "another thread had the marker");
        debt.pay(plan, 30, 10e-6);
        assert_eq!((debt.owed(), debt.due(plan)), (120, Some(100)));
        assert_eq!(debt.draw(70), 70);
        debt.charge(plan, usize::MAX);
        assert_eq!(debt.owed(), plan.cap());
        debt.charge(plan, 1000);
        assert_eq!(debt.owed(), plan.cap());
        assert!(debt.is_behind(plan));
        debt.pay(plan, plan.cap() / 2, SLICE);
        assert!(!debt.is_behind(plan));
        assert!(debt.end() > u64::MAX - plan.cap(), "what was not paid is not forgotten");
        assert_eq!(debt, Debt::default());
        debt.charge(AssistPlan::OFF, 1000);
        assert_eq!((debt.due(AssistPlan::OFF), debt.owed()), (None, 0));
        debt.charge(AssistPlan { work_per_byte: u64::MAX, slice: u64::MAX }, usize::MAX);
        assert!(debt.owed() > 0);
    }

    #[test]
    fn a_slow_thread_gets_short_slices() {
        let plan = AssistPlan { work_per_byte: 1 << POINT, slice: 800 };
        let mut debt = Debt::default();
        debt.charge(plan, 40_000);
        debt.pay(plan, 800, 4.0 * SLICE);
        assert_eq!(debt.due(plan), Some(160));
        debt.pay(plan, 160, AIM);
        assert_eq!(debt.due(plan), Some(160), "just right");
        for _ in 0..40 {
            debt.pay(plan, debt.due(plan).unwrap(), SLICE / 2.0);
        }
        assert_eq!(debt.due(plan), Some(800), "it has recovered");
    }
}
