//! A heap that is made up: programs whose rates, sizes and speeds are given for each cycle, under the pacer's real
//! functions.
//!
//! *Callers:* `scenarios`. *Invariants:* the same world and the same inputs give the same outcomes; nothing here
//! decides what the pacer decides. Each mutator has a clock of its own; the one that is furthest behind goes next. It
//! allocates a portion, pays from credit, and helps for a slice if one is due. Where there are more threads than
//! cores, all go slower.

use super::assist::{self, AssistPlan, Debt};
use super::limit::{Full, Pressure};
use super::pace::{Marking, Observation, Pace};
use super::{Plan, Snapshot, plan, workers};

/// Bytes that are marked with one unit of work.
const UNIT: usize = 64;

/// Bytes that a mutator is handed out at once, as it counts them.
const PORTION: usize = 32 << 10;

/// What does not change from cycle to cycle.
#[derive(Clone, Copy)]
pub(super) struct World {
    pub(super) cores: usize,
    pub(super) cpu_share: u32,
    pub(super) mutators: usize,
    /// Seconds of handshakes before marking can begin.
    pub(super) handshakes: f64,
    /// The options; what a cycle finds is filled in.
    pub(super) options: Snapshot,
}

/// The program in one cycle.
#[derive(Clone, Copy)]
pub(super) struct Input {
    /// Bytes per second that all mutators allocate, if nothing hinders them.
    pub(super) rate: f64,
    /// Bytes that are reachable when the cycle begins; fewer if there are fewer.
    pub(super) live: usize,
    /// Units per second that one thread marks.
    pub(super) speed: f64,
    pub(super) external: usize,
    /// Part of its time for which the collector's thread gets a core.
    pub(super) background: f64,
    /// The cycle is asked for by all mutators, at once, and they wait for it.
    pub(super) forced: bool,
}

/// What came of one cycle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) plan: Plan,
    /// Size of the heap when marking ended.
    pub(super) peak: usize,
    /// Bytes handed out when the cycle began.
    pub(super) begun_at: usize,
    /// Bytes handed out while it marked.
    pub(super) during: usize,
    /// Part of the cores that marking took while it ran, assists included.
    pub(super) marking_share: f64,
    /// Part of the mutators' time while it ran that went into assists.
    pub(super) assist_share: f64,
    /// Part of all time that was used, since the marking before, in which the heap was collected.
    pub(super) collecting: f64,
    /// Cores that collecting took on the average of that time.
    pub(super) cores: f64,
    pub(super) longest_slice: f64,
    /// Slices that took longer than they may.
    pub(super) long_slices: usize,
    /// The most that a mutator owed, as a part of what it may.
    pub(super) most_debt: f64,
    pub(super) pressure: Pressure,
    /// Mutators waited because the collector had fallen behind, or at the hard limit.
    pub(super) waited: bool,
    /// Allocations failed before this cycle.
    pub(super) failed: bool,
}

impl Outcome {
    /// How far the heap went beyond its goal, as a part of it; negative if it stayed below.
    pub(super) fn overshoot(&self) -> f64 {
        self.peak as f64 / self.plan.goal as f64 - 1.0
    }

    /// Part of the room that had been used when the cycle began.
    pub(super) fn trigger(&self) -> f64 {
        self.begun_at as f64 / self.plan.room as f64
    }
}

/// A mutator.
#[derive(Clone, Copy, Default)]
struct Thread {
    clock: f64,
    /// When it began to wait for the end of the marking.
    waits_from: Option<f64>,
    debt: Debt,
}

/// Runs a program from its start for so many cycles.
pub(super) fn run(world: World, cycles: usize, mut input: impl FnMut(usize) -> Input) -> Vec<Outcome> {
    let mut heap = world.options;
    let mut swept_in = 0.0;
    let mut last_cycle = 0.0;
    let mut outcomes = Vec::with_capacity(cycles);
    for number in 0..cycles {
        let now = input(number);
        heap.external = now.external;
        let plan = plan(heap);
        let base = heap.live + heap.external;
        let free = heap.limit.saturating_sub(base);
        // The sweep of the cycle before is over before another begins.
        let swept = (now.rate * swept_in) as usize;
        let wanted = if now.forced { 0 } else { plan.trigger.max(swept) };
        let begun_at = wanted.min(free);
        let mut idle = if now.forced { swept_in } else { (begun_at as f64 / now.rate).max(swept_in) };
        // At the limit, the program fails for as long as no cycle is run for it, and goes on with its work.
        let failed = wanted > free && heap.strain.when_full(idle - swept_in, last_cycle) == Full::Fail;
        if failed {
            idle = swept_in + last_cycle;
        }
        let mut outcome = mark(&world, &heap, plan, begun_at, now);
        let seen = outcome.seen;
        let sweep = seen.marking.map_or(0.0, |marking| marking.seconds / 50.0);
        let reachable = now.live.min(heap.live + begun_at);
        let after = Snapshot { live: reachable + outcome.cycle.during, ..heap };
        let marking = seen.marking.expect("marking was looked at");
        let seen = Observation {
            cycle: marking.seconds + sweep,
            allocated: begun_at + marking.allocated,
            elapsed: idle + marking.seconds,
            marking: Some(marking),
        };
        heap = Snapshot { pace: Pace::learn(heap.pace, &seen), ..after };
        heap.strain = heap.strain.learn(&heap, &seen);
        swept_in = sweep;
        last_cycle = seen.cycle;
        let working = seen.working().unwrap_or(0.0);
        outcome.cycle.collecting = seen.collecting() / (seen.collecting() + working);
        outcome.cycle.cores = seen.collecting() / seen.elapsed;
        outcome.cycle.failed = failed;
        outcome.cycle.pressure = heap.strain.pressure();
        outcomes.push(outcome.cycle);
    }
    outcomes
}

