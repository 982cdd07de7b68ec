//! Single stores of every kind, made while a collection is under way: what they overwrite is kept by it, and what they
//! store before the roots have been scanned.
//!
//! *Callers:* `cargo test`. *Invariants:* the verifier is on; freed slots are filled, so that a node that was lost has
//! another value.

mod before_roots;
mod values;

use before_roots::before_roots;
use spanheap::{
    Ambiguous, Array, Gc, Heap, HeapBuilder, Mutator, Pair, Phase, Root, Slot, Stack, TagScheme, Tagged, Trace,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use values::{Value, Values};

#[derive(Trace)]
struct Node {
    value: usize,
    next: Slot<Node>,
}

type Family = Values<Node>;

/// A place for a reference of each kind.
#[derive(Trace)]
struct Places {
    slot: Slot<Node>,
    pair: Pair<Family>,
    tagged: Tagged,
    word: Ambiguous,
}

/// Everything that a kind of store can write to.
struct Targets {
    places: Root<Places>,
    slots: Root<Array<Slot<Node>>>,
    pairs: Root<Array<Pair<Family>>>,
    stack: Root<Stack<Family>>,
}

/// The kinds of stores.
const KINDS: usize = 7;

fn builder() -> HeapBuilder {
    let tags = TagScheme { mask: 7, tag: 1, address: !7 };
    Heap::builder().verify(true).poison(true).initial_goal(1 << 30).tags(tags)
}

fn node<'m, 'h>(cx: &'m Mutator<'h>, value: usize) -> Gc<'m, 'h, Node> {
    cx.alloc(Node { value, next: Slot::null() }).unwrap()
}

fn targets(cx: &Mutator<'_>) -> Targets {
    let places =
        Places { slot: Slot::null(), pair: Default::default(), tagged: Tagged::zero(), word: Ambiguous::zero() };
    Targets {
        places: cx.root(cx.alloc(places).unwrap()),
        slots: cx.root(cx.alloc_array(cx.array_class(), (), 3).unwrap()),
        pairs: cx.root(cx.alloc_array(cx.array_class(), (), 3).unwrap()),
        stack: cx.root(cx.alloc_stack::<Family>(3).unwrap()),
    }
}

/// Stores by one of the kinds: a node, or something that is none.
fn store<'h>(cx: &Mutator<'h>, to: &Targets, kind: usize, new: Option<Gc<'_, 'h, Node>>) {
    let (places, addr) = (to.places.get(cx), new.map_or(0, |node| node.addr()));
    let value = new.map_or(Value::Int(1 << 40), Value::Node);
    match kind {
        0 => cx.set(places, |places| &places.slot, new),
        1 => cx.set_element(to.slots.get(cx), 1, new),
        2 => cx.set_pair(places, |places| &places.pair, value),
        3 => cx.set_pair_element(to.pairs.get(cx), 1, value),
        4 => cx.set_stack_slot(to.stack.get(cx), 1, value),
        // SAFETY: the word hides this node, or nothing.
        5 => unsafe { cx.set_tagged(places, |places| &places.tagged, if addr == 0 { 0 } else { addr | 1 }) },
        _ => cx.set_ambiguous(places, |places| &places.word, if addr == 0 { 17 } else { addr + 3 }),
    }
}

/// The value of the node at an address that the heap says is an object's.
fn value_at(cx: &Mutator<'_>, addr: usize) -> usize {
    let base = cx.resolve(addr).expect("an object").slot;
    // SAFETY: the tests store nodes only.
    unsafe { Gc::<Node>::from_addr(base) }.value
}

/// The value of the node that was stored by one of the kinds.
fn stored(cx: &Mutator<'_>, from: &Targets, kind: usize) -> usize {
    let places = from.places.get(cx);
    let of = |pair: &Pair<Family>| {
        // SAFETY: one mutator writes the pairs.
        let Value::Node(node) = (unsafe { pair.decode_in() }) else { panic!("a node was stored") };
        node.value
    };
    match kind {
        0 => places.load(|places| &places.slot).unwrap().value,
        1 => from.slots.get(cx).element(1).unwrap().value,
        2 => of(&places.pair),
        3 => of(&from.pairs.get(cx).as_ref().elements()[1]),
        4 => of(&from.stack.get(cx).as_ref().slots()[1]),
        5 => value_at(cx, places.tagged.get() & !7),
        _ => value_at(cx, places.word.get()),
    }
}

