//! Running a loom model: how far it is explored, and what that took.
//!
//! Owns: [`explore`]. Callers: the `models` modules of the other crates. Exists under `cfg(loom)` only.

use loom::model::Builder;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Loom's own limit on steps of one execution is too low for models that wait in loops.
const MAX_BRANCHES: usize = 10_000;

/// Explores all executions of `body` with at most `preemptions` switches away from a thread that could go on. The
/// environment variable `LOOM_MAX_PREEMPTIONS` can raise the bound but not lower it: mutants need it to be found. Prints
/// its figures: name, bound, executions, seconds.
///
/// # Panics
/// If an execution panics, or does not end.
pub fn explore(name: &str, preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    let bound = builder.preemption_bound.unwrap_or(0).max(preemptions);
    builder.preemption_bound = Some(bound);
    builder.max_branches = builder.max_branches.max(MAX_BRANCHES);
    let executions = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&executions);
    let begin = Instant::now();
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        body();
    });
    let (executions, seconds) = (executions.load(Ordering::Relaxed), begin.elapsed().as_secs_f64());
    eprintln!("figures: model name=\"{name}\" bound={bound} executions={executions} seconds={seconds:.1}");
}
