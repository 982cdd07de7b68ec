//! Random streams of operations against a plain-Rust object graph: whatever the order of allocating, linking, rooting,
//! stacking, switching threads, collecting and trimming, what the reference reaches is alive and intact, and nothing else is.
//!
//! *Callers:* `cargo test`. Every test says on standard error which seed it uses; `SPANHEAP_SEED=<seed>` repeats its histories.
//! *Invariants:* one generator (`steps.rs`) serves all tests, which differ in the heap's options; what threads do beside each
//! other repeats as far as the system schedules them alike.
//!
//! Where things are: `graph.rs` has the objects and the model, `run.rs` makes the steps, `change.rs` those that several threads
//! make, `compare.rs` compares.

mod change;
mod compare;
mod graph;
mod run;
mod steps;

use proptest::test_runner::{Config, RngSeed, TestRunner};
use run::{Run, STACK_LIMIT, Totals};
use spanheap::{Heap, HeapBuilder};
use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;

/// Histories of each test.
const CASES: u32 = 80;

/// The seed that was asked for, or a new one.
fn seed() -> u64 {
    match std::env::var("SPANHEAP_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("SPANHEAP_SEED must be a number, not {text:?}")),
        Err(_) => RandomState::new().build_hasher().finish(),
    }
}

/// Runs random histories on heaps with these options and so much ballast.
fn explore(test: &str, ballast: u64, options: fn(HeapBuilder) -> HeapBuilder) -> Totals {
    let seed = seed();
    // Past the test harness, which would keep it: the verifier ends the process when it finds a fault.
    writeln!(std::io::stderr(), "{test}: SPANHEAP_SEED={seed}").expect("standard error is open");
    let config =
        Config { cases: CASES, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let totals = Cell::new(Totals::default());
    let outcome = TestRunner::new(config).run(&steps::steps(), |steps| {
        let builder = Heap::builder().verify(true).poison(true).initial_goal(256 << 10).stack_limit(STACK_LIMIT);
        let heap = options(builder).build().expect("the options are in range");
        let mut run = Run::new(&heap, ballast, totals.get());
        run.history(&heap, &steps);
        totals.set(run.totals);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("SPANHEAP_SEED={seed} repeats this: {error}");
    }
    let totals = totals.get();
    eprintln!("{totals:?}");
    assert!(totals.cycles > u64::from(CASES) && totals.freed > 0 && totals.large > 0, "{totals:?}");
    assert!(totals.stepped > 0, "{totals:?}");
    assert!(totals.moved_stacks > 0 && totals.changes_by_threads > 0 && totals.trimmed > 0, "{totals:?}");
    totals
}

#[test]
fn the_heap_equals_the_model() {
    let totals = explore("the heap equals the model", 10_000, |builder| builder);
    assert!(totals.stack_overflows > 0 && totals.limit_errors == 0, "{totals:?}");
}

#[test]
fn the_heap_equals_the_model_under_stress() {
    let totals = explore("under stress", 100, |builder| builder.collect_every(Some(3)));
    assert_eq!(totals.limit_errors, 0, "{totals:?}");
}

#[test]
fn the_heap_equals_the_model_at_its_limit() {
    let totals = explore("at its limit", 1000, |builder| builder.limit(768 << 10));
    assert!(totals.limit_errors > 0, "{totals:?}");
}

#[test]
fn the_heap_equals_the_model_without_a_thread() {
    let totals = explore("without a thread", 1000, |builder| builder.background(false));
    assert_eq!(totals.limit_errors, 0, "{totals:?}");
}

#[test]
fn the_heap_equals_the_model_in_a_stopped_world() {
    let totals = explore("in a stopped world", 1000, |builder| builder.stop_the_world(true));
    assert_eq!(totals.limit_errors, 0, "{totals:?}");
}

#[test]
fn the_heap_equals_the_model_in_a_stopped_world_without_a_thread() {
    explore("stopped, without a thread", 100, |builder| builder.stop_the_world(true).background(false));
}
