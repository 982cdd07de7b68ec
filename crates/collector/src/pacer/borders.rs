//! Where the pacer's answers change: each border belongs to the side that its documentation names.
//!
//! *Callers:* `cargo test`. *Invariants:* the figures are such that both sides are exact.

use super::assist::{AssistPlan, Debt, SLICE};
use super::limit::{Pressure, Strain};
use super::pace::{Estimate, Marking, Observation, Pace};
use super::{Snapshot, plan};

/// A debt that never ends, of a mutator that has been seen to do 160 units in a slice, of 800 that are planned.
fn slow() -> (AssistPlan, Debt) {
    let plan = AssistPlan { work_per_byte: 1 << 32, slice: 800 };
    let mut debt = Debt::default();
    debt.charge(plan, 40_000);
    debt.pay(plan, 800, 4.0 * SLICE);
    assert_eq!(debt.due(plan), Some(160));
    (plan, debt)
}

#[test]
fn a_heap_that_holds_nothing_and_knows_nothing_starts_with_the_least_room() {
    assert_eq!(plan(Snapshot::default()).trigger, 64 << 10);
}

#[test]
fn a_slow_thread_recovers_by_a_sixteenth_at_a_time() {
    let (plan, mut debt) = slow();
    let mut expected = 160;
    while expected < 800 {
        assert_eq!(debt.due(plan), Some(expected));
        debt.pay(plan, 1, SLICE / 2.0);
        expected += expected / 16 + 1;
    }
    assert_eq!(debt.due(plan), Some(800));
}

#[test]
fn a_slice_is_too_long_above_its_time_only() {
    let plan = AssistPlan { work_per_byte: 1 << 32, slice: 800 };
    let mut debt = Debt::default();
    debt.charge(plan, 40_000);
    debt.pay(plan, 800, SLICE);
    assert_eq!(debt.due(plan), Some(800));
    debt.pay(plan, 800, SLICE * 1.01);
    assert!(debt.due(plan).is_some_and(|due| due < 800));
}

#[test]
fn a_slice_of_nine_tenths_of_the_aim_is_no_sign_of_recovery() {
    let (plan, mut debt) = slow();
    // Slices aim at four fifths of what they may take.
    debt.pay(plan, 160, 0.8 * SLICE * 0.9);
    assert_eq!(debt.due(plan), Some(160));
    debt.pay(plan, 160, 0.8 * SLICE * 0.89);
    assert_eq!(debt.due(plan), Some(171));
}

/// A heap of so many MiB live, with a soft limit and a limit in MiB, that would double.
fn heap(live: usize, soft_limit: usize, limit: usize) -> Snapshot {
    let bytes = |mib: usize| mib.saturating_mul(1 << 20);
    let (soft_limit, limit) = (bytes(soft_limit), bytes(limit));
    Snapshot { live: bytes(live), soft_limit, limit, ..Snapshot::default() }
}

/// A cycle that took so many seconds of one core; a mutator had another core for as many, and took so many MiB.
fn seen_of(collecting: f64, working: f64, mib: usize) -> Observation {
    let marking = Marking { workers: 1, mutators: 1, cores: 2, ..Marking::default() };
    Observation { cycle: collecting, allocated: mib << 20, elapsed: working, marking: Some(marking) }
}

/// A cycle between which and the one before the heap grew by 32 MiB.
fn seen(collecting: f64, working: f64) -> Observation {
    seen_of(collecting, working, 32)
}

/// A cycle for which everybody waited.
fn waited_for(cycle: f64, elapsed: f64) -> Observation {
    Observation { cycle, elapsed, ..Observation::default() }
}

/// The verdict when the same has been seen many times.
fn pressure(heap: Snapshot, seen: Observation) -> Pressure {
    (0..10).fold(Strain::default(), |strain, _| strain.learn(&heap, &seen)).pressure()
}

#[test]
fn a_cycle_is_futile_above_three_quarters_of_the_time_and_with_less_than_a_thirty_second_free() {
    let full = heap(98, usize::MAX, 100);
    assert_eq!(pressure(full, seen(3.0, 1.0)), Pressure::None, "just three quarters");
    assert_eq!(pressure(full, seen(3.0, 0.9)), Pressure::Exhausted);
    let border = heap(31, usize::MAX, 32);
    assert_eq!(pressure(border, seen(3.0, 0.9)), Pressure::None, "just a thirty-second is free");
    assert_eq!(pressure(Snapshot { live: border.live + 1, ..border }, seen(3.0, 0.9)), Pressure::Exhausted);
}

