//! Programs under the pacer, and what it must achieve for each of them.
//!
//! *Invariants:* what is asserted holds with little to spare: for each way of breaking the pacer that decision 0015
//! lists, one of these tests fails, or one of those beside the functions.

use super::simulation::{Input, Noise, Outcome, World, run};
use super::{Growth, Pressure, Snapshot};

const MB: usize = 1 << 20;

/// A server of eight cores that starts with 100 MB of data.
fn server() -> World {
    World {
        cores: 8,
        cpu_share: 25,
        mutators: 4,
        handshakes: 200e-6,
        options: Snapshot { live: 100 * MB, initial_goal: 4 * MB, ..Snapshot::default() },
    }
}

/// Two cores that two mutators share with the collector.
fn small_machine() -> World {
    World { cores: 2, mutators: 2, ..server() }
}

fn with(world: World, options: impl FnOnce(&mut Snapshot)) -> World {
    let mut world = world;
    options(&mut world.options);
    world
}

const CALM: Input = Input { rate: 200e6, live: 100 * MB, speed: 50e6, external: 0, background: 1.0, forced: false };

/// What must hold in every cycle but a program's first, in which nothing is known yet: of overshoot, as a part of the
/// goal, there is no more than `overshoot`.
fn sound(outcomes: &[Outcome], overshoot: f64) {
    for (number, cycle) in outcomes.iter().enumerate().skip(1) {
        assert!(cycle.overshoot() <= overshoot, "cycle {number}: {cycle:?}");
        assert!(!cycle.waited && !cycle.failed, "cycle {number}: {cycle:?}");
        assert_eq!(cycle.long_slices, 0, "cycle {number}: {cycle:?}");
        assert!(cycle.most_debt <= 1.0, "cycle {number}: {cycle:?}");
        // As late as they can, and no earlier than they may; the sweep of the cycle before can make it later.
        assert!(cycle.trigger() >= 0.499 && cycle.begun_at >= cycle.plan.trigger, "cycle {number}: {cycle:?}");
    }
}

/// What must hold once the pacer has learnt a program that does not change.
fn settled(outcomes: &[Outcome]) {
    let goals = || outcomes.iter().map(|cycle| cycle.plan.goal as f64);
    let (least, most) = (goals().fold(f64::INFINITY, f64::min), goals().fold(0.0, f64::max));
    assert!(most < least * 1.01, "the goal goes up and down: {least} {most}");
    for cycle in outcomes {
        assert!(cycle.overshoot().abs() < 0.01, "{cycle:?}");
        assert!(cycle.assist_share < 0.01, "{cycle:?}");
        assert!(cycle.marking_share <= 0.26, "{cycle:?}");
        assert_eq!(cycle.pressure, Pressure::None);
    }
}

#[test]
fn steady() {
    let outcomes = run(server(), 30, |_| CALM);
    sound(&outcomes, 0.001);
    settled(&outcomes[10..]);
    // Mutators run alone for one and a half times as long as a cycle takes.
    assert!(outcomes[29].trigger() > 0.59 && outcomes[29].trigger() < 0.61, "{:?}", outcomes[29]);
}

#[test]
fn slow_and_steady_programs_start_late() {
    let outcomes = run(server(), 30, |_| Input { rate: 1e6, ..CALM });
    sound(&outcomes, 0.0);
    assert_eq!(outcomes[29].plan.trigger, outcomes[29].plan.room - outcomes[29].plan.room / 8);
}

#[test]
fn the_rate_steps_up_and_down() {
    for factor in [2.0, 4.0, 20.0] {
        let rate = |n| if (20..50).contains(&n) { 200e6 * factor } else { 200e6 };
        let outcomes = run(server(), 90, |n| Input { rate: rate(n), ..CALM });
        sound(&outcomes, 0.02);
        assert!(outcomes[20].assist_share > 0.1, "mutators help when the step comes: {:?}", outcomes[20]);
        assert!(outcomes[24].assist_share == 0.0, "and not when it is known: {:?}", outcomes[24]);
        assert!(outcomes[35].overshoot() > -0.02, "and the margin goes: {:?}", outcomes[35]);
        settled(&outcomes[42..50]);
        settled(&outcomes[75..]);
    }
}

