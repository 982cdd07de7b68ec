//! Worker threads for one heap's parallel work: a private rayon pool, never the process's.
//!
//! *Callers:* the verifier. *Invariants:* the pool is made at its first use and ends with the heap; if the heap is
//! to start no threads, or the system gives none, the caller does all the work itself.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The workers of one heap.
pub(crate) struct Workers {
    /// The pool, once it was wanted; nothing in it if there are to be no threads.
    pool: Mutex<Option<Option<Arc<ThreadPool>>>>,
}

impl Workers {
    /// Workers that start threads when they are needed, or never.
    pub(crate) fn new(threads: bool) -> Workers {
        Workers { pool: Mutex::new(if threads { None } else { Some(None) }) }
    }

    /// Forgets the pool, whose threads a fork has left behind: without a destructor, which would wait for them.
    pub(crate) fn forget(&self) {
        let mut pool = self.pool();
        if let Some(Some(left)) = pool.take_if(|pool| pool.is_some()) {
            std::mem::forget(left);
        }
    }

    fn pool(&self) -> MutexGuard<'_, Option<Option<Arc<ThreadPool>>>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `check` with every item, on all workers, and returns what the calls reported.
    pub(crate) fn gather<T: Sync, R: Send>(&self, items: &[T], check: impl Fn(&T, &mut Vec<R>) + Sync) -> Vec<R> {
        let serial = |items: &[T]| {
            items.iter().fold(Vec::new(), |mut found, item| {
                check(item, &mut found);
                found
            })
        };
        let build = || ThreadPoolBuilder::new().thread_name(|n| format!("spanheap-{n}")).build().ok().map(Arc::new);
        let pool = self.pool().get_or_insert_with(build).clone();
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
