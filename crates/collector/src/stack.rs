//! VM stacks: who may scan one, and when.
//!
//! *Callers:* the mutator layer allocates stacks and switches between them; the marker scans suspended ones; handshakes
//! scan running ones. A stack is an object that names a block of stack memory; the slots lie there. Its owner writes
//! them *without a barrier* while it runs on the stack, as registers are written. *Invariants:*
//! - `[stack.one-actor]` The slots of a stack are written without a barrier only while it is `Running`, and scanned
//!   only by its owner or while it is `Scanning`.
//! - `[stack.scan-before-run]` A stack is not run on during marking before it has been scanned in that cycle: what it
//!   held at the snapshot is grey before the owner can overwrite it.
//! - `[stack.rescan]` A mutator whose own roots are not yet scanned shades a stack's slots when it leaves the stack:
//!   the stack may have been scanned before it moved references there.
//! - `[stack.one-word]` Where the slots are and how many there are is one word: whoever loads it once has an address and
//!   a length that belong together, whatever the owner does meanwhile. It is changed only by who runs on the stack; the
//!   block that it named before stays readable (`[stack.retired]`, in the allocator's `stack_memory`).
//!
//! ```text
//!            resume (owner)                  claim (marker)
//!  Running <---------------- Suspended --------------------> Scanning
//!     |                        ^   ^                            |
//!     +------------------------+   +----------------------------+
//!          suspend (owner)                  finish (marker)
//! ```
//!
//! A mutator that wants to resume a stack under scan waits: the scan is bounded by the stack's size.

use spanheap_allocator::{Allocator, Block, ObjectLayout, TypeLayout, WORD, WordKind};
use spanheap_sync::Backoff;
use spanheap_sync::word::{AtomicUsize, Ordering, Word};

const SUSPENDED: usize = 0;
const RUNNING: usize = 1;
const SCANNING: usize = 2;
const STATE_BITS: usize = 3;

const ROOMY: usize = 1;

/// What the slots of a stack hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackScan {
    /// Pairs: a tag word and a payload, which is looked at where the tag is at least this number.
    Pairs(usize),
    /// Ambiguous words.
    Words,
}

impl StackScan {
    /// Bytes of a slot.
    pub const fn slot_bytes(self) -> usize {
        self.element().size
    }

    const fn element(self) -> TypeLayout {
        match self {
            StackScan::Pairs(threshold) => TypeLayout::pair(threshold),
            StackScan::Words => TypeLayout::word(WordKind::Ambiguous),
        }
    }
}

/// A stack object. A loom model brings words of its own.
#[repr(C)]
pub struct StackHeader<W = AtomicUsize> {
    /// The block of the slots, as [`Block::word`] says it. The first word: the sweeper looks for it there.
    block: W,
    /// Low two bits: the state. The rest: number of the cycle in which the stack was last scanned.
    state: W,
    /// Slots below are scanned. Written by the owner, read by whoever scans.
    top: AtomicUsize,
    /// Lowest bit: the last scan found less than a quarter of the block in use. The rest: slots below this number are
    /// frozen. Written by whoever has the stack to itself.
    marks: AtomicUsize,
}

/// Bytes of a stack object.
pub const STACK_HEADER_BYTES: usize = size_of::<StackHeader>();

const _: () = assert!(STACK_HEADER_BYTES == 4 * WORD && std::mem::offset_of!(StackHeader, block) == 0);

impl StackHeader {
    /// The layout of stacks whose slots hold what `scan` says.
    pub const fn layout(name: &'static str, scan: StackScan) -> ObjectLayout {
        let element = Some(scan.element());
        ObjectLayout { name, head: TypeLayout::leaf::<StackHeader>(), element, stack: true }
    }

    /// The addresses of the slots below the top, for a scan, which notes how much of the block is in use. Whoever scans
    /// has the stack to itself: `[stack.one-actor]`.
    pub fn scanned(&self, allocator: &Allocator, slot_bytes: usize) -> std::ops::Range<usize> {
        let live = self.live(slot_bytes);
        allocator.stacks.observe(live.len());
        self.set_roomy(live.len() < self.block().bytes() / 4);
        live
    }
}

impl<W: Word> StackHeader<W> {
    /// A header in memory of a model's own.
    #[cfg(all(test, loom))]
    pub(crate) fn modelled(block: W, state: W) -> StackHeader<W> {
        let word = || AtomicUsize::new(0);
        StackHeader { block, state, top: word(), marks: word() }
    }

    /// Initialises the header of a fresh stack, which is suspended and whose slots are all zero.
    pub fn begin(&self, block: Block) {
        self.state.store(SUSPENDED, Ordering::Relaxed);
        self.top.store(0, Ordering::Relaxed);
        self.marks.store(0, Ordering::Relaxed);
        self.block.store(block.word(), Ordering::Relaxed);
    }

    /// The block of the slots: `[stack.one-word]`.
    #[inline(always)]
    pub fn block(&self) -> Block {
        // Acquire: what was copied into the block was written before.
        Block::from_word(self.block.load(Ordering::Acquire))
    }