#[test]
fn what_is_live_steps_up_and_down() {
    let live = |n| if (20..80).contains(&n) { 400 * MB } else { 100 * MB };
    let outcomes = run(server(), 120, |n| Input { live: live(n), ..CALM });
    sound(&outcomes, 0.005);
    settled(&outcomes[60..80]);
    settled(&outcomes[110..]);
    assert!(outcomes[85].plan.goal < 130 * MB, "the memory is not held for long: {:?}", outcomes[85]);
}

#[test]
fn all_that_was_garbage_stays_alive() {
    // From one cycle to the next the heap doubles, and doubles again.
    let live = |n| if n < 20 { 50 * MB } else { 800 * MB };
    let outcomes = run(server(), 40, |n| Input { rate: 6e9, live: live(n), ..CALM });
    sound(&outcomes, 0.1);
}

#[test]
fn the_rate_oscillates() {
    for period in [1, 2, 4, 10] {
        let rate = |n: usize| if (n / period).is_multiple_of(2) { 200e6 } else { 800e6 };
        let outcomes = run(server(), 100, |n| Input { rate: rate(n), ..CALM });
        sound(&outcomes, 0.01);
        let assists: f64 = outcomes[20..].iter().map(|cycle| cycle.assist_share).sum::<f64>() / 80.0;
        assert!(assists < 0.05, "every {period}: {assists}");
    }
}

#[test]
fn the_rate_is_jittery() {
    for (spread, assists_below, overshoot) in [(0.3, 0.01, 0.005), (0.8, 0.05, 0.01)] {
        let mut noise = Noise(88_172_645_463_325_252);
        let outcomes = run(server(), 300, |_| Input { rate: 400e6 * noise.around(spread), ..CALM });
        sound(&outcomes, overshoot);
        let mean = |figure: fn(&Outcome) -> f64| outcomes[20..].iter().map(figure).sum::<f64>() / 280.0;
        assert!(mean(|cycle| cycle.assist_share) < assists_below, "{}", mean(|cycle| cycle.assist_share));
        // The margin for jitter is no waste: the heap stays near its goal.
        assert!(mean(Outcome::overshoot) > -0.05, "{}", mean(Outcome::overshoot));
    }
}

#[test]
fn what_is_live_is_jittery() {
    let mut noise = Noise(42);
    let outcomes = run(server(), 300, |_| Input { live: (100e6 * noise.around(0.4)) as usize, rate: 400e6, ..CALM });
    sound(&outcomes, 0.005);
    let assists = outcomes[20..].iter().map(|cycle| cycle.assist_share).sum::<f64>() / 280.0;
    assert!(assists < 0.01, "{assists}");
}

#[test]
fn the_speed_of_marking_is_jittery() {
    let mut noise = Noise(7);
    let outcomes = run(server(), 300, |_| Input { speed: 50e6 * noise.around(0.15), rate: 1e9, ..CALM });
    sound(&outcomes, 0.01);
}

#[test]
fn a_small_heap_stays_at_its_minimum() {
    let outcomes = run(server(), 30, |_| Input { live: MB, ..CALM });
    sound(&outcomes, 0.0);
    assert!(outcomes[5..].iter().all(|cycle| cycle.plan.goal == 4 * MB && cycle.collecting < 0.02));
}

