//! AddressSanitizer sees the heap's objects: who touches memory that holds none is told, and nobody else is.
//!
//! *Callers:* `just asan`. Without `--cfg spanheap_asan` there is nothing here. *Invariants:* each misuse runs in a child
//! process, which must die of it with the sanitizer's report; the same child with a use that is allowed must live.
#![cfg(spanheap_asan)]

mod nodes;

use nodes::Nodes;
use spanheap::{Array, Gc, Heap, Mutator, Slot, Trace};
use std::process::Command;

/// What the child is to do.
const DEED: &str = "SPANHEAP_ASAN_DEED";

#[derive(Trace)]
struct Node {
    value: usize,
    next: Slot<Node>,
}

fn node<'m, 'h>(cx: &'m Mutator<'h>, value: usize) -> Gc<'m, 'h, Node> {
    cx.alloc(Node { value, next: Slot::null() }).unwrap()
}

fn words<'m, 'h>(cx: &'m Mutator<'h>, len: usize) -> Gc<'m, 'h, Array<u64>> {
    cx.alloc_array(cx.array_class(), (), len).unwrap()
}

/// Reads a word, whatever lies there.
fn touch(addr: usize) -> usize {
    // SAFETY: none is claimed: this is what the sanitizer is to see. The address lies in a heap that is alive.
    unsafe { std::ptr::with_exposed_provenance::<usize>(addr).read_volatile() }
}

fn heap() -> Heap {
    Heap::builder().background(false).initial_goal(1 << 30).build().unwrap()
}

/// Words above 32 KiB, not a whole number of pages.
const LARGE: usize = 9001;

/// Every deed: its name, whether the sanitizer must end the process, and what is done.
const DEEDS: &[(&str, bool, fn())] = &[
    ("reads a live object", false, || {
        heap()
            .attach(|cx| {
                let root = cx.root(node(cx, 7));
                cx.collect();
                assert_eq!(touch(root.get(cx).addr()), 7);
            })
            .unwrap();
    }),
    ("reads an object that was freed", true, || {
        heap()
            .attach(|cx| {
                let kept = cx.root(node(cx, 1));
                let addr = node(cx, 7).addr();
                cx.collect();
                assert_eq!(kept.get(cx).value, 1);
                touch(addr);
            })
            .unwrap();
    }),
    ("reads an object in a slot that was freed and handed out again", false, || {
        heap()
            .attach(|cx| {
                let kept = cx.root(node(cx, 1));
                let addr = node(cx, 7).addr();
                cx.collect();
                assert_eq!(kept.get(cx).value, 1);
                while node(cx, 9).addr() != addr {}
                assert_eq!(touch(addr), 9);
            })
            .unwrap();
    }),
    ("reads a slot that was never handed out", true, || {
        heap()
            .attach(|cx| {
                let addr = node(cx, 7).addr();
                touch(addr + size_of::<Node>());
            })
            .unwrap();
    }),
    ("reads a page of which all objects were freed", true, || {
        heap()
            .attach(|cx| {
                let addr = node(cx, 7).addr();
                cx.collect();
                touch(addr);
            })
            .unwrap();
    }),
    ("reads all of a large object", false, || {
        heap()
            .attach(|cx| {
                let first = words(cx, LARGE).as_ref().elements().as_ptr().addr();
                assert_eq!((0..LARGE).map(|index| touch(first + index * 8)).sum::<usize>(), 0);
            })
            .unwrap();
    }),
    ("reads behind a large object", true, || {
        heap()
            .attach(|cx| {
                let first = words(cx, LARGE).as_ref().elements().as_ptr().addr();
                // Objects are rounded up to 16 bytes.
                touch(first + (LARGE + 1) * 8);
            })
            .unwrap();
    }),
    ("reads behind the old end of a large object that has grown", false, || {
        heap()
            .attach(|cx| {
                let array = words(cx, LARGE);
                assert!(cx.grow_array(array, 2 * LARGE).unwrap());
                let first = array.as_ref().elements().as_ptr().addr();
                assert_eq!((0..2 * LARGE).map(|index| touch(first + index * 8)).sum::<usize>(), 0);
            })
            .unwrap();
    }),
    ("reads a large object that was freed", true, || {
        heap()
            .attach(|cx| {
                let first = words(cx, LARGE).as_ref().elements().as_ptr().addr();
                cx.collect();
                touch(first);
            })
            .unwrap();
    }),
    ("reads a stack's slots", false, || {
        heap()
            .attach(|cx| {
                let stack = cx.root(cx.alloc_stack::<Nodes<Node>>(64).unwrap());
                cx.collect();
                assert_eq!(touch(stack.get(cx).as_ref().slots().as_ptr().addr()), 0);
            })
            .unwrap();
    }),
    ("reads the slots of a stack that was freed", true, || {
        heap()
            .attach(|cx| {
                let slots = cx.alloc_stack::<Nodes<Node>>(64).unwrap().as_ref().slots().as_ptr().addr();
                cx.collect();
                touch(slots);
            })
            .unwrap();
    }),
    ("uses the addresses of a heap that is gone", false, || {
        let mut held = Vec::new();
        for seed in 0..64 {
            let heap = Heap::builder().base_address(spanheap::BaseAddress::Seeded(seed % 2)).build().unwrap();
            heap.attach(|cx| held.extend((0..1000).map(|value| node(cx, value).addr()))).unwrap();
        }
        let other = Heap::builder().base_address(spanheap::BaseAddress::Seeded(0)).build().unwrap();
        other.attach(|cx| assert_eq!(touch(node(cx, 3).addr()), 3)).unwrap();
    }),
];

/// The child's half: does nothing in an ordinary run.
#[test]
fn deed() {
    if let Ok(name) = std::env::var(DEED) {
        let (_, _, act) = DEEDS.iter().find(|deed| deed.0 == name).expect("a deed");
        act();
    }
}

#[test]
fn touching_what_is_no_object_is_reported() {
    for &(name, forbidden, _) in DEEDS {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "deed", "--nocapture"])
            .env(DEED, name)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stderr);
        assert_eq!(child.status.success(), !forbidden, "whoever {name}:\n{said}");
        assert_eq!(said.contains("use-after-poison"), forbidden, "whoever {name}:\n{said}");
    }
    eprintln!("figures: asan deeds={} reported={}", DEEDS.len(), DEEDS.iter().filter(|deed| deed.1).count());
}
