//! `Step`: what a slice of a collection came to, and the ways to have one from outside.
//!
//! *Callers:* [`Mutator::step`](crate::Mutator::step), [`Heap::step`]. *Invariants:* a step never waits for a mutator.

use crate::error::CollectError;
use crate::heap::{Heap, HeapShared};
use crate::stats::CycleReport;
use spanheap_collector::Progress;
use spanheap_sync::Arc;
use std::time::Duration;

/// What a slice of a collection came to.
#[derive(Clone, Debug)]
pub enum Step {
    /// The collection is not done: there is more to do, or a mutator has not answered, or another thread advances it.
    InProgress,
    /// A collection was completed meanwhile.
    Finished(CycleReport),
}

impl Step {
    pub(crate) fn new(progress: Progress, heap: &Arc<HeapShared>) -> Step {
        match progress {
            Progress::InProgress => Step::InProgress,
            Progress::Finished(report) => Step::Finished(CycleReport::new(report, Arc::clone(heap))),
        }
    }

    /// Whether a collection was completed.
    pub fn is_finished(&self) -> bool {
        matches!(self, Step::Finished(_))
    }

    /// The report of the collection that was completed.
    pub fn finished(self) -> Option<CycleReport> {
        match self {
            Step::InProgress => None,
            Step::Finished(report) => Some(report),
        }
    }
}

impl Heap {
    /// Asks for a collection if none runs, and advances it for about `budget`, as
    /// [`Mutator::step`](crate::Mutator::step) does.
    ///
    /// # Errors
    /// [`CollectError::Attached`] if the calling thread has a mutator: use [`Mutator::step`](crate::Mutator::step).
    pub fn step(&self, budget: Duration) -> Result<Step, CollectError> {
        if self.shared.collector.is_attached() {
            return Err(CollectError::Attached);
        }
        Ok(Step::new(self.shared.collector.step(budget), &self.shared))
    }
}