#[test]
fn what_a_store_overwrites_while_marking_runs_is_kept() {
    let heap = builder().background(false).build().unwrap();
    heap.attach(|cx| {
        for kind in 0..KINDS {
            // Overwritten by nothing, and by another node that is reached anyway.
            for again in [false, true] {
                let (targets, other) = (targets(cx), cx.root(node(cx, 2)));
                store(cx, &targets, kind, Some(node(cx, 1)));
                if kind == 4 {
                    // Its slots count.
                    cx.switch_stack(Some(targets.stack.get(cx)));
                    targets.stack.get(cx).set_top(3);
                    cx.switch_stack::<Family>(None);
                }
                while cx.heap().phase() != Phase::Mark {
                    cx.step(Duration::ZERO);
                }
                // Nothing is marked yet: of the node the collector hears by the barrier alone.
                store(cx, &targets, kind, again.then(|| other.get(cx)));
                let report = loop {
                    if let Some(report) = cx.step(Duration::from_micros(20)).finished() {
                        break report;
                    }
                };
                assert_eq!(report.live_of::<Node>(), 2, "kind {kind}, another node: {again}");
                assert_eq!(cx.collect().live_of::<Node>(), 1, "it was kept for this cycle only");
            }
        }
    })
    .unwrap();
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}

#[test]
fn what_a_store_stores_before_the_roots_are_scanned_is_kept() {
    let heap = builder().build().unwrap();
    heap.attach(|cx| {
        for kind in 0..KINDS {
            // Only a register holds the node, and after the store no register does.
            let registers = cx.root(cx.alloc_stack::<Family>(4).unwrap());
            cx.switch_stack(Some(registers.get(cx)));
            // SAFETY: this mutator runs on the stack.
            unsafe { registers.get(cx).slots()[0].store_running(Value::Node(node(cx, 77))) };
            registers.get(cx).set_top(1);
            let mut black = None;
            before_roots(cx, |cx| {
                // What is made now is black: nobody looks into it in this cycle.
                let targets = targets(cx);
                // SAFETY: one mutator; the slot lies below the top.
                let Value::Node(white) = (unsafe { registers.get(cx).as_ref().slots()[0].decode_in() }) else {
                    panic!("a register holds the node");
                };
                if kind == 4 {
                    // Its slots count. Whoever leaves the registers shades them, so that for this kind the barrier is not
                    // alone.
                    cx.switch_stack(Some(targets.stack.get(cx)));
                    targets.stack.get(cx).set_top(3);
                    cx.switch_stack(Some(registers.get(cx)));
                }
                // Something that is no reference is nothing to the barrier.
                store(cx, &targets, kind, None);
                store(cx, &targets, kind, Some(white));
                // SAFETY: this mutator runs on the stack.
                unsafe { registers.get(cx).slots()[0].store_running(Value::Nil) };
                black = Some(targets);
            });
            assert_eq!(stored(cx, &black.unwrap(), kind), 77, "kind {kind}");
            cx.switch_stack::<Family>(None);
        }
    })
    .unwrap();
    assert_eq!(heap.stats().verified_cycles, heap.stats().cycles);
}

/// Stores any value by one of the kinds that take them.
fn write<'h>(cx: &Mutator<'h>, to: &Targets, kind: usize, value: Value<'_, 'h, Node>) {
    match kind {
        2 => cx.set_pair(to.places.get(cx), |places| &places.pair, value),
        _ => cx.set_pair_element(to.pairs.get(cx), 1, value),
    }
}

#[test]
fn a_value_that_looks_like_an_address_keeps_nothing() {
    let heap = builder().background(false).build().unwrap();
    heap.attach(|cx| {
        let targets = targets(cx);
        for kind in [2, 3] {
            let addr = node(cx, 1).addr();
            write(cx, &targets, kind, Value::Int(addr));
            while cx.heap().phase() != Phase::Mark {
                cx.step(Duration::ZERO);
            }
            // What is overwritten is no reference.
            write(cx, &targets, kind, Value::Int(5));
            let report = loop {
                if let Some(report) = cx.step(Duration::from_micros(20)).finished() {
                    break report;
                }
            };
            assert_eq!(report.live_of::<Node>(), 0);
        }
    })
    .unwrap();
}

#[test]
fn a_slot_outside_the_object_is_refused() {
    let heap = builder().background(false).build().unwrap();
    heap.attach(|cx| {
        let places = targets(cx).places.get(cx);
        let refused = |work: &dyn Fn()| catch_unwind(AssertUnwindSafe(work)).is_err();
        let slot: &Slot<Node> = Box::leak(Box::new(Slot::null()));
        let pair: &Pair<Family> = Box::leak(Box::default());
        let tagged: &Tagged = Box::leak(Box::new(Tagged::zero()));
        let word: &Ambiguous = Box::leak(Box::new(Ambiguous::zero()));
        let new = node(cx, 1);
        assert!(refused(&|| cx.set(places, |_| slot, Some(new))));
        assert!(refused(&|| cx.set_pair(places, |_| pair, Value::Node(new))));
        // SAFETY: the word hides a live object.
        assert!(refused(&|| unsafe { cx.set_tagged(places, |_| tagged, new.addr() | 1) }));
        assert!(refused(&|| cx.set_ambiguous(places, |_| word, new.addr())));
        assert_eq!((tagged.get(), word.get()), (0, 0), "nothing has been stored");
    })
    .unwrap();
}
