//! Loom models of the collector's protocols: every interleaving of a few threads, up to a bound on preemptions.
//!
//! *Callers:* `cargo test` under `--cfg loom` (see `docs/models.md`). *Invariants:* a model runs the code that ships,
//! on the atomics, cells and locks that `spanheap-sync` swaps for loom's; what it replaces by a stand-in its header
//! says. Each model has mutants, which leave out one thing that the protocol needs and must fail: a model that can not
//! see the mistake proves nothing.

mod handshake;
mod stack;
mod stop;
mod termination;

use loom::model::Builder;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Explores `body` with at most `preemptions` switches away from a thread that could go on; the environment variable
/// `LOOM_MAX_PREEMPTIONS` overrides the bound. Prints what it took.
fn explore(name: &str, preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = builder.max_branches.max(10_000);
    let bound = builder.preemption_bound;
    let executions = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&executions);
    let begin = Instant::now();
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        body();
    });
    let (executions, seconds) = (executions.load(Ordering::Relaxed), begin.elapsed().as_secs_f64());
    eprintln!("| {name} | {} | {executions} | {seconds:.1} |", bound.unwrap_or(0));
}
