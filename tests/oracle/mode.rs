//! The heaps that streams run on: what they have in common, and in what they differ.
//!
//! *Callers:* a stream's first byte picks one; the tests go through all. *Invariants:* the verifier is on in every one.

use super::run::STACK_LIMIT;
use spanheap::{Heap, HeapBuilder};
use std::time::Duration;

/// The options of a heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The mutators advance the cycle: where it is when an operation is made, the stream decides, but for slices that
    /// allocation owes, which end by the clock.
    WithoutThread,
    /// As most heaps are.
    Background,
    /// A collection after every few allocations.
    Stress,
    /// As much memory as a stream needs now and then.
    Limit,
    /// Every collection with all mutators stopped.
    Stopped,
    /// The same, on the thread of a mutator.
    StoppedWithoutThread,
}

impl Mode {
    /// Every one of them.
    pub const ALL: [Mode; 6] =
        [Mode::WithoutThread, Mode::Background, Mode::Stress, Mode::Limit, Mode::Stopped, Mode::StoppedWithoutThread];

    /// The one that a stream's first byte stands for: no byte stands for none.
    pub fn of(byte: u8) -> Mode {
        Mode::ALL[usize::from(byte) % Mode::ALL.len()]
    }

    /// A byte that stands for it.
    pub fn byte(self) -> u8 {
        self as u8
    }

    /// Whether no thread but the stream's own advances cycles, so that a stream that fails does so again, or nearly always.
    pub fn is_repeatable(self) -> bool {
        matches!(self, Mode::WithoutThread | Mode::StoppedWithoutThread)
    }

    /// After how many slices of no time, or next to none, a cycle that is not in the phase that is wanted is let be: where a
    /// thread runs it, it comes there by luck, and where the world stands still it is never seen there.
    pub(crate) fn most_slices(self) -> (usize, Duration) {
        match self {
            Mode::WithoutThread => (1000, Duration::ZERO),
            Mode::Background | Mode::Stress | Mode::Limit => (8, Duration::from_micros(20)),
            Mode::Stopped | Mode::StoppedWithoutThread => (1, Duration::ZERO),
        }
    }

    pub(crate) fn heap(self) -> Heap {
        let builder = Heap::builder().verify(true).poison(true).initial_goal(256 << 10).stack_limit(STACK_LIMIT);
        let options = |builder: HeapBuilder| match self {
            Mode::WithoutThread => builder.background(false),
            Mode::Background => builder,
            Mode::Stress => builder.collect_every(Some(3)),
            Mode::Limit => builder.limit(768 << 10),
            Mode::Stopped => builder.stop_the_world(true),
            Mode::StoppedWithoutThread => builder.stop_the_world(true).background(false),
        };
        options(builder).build().expect("the options are in range")
    }

    /// Links of the chain that keeps the marker busy while others change things.
    pub(crate) fn ballast(self) -> u64 {
        match self {
            Mode::Background => 10_000,
            Mode::WithoutThread | Mode::Limit | Mode::Stopped => 1000,
            Mode::Stress | Mode::StoppedWithoutThread => 100,
        }
    }
}