#[test]
fn cycles_that_a_host_asks_for_one_after_the_other_can_be_futile() {
    let full = heap(98, usize::MAX, 100);
    for cycle in [0.01, 1.0, 2.0, 100.0] {
        assert_eq!(pressure(full, waited_for(cycle, cycle)), Pressure::Exhausted);
        assert_eq!(pressure(full, waited_for(cycle, cycle / 2.0)), Pressure::Exhausted, "the clock went backwards");
    }
    assert_eq!(pressure(full, waited_for(3.0, 4.0)), Pressure::None, "just three quarters of the time");
    assert_eq!(pressure(heap(50, usize::MAX, 100), waited_for(1.0, 1.0)), Pressure::None, "there is enough");
}

#[test]
fn an_exhausted_heap_recovers_with_a_sixteenth_free() {
    let exhausted = (0..3).fold(Strain::default(), |strain, _| strain.learn(&heap(63, 1000, 64), &seen(3.0, 0.1)));
    assert_eq!(exhausted.pressure(), Pressure::Exhausted);
    let border = heap(60, 1000, 64);
    assert_eq!(exhausted.learn(&border, &seen(3.0, 0.1)).pressure(), Pressure::None);
    let below = Snapshot { live: border.live + 1, ..border };
    assert_eq!(exhausted.learn(&below, &seen(3.0, 0.1)).pressure(), Pressure::Exhausted);
}

#[test]
fn a_soft_limit_that_is_wanted_to_the_byte_does_not_press() {
    assert_eq!(pressure(heap(50, 100, usize::MAX), seen(9.0, 1.0)), Pressure::None);
    let over = Snapshot { soft_limit: (100 << 20) - 1, ..heap(50, 100, usize::MAX) };
    assert_eq!(pressure(over, seen(1.0, 9.0)), Pressure::AtSoftLimit);
    assert_eq!(pressure(over, seen(9.0, 1.0)), Pressure::Overloaded);
}

#[test]
fn collecting_for_just_half_of_the_time_is_no_overload() {
    assert_eq!(pressure(heap(50, 80, usize::MAX), seen(2.0, 2.0)), Pressure::AtSoftLimit);
    assert_eq!(pressure(heap(50, 80, usize::MAX), seen(2.1, 2.0)), Pressure::Overloaded);
}

#[test]
fn an_overload_ends_where_the_soft_limit_would_cost_two_fifths() {
    let tight = heap(50, 80, usize::MAX);
    let many = |strain: Strain, seen: Observation| (0..100).fold(strain, |strain, _| strain.learn(&tight, &seen));
    let overloaded = many(Strain::default(), seen(8.0, 2.0));
    assert_eq!(overloaded.pressure(), Pressure::Overloaded);
    // The soft limit leaves 30 MiB: mutators would take 3 seconds for that, or a little less.
    assert_eq!(many(overloaded, seen_of(2.0, 2.0, 20)).pressure(), Pressure::AtSoftLimit);
    assert_eq!(many(overloaded, seen_of(2.0, 2.0, 21)).pressure(), Pressure::Overloaded);
}

#[test]
fn an_overloaded_heap_gets_the_room_in_which_mutators_work_as_long_as_a_cycle_takes() {
    let tight = heap(50, 80, usize::MAX);
    let strain = (0..10).fold(Strain::default(), |strain, _| strain.learn(&tight, &seen(3.0, 2.0)));
    // 32 MiB take 2 seconds, so that 3 seconds are worth 48.
    assert_eq!((strain.pressure(), strain.room()), (Pressure::Overloaded, 48 << 20));
}

/// What an estimate expects at least and at most.
fn range(estimate: Option<Estimate>) -> (f64, f64) {
    let estimate = estimate.unwrap();
    (estimate.low(), estimate.high())
}

