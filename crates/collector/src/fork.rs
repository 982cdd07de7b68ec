//! Forking the process: what a heap must be like at that moment, and what the child makes of it.
//!
//! *Callers:* the mutator layer, around the host's own call. *Invariants:* at the moment of the fork no cycle is in progress
//! and no step of idle work, nothing of the kind begins, every mutator is stopped at a safepoint or in a native region,
//! and this thread holds the locks that other threads may still want: requests, registry, root table, pacing. So all
//! that a child inherits is whole, and no lock of these is held by a thread that it does not have. What other threads do
//! to the heap besides (statistics, trimming) is the host's to prevent.
//!
//! In the child one thread goes on. All other mutators are detached on their behalf, without running anything of the
//! host's (their root sources are forgotten); threads of the heap's own count as gone, and are made anew when they are
//! wanted.

use crate::collector::Collector;
use crate::mutator::MutatorRecord;
use spanheap_sync::Arc;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

impl Collector {
    /// Calls `fork`, which may fork the process. `own` is the caller's mutator, which must be in a native region: it is the
    /// one that the child keeps.
    pub fn fork<R>(&self, own: Option<&Arc<MutatorRecord>>, fork: impl FnOnce() -> R) -> R {
        let held = Held::hold(self);
        let stopped = self.stop_world();
        let parent = std::process::id();
        let result = {
            let _requests = self.requests.control.lock();
            let _registry = self.registry.lock();
            let _roots = self.roots.hold();
            let _pacing = self.pacing.lock();
            // The world must not stay stopped.
            catch_unwind(AssertUnwindSafe(fork))
        };
        if std::process::id() != parent {
            let is_own = |record: &Arc<MutatorRecord>| own.is_some_and(|own| Arc::ptr_eq(own, record));
            for record in stopped.records.iter().filter(|record| !is_own(record)) {
                self.detach_stopped(record);
            }
            self.requests.forget_thread();
            self.workers.forget();
        }
        // A mutator that has gone stays in its native region.
        self.resume_world(stopped);
        drop(held);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Cycles and idle work are held off.
struct Held<'a>(&'a Collector);

impl<'a> Held<'a> {
    /// Holds them off, and waits until there are none: advances what nobody else does.
    fn hold(collector: &'a Collector) -> Held<'a> {
        let requests = &collector.requests;
        let mut control = requests.control.lock();
        while control.held {
            control = requests.changed.wait(control);
        }
        control.held = true;
        while control.started != control.completed || control.idling {
            if control.is_due() {
                drop(control);
                collector.run_wanted();
                control = requests.control.lock();
            } else {
                control = requests.changed.wait(control);
            }
        }
        drop(control);
        Held(collector)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.requests.control.lock().held = false;
        self.0.requests.changed.notify_all();
    }
}
