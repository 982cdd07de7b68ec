//! Worker threads for one heap's parallel work: a private rayon pool, never the process's.
//!
//! *Callers:* the verifier. *Invariants:* the pool is made at its first use and ends with the heap; if the system gives
//! no threads, the caller does all the work itself.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::OnceLock;

/// The workers of one heap.
#[derive(Default)]
pub(crate) struct Workers {
    pool: OnceLock<Option<ThreadPool>>,
}

impl Workers {
    /// Calls `check` with every item, on all workers, and returns what the calls reported.
    pub(crate) fn gather<T: Sync, R: Send>(&self, items: &[T], check: impl Fn(&T, &mut Vec<R>) + Sync) -> Vec<R> {
        let serial = |items: &[T]| {
            items.iter().fold(Vec::new(), |mut found, item| {
                check(item, &mut found);
                found
            })
        };
        let pool =
            self.pool.get_or_init(|| ThreadPoolBuilder::new().thread_name(|n| format!("spanheap-{n}")).build().ok());
        match pool {
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