#[test]
fn an_estimate_goes_half_of_the_way_and_is_careful() {
    let first = Estimate::learn(None, 96.0);
    assert_eq!(range(first), (72.0, 120.0), "an eighth, twice");
    // A step of 96 with a deviation of 12: the deviation goes half of the way to it.
    assert_eq!(range(Estimate::learn(first, 192.0)), (144.0 - 2.0 * 54.0, 144.0 + 2.0 * 54.0));
    // A step of 4: the deviation goes a quarter of the way.
    assert_eq!(range(Estimate::learn(first, 100.0)), (98.0 - 2.0 * 10.0, 98.0 + 2.0 * 10.0));
    assert_eq!(range(Estimate::learn(first, 92.0)), (94.0 - 2.0 * 10.0, 94.0 + 2.0 * 10.0));
    // Nothing is a figure too; less than that is none.
    assert_eq!(range(Estimate::learn(first, 0.0)), (12.0, 48.0 + 2.0 * 54.0));
    assert_eq!(Estimate::learn(first, -1.0), first);
    assert_eq!(Estimate::learn(None, -1.0), None);
}

#[test]
fn threads_that_are_more_than_the_cores_share_them() {
    let marking = Marking { seconds: 1.0, workers: 1, mutators: 3, cores: 2, ..Marking::default() };
    let seen = Observation { cycle: 1.5, elapsed: 4.0, marking: Some(marking), ..Observation::default() };
    // Four threads while it marks, half a core for each; then three on two cores for three seconds.
    assert_eq!((seen.collecting(), seen.working()), (0.5 + 0.5, Some(3.0 * 0.5 + 6.0)));
    let alone = Marking { mutators: 1, ..marking };
    let seen = Observation { marking: Some(alone), ..seen };
    assert_eq!((seen.collecting(), seen.working()), (1.0 + 0.5, Some(1.0 + 3.0)));
    let waited_for = Marking { mutators: 0, ..marking };
    assert_eq!(Observation { marking: Some(waited_for), ..seen }.working(), None, "nobody ran");
}

#[test]
fn help_that_was_too_short_to_be_measured_tells_nothing_of_the_speed() {
    let measured = Marking { seconds: 0.001, work: 4_000_000, workers: 1, mutators: 1, cores: 8, ..Marking::default() };
    let slice = |marking| {
        let seen = Observation { cycle: 0.1, allocated: 1 << 20, elapsed: 1.0, marking: Some(marking) };
        Pace::learn(None, &seen).unwrap().assist(0, 0, 1 << 20, 64).slice
    };
    assert!(slice(measured) > 1);
    assert_eq!(slice(Marking { work: 4_000_001, assisted: 1, ..measured }), slice(measured));
    assert_eq!(slice(Marking { seconds: 0.0, ..measured }), 0, "nothing at all was measured");
}

/// A cycle in which one thread marked so many units in a millisecond, of two cores' worth of time.
fn marked(work: u64) -> Observation {
    let marking = Marking { seconds: 0.001, work, workers: 2, mutators: 1, cores: 8, ..Marking::default() };
    Observation { cycle: 0.001, allocated: 1 << 20, elapsed: 1.0, marking: Some(marking) }
}

#[test]
fn a_cycle_without_work_tells_nothing_of_the_speed() {
    let pace = Pace::learn(None, &marked(4_000_000)).unwrap();
    let after = Pace::learn(Some(pace), &marked(0)).unwrap();
    assert_eq!(after.assist(0, 0, 1 << 20, 64).slice, pace.assist(0, 0, 1 << 20, 64).slice);
    assert_eq!((pace.work(), after.work()), (4_000_000, 0));
}

#[test]
fn the_first_cycle_costs_the_time_of_all_its_threads() {
    let pace = Pace::learn(None, &marked(4_000_000)).unwrap();
    assert_eq!((pace.cycle, pace.cost()), (0.001, 0.002));
}

#[test]
fn no_more_work_comes_than_what_was_allocated() {
    let (pace, room) = (Pace::learn(None, &marked(1600)).unwrap(), 4 << 20);
    let owed = |done, bytes_per_unit| pace.assist(done, 1 << 20, room, bytes_per_unit).work_per_byte;
    let of = |work| AssistPlan::new(work, 1 << 20, room, 0.0).work_per_byte;
    assert_eq!(owed(600, 512), of(1000), "what is left of what was expected");
    assert_eq!(owed(2000, 256), of(100 + 4 * 400), "four times what has come");
    // A mebibyte is 1024 units of a kilobyte, of which 400 have been marked.
    assert_eq!(owed(2000, 1024), of(624));
}
