//! Mutators on one graph, against a reference graph: four of them in several kinds of heaps, and eight on whatever cores there
//! are, which makes every thread wait in the midst of something.
//!
//! *Callers:* `cargo test`. `SPANHEAP_STRESS_ROUNDS` sets the rounds of the first test; `SPANHEAP_FAULTS_SECONDS` how long eight
//! mutators work, 15 seconds otherwise. *Invariants:* those of the library's `shared_graph`.

use spanheap::Heap;
use spanheap_tests::shared_graph::{Outcome, Run, collect};
use std::time::{Duration, Instant};

/// About a minute on two cores.
#[test]
fn four_mutators_agree_with_the_reference() {
    let rounds = std::env::var("SPANHEAP_STRESS_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let builder = Heap::builder().initial_goal(1 << 20).poison(true);
    Run { builder, collect, threads: 4, operations: 500_000, seed: 17 }.rounds(|so_far| so_far.rounds < rounds);
}

#[test]
fn the_verifier_agrees_too() {
    let builder = Heap::builder().initial_goal(1 << 20).poison(true).verify(true);
    let run = Run { builder, collect, threads: 4, operations: 20_000, seed: 4711 };
    assert!(run.rounds(|so_far| so_far.rounds < 3).verified > 6);
}

/// The mutators and one more thread advance the cycles, all of them in slices.
#[test]
fn mutators_that_advance_the_cycles_agree() {
    let collect = |heap: &Heap| drop(heap.step(Duration::from_micros(20)).unwrap());
    let builder = || Heap::builder().initial_goal(128 << 10).poison(true).background(false);
    Run { builder: builder(), collect, threads: 4, operations: 200_000, seed: 1789 }.rounds(|so_far| so_far.rounds < 4);
    let run = Run { builder: builder().verify(true), collect, threads: 4, operations: 20_000, seed: 1848 };
    assert!(run.rounds(|so_far| so_far.rounds < 3).verified > 6);
}

/// More threads than cores. A line every minute or so says how far it is.
#[test]
fn eight_mutators_agree_with_the_reference() {
    let seconds = std::env::var("SPANHEAP_FAULTS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let (begin, mut told, before) = (Instant::now(), Instant::now(), interruptions());
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    let threads = 8.max(4 * cores);
    let builder = Heap::builder().initial_goal(1 << 20).poison(true).verify(true).marking_threads(2).cpu_share(100);
    let run = Run { builder, collect, threads, operations: 10_000, seed: 88 };
    let outcome = run.rounds(|so_far| {
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            println!("so far {so_far:?}");
        }
        begin.elapsed() < Duration::from_secs(seconds)
    });
    assert_eq!(outcome.verified, outcome.cycles);
    let interrupted = interruptions() - before;
    assert!(interrupted > 100, "{interrupted}: there are cores for all");
    progress(threads, cores, interrupted, &outcome);
}

/// How often the system has taken a core from a thread of this process that would have gone on.
fn interruptions() -> i64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: a place for the figures.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) }, 0);
    // SAFETY: the call has filled it in.
    unsafe { usage.assume_init() }.ru_nivcsw
}

fn progress(threads: u64, cores: u64, interrupted: i64, so_far: &Outcome) {
    let Outcome { rounds, operations, cycles, kept, freed, .. } = so_far;
    println!(
        "figures: faults kind=oversubscribed injected={interrupted} cycles={cycles} threads={threads} cores={cores} \
         rounds={rounds} operations={operations} kept={kept} freed={freed}"
    );
}
