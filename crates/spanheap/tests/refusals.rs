//! Allocations that fail on purpose: of every kind, at every place of a small program, and what the heap is like afterwards.
//!
//! *Callers:* `cargo test`. *Invariants:* every heap verifies each cycle and poisons what it frees, so that a failure that
//! leaves anything half done shows. The program checks all that it has made so far whenever it fails.

use spanheap::{AllocError, AmbiguousWords, Array, Data, Heap, HeapBuilder, Mutator, NotPrepared, Root, Slot, Stack};
use spanheap::{StackError, Trace};
use std::sync::Barrier;

/// A list of everything that the program makes.
#[derive(Trace)]
struct Node {
    next: Slot<Node>,
    words: Slot<Array<Data<u64>>>,
    bytes: Slot<Array<u8>>,
    nodes: Slot<Array<Slot<Node>>>,
    stack: Slot<Stack<AmbiguousWords>>,
    rare: Slot<Rare>,
    number: u64,
}

#[derive(Trace)]
#[trace(rare)]
struct Rare {
    node: Slot<Node>,
    number: u64,
}

/// Elements of an array of 8 bytes each that is a large object.
const LARGE: usize = 5000;

fn prepared() -> HeapBuilder {
    Heap::builder().verify(true).poison(true).fail_allocation(Some(0))
}

fn memory(error: StackError) -> AllocError {
    match error {
        StackError::Alloc(error) => error,
        StackError::Overflow(error) => panic!("{error}"),
    }
}

fn node<'h>(cx: &Mutator<'h>, list: &Root<Node>, number: u64) -> Result<(), AllocError> {
    let slots = (Slot::null(), Slot::null(), Slot::null());
    let (words, bytes, nodes) = slots;
    let (next, stack, rare) = (Slot::null(), Slot::null(), Slot::null());
    let new = cx.alloc(Node { next, words, bytes, nodes, stack, rare, number })?;
    let head = list.get(cx);
    cx.set(new, |n| &n.next, head.load(|n| &n.next));
    cx.set(head, |n| &n.next, Some(new));
    Ok(())
}

/// Makes some objects of every kind. Stops at the first failure, with what there is in the list.
fn program(cx: &mut Mutator<'_>, list: &Root<Node>) -> Result<(), AllocError> {
    for number in 1..=6 {
        node(cx, list, number)?;
        let top = list.get(cx).load(|n| &n.next).expect("one was added");
        // Small, of several sizes; large at last.
        let len = if number == 6 { LARGE } else { 3 << number };
        let words = cx.alloc_array_with(cx.array_class::<u64, ()>(), (), 3, |w| w.fill(number))?;
        assert_eq!(words.elements(), [number; 3]);
        let words = cx.alloc_array(cx.array_class::<Data<u64>, ()>(), (), len)?;
        words.elements().iter().for_each(|word| word.set(number));
        cx.set(top, |n| &n.words, Some(words));
        cx.set(top, |n| &n.bytes, Some(cx.alloc_bytes(&[number as u8; 40][..number as usize])?));
        // Of a mixed span.
        let rare = cx.alloc(Rare { node: Slot::null(), number })?;
        cx.set(rare, |r| &r.node, Some(top));
        cx.set(top, |n| &n.rare, Some(rare));
        let nodes = cx.alloc_array(cx.array_class::<Slot<Node>, ()>(), (), 2)?;
        cx.set_element(nodes, 1, Some(top));
        cx.set(top, |n| &n.nodes, Some(nodes));
        // A stack and a larger block for it.
        let stack = cx.alloc_stack::<AmbiguousWords>(4).map_err(memory)?;
        cx.set(top, |n| &n.stack, Some(stack));
        cx.grow_stack(stack, 1000, |_, _| ()).map_err(memory)?;
        cx.safepoint();
    }
    // Growth in place: of a large object that nothing lies behind.
    let top = list.get(cx).load(|n| &n.next).expect("some were added");
    let words = top.load(|n| &n.words).expect("it has words");
    if cx.grow_array(words, LARGE + 2000)? {
        words.elements()[LARGE..].iter().for_each(|word| word.set(6));
    }
    let bytes = cx.alloc_bytes(&[6; 50_000])?;
    cx.set(top, |n| &n.bytes, Some(bytes));
    cx.append(bytes, &[6; 10_000])?;
    // Where the layout is one that has no Rust type.
    let layout = cx.register_layout("raw", spanheap::TypeLayout::leaf::<[u64; 5]>(), None).map_err(AllocError::from)?;
    cx.alloc_raw(layout, 0)?;
    Ok(())
}

/// Everything in the list is as it was made, as far as that went. Returns how many nodes there are.
fn check(cx: &Mutator<'_>, list: &Root<Node>) -> usize {
    let (mut count, mut next) = (0, list.get(cx).load(|n| &n.next));
    while let Some(node) = next {
        let number = node.number;
        if let Some(words) = node.load(|n| &n.words) {
            assert!(words.elements().iter().all(|word| word.get() == number));
        }
        if let Some(bytes) = node.load(|n| &n.bytes) {
            assert!(bytes.elements().iter().all(|&byte| u64::from(byte) == number));
        }
        if let Some(rare) = node.load(|n| &n.rare) {
            assert_eq!(rare.number, number);
            assert_eq!(rare.load(|r| &r.node), Some(node));
        }
        if let Some(nodes) = node.load(|n| &n.nodes) {
            assert_eq!(nodes.element(1), Some(node));
        }
        (count, next) = (count + 1, node.load(|n| &n.next));
    }
    count
}

