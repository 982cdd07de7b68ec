//! The list of retired blocks: taken from their stacks, and perhaps still read.
//!
//! *Callers:* `StackMemory`; the collector's loom model `retire` runs this very code. *Invariant:* `[stack.retired]`, which
//! `stack_memory` states. *Lock:* `Rank::StackMemory`, for a few instructions.

use super::Block;
use spanheap_sync::{Mutex, Rank};

/// Blocks that wait for a handshake.
pub struct Retired {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Retired since the last grace began.
    blocks: Vec<Block>,
    /// Blocks retired and not yet free, and their bytes: those of a grace under way included.
    count: usize,
    bytes: usize,
}

/// Retired blocks whose handshake is under way.
#[must_use = "the blocks are lost until the heap goes"]
pub struct Grace(Vec<Block>);

impl Grace {
    /// The blocks, in the order of their retirement.
    pub fn blocks(&self) -> &[Block] {
        &self.0
    }
}

impl Retired {
    /// An empty list.
    pub fn new() -> Retired {
        Retired { inner: Mutex::new(Rank::StackMemory, Inner::default()) }
    }

    /// Adds a block that its stack no longer names: the stack's block word was written before.
    pub fn add(&self, block: Block) {
        let mut inner = self.inner.lock();
        inner.blocks.push(block);
        inner.count += 1;
        inner.bytes += block.bytes();
    }

    /// Takes the list. A handshake of all mutators that begins after this call makes its blocks free.
    pub fn begin_grace(&self) -> Grace {
        Grace(std::mem::take(&mut self.inner.lock().blocks))
    }

    /// The blocks of `grace` no longer count as retired: their handshake has completed.
    pub fn end_grace(&self, grace: &Grace) {
        let mut inner = self.inner.lock();
        inner.count -= grace.0.len();
        inner.bytes -= grace.0.iter().map(|block| block.bytes()).sum::<usize>();
    }

    /// Blocks retired and not yet free, and their bytes.
    pub fn figures(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        (inner.count, inner.bytes)
    }
}

impl Default for Retired {
    fn default() -> Retired {
        Retired::new()
    }
}
