//! What the collector tells a host that listens.
//!
//! *Callers:* whoever advances the cycle tells; the host's listener hears. *Invariants:* a listener is called without any
//! lock of the heap held, by one thread at a time, and never by a mutator that is running; that it panics changes nothing.

use crate::collector::Collector;
use crate::mutator::Request;
use crate::pacer::Pressure;
use spanheap_sync::Arc;
use spanheap_sync::thread::ThreadId;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Something that a host may want to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A mutator has not come to a safepoint for long, and a cycle waits for it: its thread computes without polling, or
    /// waits outside of a native region. Told once when the mutator is late, and once when it has answered.
    #[non_exhaustive]
    LateMutator {
        /// The mutator's thread.
        thread: ThreadId,
        /// What it is asked for.
        request: Request,
        /// How long the request has waited so far.
        waited: Duration,
        /// Whether it has answered by now.
        answered: bool,
    },
    /// The limits press harder than before, or less hard. Told at the end of the cycle that has shown it.
    #[non_exhaustive]
    Pressure {
        /// How hard they press now.
        pressure: Pressure,
        /// Bytes in slots and stacks that the cycle has found live.
        live: usize,
        /// Bytes that the heap should not exceed when the next cycle ends.
        goal: usize,
    },
}

/// Hears what happens in a heap.
///
/// It is called on the thread that advances the cycle, which waits for it: be short. It must not call the heap.
pub trait Listener: Send + Sync {
    /// Something has happened.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Listener for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

impl Collector {
    /// Tells a listener from now on.
    pub fn listen(mut self, listener: Arc<dyn Listener>) -> Collector {
        self.listener = Some(listener);
        self
    }

    pub(crate) fn tell(&self, event: &Event) {
        if let Some(listener) = &self.listener {
            // The cycle goes on whatever the host does; the panic hook has spoken.
            let _ = catch_unwind(AssertUnwindSafe(|| listener.event(event)));
        }
    }
}