fn new_list<'h>(cx: &Mutator<'h>) -> Root<Node> {
    let list = cx.alloc(Node {
        next: Slot::null(),
        words: Slot::null(),
        bytes: Slot::null(),
        nodes: Slot::null(),
        stack: Slot::null(),
        rare: Slot::null(),
        number: 0,
    });
    cx.root(list.unwrap())
}

/// Refuses each allocation of the program, and `count - 1` after it, in heaps made by `builder`. Returns how many there are.
fn refuse_each(builder: impl Fn() -> HeapBuilder, count: u64) -> u64 {
    let heap = builder().build().unwrap();
    let total = heap.attach(|cx| {
        let list = new_list(cx);
        let before = heap.allocations_counted();
        program(cx, &list).unwrap();
        assert_eq!(check(cx, &list), 6);
        heap.allocations_counted() - before
    });
    let total = total.unwrap();
    for n in 1..=total {
        let heap = builder().build().unwrap();
        let outcome = heap.attach(|cx| {
            let list = new_list(cx);
            program(cx, &list).unwrap();
            heap.fail_allocations(n, count).unwrap();
            let counted = heap.allocations_counted();
            let error = program(cx, &list).unwrap_err();
            assert!(matches!(error, AllocError::Limit { limit: usize::MAX, .. }), "{n}: {error}");
            assert_eq!((heap.allocations_counted() - counted, heap.allocations_refused()), (n, 1), "{n}");
            // Nothing that there was is lost, and a collection (which verifies) finds it in order.
            let nodes = check(cx, &list);
            assert!((6..=12).contains(&nodes), "{n}: {nodes} nodes");
            cx.collect();
            assert_eq!(check(cx, &list), nodes, "{n}");
            // Once all that were to fail have, everything succeeds again.
            for refused in 2..=count {
                assert!(cx.alloc_bytes(b"refused").is_err());
                assert_eq!(heap.allocations_refused(), refused);
            }
            program(cx, &list).unwrap();
            assert_eq!(check(cx, &list), nodes + 6, "{n}");
            assert_eq!(heap.allocations_refused(), count);
            drop(list);
            assert_eq!(cx.collect().live_objects, 0, "{n}");
        });
        outcome.unwrap();
        let stats = heap.stats();
        assert_eq!(stats.span_bytes, 0, "{n}");
        assert!(stats.verified_cycles >= 2);
    }
    total
}

#[test]
fn every_allocation_of_a_program_may_fail() {
    let total = refuse_each(|| prepared().ignore_cgroup_limit(true), 1);
    // A node, six objects, a stack and its two blocks for each of six; then what grows, what is appended to, and a raw one.
    assert!(total >= 6 * 9 + 3, "{total} allocations");
    assert_eq!(refuse_each(|| prepared().ignore_cgroup_limit(true), 3), total, "whoever tries again may fail again");
}

#[test]
fn allocations_fail_while_the_heap_is_collected() {
    refuse_each(|| prepared().ignore_cgroup_limit(true).collect_every(Some(2)), 1);
    refuse_each(|| prepared().ignore_cgroup_limit(true).collect_every(Some(5)).background(false), 2);
}

#[test]
fn the_builder_names_one_and_a_handle_another() {
    let heap = Heap::builder().fail_allocation(Some(3)).build().unwrap();
    heap.attach(|cx| {
        let outcomes =
            |cx: &Mutator<'_>, count: usize| (0..count).map(|_| cx.alloc_bytes(b"some").is_ok()).collect::<Vec<_>>();
        assert_eq!(outcomes(cx, 5), [true, true, false, true, true]);
        assert_eq!((heap.allocations_counted(), heap.allocations_refused()), (5, 1));
        heap.fail_allocation(Some(1)).unwrap();
        assert_eq!(outcomes(cx, 2), [false, true]);
        heap.fail_allocation(Some(2)).unwrap();
        heap.fail_allocation(None).unwrap();
        assert_eq!(outcomes(cx, 3), [true; 3]);
        heap.fail_allocations(2, 2).unwrap();
        assert_eq!(outcomes(cx, 4), [true, false, false, true]);
        heap.fail_allocations(2, 0).unwrap();
        assert_eq!(outcomes(cx, 3), [true; 3]);
        heap.fail_allocations(1, u64::MAX).unwrap();
        assert_eq!(outcomes(cx, 3), [false; 3]);
        heap.fail_allocation(Some(0)).unwrap();
        assert_eq!(outcomes(cx, 1), [true]);
        assert_eq!((heap.allocations_counted(), heap.allocations_refused()), (21, 7));
    })
    .unwrap();
}

#[test]
fn a_heap_without_the_option_says_so() {
    let heap = Heap::new().unwrap();
    assert_eq!(heap.fail_allocation(Some(1)), Err(NotPrepared));
    assert_eq!(heap.fail_allocations(1, 2), Err(NotPrepared));
    assert_eq!(NotPrepared.to_string(), "the heap was made without HeapBuilder::fail_allocation");
    heap.attach(|cx| cx.alloc_bytes(b"some").unwrap().len()).unwrap();
    assert_eq!((heap.allocations_counted(), heap.allocations_refused()), (0, 0));
}

#[test]
fn allocations_of_all_mutators_are_counted_together() {
    const EACH: u64 = 1000;
    let heap = prepared().build().unwrap();
    heap.fail_allocations(EACH, 10).unwrap();
    let barrier = Barrier::new(2);
    let failed: u64 = std::thread::scope(|scope| {
        let work = || {
            barrier.wait();
            heap.attach(|cx| (0..EACH).filter(|_| cx.alloc_bytes(b"some").is_err()).count() as u64).unwrap()
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((failed, heap.allocations_counted(), heap.allocations_refused()), (10, 2 * EACH, 10));
}
