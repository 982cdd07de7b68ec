//! What the workloads share: their common object types, rooted tables, and the loop that polls for safepoints.
//!
//! *Callers:* the workload files. *Invariants:* what must live across a safepoint hangs from a [`Root`]; a bare `Gc`
//! lives within one step of [`repeat`].

use spanheap::{AllocError, Array, Class, Gc, Mutator, Root, Slot, Trace};

/// A table of references.
pub(crate) type Slots<T> = Array<Slot<T>>;

/// The 16-byte object without references.
#[derive(Trace)]
pub(crate) struct Leaf {
    pub(crate) a: u64,
    pub(crate) b: u64,
}

/// The 32-byte object with two references.
#[derive(Trace)]
pub(crate) struct Node {
    pub(crate) a: Slot<Node>,
    pub(crate) b: Slot<Node>,
    pub(crate) v: u64,
    pub(crate) w: u64,
}

/// What was allocated. A heap without a limit runs out only with the machine: the run has failed then.
#[inline(always)]
pub(crate) fn made<T>(allocated: Result<T, AllocError>) -> T {
    match allocated {
        Ok(made) => made,
        Err(error) => out_of_memory(error),
    }
}

#[cold]
fn out_of_memory(error: AllocError) -> ! {
    eprintln!("spanheap-peers: {error}");
    std::process::exit(1)
}

/// Allocates a leaf.
#[inline(always)]
pub(crate) fn leaf<'m, 'h>(cx: &'m Mutator<'h>, class: Class<'h, Leaf>, i: u64) -> Gc<'m, 'h, Leaf> {
    made(cx.alloc_in(class, Leaf { a: i, b: 2 * i }))
}

/// Allocates a node without references.
#[inline(always)]
pub(crate) fn node<'m, 'h>(cx: &'m Mutator<'h>, class: Class<'h, Node>, v: u64) -> Gc<'m, 'h, Node> {
    made(cx.alloc_in(class, Node { a: Slot::null(), b: Slot::null(), v, w: 0 }))
}

/// An empty rooted table.
pub(crate) fn slots<T: 'static>(cx: &Mutator<'_>, len: usize) -> Root<Slots<T>> {
    cx.root(made(cx.alloc_array(cx.array_class(), (), len)))
}

/// A rooted table of `len` nodes, each with its index in `v`.
pub(crate) fn nodes(cx: &mut Mutator<'_>, len: usize) -> Root<Slots<Node>> {
    let (all, class) = (slots(cx, len), cx.class());
    repeat(cx, &all, len as u64, |cx, all, i| cx.set_element(all, i as usize, Some(node(cx, class, i))));
    all
}

/// Calls `step` for 0, 1, .. up to `count`, with what `root` holds, and reaches a safepoint after every step at which
/// someone waits for one.
#[inline(always)]
pub(crate) fn repeat<'h, T>(
    cx: &mut Mutator<'h>,
    root: &Root<T>,
    count: u64,
    mut step: impl for<'m> FnMut(&'m Mutator<'h>, Gc<'m, 'h, T>, u64),
) {
    let mut i = 0;
    while i < count {
        let held = root.get(cx);
        loop {
            step(cx, held, i);
            i += 1;
            if i == count || cx.poll() {
                break;
            }
        }
        cx.safepoint();
    }
}

/// The sum of `value` over a table; an empty slot counts 0.
pub(crate) fn sum<'m, 'h, T>(table: Gc<'m, 'h, Slots<T>>, value: impl Fn(Gc<'m, 'h, T>) -> u64) -> u64 {
    (0..table.len()).filter_map(|index| table.element(index)).map(value).sum()
}
