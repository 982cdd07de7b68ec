//! Parts of stacks on their way to the marker: words that a mutator has copied, and slots that it has promised to leave alone.
//!
//! *Callers:* a mutator that has to shade a stack's slots hands them over here, unchecked; whoever advances the cycle takes
//! them in slices, checks them, and makes grey what they refer to. *Invariants:*
//! - `[parts.grey]` A part that waits counts as grey: marking is not done while there is one. It is handed over before the
//!   mutator answers, or before it overwrites a slot, so that what the slots held at the snapshot is never lost.
//! - `[stack.frozen]` Slots below a stack's frozen mark are not written without a barrier. Whoever lowers the mark while
//!   marking runs copies what it thaws first. So the collector may read such slots at any time: it finds what they
//!   held at the snapshot, or somebody has copied that; whatever else it finds was stored there and does no harm.
//! - Frozen slots are read in the block in which they lay. It stays readable until this cycle's last handshake is over
//!   (`[stack.retired]`), and before that all parts are gone.
//!
//! *Locks:* `Rank::RootTable`, for a few instructions.

use crate::collector::Collector;
use crate::grey::{Block, GreyQueue};
use crate::mutator::Local;
use crate::stack::{StackHeader, StackScan};
use spanheap_allocator::span::Bits;
use spanheap_allocator::{Allocator, WORD};
use spanheap_sync::word::{AtomicUsize, Ordering};
use spanheap_sync::{Mutex, Rank};
use std::ops::Range;

/// Words that are copied into one piece.
const PIECE: usize = 4096;
/// Slots that are checked in one slice.
const SLICE: usize = 1024;
/// Frozen slots that are too few to be worth the look of two: they are copied like the others.
const FEW: usize = 512;

/// What slots hold, unchecked.
pub(crate) enum Part {
    /// What may be references.
    Copied(Vec<usize>, StackScan),
    /// Addresses of frozen slots.
    Frozen(Range<usize>, StackScan),
}

/// The parts that wait.
pub(crate) struct Parts {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<Part>,
    /// Empty pieces, for the next ones: in fresh memory a copy takes several times as long.
    spare: Vec<Vec<usize>>,
    /// Pieces copied in this cycle.
    copied: usize,
}

impl Parts {
    pub(crate) fn new() -> Parts {
        Parts { inner: Mutex::new(Rank::RootTable, Inner::default()) }
    }

    fn hand_over(&self, part: Part) {
        let mut inner = self.inner.lock();
        inner.copied += matches!(part, Part::Copied(..)) as usize;
        inner.waiting.push(part);
    }

    /// An empty piece.
    fn piece(&self) -> Vec<usize> {
        let spare = self.inner.lock().spare.pop();
        spare.unwrap_or_else(|| Vec::with_capacity(PIECE))
    }

    /// Copies slots, and hands the copies over.
    fn copy(&self, slots: Range<usize>, scan: StackScan) {
        let bytes = PIECE * scan.slot_bytes();
        for from in slots.clone().step_by(bytes) {
            let mut words = self.piece();
            copy(from..slots.end.min(from + bytes), scan, &mut |word| words.push(word));
            if !words.is_empty() {
                self.hand_over(Part::Copied(words, scan));
            }
        }
    }

    /// Takes some of what waits.
    pub(crate) fn take(&self) -> Option<Part> {
        let mut inner = self.inner.lock();
        match inner.waiting.last_mut()? {
            Part::Copied(words, scan) => {
                let (some, scan) = (words.split_off(words.len().saturating_sub(SLICE)), *scan);
                if words.is_empty()
                    && let Some(Part::Copied(empty, _)) = inner.waiting.pop()
                {
                    inner.spare.push(empty);
                }
                Some(Part::Copied(some, scan))
            }
            Part::Frozen(slots, scan) if slots.len() > SLICE * scan.slot_bytes() => {
                let from = slots.end - SLICE * scan.slot_bytes();
                Some(Part::Frozen(from..std::mem::replace(&mut slots.end, from), *scan))
            }
            Part::Frozen(..) => inner.waiting.pop(),
        }
    }

