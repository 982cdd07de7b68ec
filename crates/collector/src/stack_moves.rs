//! Stacks that get another block: growth, shrinking, release.
//!
//! *Callers:* the mutator layer, for the stack that its mutator runs on or for a suspended one. *Invariants:* the block
//! of a stack is changed only by who runs on it: a suspended stack is resumed for the time of the change, so that the
//! marker and other mutators wait (`[stack.one-actor]`) and what it held at the snapshot is shaded first
//! (`[stack.scan-before-run]`). Nothing is written to its slots meanwhile but what they held, so that no rescan is due.
//! The old block is retired after the new one is published: `[stack.retired]`.
//!
//! A store by another mutator (with its barrier) to a slot that is being copied may be lost, as it may be lost to a
//! store by the stack's owner. What it overwrote and what it stored have been logged as ever; whatever the slot holds
//! afterwards was stored into it by someone.

use crate::collector::Collector;
use crate::mutator::Local;
use crate::stack::{StackHeader, StackScan};
use spanheap_allocator::{AllocError, Block, WORD};
use spanheap_sync::word::{AtomicUsize, Ordering};

/// A stack that was suspended and is so again when this goes, also if the host's callback panics.
struct Resumed<'a>(&'a StackHeader);

impl Drop for Resumed<'_> {
    fn drop(&mut self) {
        self.0.suspend();
    }
}

impl Local {
    /// Calls `work` while this mutator runs on the stack: on its own, or on a suspended one for that time only.
    ///
    /// # Safety
    /// 1. The caller is the mutator's thread. 2. `stack` is the address of a live stack of this heap, and `scan` is its
    ///    layout's.
    ///
    /// # Panics
    /// If another mutator runs on it.
    unsafe fn with_stack<R>(
        &self,
        stack: usize,
        scan: StackScan,
        collector: &Collector,
        work: impl FnOnce(&StackHeader) -> R,
    ) -> R {
        // SAFETY: by 2.
        let header = unsafe { &*(stack as *const StackHeader) };
        if stack == self.running_stack() {
            return work(header);
        }
        let unscanned = header.resume(self.marking_cycle.get());
        let _resumed = Resumed(header);
        if unscanned {
            self.shade_stack(header, scan, collector);
        }
        work(header)
    }

    /// Moves a stack's slots to a block of another size, if `size` asks for one. `size` is told the bytes of the present
    /// block and how many of them are in use. `relocate` is told where the slots were and where they are, after they have
    /// been copied; it is not called for a stack that had no slots. Returns the bytes of the new block.
    ///
    /// # Errors
    /// What `size` returns; as [`spanheap_allocator::StackMemory::take`]. The stack is as it was.
    ///
    /// # Safety
    /// 1. The caller is the mutator's thread. 2. `stack` is the address of a live stack of this heap, and `scan` is its
    ///    layout's.
    ///
    /// # Panics
    /// If another mutator runs on the stack.
    pub unsafe fn move_stack<E: From<AllocError>>(
        &self,
        stack: usize,
        scan: StackScan,
        collector: &Collector,
        size: impl FnOnce(usize, usize) -> Result<Option<usize>, E>,
        relocate: impl FnOnce(usize, usize),
    ) -> Result<Option<usize>, E> {
        let work = |header: &StackHeader| {
            let old = header.block();
            header.set_not_roomy();
            let Some(bytes) = size(old.bytes(), header.live(scan.slot_bytes()).len())? else { return Ok(None) };
            let new = collector.allocator.stack_block(bytes)?;
            copy(old, new);
            header.set_frozen(header.frozen().min(new.bytes() / scan.slot_bytes()));
            header.set_block(new);
            collector.allocator.stacks.retire(old);
            if !old.is_none() {
                relocate(old.base(), new.base());
            }
            Ok(Some(bytes))
        };
        // SAFETY: 1 and 2 are the same there.
        unsafe { self.with_stack(stack, scan, collector, work) }
    }

    /// Takes a stack's block: it has no slots any more.
    ///
    /// # Safety
    /// As [`Local::move_stack`].
    ///
    /// # Panics
    /// As [`Local::move_stack`].
    pub unsafe fn empty_stack(&self, stack: usize, scan: StackScan, collector: &Collector) {
        let work = |header: &StackHeader| {
            let old = header.block();
            header.set_frozen(0);
            header.set_top(0);
            header.set_block(Block::NONE);
            collector.allocator.stacks.retire(old);
        };
        // SAFETY: the caller's promises.
        unsafe { self.with_stack(stack, scan, collector, work) };
    }
}

/// Copies what fits. Word by word: other mutators may store to the old block meanwhile.
fn copy(old: Block, new: Block) {
    for offset in (0..old.bytes().min(new.bytes())).step_by(WORD) {
        // SAFETY: both blocks are at least that long; the slots of a stack are atomic words.
        let from = unsafe { &*((old.base() + offset) as *const AtomicUsize) };
        // SAFETY: as above.
        let to = unsafe { &*((new.base() + offset) as *const AtomicUsize) };
        // Acquire: whoever reads the copy sees the object that the word refers to, as the block word is released after.
        to.store(from.load(Ordering::Acquire), Ordering::Relaxed);
    }
}
