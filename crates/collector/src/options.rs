//! The settings of a heap, below the builder that checks them.
//!
//! *Callers:* whoever makes a [`Collector`](crate::Collector). *Invariants:* plain values; what is out of range is
//! refused before they come here.

use crate::pacer::Growth;
use spanheap_allocator::{BaseAddress, HugePages, MIN_BLOCK, TagScheme};
use std::time::Duration;

/// Settings of a heap.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How far the heap may grow over what is live before the next cycle ends.
    pub growth: Growth,
    /// The heap should not grow beyond this many bytes.
    pub soft_limit: usize,
    /// Percent of the cores that may mark while mutators run.
    pub cpu_share: u32,
    /// The heap may always grow to this many bytes.
    pub initial_goal: usize,
    /// Most bytes of pages that objects may have.
    pub limit: usize,
    /// Where the arenas begin.
    pub base: BaseAddress,
    /// Bytes of a new stack's slots: a power of two of at least 2 KiB.
    pub initial_stack: usize,
    /// New stacks are as large as the stacks of the last cycle needed on average, and at least `initial_stack`.
    pub adaptive_stacks: bool,
    /// Most bytes of one stack's slots: a power of two, at least `initial_stack`.
    pub stack_limit: usize,
    /// When to ask for huge pages.
    pub huge_pages: HugePages,
    /// Give free memory back in the background, so long after a cycle has found it free. Not at all if `None`.
    pub scavenge: Option<Duration>,
    /// Run cycles on a thread of the heap's own. If not, no thread is ever started, and who allocates advances the cycle.
    pub background: bool,
    /// Run whole cycles with all mutators stopped: for debugging.
    pub stop_the_world: bool,
    /// A mutator that has not answered for so long is told of as late. Never if `None`.
    pub late_after: Option<Duration>,
    /// How one-word host values hide references.
    pub tags: Option<TagScheme>,
    /// Threads that may mark side by side, at least 1.
    pub workers: usize,
    /// Run the verifier in every cycle.
    pub verify: bool,
    /// Collect at a safepoint after about every n-th allocation.
    pub collect_every: Option<u32>,
    /// Let the n-th allocation fail; 0 is for those that are named later, `None` for heaps that never do.
    pub fail_allocation: Option<u64>,
    /// Fill freed slots with a pattern.
    pub poison: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            growth: Growth::Percent(150),
            soft_limit: usize::MAX,
            cpu_share: 25,
            initial_goal: 4 << 20,
            limit: usize::MAX,
            base: BaseAddress::Random,
            initial_stack: MIN_BLOCK,
            adaptive_stacks: false,
            stack_limit: 64 << 20,
            huge_pages: HugePages::default(),
            scavenge: Some(Duration::from_secs(1)),
            background: true,
            stop_the_world: false,
            late_after: Some(Duration::from_millis(10)),
            tags: None,
            workers: 1,
            verify: false,
            collect_every: None,
            fail_allocation: None,
            poison: false,
        }
    }
}