#[test]
fn growth_of_ten_percent_and_of_a_thousand() {
    for (percent, rate, room) in [(10, 400e6, 10), (1000, 200e9, 1000)] {
        let world = with(server(), |options| options.growth = Growth::Percent(percent));
        let outcomes = run(world, 40, |_| Input { rate, ..CALM });
        sound(&outcomes, 0.01);
        let last = outcomes[39];
        assert!(last.plan.room >= room * MB * 9 / 10, "{last:?}");
        assert!(last.plan.room <= percent as usize * (last.plan.goal - last.plan.room) / 100);
        assert!(last.marking_share < 0.40, "what ten percent cost, mutators share: {last:?}");
    }
}

#[test]
fn the_square_root_spends_time_and_memory_at_the_same_price() {
    for bytes_per_core in [100 << 20, 1 << 30] {
        let world = with(server(), |options| options.growth = Growth::SquareRoot { bytes_per_core });
        for rate in [100e6, 400e6] {
            let outcomes = run(world, 60, |_| Input { rate, ..CALM });
            sound(&outcomes, 0.01);
            let last = outcomes[59];
            let worth = last.plan.room as f64 / bytes_per_core as f64;
            // The last eighth of the room is never quite used.
            assert!((last.cores / worth - 1.0).abs() < 0.125, "{} cores for {worth}: {last:?}", last.cores);
        }
    }
}

#[test]
fn a_soft_limit_above_what_is_live_holds() {
    let world = with(server(), |options| options.soft_limit = 150 * MB);
    let outcomes = run(world, 60, |_| Input { rate: 3e9, ..CALM });
    sound(&outcomes, 0.02);
    for cycle in &outcomes[10..] {
        assert_eq!(cycle.pressure, Pressure::AtSoftLimit);
        assert!(cycle.peak < 153 * MB && cycle.plan.goal == 150 * MB, "{cycle:?}");
        assert!(cycle.collecting < 0.5, "{cycle:?}");
    }
    let calm = run(world, 30, |_| CALM);
    assert!(calm[5..].iter().all(|cycle| cycle.pressure == Pressure::None), "it is no goal of its own");
}

#[test]
fn a_soft_limit_below_what_is_live_is_given_up_where_it_must() {
    for world in [server(), small_machine()] {
        let world = with(world, |options| options.soft_limit = 90 * MB);
        let outcomes = run(world, 80, |_| Input { rate: 3e9, ..CALM });
        sound(&outcomes, 0.03);
        let turns = outcomes.windows(2).filter(|pair| pair[0].pressure != pair[1].pressure).count();
        assert_eq!((turns, outcomes[79].pressure), (1, Pressure::Overloaded), "it does not come and go");
        for cycle in &outcomes[20..] {
            // Half of the time, and no more memory than that takes: a quarter of the time would need much more.
            assert!(cycle.collecting > 0.43 && cycle.collecting < 0.52, "{cycle:?}");
        }
        // One that allocates slowly can be kept there.
        let slow = run(world, 40, |_| Input { rate: 20e6, ..CALM });
        assert!(slow[5..].iter().all(|cycle| cycle.pressure == Pressure::AtSoftLimit && cycle.peak < 110 * MB));
    }
}

#[test]
fn a_program_steps_into_its_soft_limit_and_out_of_it() {
    let world = with(small_machine(), |options| options.soft_limit = 90 * MB);
    let live = |n| if (20..160).contains(&n) { 88 * MB } else { 30 * MB };
    let outcomes = run(world, 190, |n| Input { rate: 1e9, live: live(n), ..CALM });
    assert_eq!(outcomes[19].pressure, Pressure::None);
    assert_eq!(outcomes[21].pressure, Pressure::AtSoftLimit);
    assert!(outcomes[100..160].iter().all(|cycle| cycle.pressure == Pressure::Overloaded), "{:?}", outcomes[100]);
    assert!(outcomes[100..160].iter().all(|cycle| cycle.collecting < 0.55), "{:?}", outcomes[100]);
    assert!(outcomes[162..].iter().all(|cycle| cycle.pressure == Pressure::None && cycle.plan.goal <= 90 * MB));
    sound(&outcomes, 0.07);
}

