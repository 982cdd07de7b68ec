//! What the small benchmarks measure: the object, the loop that allocates it and the bump loop it is compared with, the
//! places that are stored into, and the cycle that is held open meanwhile.
//!
//! *Callers:* `benches/alloc.rs`, `benches/barrier.rs` and the program `alloc-instructions`. *Invariants:* both loops that
//! allocate write the same four words of each object, keep their state in memory, and return something that depends on
//! every step, so that the compiler can drop none.

mod bump;
mod held;
mod places;

pub use bump::Bump;
pub use held::{Held, while_marking};
pub use places::{Elements, Nodes, Place, PlainElements, PlainNodes, Rooted, SLOTS};

use spanheap::{Class, Heap, Mutator, Slot, Trace};

/// The object: two references and two words, 32 bytes.
#[derive(Trace)]
pub struct Node {
    /// A reference.
    pub left: Slot<Node>,
    /// Another.
    pub right: Slot<Node>,
    /// A word.
    pub v: u64,
    /// Another.
    pub w: u64,
}

/// Bytes of the object.
pub const NODE_BYTES: usize = size_of::<Node>();

const _: () = assert!(NODE_BYTES == 32);

/// A heap that collects on request only.
///
/// # Panics
/// If the heap can not be made.
pub fn quiet_heap() -> Heap {
    let heap = Heap::builder().initial_goal(1 << 40).build().expect("the options are in their ranges");
    heap.set_automatic_collection(false);
    heap
}

/// Allocates `count` objects and returns the sum of their addresses.
///
/// # Panics
/// If the system has no memory left.
#[inline(never)]
pub fn allocate<'h>(cx: &Mutator<'h>, class: Class<'h, Node>, count: u64) -> usize {
    let mut sum = 0usize;
    for v in 0..count {
        let node = Node { left: Slot::null(), right: Slot::null(), v, w: v };
        sum = sum.wrapping_add(cx.alloc_in(class, node).expect("memory for an object").addr());
    }
    sum
}
