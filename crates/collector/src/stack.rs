//! VM stacks in the heap: who may scan one, and when.
//!
//! *Callers:* the mutator layer allocates stacks and switches between them; the marker scans suspended ones; handshakes
//! scan running ones. A stack is an object whose slots its owner writes *without a barrier* while it runs on it, as
//! registers are written. *Invariants:*
//! - `[stack.one-actor]` The slots of a stack are written without a barrier only while it is `Running`, and scanned
//!   only by its owner or while it is `Scanning`.
//! - `[stack.scan-before-run]` A stack is not run on during marking before it has been scanned in that cycle: what it
//!   held at the snapshot is grey before the owner can overwrite it.
//! - `[stack.rescan]` A mutator whose own roots are not yet scanned shades a stack's slots when it leaves the stack:
//!   the stack may have been scanned before it moved references there.
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

use spanheap_allocator::{ObjectLayout, TypeLayout, WORD};
use spanheap_sync::Backoff;
use spanheap_sync::word::{AtomicUsize, Ordering, Word};

const SUSPENDED: usize = 0;
const RUNNING: usize = 1;
const SCANNING: usize = 2;
const STATE_BITS: usize = 3;

/// The first words of a stack object; its pairs follow. A loom model brings a state word of its own.
#[repr(C)]
pub struct StackHeader<W = AtomicUsize> {
    /// Low two bits: the state. The rest: number of the cycle in which the stack was last scanned.
    state: W,
    /// Slots below are scanned. Written by the owner, read by whoever scans.
    top: AtomicUsize,
    /// Number of slots. Written once, before the stack is published.
    len: AtomicUsize,
    /// Keeps the pairs on a 16-byte boundary.
    _pad: AtomicUsize,
}

/// Bytes of a stack's header.
pub const STACK_HEADER_BYTES: usize = size_of::<StackHeader>();

const _: () = assert!(STACK_HEADER_BYTES == 4 * WORD);

impl StackHeader {
    /// The layout of stacks whose pairs may hold references from tag `threshold` on.
    pub const fn layout(name: &'static str, threshold: usize) -> ObjectLayout {
        let element = Some(TypeLayout::pair(threshold));
        ObjectLayout { name, head: TypeLayout::leaf::<StackHeader>(), element, stack: true }
    }
}

impl<W: Word> StackHeader<W> {
    /// A header in memory of a model's own.
    #[cfg(all(test, loom))]
    pub(crate) fn modelled(state: W) -> StackHeader<W> {
        let word = || AtomicUsize::new(0);
        StackHeader { state, top: word(), len: word(), _pad: word() }
    }

    /// Initialises the header of a fresh stack, which is suspended and holds nothing.
    pub fn begin(&self, len: usize) {
        self.state.store(SUSPENDED, Ordering::Relaxed);
        self.top.store(0, Ordering::Relaxed);
        self.len.store(len, Ordering::Relaxed);
    }

    /// Number of slots.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty, reason = "an empty stack is not a useful notion")]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Slots that are scanned.
    #[inline(always)]
    pub fn top(&self) -> usize {
        self.top.load(Ordering::Relaxed)
    }

    /// Sets the number of slots that are scanned. Owner only, while it runs on the stack.
    #[inline(always)]
    pub fn set_top(&self, top: usize) {
        debug_assert!(top <= self.len());
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
                    let next = if unscanned { cycle } else { scanned } << 2 | RUNNING;
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
