//! When collections start, how far the heap grows, who pays, and what is told near the limits.
//!
//! *Callers:* `cargo test`. *Invariants:* the arithmetic has its own tests and simulations (`collector::pacer`); these
//! hold the heap that uses it to what a host can see.

use spanheap::{Array, Event, Gc, Heap, HeapBuilder, Mutator, Pressure, Root, Slot, Trace};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Trace)]
struct Node {
    next: Slot<Node>,
    _payload: [u64; 7],
}

type Table = Array<Slot<Node>>;

/// Bytes of a node's slot.
const NODE: usize = 64;

/// A table of `live` bytes of nodes.
fn fill(cx: &mut Mutator<'_>, live: usize) -> Root<Table> {
    let table = cx.root(cx.alloc_array(cx.array_class(), (), live / NODE).unwrap());
    (0..live / NODE).for_each(|at| replace(cx, &table, at));
    table
}

fn replace(cx: &mut Mutator<'_>, table: &Root<Table>, at: usize) {
    let node = cx.alloc(Node { next: Slot::null(), _payload: [at as u64; 7] }).unwrap();
    cx.set_element(table.get(cx), at, Some(node));
    cx.safepoint();
}

/// Replaces nodes in turn until `cycles` more cycles have begun. Returns the most bytes that the heap has had in use.
fn churn(heap: &Heap, cx: &mut Mutator<'_>, table: &Root<Table>, cycles: u64) -> usize {
    let (len, until) = (table.get(cx).len(), cx.cycle_number() + cycles);
    let (mut at, mut most) = (0, 0);
    while cx.cycle_number() < until {
        for _ in 0..1024 {
            replace(cx, table, at % len);
            at += 7919;
        }
        most = most.max(heap.counts().live_bytes as usize);
    }
    most
}

fn heap(build: impl FnOnce(HeapBuilder) -> HeapBuilder) -> Heap {
    build(Heap::builder().initial_goal(1 << 20)).build().unwrap()
}

#[test]
fn mutators_that_allocate_while_a_cycle_marks_pay_for_it() {
    let heap = heap(|builder| builder.background(false).growth_percent(50));
    heap.attach(|cx| {
        let table = fill(cx, 16 << 20);
        let live = cx.collect().live_bytes as usize;
        let most = churn(&heap, cx, &table, 8);
        assert!(heap.stats().assist_time > Duration::ZERO, "nobody else was there to mark");
        // Half as much again is the goal; what marking was going on for comes on top, and it is bounded.
        assert!(most < live * 2, "{most} bytes in use, {live} live");
    })
    .unwrap();
}

#[test]
fn memory_that_is_worth_less_is_used_less() {
    let most = |bytes_per_core| {
        let heap = heap(|builder| builder.growth_square_root(bytes_per_core));
        heap.attach(|cx| {
            let table = fill(cx, 8 << 20);
            cx.collect();
            churn(&heap, cx, &table, 12)
        })
        .unwrap()
    };
    let (small, large) = (most(1 << 20), most(1 << 28));
    assert!(small < large, "{small} and {large} bytes");
}

type Told = Arc<Mutex<Vec<Pressure>>>;

fn told() -> (Told, Arc<dyn spanheap::Listener>) {
    let told = Told::default();
    let hears = Arc::clone(&told);
    let listen = move |event: &Event| {
        if let Event::Pressure { pressure, .. } = *event {
            hears.lock().unwrap().push(pressure);
        }
    };
    (told, Arc::new(listen))
}

#[test]
fn a_soft_limit_holds_the_heap_down_and_says_so() {
    let (told, listener) = told();
    let soft = 20 << 20;
    let heap = heap(|builder| builder.growth_square_root(1 << 30).soft_limit(soft).on_event(listener));
    heap.attach(|cx| {
        let table = fill(cx, 12 << 20);
        cx.collect();
        churn(&heap, cx, &table, 6);
        // On a machine that has little time for this test, collecting may be too dear.
        let overloaded = heap.pressure() == Pressure::Overloaded;
        let goal = heap.stats().goal_bytes as usize;
        assert!(goal <= soft || overloaded, "a goal of {goal} bytes");
    })
    .unwrap();
    let told = told.lock().unwrap();
    assert_eq!(told.first(), Some(&Pressure::AtSoftLimit));
    assert_eq!(told.last(), Some(&heap.pressure()), "what is told is what is: {told:?}");
}

#[test]
fn a_heap_that_frees_nothing_says_that_collecting_is_not_worth_it() {
    let heap = heap(|builder| builder.limit(8 << 20));
    heap.attach(|cx| {
        assert!(heap.is_worth_collecting(), "nothing is known yet");
        let list = cx.root(cx.alloc(Node { next: Slot::null(), _payload: [0; 7] }).unwrap());
        let mut collections = 0;
        // As an interpreter does it: collect when nothing fits, as long as that is worth it.
        loop {
            let next = cx.alloc(Node { next: Slot::null(), _payload: [1; 7] });
            match next {
                Ok(node) => {
                    let head: Gc<'_, '_, Node> = list.get(cx);
                    cx.set(node, |node| &node.next, head.load(|node| &node.next));
                    cx.set(head, |node| &node.next, Some(node));
                }
                Err(_) if heap.is_worth_collecting() => {
                    cx.collect();
                    collections += 1;
                }
                Err(_) => break,
            }
            assert!(collections < 1000, "it collects for ever");
        }
        assert_eq!(heap.pressure(), Pressure::Exhausted);
        assert!(collections >= 1);
        // Memory that comes free is found again.
        drop(list);
        std::thread::sleep(Duration::from_millis(50));
        assert!(heap.is_worth_collecting());
        cx.collect();
        assert!(cx.alloc(Node { next: Slot::null(), _payload: [2; 7] }).is_ok());
    })
    .unwrap();
}
