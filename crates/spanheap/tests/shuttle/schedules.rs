//! Trying schedules: how many, which, and what is told of them.
//!
//! *Callers:* every scenario. *Invariants:* the same seed tries the same schedules.

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use spanheap::{BaseAddress, Heap, HeapBuilder};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Schedules of each scenario by each scheduler, unless the environment says otherwise.
const ITERATIONS: usize = 500;

/// Switches of priority in a schedule of the second scheduler.
const DEPTH: usize = 4;

/// Bytes of the stack of a scenario's thread.
const STACK: usize = 256 << 10;

/// A schedule takes no more steps than this, unless somebody waits for ever.
const STEPS: usize = 2_000_000;

/// What has happened in a scenario's heaps.
#[derive(Clone, Default)]
pub(crate) struct Cycles {
    begun: Arc<AtomicU64>,
    turns: Arc<Turns>,
}

/// Turns that mutators took while a cycle ran.
#[derive(Default)]
pub(crate) struct Turns {
    /// In any phase of the cycle.
    pub(crate) in_cycles: AtomicU64,
    /// While it marked.
    pub(crate) in_marking: AtomicU64,
}

impl Cycles {
    /// Counts the cycles of a heap that is about to go, which has had some, and the turns in them.
    pub(crate) fn count(&self, cycles: u64, turns: &Turns) {
        assert!(cycles > 0, "no cycle has run");
        self.begun.fetch_add(cycles, Ordering::Relaxed);
        self.turns.in_cycles.fetch_add(turns.in_cycles.load(Ordering::Relaxed), Ordering::Relaxed);
        self.turns.in_marking.fetch_add(turns.in_marking.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn config(persistence: FailurePersistence) -> Config {
    let mut config = Config::new();
    config.stack_size = STACK;
    config.max_steps = MaxSteps::FailAfter(STEPS);
    // Shuttle knows sequential consistency only; memory orders are for the loom models.
    config.silence_warnings = true;
    config.failure_persistence = persistence;
    config
}

/// Runs a scenario under many schedules, or under the one in the file that `SPANHEAP_SHUTTLE_REPLAY` names.
pub(crate) fn explore(name: &str, scenario: impl Fn(&Cycles) + Send + Sync + Clone + 'static) {
    if let Some(file) = std::env::var_os("SPANHEAP_SHUTTLE_REPLAY") {
        return replay(&file, scenario);
    }
    let folder = std::env::temp_dir().join("spanheap-shuttle");
    std::fs::create_dir_all(&folder).expect("there is a folder for temporary files");
    let (count, seed) = (iterations(), seed());
    let persistence = || FailurePersistence::File(Some(folder.clone()));
    let random = RandomScheduler::new_from_seed(seed, count);
    explore_by(name, "random", random, persistence(), scenario.clone());
    explore_by(name, "pct", PctScheduler::new_from_seed(seed, DEPTH, count), persistence(), scenario);
}

/// Schedules that are tried by each scheduler.
pub(crate) fn iterations() -> usize {
    number("SPANHEAP_SHUTTLE_ITERATIONS", ITERATIONS as u64) as usize
}

pub(crate) fn seed() -> u64 {
    number("SPANHEAP_SHUTTLE_SEED", 1)
}

pub(crate) fn replay(file: &std::ffi::OsStr, scenario: impl Fn(&Cycles) + Send + Sync + 'static) {
    let schedule = ReplayScheduler::new_from_file(file).expect("the file of a schedule");
    Runner::new(schedule, config(FailurePersistence::None)).run(move || scenario(&Cycles::default()));
}

pub(crate) fn explore_by(
    name: &str,
    kind: &str,
    scheduler: impl Scheduler + 'static,
    persistence: FailurePersistence,
    scenario: impl Fn(&Cycles) + Send + Sync + 'static,
) {
    let (cycles, begin) = (Cycles::default(), Instant::now());
    let counted = cycles.clone();
    let schedules = Runner::new(scheduler, config(persistence)).run(move || scenario(&cycles));
    let seconds = begin.elapsed().as_secs_f64();
    let (cycles, turns) = (counted.begun.load(Ordering::Relaxed), &counted.turns);
    let (in_cycles, in_marking) = (turns.in_cycles.load(Ordering::Relaxed), turns.in_marking.load(Ordering::Relaxed));
    assert!(in_cycles > 0, "no mutator did anything while a cycle ran");
    eprintln!(
        "figures: shuttle name=\"{name}\" scheduler={kind} schedules={schedules} cycles={cycles} \
         turns_in_cycles={in_cycles} turns_in_marking={in_marking} seconds={seconds:.1}"
    );
}

/// A heap whose every cycle is verified, and which depends on nothing but the schedule.
pub(crate) fn heap(background: bool) -> HeapBuilder {
    Heap::builder()
        .background(background)
        .verify(true)
        .poison(true)
        .ignore_cgroup_limit(true)
        .late_after(None)
        .scavenge(None)
        // Another one tries places until one is free, which takes steps.
        .base_address(BaseAddress::Os)
}