#[test]
fn the_hard_limit_is_never_exceeded() {
    let world = with(small_machine(), |options| options.limit = 110 * MB);
    let outcomes = run(world, 40, |_| Input { rate: 500e6, ..CALM });
    for cycle in &outcomes {
        assert!(cycle.peak <= 110 * MB && !cycle.failed && cycle.pressure == Pressure::None, "{cycle:?}");
    }
}

#[test]
fn a_full_heap_fails_and_recovers() {
    let world = with(small_machine(), |options| options.limit = 102 * MB);
    let live = |n| if n < 30 { 200 * MB } else { 50 * MB };
    let outcomes = run(world, 60, |n| Input { rate: 1e9, live: live(n), ..CALM });
    assert!(outcomes[4..30].iter().all(|cycle| cycle.pressure == Pressure::Exhausted && cycle.failed));
    assert!(outcomes[5..30].iter().all(|cycle| cycle.collecting < 0.8), "it fails instead of collecting all the time");
    assert!(outcomes[30..].iter().all(|cycle| cycle.pressure == Pressure::None));
    assert!(outcomes[31..].iter().all(|cycle| !cycle.failed), "what was freed is found");
}

#[test]
fn a_full_heap_that_is_hardly_used_does_not_fail() {
    let world = with(small_machine(), |options| options.limit = 102 * MB);
    let outcomes = run(world, 60, |_| Input { rate: 1e6, ..CALM });
    sound(&outcomes, 0.0);
    assert!(outcomes.iter().all(|cycle| cycle.pressure == Pressure::None && cycle.collecting < 0.1));
}

#[test]
fn external_bytes_count() {
    let external = |n| if (10..60).contains(&n) { 100 * MB } else { 0 };
    let fast = Input { rate: 20e9, ..CALM };
    let outcomes = run(server(), 90, |n| Input { external: external(n), ..fast });
    sound(&outcomes, 0.03);
    let goal = |n: usize| outcomes[n].plan.goal;
    assert!(goal(55) > goal(9) + 190 * MB, "they grow like what is live: {} {}", goal(9), goal(55));
    assert!(goal(60) + 190 * MB < goal(55), "the goal falls as soon as they are gone");
}

#[test]
fn the_marker_becomes_slow() {
    let speed = |n| if n < 20 { 50e6 } else { 10e6 };
    let outcomes = run(server(), 70, |n| Input { speed: speed(n), ..CALM });
    sound(&outcomes[..20], 0.01);
    // Each thread takes one slice to see it.
    assert!(outcomes[20].long_slices <= 4 && outcomes[20].longest_slice < 220e-6, "{:?}", outcomes[20]);
    assert!(outcomes[20].overshoot() < 0.01 && !outcomes[20].waited, "{:?}", outcomes[20]);
    sound(&outcomes[20..], 0.01);
    settled(&outcomes[50..]);
}

#[test]
fn the_marker_gets_no_core() {
    let background = |n| if (20..30).contains(&n) { 0.02 } else { 1.0 };
    let outcomes = run(server(), 70, |n| Input { background: background(n), ..CALM });
    sound(&outcomes, 0.03);
    assert!(outcomes[20].assist_share > 0.25, "mutators mark: {:?}", outcomes[20]);
    settled(&outcomes[55..]);
}

#[test]
fn cycles_that_are_asked_for_do_not_disturb_the_plan() {
    let forced = |n| (20..40).contains(&n);
    let outcomes = run(server(), 60, |n| Input { forced: forced(n), ..CALM });
    sound(&outcomes[..20], 0.01);
    settled(&outcomes[41..]);
    let (before, after) = (outcomes[19].plan, outcomes[41].plan);
    assert!(before.room.abs_diff(after.room) < before.room / 100, "{before:?} {after:?}");
    assert!(outcomes[20..40].iter().all(|cycle| cycle.marking_share > 0.99), "all cores mark: nobody else wants them");
}