    /// Forgets what has come since marking ended: it is marked or dead. Keeps as many pieces as this cycle took.
    pub(crate) fn clear(&self) {
        let mut inner = self.inner.lock();
        inner.waiting.clear();
        let copied = std::mem::take(&mut inner.copied);
        inner.spare.truncate(copied);
    }
}

impl Collector {
    /// Makes grey what some of the waiting parts refer to. False if none waits.
    pub(crate) fn take_part(&self, queue: &GreyQueue) -> bool {
        let Some(part) = self.parts.take() else { return false };
        let (words, scan) = match part {
            Part::Copied(words, scan) => (words, scan),
            Part::Frozen(slots, scan) => {
                let mut words = Vec::with_capacity(slots.len() / scan.slot_bytes());
                copy(slots, scan, &mut |word| words.push(word));
                (words, scan)
            }
        };
        queue.push(checked(&self.allocator, words, scan));
        true
    }
}

/// The objects that the words refer to. A register that was not written since its frame began holds what was there before,
/// so that a payload may be the address of an object that is long dead: it is checked before it is followed.
fn checked(allocator: &Allocator, mut words: Vec<usize>, scan: StackScan) -> Block {
    match scan {
        StackScan::Pairs(_) => words.retain(|&word| allocator.is_base(word, Bits::Alloc)),
        StackScan::Words => {
            words.retain_mut(|word| match allocator.resolve(*word) {
                Some(found) => {
                    *word = found.base;
                    true
                }
                None => false,
            });
        }
    }
    words
}

/// Calls `take` with every word of the slots that may be a reference.
#[inline]
fn copy(slots: Range<usize>, scan: StackScan, take: &mut impl FnMut(usize)) {
    // SAFETY: callers pass slots of a block that is in use or retired, which consists of atomic words.
    let load = |addr: usize| unsafe { &*(addr as *const AtomicUsize) }.load(Ordering::Relaxed);
    match scan {
        StackScan::Pairs(threshold) => {
            for pair in slots.step_by(2 * WORD) {
                if load(pair) >= threshold {
                    take(load(pair + WORD));
                }
            }
        }
        StackScan::Words => slots.step_by(WORD).for_each(|word| take(load(word))),
    }
}

impl Local {
    /// Shades what the stack's slots hold: copies them, but for those that are frozen. The caller has the stack to itself.
    pub(crate) fn shade_stack(&self, header: &StackHeader, scan: StackScan, collector: &Collector) {
        let live = header.scanned(&collector.allocator, scan.slot_bytes());
        let frozen = live.start + (header.frozen() * scan.slot_bytes()).min(live.len());
        let frozen = if frozen - live.start > FEW * scan.slot_bytes() { frozen } else { live.start };
        if frozen > live.start {
            collector.parts.hand_over(Part::Frozen(live.start..frozen, scan));
        }
        collector.parts.copy(frozen..live.end, scan);
    }

    /// Moves the frozen mark of a stack that this mutator runs on: the slots below it do not change, but by stores with a
    /// barrier. What is thawed while marking runs is copied first: `[stack.frozen]`.
    ///
    /// # Safety
    /// 1. The caller is the mutator's thread. 2. `stack` is the address of a live stack of this heap, and `scan` is its
    ///    layout's.
    ///
    /// # Panics
    /// If this mutator does not run on the stack, or the mark would be above the top.
    pub unsafe fn set_frozen(&self, stack: usize, scan: StackScan, slots: usize, collector: &Collector) {
        assert!(stack != 0 && stack == self.running_stack(), "a stack is frozen and thawed by who runs on it");
        // SAFETY: by 2.
        let header = unsafe { &*(stack as *const StackHeader) };
        let before = header.frozen();
        if slots < before {
            if self.marking_cycle.get() != 0 {
                let block = header.block();
                let at = |slot: usize| block.base() + (slot * scan.slot_bytes()).min(block.bytes());
                collector.parts.copy(at(slots)..at(before), scan);
            }
        } else {
            assert!(slots <= header.top(), "the frozen slots of a stack lie below its top");
        }
        header.set_frozen(slots);
    }
}