struct Marked {
    cycle: Outcome,
    seen: Observation,
}

/// Marks while mutators run.
fn mark(world: &World, heap: &Snapshot, plan: Plan, begun_at: usize, now: Input) -> Marked {
    let base = heap.live + heap.external;
    let work = (now.live.min(heap.live + begun_at) / UNIT).max(1) as u64;
    let mutators = if now.forced { 0 } else { world.mutators };
    let marking = workers::marking_workers(world.cores, world.cpu_share, mutators, heap.live);
    let crowd = (world.cores as f64 / (mutators + marking) as f64).min(1.0);
    let (speed, rate) = (now.speed * crowd, now.rate / world.mutators as f64 * crowd);
    let together = speed * marking as f64 * now.background;
    let in_background = |time: f64| ((time - world.handshakes).max(0.0) * together) as u64;

    let mut threads = vec![Thread::default(); mutators];
    let (mut during, mut assisted, mut assist_seconds) = (0, 0, 0.0);
    let (mut drawn, mut flushed) = (0, 0);
    let grant = heap.pace.map_or(0, |pace| assist::grant(pace.work()));
    let (mut longest_slice, mut long_slices, mut most_debt) = (0.0f64, 0, 0.0f64);
    let seconds = loop {
        let finished = world.handshakes + (work - assisted) as f64 / together;
        let next = threads.iter_mut().min_by(|a, b| a.clock.total_cmp(&b.clock));
        let Some(thread) = next.filter(|thread| thread.clock < finished) else { break finished };
        let charged = begun_at + during;
        if charged >= plan.throttle || base + charged + PORTION > heap.limit {
            thread.waits_from = Some(thread.clock);
            thread.clock = f64::INFINITY;
            continue;
        }
        thread.clock += PORTION as f64 / rate;
        during += PORTION;
        let time = thread.clock;
        flushed = in_background(time).min(work - assisted).max(flushed);
        let owed = heap
            .pace
            .map_or(AssistPlan::OFF, |pace| pace.assist(flushed + assisted, begun_at + during, plan.room, UNIT));
        thread.debt.charge(owed, PORTION);
        drawn += thread.debt.draw(grant + flushed - drawn);
        // A slice for the portion, and at the safepoint after it more of them if much is owed.
        while let Some(due) = thread.debt.due(owed) {
            let background = in_background(thread.clock);
            let left = work.saturating_sub(background + assisted);
            // Before the roots have been scanned there is nothing to do.
            let done = if thread.clock < world.handshakes { 0 } else { due.min(left) };
            let took = done as f64 / speed;
            thread.debt.pay(owed, done, took);
            thread.clock += took;
            assisted += done;
            assist_seconds += took;
            longest_slice = longest_slice.max(took);
            long_slices += usize::from(took > assist::SLICE);
            if done == 0 || !thread.debt.is_behind(owed) {
                break;
            }
        }
        if owed.slice > 0 {
            most_debt = most_debt.max(thread.debt.owed() as f64 / owed.cap() as f64);
        }
    };
    let waiting: f64 = threads.iter().filter_map(|thread| thread.waits_from).map(|from| seconds - from).sum();
    let marking = Marking {
        seconds,
        allocated: during,
        work,
        assisted,
        assist_seconds,
        waited_seconds: waiting,
        workers: marking,
        mutators,
        cores: world.cores,
    };
    let cycle = Outcome {
        plan,
        peak: base + begun_at + during,
        begun_at,
        during,
        marking_share: crowd * (marking.workers as f64 * seconds + assist_seconds) / (world.cores as f64 * seconds),
        assist_share: assist_seconds / (mutators.max(1) as f64 * seconds),
        collecting: 0.0,
        cores: 0.0,
        longest_slice,
        long_slices,
        most_debt,
        pressure: Pressure::None,
        waited: waiting > 0.0,
        failed: false,
    };
    Marked { cycle, seen: Observation { marking: Some(marking), ..Observation::default() } }
}

/// Random numbers that are the same in every run.
pub(super) struct Noise(pub(super) u64);

impl Noise {
    /// A factor from `1 - spread` to `1 + spread`.
    pub(super) fn around(&mut self, spread: f64) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        1.0 + spread * ((self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
    }
}
