//! The registry of mutators: who is attached.
//!
//! *Callers:* the mutator layer attaches and detaches threads; `asking` takes the list. *Invariants:* a mutator that
//! attaches takes the state that the current handshake asks of the others (`Registry::mode`), so that no handshake needs
//! to wait for it or to know of it.
//!
//! *Locks:* `Rank::MutatorRegistry`, never held while a handshake or a stop waits: a mutator that wants the lock
//! meanwhile would never answer. What keeps new mutators out of a stopped world is `Registry::stopped`.

use crate::barrier::{Barrier, BarrierMode};
use crate::collector::Collector;
use crate::handshake::RUNNING;
use crate::mutator::{MutatorRecord, Request};
use crate::roots::RootSource;
use crate::stack::StackScan;
use spanheap_sync::atomic::Ordering;
use spanheap_sync::{Arc, Backoff, thread};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) struct Registry {
    pub(crate) records: Vec<Arc<MutatorRecord>>,
    /// The barrier of a mutator that attaches now.
    pub(crate) mode: BarrierMode,
    /// Whether it hands out new slots.
    pub(crate) hands_out_new: bool,
    /// The world is stopped or stopping: whoever wants to attach waits.
    pub(crate) stopped: bool,
}

impl Registry {
    pub(crate) fn new() -> Registry {
        Registry { records: Vec::new(), mode: BarrierMode::Off, hands_out_new: false, stopped: false }
    }
}

impl Collector {
    /// Attaches the calling thread.
    pub fn attach(&self) -> Arc<MutatorRecord> {
        let record = Arc::new(MutatorRecord::new(self.options.collect_every.unwrap_or(0), self.new_barrier()));
        let mut wait = Backoff::new();
        let mut registry = self.registry.lock();
        while registry.stopped {
            drop(registry);
            wait.pause();
            registry = self.registry.lock();
        }
        if registry.mode != BarrierMode::Off {
            // SAFETY: the record is this thread's and nobody else knows it yet.
            unsafe { record.local() }.barrier_on(self, registry.mode);
        }
        if registry.hands_out_new {
            // SAFETY: as above.
            unsafe { record.local() }.hand_out_new(self);
        }
        registry.records.push(Arc::clone(&record));
        record
    }

    fn new_barrier(&self) -> Barrier {
        Barrier::new(self.buffers.log, self.options.check_host)
    }

    /// Detaches a mutator: its log and its spans go back. Its thread must not use the record afterwards.
    pub fn detach(&self, record: &Arc<MutatorRecord>) {
        record.handshake.answer(Request::Stop as u32, |request| record.perform(request, self));
        // SAFETY: the mutator's thread, running.
        let sources = unsafe { self.release(record) };
        // A handshake that still has the record in its list acts for it.
        record.handshake.enter_native();
        // Their destructors are the host's: they may take long, or panic, and find a thread that is not attached any more. This
        // one may be unwinding already, so that a second panic must not leave it.
        for source in sources {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(source)));
        }
    }

    /// Detaches a mutator whose thread does not exist any more. The collector acts for it, and no cycle is in progress. Its
    /// root sources are forgotten: their destructors are the host's, and may want what other threads held.
    pub(crate) fn detach_stopped(&self, record: &Arc<MutatorRecord>) {
        // SAFETY: the collector acts for this mutator, and its thread is no more: this one stands for it.
        std::mem::forget(unsafe { self.release(record) });
    }

    /// Takes back what a mutator has, and takes it off the list. Returns its root sources.
    ///
    /// # Safety
    /// 1. The caller is the mutator's thread and the mutator is running, or it stands for that thread.
    unsafe fn release(&self, record: &Arc<MutatorRecord>) -> Vec<Box<dyn RootSource>> {
        // SAFETY: by 1.
        let local = unsafe { record.local() };
        // SAFETY: by 1; no stack to run on.
        unsafe { local.switch_stack(0, StackScan::Words, self) };
        let sources = local.take_sources();
        local.barrier.flush(&self.grey);
        local.cache.flush(&self.allocator, self);
        self.registry.lock().records.retain(|other| !Arc::ptr_eq(other, record));
        sources
    }

    /// Whether the calling thread has a running mutator on this heap, for which it could wait forever.
    pub fn is_attached(&self) -> bool {
        let this = thread::current().id();
        self.registry.lock().records.iter().any(|record| record.thread == this)
    }

    /// Number of mutators that run, those in native regions not counted.
    pub(crate) fn running_mutators(&self) -> usize {
        let runs = |record: &&Arc<MutatorRecord>| record.handshake.state.load(Ordering::Relaxed) == RUNNING;
        self.registry.lock().records.iter().filter(runs).count()
    }

    /// Number of attached mutators.
    pub fn mutators(&self) -> usize {
        self.registry.lock().records.len()
    }

    /// The slow part of a safepoint: answers what was asked. Returns the mutator's own reminders.
    pub fn safepoint(&self, record: &MutatorRecord) -> u32 {
        let handshake = &record.handshake;
        handshake.answer(Request::Stop as u32, |request| record.perform(request, self));
        handshake.take_reminders()
    }
}
