//! Worker threads for one heap's parallel work: a private rayon pool, never the process's.
//!
//! *Callers:* the marker, the verifier. *Invariants:* the pool is made at its first use and ends with the heap; if the
//! system gives no threads, the caller does all the work itself.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::OnceLock;
use std::sync::mpsc;

/// The workers of one heap.
#[derive(Default)]
pub(crate) struct Workers {
    pool: OnceLock<Option<ThreadPool>>,
}

impl Workers {
    fn pool(&self) -> Option<&ThreadPool> {
        let make = || ThreadPoolBuilder::new().thread_name(|n| format!("spanheap-{n}")).build().ok();
        self.pool.get_or_init(make).as_ref()
    }

    /// How many tasks can surely run side by side, the caller's own included.
    pub(crate) fn width(&self) -> usize {
        1 + self.pool().map_or(0, ThreadPool::current_num_threads)
    }

    /// Calls `work` with every task, all at the same time, the first one on the calling thread, and returns the results in
    /// any order. There must be no more than [`Workers::width`] tasks: they may wait for each other.
    pub(crate) fn each<T: Send, R: Send>(&self, tasks: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
        debug_assert!(tasks.len() <= self.width());
        let mut tasks = tasks.into_iter();
        let first = tasks.next();
        let (sender, results) = mpsc::channel();
        let work = &work;
        let run_first = || drop(first.map(|task| sender.send(work(task))));
        match self.pool() {
            Some(pool) => pool.in_place_scope(|scope| {
                for task in tasks {
                    let sender = sender.clone();
                    scope.spawn(move |_| drop(sender.send(work(task))));
                }
                run_first();
            }),
            None => run_first(),
        }
        drop(sender);
        results.into_iter().collect()
    }

    /// Calls `check` with every item, on all workers, and returns what the calls reported.
    pub(crate) fn gather<T: Sync, R: Send>(&self, items: &[T], check: impl Fn(&T, &mut Vec<R>) + Sync) -> Vec<R> {
        let serial = |items: &[T]| {
            items.iter().fold(Vec::new(), |mut found, item| {
                check(item, &mut found);
                found
            })
        };
        match self.pool() {
            Some(pool) => pool.install(|| halves(items, &serial)),
            None => serial(items),
        }
    }
}

/// Splits the work in two until a piece is small, for rayon to share.
fn halves<T: Sync, R: Send>(items: &[T], serial: &(impl Fn(&[T]) -> Vec<R> + Sync)) -> Vec<R> {
    if items.len() <= 256 {
        return serial(items);
    }
    let (left, right) = items.split_at(items.len() / 2);
    let (mut found, more) = rayon::join(|| halves(left, serial), || halves(right, serial));
    found.extend(more);
    found
}
