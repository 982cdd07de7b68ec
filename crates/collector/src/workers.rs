//! Worker threads for one heap's parallel work: a private rayon pool, never the process's.
//!
//! *Callers:* the marker, the verifier. *Invariants:* the pool is made at its first use and ends with the heap; if the
//! heap is to start no threads, or the system gives none, the caller does all the work itself.

use crate::collector::Collector;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// Starts a thread that calls what it is given, which returns when the heap ends.
pub type SpawnThread = dyn Fn(Box<dyn FnOnce() + Send>) -> std::io::Result<()> + Send + Sync;

/// The workers of one heap.
pub(crate) struct Workers {
    /// The pool, once it was wanted; nothing in it if there are to be no threads.
    pool: Mutex<Option<Option<Arc<ThreadPool>>>>,
    /// How the host starts threads; the standard library's if `None`.
    spawn: Option<Arc<SpawnThread>>,
}

impl Collector {
    /// Gets the threads of its pool from the host. Before the first cycle.
    pub fn spawn_with(mut self, spawn: Arc<SpawnThread>) -> Collector {
        self.workers.spawn = Some(spawn);
        self
    }
}

impl Workers {
    /// Workers that start threads when they are needed, or never.
    pub(crate) fn new(threads: bool) -> Workers {
        Workers { pool: Mutex::new(if threads { None } else { Some(None) }), spawn: None }
    }

    /// Forgets the pool, whose threads a fork has left behind: without a destructor, which would wait for them.
    pub(crate) fn forget(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(left)) = pool.take_if(|pool| pool.is_some()) {
            std::mem::forget(left);
        }
    }

    fn pool(&self) -> Option<Arc<ThreadPool>> {
        let named = || ThreadPoolBuilder::new().thread_name(|n| format!("spanheap-{n}"));
        let build = || {
            let pool = match &self.spawn {
                // The host's call may panic: it has failed then, and the cycle that wants the pool goes on.
                Some(spawn) => named()
                    .spawn_handler(|thread| {
                        let spawned = catch_unwind(AssertUnwindSafe(|| spawn(Box::new(|| thread.run()))));
                        spawned.unwrap_or_else(|_| Err(std::io::Error::other("the host's call panicked")))
                    })
                    .build(),
                None => named().build(),
            };
            pool.ok().map(Arc::new)
        };
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(build).clone()
    }

    /// How many tasks can surely run side by side, the caller's own included.
    pub(crate) fn width(&self) -> usize {
        1 + self.pool().map_or(0, |pool| pool.current_num_threads())
    }

    /// Calls `work` with every task, all at the same time, the first one on the calling thread, and waits for them all. There
    /// must be no more than [`Workers::width`] tasks: they may wait for each other.
    pub(crate) fn each<T: Send>(&self, tasks: Vec<T>, work: impl Fn(T) + Sync) {
        let mut tasks = tasks.into_iter();
        let (first, work) = (tasks.next(), &work);
        match self.pool() {
            Some(pool) => pool.in_place_scope(|scope| {
                tasks.for_each(|task| scope.spawn(move |_| work(task)));
                first.map(work);
            }),
            None => drop(first.map(work)),
        }
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
