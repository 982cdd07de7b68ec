//! How long a mutator's own handshake work takes, by what is alive and by how deep its VM stack is.
//!
//! *Callers:* `cargo run --release -p spanheap-tests --example handshakes [MB ...]` prints the tables of docs/performance.md; by
//! default 10, 100 and 1000 MB are alive. *Invariants:* the mutator allocates, stores and runs on its stack while
//! collections follow each other, so that handshakes find it at work.

use spanheap::{Array, Heap, Mutator, Pair, Root, Slot, Trace};
use spanheap_tests::nodes::Nodes;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Trace)]
struct Node {
    left: Slot<Node>,
    right: Slot<Node>,
    payload: [u64; 6],
}

/// Bytes of a node's slot.
const NODE: usize = 64;

/// Registers of one frame.
const FRAME: usize = 16;

/// Collections over which times are taken.
const COLLECTIONS: u64 = 30;

type Table = Array<Slot<Node>>;

/// Registers hold nodes, or nothing.
type Family = Nodes<Node>;

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).map(|size| size.parse().expect("a number of megabytes")).collect();
    println!("| MB alive | frames | frozen | handshakes | p50 us | p99 us | max us |\n|---|---|---|---|---|---|---|");
    for megabytes in if sizes.is_empty() { vec![10, 100, 1000] } else { sizes } {
        row(megabytes, 10, false);
    }
    for frames in [10, 100, 1000, 10_000] {
        for frozen in [false, true] {
            row(10, frames, frozen);
        }
    }
}

fn row(megabytes: usize, frames: usize, frozen: bool) {
    let heap = Heap::new().expect("a heap");
    let stop = AtomicBool::new(false);
    let times = heap.attach(|cx| {
        let table = fill(cx, megabytes << 20);
        let stack = cx.root(cx.alloc_stack::<Family>(frames * FRAME).expect("memory for a stack"));
        cx.switch_stack(Some(stack.get(cx)));
        for slot in 0..frames * FRAME {
            let node = table.get(cx).element(slot % table.get(cx).len());
            // SAFETY: this mutator runs on the stack, and nothing is frozen.
            unsafe { stack.get(cx).as_ref().slots()[slot].store_running(node) };
        }
        stack.get(cx).set_top(frames * FRAME);
        if frozen {
            cx.set_frozen(stack.get(cx), frames.saturating_sub(8) * FRAME);
        }
        cx.collect();
        heap.reset_handshake_times();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..COLLECTIONS).for_each(|_| drop(heap.collect().expect("this thread is not attached")));
                stop.store(true, Ordering::Relaxed);
            });
            work(cx, &table, &stop);
        });
        heap.handshake_times()
    });
    let times = times.expect("this thread is not attached yet");
    let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6;
    let (p50, p99, max) = (micros(times.p50), micros(times.p99), micros(times.max));
    println!("| {megabytes} | {frames} | {frozen} | {} | {p50:.2} | {p99:.1} | {max:.1} |", times.count);
}

fn fill(cx: &mut Mutator<'_>, bytes: usize) -> Root<Table> {
    let table = cx.root(cx.alloc_array(cx.array_class(), (), bytes / NODE).expect("memory for the table"));
    for at in 0..bytes / NODE {
        replace(cx, &table, at);
    }
    table
}

/// Puts a new node, which refers to its neighbour in the table, into the table.
fn replace(cx: &mut Mutator<'_>, table: &Root<Table>, at: usize) {
    let node = cx.alloc(Node { left: Slot::null(), right: Slot::null(), payload: [at as u64; 6] }).expect("memory");
    assert_eq!(node.payload[0], at as u64);
    let table_now = table.get(cx);
    let neighbour = table_now.element((at + 1) % table_now.len());
    if let Some(neighbour) = neighbour {
        // No chain grows.
        cx.set(neighbour, |node| &node.left, None);
        cx.set(node, |node| &node.left, Some(neighbour));
    }
    cx.set(node, |node| &node.right, None);
    cx.set_element(table_now, at, Some(node));
    cx.safepoint();
}

fn work(cx: &mut Mutator<'_>, table: &Root<Table>, stop: &AtomicBool) {
    let len = table.get(cx).len();
    let mut at = 0;
    while !stop.load(Ordering::Relaxed) {
        replace(cx, table, at % len);
        at += 7919;
    }
    // Whoever has the cycle need not wait for this thread any more.
    cx.native(|| ());
}

const _: () = assert!(size_of::<Pair<Family>>() == 16);