    /// Gives the stack another block, whose slots are in place. The caller runs on the stack, and retires the old block
    /// after this.
    pub fn set_block(&self, block: Block) {
        debug_assert!(self.is_running());
        self.set_roomy(false);
        self.block.store(block.word(), Ordering::Release);
    }

    /// The addresses of the slots below the top. A top that some thread left above the end counts as the end.
    pub fn live(&self, slot_bytes: usize) -> std::ops::Range<usize> {
        let block = self.block();
        block.base()..block.base() + self.top().saturating_mul(slot_bytes).min(block.bytes())
    }

    /// Whether the last scan found less than a quarter of the block in use, and nobody has changed the block since.
    pub fn is_roomy(&self) -> bool {
        self.marks.load(Ordering::Relaxed) & ROOMY != 0
    }

    /// Forgets what the last scan found.
    pub fn set_not_roomy(&self) {
        self.set_roomy(false);
    }

    fn set_roomy(&self, roomy: bool) {
        self.marks.store(self.marks.load(Ordering::Relaxed) & !ROOMY | roomy as usize, Ordering::Relaxed);
    }

    /// Slots below do not change, but by stores with a barrier.
    #[inline(always)]
    pub fn frozen(&self) -> usize {
        self.marks.load(Ordering::Relaxed) >> 1
    }

    /// Owner, while it runs on the stack: moves the frozen mark. While marking runs, what is thawed has been copied.
    pub(crate) fn set_frozen(&self, slots: usize) {
        self.marks.store(slots << 1 | self.marks.load(Ordering::Relaxed) & ROOMY, Ordering::Relaxed);
    }

    /// Slots that are scanned.
    #[inline(always)]
    pub fn top(&self) -> usize {
        self.top.load(Ordering::Relaxed)
    }

    /// Sets the number of slots that are scanned. Owner only, while it runs on the stack.
    #[inline(always)]
    pub fn set_top(&self, top: usize) {
        self.top.store(top, Ordering::Relaxed);
    }

    /// Whether some mutator runs on the stack.
    pub fn is_running(&self) -> bool {
        self.state.load(Ordering::Acquire) & STATE_BITS == RUNNING
    }

    /// Owner: starts to run on the stack, after waiting for a scan in progress. With `cycle`, the number of the cycle
    /// that is marking (0 if none is): true if the stack has not been scanned in it and the caller must do so now.
    ///
    /// # Panics
    /// If the stack is already running: two mutators can not run on one stack.
    #[must_use]
    pub fn resume(&self, cycle: usize) -> bool {
        let mut backoff = Backoff::new();
        loop {
            let old = self.state.load(Ordering::Relaxed);
            match old & STATE_BITS {
                SUSPENDED => {
                    let scanned = old >> 2;
                    let unscanned = cycle != 0 && scanned != cycle;
                    // Without a cycle the stack counts as not scanned, even if somebody who knows of the cycle has scanned
                    // it: its slots are written from here on by one who does not.
                    let next = cycle << 2 | RUNNING;
                    if self.state.compare_exchange(old, next, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                        return unscanned;
                    }
                }
                RUNNING => panic!("a stack is already running: it can not be resumed"),
                _ => backoff.pause(),
            }
        }
    }

    /// Owner: stops running on the stack.
    pub fn suspend(&self) {
        let old = self.state.load(Ordering::Relaxed);
        debug_assert_eq!(old & STATE_BITS, RUNNING);
        // Release: a scan that follows sees what the owner wrote.
        self.state.store(old & !STATE_BITS | SUSPENDED, Ordering::Release);
    }

    /// Owner, in its root handshake: the running stack counts as scanned in `cycle`.
    pub fn mark_scanned(&self, cycle: usize) {
        debug_assert!(self.is_running());
        self.state.store(cycle << 2 | RUNNING, Ordering::Relaxed);
    }

    /// Marker: claims a suspended stack that was not yet scanned in `cycle`. True if the caller must scan it and then
    /// call [`StackHeader::finish`]; a running stack is its owner's to scan.
    #[must_use]
    pub fn claim(&self, cycle: usize) -> bool {
        loop {
            let old = self.state.load(Ordering::Relaxed);
            if old & STATE_BITS != SUSPENDED || old >> 2 == cycle {
                return false;
            }
            let next = old & !STATE_BITS | SCANNING;
            if self.state.compare_exchange(old, next, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                return true;
            }
        }
    }

    /// Marker: ends a scan that [`StackHeader::claim`] allowed.
    pub fn finish(&self, cycle: usize) {
        debug_assert_eq!(self.state.load(Ordering::Relaxed) & STATE_BITS, SCANNING);
        self.state.store(cycle << 2 | SUSPENDED, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_knows_of_no_cycle_makes_a_stack_unscanned() {
        let word = || AtomicUsize::new(0);
        let header = StackHeader { block: word(), state: word(), top: word(), marks: word() };
        assert!(header.resume(5), "not scanned yet");
        header.suspend();
        assert!(!header.claim(5), "its owner has scanned it");
        assert!(!header.resume(0));
        header.suspend();
        assert!(header.claim(5), "it was written by one whose barrier was off");
        header.finish(5);
        assert!(!header.resume(5), "scanned");
    }
}
